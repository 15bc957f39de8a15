# A configuration that uses no other idp resource: this is what makes the provider verify its modules.
data "idp_verification" "modules" {
  deny = ["not_locked", "past_sunset", "unknown_registry", "unsigned"]
}

output "deprecated" {
  value = {
    for found in data.idp_verification.modules.modules :
    "${found.address} ${found.version}" => found.sunset if found.verdict == "deprecated"
  }
}
