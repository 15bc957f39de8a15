# The id is <namespace>/<name>/<system>@<version>, or without the version for a module as a whole.
terraform import idp_module_status.nodejs_1_0 golden/api/nodejs@1.0.0
