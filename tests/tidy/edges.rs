//! Which package, and inside the server which module, may use which.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use crate::{refuse, root, sources};

/// Package → the packages of ours that it may use.
const PACKAGES: &[(&str, &[&str])] = &[
    ("provider-framework", &[]),
    ("provider-plugin", &["provider-framework", "registry-api", "registry-trust"]),
    ("registry-api", &[]),
    ("registry-trust", &[]),
    ("registry-server", &["registry-api", "registry-trust", "test-postgres"]),
    ("test-postgres", &[]),
    ("tests", &["registry-api", "test-postgres"]),
];

/// What `registry-api` may be made of: both sides compile it, so it stays small.
const API_DEPENDENCIES: &[&str] = &["schemars", "semver", "serde", "serde_json"];

/// The server's modules: each may use those that stand before it, never those behind.
const SERVER_MODULES: &[&str] = &[
    "model",
    "id",
    "clock",
    "failpoint",
    "files",
    "signals",
    "request_id",
    "policy",
    "golden_path",
    "openpgp",
    "config",
    "store",
    "blobs",
    "trust",
    "secrets",
    "drivers",
    "auth",
    "error",
    "listing",
    "cache",
    "path_cache",
    "platform",
    "app",
    "ops",
    "extract",
    "jobs",
    "routes",
    "router",
    "serve",
    "cli",
];

#[test]
fn packages_use_only_the_packages_they_may() {
    let metadata = metadata();
    let ours: BTreeSet<&str> = PACKAGES.iter().map(|(name, _)| *name).collect();
    let mut offences = Vec::new();
    for (package, dependencies) in &metadata {
        let Some((_, allowed)) = PACKAGES.iter().find(|(name, _)| name == package) else {
            offences.push(format!("{package} is not in the list of packages"));
            continue;
        };
        let used = dependencies.iter().map(String::as_str).filter(|name| ours.contains(name));
        offences.extend(
            used.filter(|name| !allowed.contains(name)).map(|name| format!("{package} → {name}")),
        );
    }
    refuse("an edge between packages that the design does not have", &offences);
}

#[test]
fn the_wire_types_depend_on_serde_and_semver_only() {
    let metadata = metadata();
    let extra: Vec<String> = metadata["registry-api"]
        .iter()
        .filter(|name| !API_DEPENDENCIES.contains(&name.as_str()) && *name != "proptest")
        .cloned()
        .collect();
    refuse("registry-api has a dependency it should not have", &extra);
}

#[test]
fn tonic_and_prost_are_named_only_at_the_edge_of_the_framework() {
    let allowed = ["provider/framework/src/grpc", "provider/framework/src/plugin"];
    let offences: Vec<String> = sources()
        .iter()
        .filter(|source| source.path.starts_with("provider/framework/src/"))
        .filter(|source| !allowed.iter().any(|prefix| source.path.starts_with(prefix)))
        .flat_map(|source| {
            source
                .production_lines()
                .filter(|(_, line)| line.contains("tonic::") || line.contains("prost::"))
                .map(|(number, _)| format!("{}:{number}", source.path))
                .collect::<Vec<_>>()
        })
        .collect();
    refuse("tonic or prost outside grpc/ and plugin", &offences);
}

#[test]
fn modules_of_the_server_use_only_those_before_them() {
    let rank = |name: &str| SERVER_MODULES.iter().position(|module| *module == name);
    let mut offences = BTreeSet::new();
    for source in sources() {
        let Some(module) = server_module(&source.path) else { continue };
        let Some(own) = rank(&module) else {
            offences.insert(format!("{module} is not in the list of modules"));
            continue;
        };
        let used = source.production_lines().flat_map(|(_, line)| crate_names(line));
        for name in used.filter(|name| rank(name).is_some_and(|used| used > own)) {
            offences.insert(format!("{} uses {name}", source.path));
        }
    }
    refuse("an edge between the server's modules that points upwards", &Vec::from_iter(offences));
}

/// The top-level module that a file of the server belongs to.
fn server_module(path: &str) -> Option<String> {
    let inner = path.strip_prefix("registry/server/src/")?;
    let first = inner.split('/').next()?.trim_end_matches(".rs");
    (!matches!(first, "main" | "lib") && !path.contains("tests")).then(|| first.to_owned())
}

/// The names that follow `crate::` in a line, also inside braces.
fn crate_names(line: &str) -> Vec<String> {
    let word = |text: &str| -> String {
        text.trim().chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect()
    };
    let mut names = Vec::new();
    for rest in line.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            Some(list) => names.extend(list.split(',').map(word)),
            None => names.push(word(rest)),
        }
    }
    names
}

/// Package → names of its direct dependencies of every kind.
fn metadata() -> BTreeMap<String, BTreeSet<String>> {
    let cargo = option_env!("CARGO").unwrap_or("cargo");
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let name = |value: &serde_json::Value| value["name"].as_str().unwrap().to_owned();
    let packages = json["packages"].as_array().unwrap().iter();
    packages
        .map(|package| {
            let dependencies =
                package["dependencies"].as_array().unwrap().iter().map(name).collect();
            (name(package), dependencies)
        })
        .collect()
}
