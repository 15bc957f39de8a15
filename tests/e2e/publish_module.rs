//! Publishing: signed, once, whatever the race.

use std::fs;
use std::path::PathBuf;

use tests::http::get;
use tests::{Platform, Started, root};

fn golden_path() -> String {
    root().join("modules/api/nodejs").display().to_string()
}

/// A module of our own, in a folder of the platform's.
fn module(platform: &Platform, name: &str, main: &str) -> PathBuf {
    let folder = platform.folder().join(name);
    fs::create_dir(&folder).expect("a folder");
    fs::write(folder.join("main.tf"), main).expect("a file");
    folder
}

#[test]
fn the_same_content_again_changes_nothing_and_other_content_is_refused() {
    let platform = Platform::start();
    let folder = module(&platform, "thing", "output \"a\" {\n  value = 1\n}\n");
    let path = folder.display().to_string();
    let publish = ["publish", &path, "--address", "private/thing/null", "--version", "1.0.0"];

    platform.idp(&publish).ok();
    platform.idp(&publish).ok();
    fs::write(folder.join("main.tf"), "output \"a\" {\n  value = 2\n}\n").unwrap();

    platform.idp(&publish).fails().says(&["1.0.0", "published with other content"]);
}

#[test]
fn of_two_publishes_of_other_content_at_once_exactly_one_stands() {
    let platform = Platform::start();
    let folders: Vec<PathBuf> = (0..4)
        .map(|n| {
            module(
                &platform,
                &format!("thing{n}"),
                &format!("output \"a\" {{\n  value = {n}\n}}\n"),
            )
        })
        .collect();
    let started: Vec<Started> = folders
        .iter()
        .map(|folder| {
            let path = folder.display().to_string();
            let address = ["--address", "private/thing/null", "--version", "1.0.0"];
            platform.start_idp(&[&["publish", path.as_str()], &address[..]].concat())
        })
        .collect();

    let ended: Vec<_> = started.into_iter().map(Started::finish).collect();

    assert_eq!(ended.iter().filter(|run| run.succeeded()).count(), 1, "{ended:#?}");
    for run in ended.into_iter().filter(|run| !run.succeeded()) {
        run.fails().says(&["1.0.0", "published with other content"]);
    }
}

#[test]
fn two_publishes_of_the_same_content_at_once_both_succeed() {
    let platform = Platform::start();
    let path = golden_path();
    let publish = ["publish", path.as_str(), "--version", "1.2.0"];

    let started = [platform.start_idp(&publish), platform.start_idp(&publish)];
    for run in started.map(Started::finish) {
        run.ok();
    }

    let versions = get(&format!("{}/v1/modules/golden/api/nodejs/versions", platform.url())).json();
    let versions = versions["modules"][0]["versions"].as_array().unwrap().clone();
    assert_eq!(versions.iter().filter(|version| version["version"] == "1.2.0").count(), 1);
}

#[test]
fn a_key_that_the_namespace_does_not_know_is_refused() {
    let platform = Platform::start();
    let key = platform.folder().join("stranger.pem").display().to_string();
    platform.idp(&["keys", "new", &key]).ok();

    let publish = ["publish", &golden_path(), "--version", "1.3.0", "--key", &key];

    platform.idp(&publish).fails().says(&["golden", "key"]);
    let url = format!("{}/v1/modules/golden/api/nodejs/1.3.0/download", platform.url());
    get(&url).is(404);
}

#[test]
fn a_token_without_the_right_to_publish_is_refused() {
    let platform = Platform::start();
    let token = platform.token("other", &["publish:private"]);
    let mut command = platform.idp_command(&["publish", &golden_path(), "--version", "1.3.0"]);

    let run = tests::Run::of(command.env("IDP_TOKEN", token));

    run.fails().says(&["publish:golden"]);
}

#[test]
fn a_module_that_does_not_parse_is_refused_with_file_and_line() {
    let platform = Platform::start();
    let broken = platform.folder().join("broken");
    tests::copy_tree(&root().join("modules/api/nodejs"), &broken);
    let manifest = fs::read_to_string(broken.join("golden-path.yaml")).unwrap();
    fs::write(broken.join("golden-path.yaml"), format!("{manifest}\nnonsense: [1, 2\n")).unwrap();
    let path = broken.display().to_string();

    let run = platform
        .idp(&["publish", &path, "--version", "1.3.0", "--address", "golden/api/nodejs"])
        .fails();

    run.says(&["golden-path.yaml"]);
    get(&format!("{}/v1/modules/golden/api/nodejs/1.3.0/download", platform.url())).is(404);
}

#[test]
fn hcl_that_does_not_parse_is_refused_with_file_and_line() {
    let platform = Platform::start();
    let folder = module(&platform, "broken", "output \"a\" {\n  value = \n");
    let path = folder.display().to_string();

    let publish = ["publish", &path, "--address", "private/broken/null", "--version", "1.0.0"];

    platform.idp(&publish).fails().says(&["main.tf"]);
}
