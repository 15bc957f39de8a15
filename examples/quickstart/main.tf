# What an application team writes. The hostname is the registry's own; where it is reached on this machine says the
# `host` block of the CLI configuration that `run` writes.

terraform {
  required_version = ">= 1.8"

  required_providers {
    idp = {
      source  = "registry.example.com/platform/idp"
      version = "~> 0.1"
    }
  }
}

# Endpoint and token come from the environment: IDP_ENDPOINT and IDP_TOKEN.
provider "idp" {}

# A real database. By default databases are protected: destroying one takes deletion_protection = false first. This
# one is for play.
resource "idp_database" "orders" {
  name        = "orders"
  environment = "staging"
  owner       = "payments"
  engine      = "postgres"
  extensions  = ["pgcrypto"]

  deletion_protection = false
}

# A golden path as a resource. What it uses gets it a login of its own, whose password no plan, state or log ever holds.
resource "idp_service" "checkout" {
  name        = "checkout"
  environment = "staging"
  owner       = "payments"
  template    = "api"
  language    = "nodejs"
  image       = var.image
  port        = 8080

  env = {
    CURRENCY  = "EUR"
    LOG_LEVEL = "info"
  }

  uses = {
    orders = { resource = idp_database.orders.id, access = "write" }
  }

  slo = {
    availability = 99.9
    latency      = { threshold = "250ms", target = 99 }
  }
}

# The same golden path as a module from the registry.
module "basket" {
  source  = "registry.example.com/golden/api/nodejs"
  version = "~> 1.0"

  name        = "basket"
  environment = "staging"
  owner       = "payments"
  image       = var.image
  port        = 8080
}
