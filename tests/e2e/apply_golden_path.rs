//! Golden paths as a resource, as a module, by exact version and by range; and paths that cannot be trusted.

use tests::hcl::Resource;
use tests::http::get;
use tests::{Platform, Provider};

use crate::disk;

#[test]
fn the_module_from_the_registry_and_the_resource_render_the_same() {
    let platform = Platform::start();
    let terraform = platform.workspace(Provider::Installed);
    let image = tests::hcl::IMAGE;
    let module = format!(
        "\nmodule \"till\" {{\n  source  = \"registry.example.com/golden/api/nodejs\"\n  version = \"1.1.0\"\n\n  \
         name                = \"till\"\n  environment         = \"staging\"\n  owner               = \"payments\"\n  \
         image               = {image:?}\n  port                = 8080\n  deletion_protection = false\n}}\n"
    );
    let resource = Resource::service("checkout").with_text("golden_path_version", "1.1.0");
    terraform.write("main.tf", &format!("{}{module}", resource.config()));
    terraform.init().ok();

    terraform.apply().ok().says(&["2 added"]);

    let repository = platform.repository();
    // The names of files and the digests in them carry the service's name.
    let kinds = |name: &str| -> Vec<String> {
        let objects = crate::yaml::objects(&repository, &format!("staging/service/{name}/"));
        objects.iter().map(|(_, object)| object["kind"].to_string()).collect()
    };
    assert_eq!(kinds("till"), kinds("checkout"));
    assert!(
        terraform.addresses().iter().any(|address| address.starts_with("module.till.idp_service."))
    );
    terraform.plan().exits(0);
    terraform.destroy().ok();
    assert!(repository.names("staging/service/").is_empty());
}

#[test]
fn an_exact_version_makes_a_create_known_and_a_range_leaves_it_to_apply() {
    let platform = Platform::start();
    let terraform = platform.workspace(Provider::Built);
    let service = Resource::service("checkout");

    terraform
        .write("main.tf", &service.clone().with_text("golden_path_version", "~> 1.0").config());
    terraform.save_plan().ok().says(&["1.1.0"]);
    let range = terraform.planned_change("idp_service.checkout");
    terraform.write("main.tf", &service.with_text("golden_path_version", "1.1.0").config());
    terraform.save_plan().ok();
    let exact = terraform.planned_change("idp_service.checkout");

    assert_eq!(range["after_unknown"]["rendered_sha256"], true, "{range:#}");
    assert!(exact["after"]["rendered_sha256"].is_string(), "{exact:#}");
    assert_eq!(exact["after"]["golden_path"]["version"], "1.1.0");
    terraform.apply_saved().ok();
    let applied = terraform.attributes("idp_service.checkout");
    assert_eq!(applied["rendered_sha256"], exact["after"]["rendered_sha256"]);
    assert_eq!(applied["url"], exact["after"]["url"]);
}

#[test]
fn a_path_whose_archive_was_changed_on_disk_is_refused_at_plan() {
    let mut platform = Platform::start();
    let url = format!("{}/v1/modules/golden/api/nodejs/1.1.0/download", platform.url());
    let location = get(&url).header("x-terraform-get");
    let (_, digest) = location.split_once("sha256:").unwrap();
    let digest = digest.split('&').next().unwrap().to_owned();
    platform.stop();
    disk::flip_a_bit(&disk::file_named(&platform.server_folder().join("data"), &digest));
    platform.run();
    let terraform = platform.workspace(Provider::Built);
    terraform.write("main.tf", &Resource::service("checkout").config());

    terraform.plan().exits(1).says(&["golden/api/nodejs", "1.1.0"]);

    assert_eq!(platform.repository().commit_count(), 0);
}

#[test]
fn a_path_signed_by_a_key_that_is_no_longer_trusted_is_refused_at_plan() {
    let platform = Platform::start();
    let keys = platform.idp(&["keys", "list", "golden"]).ok();
    let key = keys.stdout.split_whitespace().next().unwrap().to_owned();
    let revoke = ["keys", "revoke", "golden", &key, "--compromised", "--from", "0"];
    platform.idp(&[&revoke[..], &["--key", "root.pem"]].concat()).ok();
    let terraform = platform.workspace(Provider::Built);
    terraform.write("main.tf", &Resource::service("checkout").config());

    terraform.plan().exits(1).says(&["golden/api/nodejs", &key, "revoked"]);

    assert_eq!(platform.repository().commit_count(), 0);
}

#[test]
fn a_newer_version_is_a_notice_and_changes_nothing() {
    let platform = Platform::start();
    let terraform = platform.workspace(Provider::Built);
    terraform.write("main.tf", &Resource::service("checkout").config());
    terraform.apply().ok();
    let module = tests::root().join("modules/api/nodejs").display().to_string();
    platform.idp(&["publish", &module, "--version", "1.2.0"]).ok();

    terraform.plan().exits(0);

    let service = Resource::service("checkout").with("env", "{ A = \"1\" }");
    terraform.write("main.tf", &service.config());
    terraform.plan().exits(2).says(&["1.2.0"]);
    terraform.apply().ok();
    assert_eq!(terraform.attributes("idp_service.checkout")["golden_path"]["version"], "1.1.0");
    let upgraded = service.with_text("golden_path_version", "~> 1.2");
    terraform.write("main.tf", &upgraded.config());
    terraform.apply().ok();
    assert_eq!(terraform.attributes("idp_service.checkout")["golden_path"]["version"], "1.2.0");
    terraform.plan().exits(0);
}
