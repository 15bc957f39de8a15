resource "idp_service" "checkout" {
  name        = "checkout"
  environment = "staging"
  owner       = "payments"

  # The golden path golden/api/nodejs, any 1.x from 1.0 on.
  template            = "api"
  language            = "nodejs"
  golden_path_version = "~> 1.0"

  image = "ghcr.io/acme/checkout@sha256:5e8b7c1d9a3f2b4c6d8e0f1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e"
  port  = 8080
  size  = "small"

  replicas = {
    min = 2
    max = 6
  }

  env = {
    LOG_LEVEL = "info"
  }

  slo = {
    availability = 99.9
    latency = {
      threshold = "250ms"
      target    = 99
    }
  }
}

output "checkout_url" {
  value = idp_service.checkout.url
}
