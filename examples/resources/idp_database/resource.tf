resource "idp_database" "orders" {
  name        = "orders"
  environment = "staging"
  owner       = "payments"

  # The golden path golden/database/postgres, any 1.x from 1.0 on.
  engine              = "postgres"
  golden_path_version = "~> 1.0"

  size              = "small"
  extensions        = ["pg_trgm"]
  connection_limit  = 40
  statement_timeout = "30s"

  # The first two are the defaults: nobody drops the database without saying so twice.
  deletion_protection = true
  deletion_policy     = "delete"
  final_dump          = true

  # Another text gives every service that uses the database new credentials.
  rotation = {
    trigger = "2026-q4"
  }
}

resource "idp_service" "checkout" {
  name        = "checkout"
  environment = "staging"
  owner       = "payments"
  template    = "api"
  language    = "nodejs"
  image       = "ghcr.io/acme/checkout@sha256:5e8b7c1d9a3f2b4c6d8e0f1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e"
  port        = 8080

  # The service gets a login of its own, and is made after the database.
  uses = {
    orders = {
      resource = idp_database.orders.id
      access   = "write"
    }
  }
}
