//! A service's life: created, read, changed, replaced, imported, protected, removed.

use tests::hcl::{IMAGE, OTHER_IMAGE, PROVIDER, Resource};
use tests::{Platform, Provider};

#[test]
fn a_service_is_created_by_one_commit_and_the_second_plan_is_empty() {
    let platform = Platform::start();
    let terraform = platform.workspace(Provider::Built);
    terraform.write("main.tf", &Resource::service("checkout").config());

    terraform.plan().exits(2).says(&["idp_service.checkout will be created", "golden/api/nodejs"]);
    terraform.apply().ok().says(&["1 added, 0 changed, 0 destroyed"]);

    let service = terraform.attributes("idp_service.checkout");
    let commits = platform.repository().commits();
    assert_eq!(commits.len(), 1, "{commits:#?}");
    assert_eq!(service["gitops"]["commit"], commits[0].id.as_str());
    assert_eq!(service["gitops"]["repository"], "clusters");
    assert_eq!(service["gitops"]["path"], "staging/service/checkout");
    assert_eq!(service["id"], "staging/checkout");
    assert_eq!(service["golden_path"]["address"], "golden/api/nodejs");
    assert_eq!(service["running_image"], IMAGE);
    assert_eq!(service["url"], "https://checkout.staging.acme.example");
    for word in ["staging/checkout", "Generation: 1", "Operation: "] {
        assert!(commits[0].message.contains(word), "{word} in {}", commits[0].message);
    }
    assert!(!platform.repository().names("staging/service/checkout/").is_empty());
    terraform.plan().exits(0).says(&["No changes"]);
}

#[test]
fn a_changed_attribute_is_updated_in_place_by_one_more_commit() {
    let platform = Platform::start();
    let terraform = platform.workspace(Provider::Built);
    let service = Resource::service("checkout").with("env", "{ CURRENCY = \"EUR\" }");
    terraform.write("main.tf", &service.config());
    terraform.apply().ok();
    let before = terraform.attributes("idp_service.checkout");
    let changed = service.with("env", "{ CURRENCY = \"USD\" }").with_text("image", OTHER_IMAGE);
    terraform.write("main.tf", &changed.config());

    terraform.save_plan().ok().says(&["will be updated in-place", "1 to change"]);
    let planned = terraform.planned_change("idp_service.checkout");
    terraform.apply_saved().ok().says(&["0 added, 1 changed, 0 destroyed"]);

    let after = terraform.attributes("idp_service.checkout");
    assert_eq!(planned["actions"], serde_json::json!(["update"]));
    assert_eq!(planned["after"]["rendered_sha256"], after["rendered_sha256"], "the plan's promise");
    assert_ne!(before["rendered_sha256"], after["rendered_sha256"]);
    assert_eq!(after["running_image"], OTHER_IMAGE);
    assert_eq!(platform.repository().commit_count(), 2);
    assert!(after["changes"].as_array().is_some_and(|changes| !changes.is_empty()), "{after:#}");
    terraform.plan().exits(0);
}

#[test]
fn another_name_or_environment_replaces_the_service_and_the_plan_says_why() {
    let platform = Platform::start();
    let terraform = platform.workspace(Provider::Built);
    let service = Resource::service("checkout");
    terraform.write("main.tf", &service.config());
    terraform.apply().ok();

    for (attribute, value) in [("name", "till"), ("environment", "production")] {
        let moved = service.clone().with_text(attribute, value);
        terraform.write("main.tf", &moved.config());
        terraform.plan().exits(2).says(&["must be replaced", "forces replacement", attribute]);
    }
    terraform.apply().ok().says(&["1 added, 0 changed, 1 destroyed"]);

    let repository = platform.repository();
    assert!(repository.names("staging/service/").is_empty(), "{:?}", repository.names(""));
    assert!(!repository.names("production/service/checkout/").is_empty());
    terraform.plan().exits(0);
}

#[test]
fn an_imported_service_needs_no_change() {
    let platform = Platform::start();
    let terraform = platform.workspace(Provider::Built);
    let service = Resource::service("checkout")
        .with("env", "{ CURRENCY = \"EUR\" }")
        .with("slo", "{ availability = 99.9, latency = { threshold = \"250ms\", target = 99 } }");
    terraform.write("main.tf", &service.config());
    terraform.apply().ok();
    let before = terraform.attributes("idp_service.checkout");
    terraform.run(&["state", "rm", "idp_service.checkout"]).ok();

    terraform.run(&["import", "-no-color", "idp_service.checkout", "staging/checkout"]).ok();

    let after = terraform.attributes("idp_service.checkout");
    for attribute in ["env", "slo", "image", "owner", "rendered_sha256", "golden_path", "gitops"] {
        assert_eq!(before[attribute], after[attribute], "{attribute}");
    }
    terraform.plan().exits(0);
    assert_eq!(platform.repository().commit_count(), 1);
}

#[test]
fn what_cannot_be_imported_is_refused_with_the_form_of_an_id() {
    let platform = Platform::start();
    let terraform = platform.workspace(Provider::Built);
    terraform.write("main.tf", &Resource::service("checkout").config());

    let import = |id: &str| terraform.run(&["import", "-no-color", "idp_service.checkout", id]);

    import("checkout").fails().says(&["<environment>/<name>"]);
    import("staging/nothing-here").fails().says(&["staging/nothing-here"]);
}

#[test]
fn a_name_that_is_taken_is_refused_with_the_import_block_to_paste() {
    let platform = Platform::start();
    let first = platform.workspace(Provider::Built);
    first.write("main.tf", &Resource::service("checkout").config());
    first.apply().ok();
    let second = platform.workspace(Provider::Built);
    second.write("main.tf", &Resource::service("checkout").config());

    let refused = second.apply().fails();

    refused.says(&["import {", "to = idp_service.", "id = \"staging/checkout\""]);
    assert_eq!(platform.repository().commit_count(), 1);
}

#[test]
fn a_protected_service_is_not_destroyed_until_protection_is_lifted() {
    let platform = Platform::start();
    let terraform = platform.workspace(Provider::Built);
    let service = Resource::service("checkout").with("deletion_protection", "true");
    terraform.write("main.tf", &service.config());
    terraform.apply().ok();

    terraform.destroy().fails().says(&["deletion_protection", "checkout", "false"]);
    assert_eq!(platform.repository().commit_count(), 1);
    let path = "/api/v1/resources/service/staging/checkout";
    platform.api_with("DELETE", path, &[("if-match", "\"1\"")]).is(409);

    terraform.write("main.tf", &service.with("deletion_protection", "false").config());
    terraform.apply().ok();
    terraform.destroy().ok();
    assert!(platform.repository().names("staging/service/").is_empty());
}

#[test]
fn destroy_leaves_nothing_but_what_others_put_there() {
    let platform = Platform::start();
    let repository = platform.repository();
    repository.edit("Say hello", |clone| {
        std::fs::write(clone.join("README.md"), "Ours, not the platform's.\n").unwrap();
    });
    let terraform = platform.workspace(Provider::Built);
    terraform.write("main.tf", &Resource::service("checkout").config());
    terraform.apply().ok();
    repository.edit("Leave a note beside the service", |clone| {
        std::fs::write(clone.join("staging/service/checkout/NOTES.md"), "mine\n").unwrap();
    });

    terraform.destroy().ok().says(&["1 destroyed"]);

    assert_eq!(repository.names(""), ["README.md", "staging/service/checkout/NOTES.md"]);
    assert!(terraform.addresses().is_empty());
}

#[test]
fn a_service_that_is_gone_is_planned_anew_with_a_warning() {
    let platform = Platform::start();
    let terraform = platform.workspace(Provider::Built);
    terraform.write("main.tf", &Resource::service("checkout").config());
    terraform.apply().ok();
    let path = "/api/v1/resources/service/staging/checkout";
    platform.api_with("DELETE", path, &[("if-match", "\"1\"")]).is(202);
    tests::eventually("the service to be gone", || {
        (platform.api("GET", path).status == 404).then_some(())
    });

    let plan = terraform.plan().exits(2);

    plan.says(&["1 to add", "staging/checkout"]);
}

#[test]
fn only_committed_can_be_waited_for_and_the_message_says_why() {
    let platform = Platform::start();
    let terraform = platform.workspace(Provider::Built);
    let service = Resource::service("checkout");
    for stage in ["healthy", "synced", "nonsense"] {
        terraform.write("main.tf", &service.clone().with_text("wait_for", stage).config());

        terraform.plan().exits(1).says(&["wait_for", stage, "committed"]);
    }
    terraform.write("main.tf", &service.with_text("wait_for", "committed").config());

    terraform.apply().ok();
    terraform.plan().exits(0);
}

#[test]
fn data_sources_read_the_service_and_the_path() {
    let platform = Platform::start();
    let terraform = platform.workspace(Provider::Built);
    terraform.write("main.tf", &Resource::service("checkout").config());
    terraform.apply().ok();
    let reader = platform.workspace(Provider::Built);
    let data = r#"
data "idp_service" "checkout" {
  name        = "checkout"
  environment = "staging"
}

data "idp_golden_path" "api" {
  address = "golden/api/nodejs"
}

output "service" {
  value = data.idp_service.checkout
}

output "path" {
  value = data.idp_golden_path.api
}
"#;
    reader.write("main.tf", &format!("{PROVIDER}{data}"));

    reader.apply().ok();

    let written = terraform.attributes("idp_service.checkout");
    let service = reader.output("service");
    for attribute in ["image", "owner", "url", "rendered_sha256", "gitops", "golden_path"] {
        assert_eq!(service[attribute], written[attribute], "{attribute}");
    }
    assert_eq!(reader.output("path")["sha256"], written["golden_path"]["sha256"]);
}

#[test]
fn a_value_that_only_apply_knows_does_not_stop_the_plan() {
    let platform = Platform::start();
    let terraform = platform.workspace(Provider::Built);
    let unknown = "\nresource \"terraform_data\" \"image\" {\n  input = ";
    let unknown = format!("{unknown}{IMAGE:?}\n}}\n");
    let service = Resource::service("checkout").with("image", "terraform_data.image.output");
    terraform.write("main.tf", &format!("{}{unknown}", service.config()));

    terraform.plan().exits(2).says(&["known after apply"]);
    terraform.apply().ok();

    assert_eq!(terraform.attributes("idp_service.checkout")["image"], IMAGE);
    terraform.plan().exits(0);
}
