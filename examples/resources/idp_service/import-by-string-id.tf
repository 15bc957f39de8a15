import {
  to = idp_service.checkout
  id = "staging/checkout"
}
