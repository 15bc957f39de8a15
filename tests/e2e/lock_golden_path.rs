//! `idp lock` pins golden paths, so that a create shows what apply will do.

use std::fs;

use tests::hcl::Resource;
use tests::{Platform, Provider, Workspace, root};

fn lock(platform: &Platform, terraform: &Workspace, arguments: &[&str]) -> tests::Run {
    let mut command = platform.idp_command(&[&["lock"], arguments].concat());
    tests::Run::of(command.current_dir(terraform.path()))
}

#[test]
fn a_locked_version_makes_a_create_known() {
    let platform = Platform::start();
    let terraform = platform.workspace(Provider::Built);
    terraform.write("main.tf", &Resource::service("checkout").config());
    terraform.save_plan().ok();
    let open = terraform.planned_change("idp_service.checkout");

    lock(&platform, &terraform, &[]).ok();
    terraform.save_plan().ok();
    let locked = terraform.planned_change("idp_service.checkout");

    assert_eq!(open["after_unknown"]["rendered_sha256"], true, "{open:#}");
    assert!(locked["after"]["rendered_sha256"].is_string(), "{locked:#}");
    terraform.apply_saved().ok();
    assert_eq!(
        terraform.attributes("idp_service.checkout")["rendered_sha256"],
        locked["after"]["rendered_sha256"]
    );
    terraform.plan().exits(0);
}

#[test]
fn the_lock_file_is_canonical_and_stays_until_told_otherwise() {
    let platform = Platform::start();
    let terraform = platform.workspace(Provider::Built);
    terraform.write("main.tf", &Resource::service("checkout").config());
    lock(&platform, &terraform, &[]).ok();
    let file = terraform.path().join(".idp.lock.json");
    let first = fs::read_to_string(&file).unwrap();
    let module = root().join("modules/api/nodejs").display().to_string();
    platform.idp(&["publish", &module, "--version", "1.2.0"]).ok();

    lock(&platform, &terraform, &[]).ok();
    let second = fs::read_to_string(&file).unwrap();
    lock(&platform, &terraform, &["--upgrade"]).ok();
    let third = fs::read_to_string(&file).unwrap();

    assert_eq!(first, second);
    assert!(first.contains("1.1.0") && third.contains("1.2.0"), "{first}\n{third}");
}

#[test]
fn a_newly_locked_version_moves_the_service_and_an_older_state_does_not() {
    let platform = Platform::start();
    let terraform = platform.workspace(Provider::Built);
    terraform.write("main.tf", &Resource::service("checkout").config());
    terraform.apply().ok();
    let module = root().join("modules/api/nodejs").display().to_string();
    platform.idp(&["publish", &module, "--version", "1.2.0"]).ok();
    terraform.plan().exits(0);

    lock(&platform, &terraform, &[]).ok();

    terraform.plan().exits(2).says(&["1.2.0"]);
    terraform.apply().ok();
    assert_eq!(terraform.attributes("idp_service.checkout")["golden_path"]["version"], "1.2.0");
}

#[test]
fn other_bytes_than_the_locked_ones_are_refused() {
    let platform = Platform::start();
    let terraform = platform.workspace(Provider::Built);
    terraform.write("main.tf", &Resource::service("checkout").config());
    lock(&platform, &terraform, &[]).ok();
    let file = terraform.path().join(".idp.lock.json");
    let text = fs::read_to_string(&file).unwrap();
    let digest = text.split('"').find(|part| part.len() == 64).unwrap();
    fs::write(&file, text.replace(digest, &"0".repeat(64))).unwrap();

    terraform.plan().exits(1).says(&[
        "golden/api/nodejs",
        "1.1.0",
        "was expected",
        "How to fix it",
    ]);
}

#[test]
fn a_damaged_lock_file_is_refused_with_the_way_out() {
    let platform = Platform::start();
    let terraform = platform.workspace(Provider::Built);
    terraform.write("main.tf", &Resource::service("checkout").config());
    terraform.write(".idp.lock.json", "{ \"version\": 1,");

    terraform.plan().exits(1).says(&[".idp.lock.json", "idp lock"]);
}
