resource "idp_service" "this" {
  name        = var.name
  environment = var.environment
  owner       = var.owner

  # This module is the golden path: its version and the path's are the same.
  template            = "api"
  language            = "nodejs"
  golden_path_version = "1.1.0"

  image        = var.image
  image_source = var.image_source
  port         = var.port
  size         = var.size
  replicas     = var.replicas
  env          = var.env
  uses         = var.uses
  slo          = var.slo
  parameters   = var.parameters

  deletion_protection = var.deletion_protection
}
