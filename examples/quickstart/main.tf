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

# A golden path as a resource.
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
