# The id is <environment>/<name>. The value is not part of an import.
terraform import idp_secret.stripe staging/stripe
