# The id is <environment>/<name>.
terraform import idp_service.checkout staging/checkout
