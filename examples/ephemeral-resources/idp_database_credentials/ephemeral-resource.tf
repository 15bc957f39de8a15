resource "idp_database" "orders" {
  name        = "orders"
  environment = "staging"
  owner       = "payments"
  engine      = "postgres"
}

# A login that ends with the run; it is in no plan and in no state.
ephemeral "idp_database_credentials" "migrations" {
  connection_id = idp_database.orders.connection_id
  privilege     = "migrate"
  ttl           = "15m"
}

# Runs when the database is there, and again whenever the file changes. What a provisioner gets in its environment is
# stored nowhere, and Terraform keeps what it says to itself.
resource "terraform_data" "schema" {
  triggers_replace = [idp_database.orders.connection_id, filesha256("${path.module}/schema.sql")]

  provisioner "local-exec" {
    command = "psql --no-psqlrc --set=ON_ERROR_STOP=1 --single-transaction --file=${path.module}/schema.sql"

    environment = {
      PGHOST     = ephemeral.idp_database_credentials.migrations.host
      PGPORT     = ephemeral.idp_database_credentials.migrations.port
      PGDATABASE = ephemeral.idp_database_credentials.migrations.database
      PGUSER     = ephemeral.idp_database_credentials.migrations.username
      PGPASSWORD = ephemeral.idp_database_credentials.migrations.password
    }
  }
}
