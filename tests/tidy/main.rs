//! House rules as tests: which part may know which, and where certain things may stand.
//!
//! They read the sources as text. A rule that must be broken once is broken in its exception list, with a reason.

#![expect(clippy::unwrap_used, reason = "a test that cannot read the sources has failed")]

mod edges;
mod rules;

use std::fs;
use std::path::{Path, PathBuf};

/// A source file: its path from the repository's root, and its text.
struct Source {
    path: String,
    text: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every Rust file of ours, generated code and fuzz targets' builds excluded.
fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    for folder in ["provider", "registry", "tests"] {
        collect(&root().join(folder), &mut found);
    }
    assert!(found.len() > 20, "the sources were not found");
    found
}

fn collect(folder: &Path, found: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if !path.ends_with("target") {
                collect(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let path = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
            found.push(Source { path, text });
        }
    }
}

impl Source {
    /// The lines before the unit tests, numbered from 1, comments left out.
    fn production_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let numbered = self.text.lines().enumerate().map(|(index, line)| (index + 1, line));
        numbered
            .take_while(|(_, line)| *line != "#[cfg(test)]")
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
    }
}

/// Fails with every offence, one a line.
fn refuse(rule: &str, offences: &[String]) {
    assert!(offences.is_empty(), "{rule}:\n  {}", offences.join("\n  "));
}
