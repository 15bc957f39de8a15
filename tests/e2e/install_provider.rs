//! The provider is installed from the registry, signed, and refused when somebody touched it.

use std::fs;

use tests::hcl::{PROVIDER, Resource};
use tests::{PROVIDER_VERSION, Platform, Provider};

use crate::disk;

#[test]
fn the_provider_is_installed_from_the_registry_and_works() {
    let platform = Platform::start();
    let terraform = platform.workspace(Provider::Installed);
    terraform.write("main.tf", &Resource::service("checkout").config());

    terraform
        .init()
        .ok()
        .says(&["Installed registry.example.com/platform/idp", "self-signed, key ID"]);
    terraform.apply().ok();

    terraform.plan().exits(0);
    let lock = fs::read_to_string(terraform.path().join(".terraform.lock.hcl")).unwrap();
    assert!(
        lock.contains(PROVIDER_VERSION) && lock.contains("zh:") && lock.contains("h1:"),
        "{lock}"
    );
}

#[test]
fn a_version_that_is_not_there_is_refused_by_terraform() {
    let platform = Platform::start();
    let terraform = platform.workspace(Provider::Installed);
    let config = PROVIDER.replace("platform/idp\"", "platform/idp\"\n      version = \"~> 77.0\"");
    terraform.write("main.tf", &config);

    terraform.init().fails().says(&["no available releases match", "~> 77.0"]);
}

#[test]
fn a_provider_whose_bytes_were_changed_on_disk_is_not_installed() {
    let mut platform = Platform::start();
    platform.stop();
    let zip = disk::largest_file(&platform.server_folder().join("data"));
    disk::flip_a_bit(&zip);
    platform.run();
    let terraform = platform.workspace(Provider::Installed);
    terraform.write("main.tf", PROVIDER);

    terraform.init().fails();

    assert!(!terraform.path().join(".terraform/providers/registry.example.com").exists());
}
