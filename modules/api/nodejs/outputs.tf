output "id" {
  description = "Identifier of the service: environment/name."
  value       = idp_service.this.id
}

output "url" {
  description = "Where the service is reached. Null where the Gateway does not route to it."
  value       = idp_service.this.url
}

output "golden_path" {
  description = "The golden path in use: address, version, sha256, publisher."
  value       = idp_service.this.golden_path
}

output "catalog_ref" {
  description = "The service's entity in the catalogue."
  value       = idp_service.this.catalog_ref
}

output "gitops" {
  description = "Where its files are: repository, commit, path."
  value       = idp_service.this.gitops
}

output "running_image" {
  description = "The image that runs, which a pipeline may have moved."
  value       = idp_service.this.running_image
}
