resource "idp_database" "this" {
  name        = var.name
  environment = var.environment
  owner       = var.owner

  # This module is the golden path: its version and the path's are the same.
  engine              = "postgres"
  golden_path_version = "1.0.0"

  size              = var.size
  extensions        = var.extensions
  connection_limit  = var.connection_limit
  statement_timeout = var.statement_timeout
  deletion_policy   = var.deletion_policy
  final_dump        = var.final_dump
  rotation          = var.rotation
  parameters        = var.parameters

  deletion_protection = var.deletion_protection
}
