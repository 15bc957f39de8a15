# A login that lives as long as this run: Terraform opens it, renews it, and closes it at the end.
ephemeral "idp_database_credentials" "migration" {
  connection_id = idp_database.orders.connection_id
  privilege     = "migrate"
}

resource "terraform_data" "migration" {
  triggers_replace = filesha256("${path.module}/schema.sql")

  provisioner "local-exec" {
    command = "psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --file schema.sql"

    environment = {
      PGHOST     = ephemeral.idp_database_credentials.migration.host
      PGPORT     = ephemeral.idp_database_credentials.migration.port
      PGDATABASE = ephemeral.idp_database_credentials.migration.database
      PGUSER     = ephemeral.idp_database_credentials.migration.username
      PGPASSWORD = ephemeral.idp_database_credentials.migration.password
    }
  }
}
