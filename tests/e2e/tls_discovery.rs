//! Terraform finds the registry by itself, over TLS, as it would on the internet.

use tests::{Platform, Provider, Workspace};

use crate::tls::Certificate;

#[test]
fn modules_and_provider_are_discovered_over_tls_at_an_address_and_port() {
    let mut platform = Platform::prepare();
    let certificate = Certificate::for_names(&["127.0.0.1"]);
    let host = format!("127.0.0.1:{}", platform.port());
    platform.run_with(&certificate.start(&platform));
    let mut terraform = Workspace::with_cli_config("");
    terraform.env("SSL_CERT_FILE", certificate.authority_file(&platform, "authority"));
    let config = format!(
        "terraform {{\n  required_providers {{\n    idp = {{ source = \"{host}/platform/idp\" }}\n  }}\n}}\n\
         provider \"idp\" {{}}\n"
    );
    terraform.write("main.tf", &config);

    terraform.init().ok().says(&["Installing", "platform/idp", "self-signed"]);
}

#[test]
fn an_authority_that_is_not_trusted_stops_discovery() {
    let mut platform = Platform::prepare();
    let certificate = Certificate::for_names(&["127.0.0.1"]);
    let host = format!("127.0.0.1:{}", platform.port());
    platform.run_with(&certificate.start(&platform));
    let terraform = Workspace::with_cli_config("");
    let module = format!(
        "module \"api\" {{\n  source = \"{host}/golden/api/nodejs\"\n  version = \"1.1.0\"\n}}\n"
    );
    terraform.write("main.tf", &module);

    terraform.init().fails().says(&["certificate signed by unknown authority"]);
}

#[test]
fn the_hostname_of_the_cli_configuration_needs_no_discovery() {
    let platform = Platform::start();
    let terraform = platform.workspace(Provider::Installed);
    terraform.write("main.tf", tests::hcl::PROVIDER);

    terraform.init().ok().says(&["Installed registry.example.com/platform/idp"]);
}
