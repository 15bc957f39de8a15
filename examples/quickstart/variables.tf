variable "image" {
  description = "The image that both services run, by digest."
  type        = string
  default     = "ghcr.io/acme/shop@sha256:4bc453b53cb3d914b45f4b250294236adba2c0e09ff6f03793949e7e39fd4cc1"

  validation {
    condition     = can(regex("@sha256:[0-9a-f]{64}$", var.image))
    error_message = "Name the image by its digest: …@sha256:…"
  }
}
