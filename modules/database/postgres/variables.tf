variable "name" {
  description = "Name of the database: a DNS label of at most 40 characters. On its server, dashes become underscores."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$", var.name))
    error_message = "The name must begin with a letter, use lower-case letters, digits and dashes, not end in a dash, and have at most 40 characters."
  }
}

variable "environment" {
  description = "Where it is, such as staging."
  type        = string
  nullable    = false
}

variable "owner" {
  description = "The team that owns it."
  type        = string
  nullable    = false
}

variable "size" {
  description = "How much of its server it may use: small, medium or large."
  type        = string
  default     = "small"

  validation {
    condition     = contains(["small", "medium", "large"], var.size)
    error_message = "The size must be small, medium or large."
  }
}

variable "extensions" {
  description = "Extensions to have, such as pg_trgm; the environment says which may be asked for."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for name in var.extensions : can(regex("^[a-z][a-z0-9_-]{0,62}$", name))])
    error_message = "Extensions are named as CREATE EXTENSION takes them, such as pg_trgm or uuid-ossp."
  }
}

variable "connection_limit" {
  description = "Most connections at once, of all roles together. Unset takes the default of the size."
  type        = number
  default     = null

  validation {
    condition     = try(var.connection_limit >= 5 && var.connection_limit <= 400 && floor(var.connection_limit) == var.connection_limit, true)
    error_message = "connection_limit must be a whole number from 5 to 400; a size may allow fewer."
  }
}

variable "statement_timeout" {
  description = "Longest that a statement may run, from 1s to 10m. Unset takes 30s; migrations have no limit."
  type        = string
  default     = null

  validation {
    condition     = var.statement_timeout == null || can(regex("^[1-9][0-9]*(ms|s|m)$", var.statement_timeout))
    error_message = "statement_timeout is written like 30s."
  }
}

variable "deletion_policy" {
  description = "What becomes of the data on a destroy: delete, or retain, which leaves it on its server."
  type        = string
  default     = "delete"

  validation {
    condition     = contains(["delete", "retain"], var.deletion_policy)
    error_message = "deletion_policy must be delete or retain."
  }
}

variable "final_dump" {
  description = "Whether a destroy first writes a dump on the server."
  type        = bool
  default     = false
}

variable "rotation" {
  description = "Gives every consumer new credentials when its trigger changes."
  type = object({
    trigger = string
  })
  default = null
}

variable "parameters" {
  description = "What only this golden path knows; README.md lists them. Checked at plan by the path itself."
  type        = any
  default     = null
}

variable "deletion_protection" {
  description = "Whether a destroy is refused. Turn it off in an apply of its own before you destroy."
  type        = bool
  default     = true
}
