# The interface is not what these tests are about.
