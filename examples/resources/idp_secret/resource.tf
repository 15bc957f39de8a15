variable "stripe_key" {
  description = "Key of the payment provider. Its value reaches the platform and is stored nowhere else."
  type        = string
  sensitive   = true
  ephemeral   = true
}

# A value that someone has: raise its version to replace it.
resource "idp_secret" "stripe" {
  name        = "stripe"
  environment = "staging"
  owner       = "payments"

  value_wo         = var.stripe_key
  value_wo_version = 1
}

# A value that nobody ever has to see: the platform makes it, and makes it anew when the trigger changes.
resource "idp_secret" "session" {
  name        = "session"
  environment = "staging"
  owner       = "payments"

  generate = {
    length  = 48
    symbols = false
  }

  rotation = {
    trigger = "2026-q4"
  }

  deletion_protection = true
}

resource "idp_service" "checkout" {
  name        = "checkout"
  environment = "staging"
  owner       = "payments"
  template    = "api"
  language    = "nodejs"
  image       = "ghcr.io/acme/checkout@sha256:5e8b7c1d9a3f2b4c6d8e0f1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e"
  port        = 8080

  uses = {
    stripe = { resource = idp_secret.stripe.id }
  }
}
