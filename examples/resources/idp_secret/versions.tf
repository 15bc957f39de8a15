terraform {
  required_version = ">= 1.11"

  required_providers {
    idp = {
      source = "registry.example.com/platform/idp"
    }
  }
}
