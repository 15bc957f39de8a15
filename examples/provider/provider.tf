terraform {
  required_version = ">= 1.8"

  required_providers {
    idp = {
      source = "registry.example.com/platform/idp"
    }
  }
}

provider "idp" {
  endpoint = "https://registry.example.com"
  # The token comes from the environment variable IDP_TOKEN.
  # idp.policy in this folder, from `idp trust`, says on whose word modules are believed.
}
