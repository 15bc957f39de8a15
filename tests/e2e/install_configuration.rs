//! Every configuration that we ship is formatted and valid.

use std::fs;
use std::path::{Path, PathBuf};

use tests::{Platform, Provider, Run, clean, root, terraform};

#[test]
fn modules_and_examples_are_formatted() {
    for folder in ["modules", "examples"] {
        let mut command = clean(terraform(), &root().join("target"));
        let path = root().join(folder).display().to_string();
        Run::of(command.args(["fmt", "-check", "-recursive", "-diff", &path])).ok();
    }
}

#[test]
fn modules_and_examples_are_valid() {
    let platform = Platform::start();
    let mut checked = 0;
    for folder in ["modules", "examples"] {
        for folder in configurations(&root().join(folder)) {
            let terraform = platform.workspace(Provider::Installed);
            terraform.copy(&folder);

            let init = terraform.init();
            assert!(init.succeeded(), "{}: {init}", folder.display());
            let validate = terraform.validate();
            assert!(validate.succeeded(), "{}: {validate}", folder.display());
            validate.never_says(&["Warning"]);
            checked += 1;
        }
    }
    assert!(checked >= 2, "found only {checked} configurations");
}

/// Every folder below that holds a configuration, skeletons of other repositories excluded.
fn configurations(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    let is_config = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "tf");
    if paths.iter().any(is_config) {
        found.push(folder.to_owned());
    }
    for path in paths.iter().filter(|path| path.is_dir() && !path.ends_with(".terraform")) {
        found.extend(configurations(path));
    }
    found
}
