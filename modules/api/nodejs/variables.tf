variable "name" {
  description = "Name of the service: a DNS label of at most 40 characters."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$", var.name))
    error_message = "The name must begin with a letter, use lower-case letters, digits and dashes, not end in a dash, and have at most 40 characters."
  }
}

variable "environment" {
  description = "Where it runs, such as staging."
  type        = string
  nullable    = false
}

variable "owner" {
  description = "The team that owns it."
  type        = string
  nullable    = false
}

variable "image" {
  description = "Container image; production wants a digest: ghcr.io/acme/checkout@sha256:…"
  type        = string
  nullable    = false
}

variable "image_source" {
  description = "Who moves the image after creation: terraform, or a pipeline with idp deploy."
  type        = string
  default     = "terraform"

  validation {
    condition     = contains(["terraform", "pipeline"], var.image_source)
    error_message = "image_source must be terraform or pipeline."
  }
}

variable "port" {
  description = "Port the server listens on, from 1024 to 65535; 9464 is taken by metrics."
  type        = number
  default     = 8080

  validation {
    condition     = var.port >= 1024 && var.port <= 65535 && var.port != 9464
    error_message = "The port must be from 1024 to 65535, as the container is not root, and not 9464, where metrics are."
  }
}

variable "size" {
  description = "CPU and memory of one replica: small, medium or large."
  type        = string
  default     = "small"

  validation {
    condition     = contains(["small", "medium", "large"], var.size)
    error_message = "The size must be small, medium or large."
  }
}

variable "replicas" {
  description = "Bounds of the autoscaler. Unset takes the defaults of the environment's tier."
  type = object({
    min = number
    max = number
  })
  default = null

  validation {
    condition     = try(var.replicas.min >= 1 && var.replicas.max >= var.replicas.min, true)
    error_message = "replicas.min must be at least 1, and replicas.max at least replicas.min."
  }
}

variable "env" {
  description = "Plain configuration, never secrets: it is committed to git."
  type        = map(string)
  default     = {}
}

variable "uses" {
  description = "Databases and secrets that it uses, by the name under which it knows them: the id of an idp_database with read, write or migrate, or the id of an idp_secret."
  type = map(object({
    resource = string
    access   = optional(string)
  }))
  default = null

  validation {
    condition     = try(alltrue([for alias, used in var.uses : can(regex("^[a-z]([a-z0-9-]{0,18}[a-z0-9])?$", alias))]), true)
    error_message = "Each is known under 1 to 20 lower-case letters, digits and dashes, beginning with a letter."
  }

  validation {
    condition     = try(alltrue([for used in var.uses : contains(["read", "write", "migrate"], coalesce(used.access, "read"))]), true)
    error_message = "access must be read, write or migrate."
  }
}

variable "slo" {
  description = "What users are promised over 30 days. Unset takes the defaults of the environment's tier."
  type = object({
    availability = optional(number)
    latency = optional(object({
      threshold = string
      target    = number
    }))
  })
  default = null
}

variable "parameters" {
  description = "What only this golden path knows; README.md lists them. Checked at plan by the path itself."
  type        = any
  default     = null
}

variable "deletion_protection" {
  description = "Whether a destroy is refused."
  type        = bool
  default     = false
}
