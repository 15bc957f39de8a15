data "idp_service" "checkout" {
  environment = "staging"
  name        = "checkout"
}

output "image" {
  value = data.idp_service.checkout.running_image
}
