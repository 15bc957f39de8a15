data "idp_golden_path" "api" {
  template           = "api"
  language           = "nodejs"
  version_constraint = "~> 1.0"
}

output "version" {
  value = data.idp_golden_path.api.version
}

output "parameters" {
  value = jsondecode(data.idp_golden_path.api.inputs_json)
}
