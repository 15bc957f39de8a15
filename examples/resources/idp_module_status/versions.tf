terraform {
  required_version = ">= 1.8"

  required_providers {
    idp = {
      source = "registry.example.com/platform/idp"
    }
  }
}
