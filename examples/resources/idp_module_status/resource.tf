# One version: everybody who still uses it is told with each plan, and from the sunset on nothing new may.
resource "idp_module_status" "nodejs_1_0" {
  module      = "golden/api/nodejs"
  version     = "1.0.0"
  state       = "deprecated"
  reason      = "Node.js 18 is out of support"
  replacement = "golden/api/nodejs 1.1.0"
  contact     = "#platform"
  sunset      = "2027-01-31"
}

# A module as a whole.
resource "idp_module_status" "old_network" {
  module      = "acme/network/aws"
  state       = "yanked"
  reason      = "acme/vpc/aws took its place"
  replacement = "acme/vpc/aws"
}
