//! A plain `terraform plan` says what is deprecated, and refuses what is tampered with, revoked or past its sunset.

use std::fs;

use tests::hcl::{PROVIDER, Resource};
use tests::{Platform, Provider, Workspace};

use crate::verify_modules::{idp, publish};

/// A module, and nothing of the provider's but the anchor.
const ANCHORED: &str = r#"
module "greeting" {
  source  = "registry.example.com/golden/greeting/test"
  version = "1.0.0"
  name    = "x"
}

data "idp_verification" "this" {}

output "verdicts" {
  value = data.idp_verification.this.modules[*].verdict
}
"#;

fn scene() -> (Platform, Workspace) {
    let platform = Platform::start();
    publish(&platform, "1.0.0", &[]).ok();
    let workspace = platform.workspace(Provider::Built);
    workspace.write("main.tf", &format!("{PROVIDER}{ANCHORED}"));
    let policy = idp(&platform, &workspace, &["trust"]).ok();
    workspace.write("idp.policy", &policy.stdout);
    workspace.run(&["get", "-no-color"]).ok();
    idp(&platform, &workspace, &["lock"]).ok();
    (platform, workspace)
}

fn say(platform: &Platform, what: &str, target: &str, more: &[&str]) {
    let reason = ["--reason", "Node 18 is out of support"];
    platform.idp(&[&["status", what, target], &reason[..], more].concat()).ok();
}

#[test]
fn a_module_that_is_as_it_was_published_is_not_worth_a_word() {
    let (_platform, workspace) = scene();

    workspace.plan().exits(2).never_says(&["deprecated", "not verified", "tampered"]);
    workspace.apply().ok();
    workspace.plan().exits(0);

    assert_eq!(workspace.output("verdicts"), serde_json::json!(["verified"]));
}

#[test]
fn a_deprecated_module_is_warned_of_once_with_date_replacement_and_contact() {
    let (platform, workspace) = scene();
    let more = ["--sunset", "2099-01-31", "--replacement", "1.1.0", "--contact", "#platform"];
    say(&platform, "deprecate", "golden/greeting/test@1.0.0", &more);

    let plan = workspace.plan().exits(2).says(&[
        "registry.example.com/golden/greeting/test 1.0.0",
        "2099-01-31",
        "Node 18 is out of support",
        "1.1.0",
        "#platform",
        "module.greeting",
    ]);

    assert_eq!(plan.stdout.matches("is deprecated until").count(), 1, "{plan}");
}

#[test]
fn a_tampered_module_is_refused_with_its_file_and_a_revoked_one_with_its_reason() {
    let (platform, workspace) = scene();
    let file = workspace.path().join(".terraform/modules/greeting/main.tf");
    let pristine = fs::read_to_string(&file).unwrap();

    fs::write(&file, format!("{pristine}\n# changed\n")).unwrap();
    workspace.plan().exits(1).says(&["golden/greeting/test", "main.tf"]);
    fs::write(&file, pristine).unwrap();
    workspace.plan().exits(2);
    say(&platform, "revoke", "golden/greeting/test@1.0.0", &[]);
    workspace.plan().exits(1).says(&["revoked", "Node 18 is out of support"]);

    let lenient = format!("{PROVIDER}{ANCHORED}")
        .replace("provider \"idp\" {}", "provider \"idp\" {\n  verify_modules = \"warn\"\n}");
    workspace.write("main.tf", &lenient);
    workspace.plan().exits(2).says(&["Warning", "revoked"]);
}

#[test]
fn a_saved_plan_applies_where_no_modules_are_installed() {
    let (_platform, workspace) = scene();
    workspace.save_plan().ok();

    fs::remove_dir_all(workspace.path().join(".terraform/modules")).unwrap();

    workspace.apply_saved().ok();
}

#[test]
fn a_registry_that_forgot_is_refused_by_a_plain_plan() {
    let (platform, workspace) = scene();
    let lock = fs::read_to_string(workspace.path().join(".idp.lock.json")).unwrap();
    let (before, rest) = lock.split_once("\"size\": ").unwrap();
    let (_, after) = rest.split_once(',').unwrap();
    workspace.write(".idp.lock.json", &format!("{before}\"size\": 1000,{after}"));

    workspace.plan().exits(1).says(&["had 1000 entries when it was last seen"]);
    drop(platform);
}

#[test]
fn a_deprecated_golden_path_is_warned_of_once_however_many_use_it() {
    let platform = Platform::start();
    say(&platform, "deprecate", "golden/api/nodejs@1.1.0", &["--sunset", "2099-01-31"]);
    let workspace = platform.workspace(Provider::Built);
    let services = ["checkout", "search"].map(|name| Resource::service(name).block());
    workspace.write("main.tf", &format!("{PROVIDER}{}", services.concat()));

    let plan = workspace.plan().exits(2).says(&[
        "Golden path golden/api/nodejs 1.1.0 is deprecated and works until 2099-01-31",
        "Node 18 is out of support",
    ]);

    let told = plan.stdout.matches("is deprecated and works until").count();
    assert_eq!(told, 1, "{plan}");
}

#[test]
fn past_its_sunset_a_golden_path_is_refused_for_what_is_new_or_changed_and_leaves_the_rest_alone() {
    let platform = Platform::start();
    let workspace = platform.workspace(Provider::Built);
    let write = |services: &[Resource]| {
        let services: String = services.iter().map(Resource::block).collect();
        workspace.write("main.tf", &format!("{PROVIDER}{services}"));
    };
    let checkout = Resource::service("checkout");
    write(std::slice::from_ref(&checkout));
    workspace.apply().ok();
    say(&platform, "deprecate", "golden/api/nodejs@1.1.0", &["--sunset", "2020-01-31"]);

    workspace.plan().exits(0);
    write(&[checkout.clone(), Resource::service("search")]);
    workspace.plan().exits(1);
    write(&[checkout.clone().with("port", "9090")]);
    workspace.plan().exits(1).says(&["past its sunset of 2020-01-31", "Node 18 is out of support"]);

    platform.idp(&["status", "restore", "golden/api/nodejs@1.1.0"]).ok();
    workspace.plan().exits(2);
}

#[test]
fn a_status_as_code_is_signed_logged_and_taken_back() {
    let platform = Platform::start();
    publish(&platform, "1.0.0", &[]).ok();
    let workspace = platform.workspace(Provider::Built);
    let status = r#"
resource "idp_module_status" "greeting" {
  module      = "golden/greeting/test"
  version     = "1.0.0"
  state       = "deprecated"
  reason      = "too shy"
  replacement = "1.1.0"
  sunset      = "2099-01-31"
}
"#;
    workspace.write("main.tf", &format!("{PROVIDER}{status}"));
    let shown = || platform.idp(&["status", "golden/greeting/test@1.0.0"]).ok();

    workspace.apply().ok();
    shown().says(&["1.0.0 deprecated: too shy; use 1.1.0; sunset 2099-01-31"]);
    workspace.plan().exits(0);
    platform.idp(&["status", "yank", "golden/greeting/test@1.0.0", "--reason", "worse"]).ok();
    workspace.plan().exits(2).says(&["yanked", "deprecated"]);
    workspace.apply().ok();
    workspace.destroy().ok();
    shown().says(&["1.0.0 active"]);
}
