import {
  to = idp_module_status.nodejs_1_0
  id = "golden/api/nodejs@1.0.0"
}
