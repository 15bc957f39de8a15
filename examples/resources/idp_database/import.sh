# The id is <environment>/<name>.
terraform import idp_database.orders staging/orders
