output "id" {
  description = "Identifier of the database, which uses of a service takes: database/environment/name."
  value       = idp_database.this.id
}

output "host" {
  description = "Host of its server, as applications reach it."
  value       = idp_database.this.host
}

output "port" {
  description = "Port of its server."
  value       = idp_database.this.port
}

output "database" {
  description = "Its name on the server."
  value       = idp_database.this.database
}

output "owner_role" {
  description = "The role that owns it; nobody logs in as it."
  value       = idp_database.this.owner_role
}

output "secret_ref" {
  description = "Where its credentials are in the platform's secret store; never what they are."
  value       = idp_database.this.secret_ref
}

output "connection_id" {
  description = "Names it in ephemeral \"idp_database_credentials\"."
  value       = idp_database.this.connection_id
}

output "engine_version" {
  description = "Version of its server."
  value       = idp_database.this.engine_version
}

output "golden_path" {
  description = "The golden path in use: address, version, sha256, publisher."
  value       = idp_database.this.golden_path
}

output "catalog_ref" {
  description = "The database's entity in the catalogue."
  value       = idp_database.this.catalog_ref
}

output "gitops" {
  description = "Where its files are: repository, commit, path."
  value       = idp_database.this.gitops
}
