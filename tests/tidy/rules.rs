//! Where certain things may stand, and how long a file may be.

use std::fs;

use crate::{Source, refuse, root, sources};

/// Longest source file, in lines.
const FILE_LINES: usize = 600;

#[test]
fn no_file_is_longer_than_a_reader_can_hold() {
    let offences: Vec<String> = sources()
        .iter()
        .filter(|source| source.text.lines().count() > FILE_LINES)
        .map(|source| format!("{}: {} lines", source.path, source.text.lines().count()))
        .collect();
    refuse("files over 600 lines; what two things live in one room?", &offences);
}

#[test]
fn sql_stands_only_in_the_store_and_where_databases_are_managed() {
    let words = ["SELECT ", "INSERT INTO", "UPDATE ", "DELETE FROM", "sqlx::query"];
    let allowed = ["registry/server/src/store", "registry/server/src/drivers/postgres"];
    let offences = find("registry/server/src/", &allowed, |line| {
        words.iter().any(|word| line.contains(&format!("\"{word}")) || line.contains("sqlx::query"))
    });
    refuse("SQL outside store/ and drivers/postgres/", &offences);
}

#[test]
fn the_environment_is_read_only_where_programs_begin() {
    let allowed = [
        "registry/server/src/config",
        "registry/server/src/main.rs",
        "provider/plugin/src/main.rs",
        "provider/plugin/src/settings.rs",
        "provider/framework/src/plugin",
    ];
    for folder in ["registry/server/src/", "provider/", "registry/trust/src/", "registry/api/src/"]
    {
        let offences = find(folder, &allowed, |line| {
            line.contains("env::var") && !line.contains("reason =") && !folder.contains("/tests/")
        });
        let offences: Vec<String> = offences
            .into_iter()
            .filter(|offence| {
                !offence.contains("/tests/")
                    && !offence.contains("/examples/")
                    && !offence.contains("build.rs")
            })
            .collect();
        refuse("std::env read outside config and main", &offences);
    }
}

#[test]
fn lints_are_expected_with_a_reason_never_allowed() {
    let offences = find("", &[], |line| {
        let line = line.trim_start();
        line.starts_with("#[allow(")
            || line.starts_with("#![allow(")
            || (line.starts_with("#[expect(") && line.ends_with(")]") && !line.contains("reason"))
    });
    refuse("use #[expect(…, reason = \"…\")]", &offences);
}

#[test]
fn every_top_level_entry_is_on_the_map() {
    let map = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let offences: Vec<String> = fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !matches!(name.as_str(), ".git" | "target"))
        .filter(|name| !map.contains(&format!("`{name}")))
        .collect();
    refuse("not named in ARCHITECTURE.md", &offences);
}

/// Where `wrong` holds in files under `folder` but not under `allowed`.
fn find(folder: &str, allowed: &[&str], wrong: impl Fn(&str) -> bool) -> Vec<String> {
    let in_scope = |source: &&Source| {
        source.path.starts_with(folder)
            && !source.path.starts_with("tests/tidy")
            && !allowed.iter().any(|prefix| source.path.starts_with(prefix))
    };
    let mut found = Vec::new();
    for source in sources().iter().filter(in_scope) {
        let lines = source.production_lines().filter(|(_, line)| wrong(line));
        found.extend(
            lines.map(|(number, line)| format!("{}:{number}: {}", source.path, line.trim())),
        );
    }
    found
}
