//! Somebody edits in git what the platform owns: the next plan shows it, apply mends it.

use std::fs;

use tests::hcl::Resource;
use tests::{Platform, Provider, Workspace};

fn applied(platform: &Platform) -> Workspace {
    let terraform = platform.workspace(Provider::Built);
    terraform.write("main.tf", &Resource::service("checkout").config());
    terraform.apply().ok();
    terraform.plan().exits(0);
    terraform
}

fn a_file(platform: &Platform, part: &str) -> String {
    let names = platform.repository().names("staging/service/checkout/");
    let found = names.iter().find(|name| name.to_lowercase().contains(part));
    found.unwrap_or_else(|| panic!("no {part} in {names:?}")).clone()
}

#[test]
fn an_edited_file_shows_in_the_plan_and_is_mended_by_apply() {
    let platform = Platform::start();
    let terraform = applied(&platform);
    let repository = platform.repository();
    let deployment = a_file(&platform, "deployment");
    let before = repository.file(&deployment);
    repository.edit("Try something", |clone| {
        let path = clone.join(&deployment);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(
            path,
            text.replace("readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false"),
        )
        .unwrap();
    });
    assert_ne!(repository.file(&deployment), before, "the edit must change something");

    terraform.plan().exits(2).says(&["update", "rendered_sha256", &deployment]);
    terraform.apply().ok().says(&["1 changed"]);

    assert_eq!(repository.file(&deployment), before);
    terraform.plan().exits(0);
}

#[test]
fn deleted_files_show_in_the_plan_and_are_mended_by_apply() {
    let platform = Platform::start();
    let terraform = applied(&platform);
    let repository = platform.repository();
    let before = repository.files();
    repository.edit("Clean up", |clone| {
        fs::remove_dir_all(clone.join("staging/service/checkout")).unwrap();
        fs::write(clone.join("README.md"), "nothing here\n").unwrap();
    });

    terraform.plan().exits(2).says(&["update", "rendered_sha256"]);
    terraform.apply().ok();

    let mut after = repository.files();
    assert!(after.remove("README.md").is_some());
    assert_eq!(after, before);
    terraform.plan().exits(0);
}

#[test]
fn files_of_others_are_not_drift() {
    let platform = Platform::start();
    let terraform = applied(&platform);
    platform.repository().edit("Add something of ours", |clone| {
        fs::write(clone.join("staging/service/checkout/ours.txt"), "ours\n").unwrap();
        fs::create_dir_all(clone.join("staging/service/other")).unwrap();
        fs::write(clone.join("staging/service/other/file.yaml"), "a: 1\n").unwrap();
    });

    terraform.plan().exits(0);

    assert_eq!(platform.repository().text("staging/service/checkout/ours.txt"), "ours\n");
}
