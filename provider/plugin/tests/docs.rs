//! The documentation that is checked in is the one that the schemas and examples give.

use std::fs;
use std::path::Path;

use provider_plugin::docs;

#[test]
fn the_documentation_is_up_to_date() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (name, text) in docs::pages(&package.join("../../examples")).unwrap() {
        let path = package.join("docs").join(&name);
        let written = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            written == text,
            "{} is not up to date; run: cargo run -p provider-plugin -- docs provider/plugin/docs",
            path.display()
        );
    }
}

#[test]
fn no_page_is_left_over() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let pages = docs::pages(&package.join("../../examples")).unwrap().len();

    let written: usize = ["", "resources", "data-sources", "ephemeral-resources"]
        .iter()
        .map(|folder| {
            let entries = fs::read_dir(package.join("docs").join(folder)).unwrap();
            entries.filter(|entry| entry.as_ref().unwrap().path().is_file()).count()
        })
        .sum();

    assert_eq!(written, pages);
}
