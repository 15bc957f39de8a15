output "url" {
  description = "Where the checkout service is reached."
  value       = idp_service.checkout.url
}

output "commit" {
  description = "The commit that brought it into being."
  value       = idp_service.checkout.gitops.commit
}

output "golden_path" {
  description = "Which version of which golden path it uses, and whose key signed it."
  value       = idp_service.checkout.golden_path
}
