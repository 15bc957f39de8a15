import {
  to = idp_secret.stripe
  id = "staging/stripe"
}
