//! What publishing writes into a module's files before they are signed: the registry's hostname and the version.
//!
//! In a repository a module is written for no registry in particular. Three rules make it a release of one:
//!
//! - in `*.tf` and `*.md`, an address that starts with `"registry.example.com/` gets the server's hostname;
//! - in `*.tf`, the text after `golden_path_version =` becomes the version;
//! - in the manifest of a golden path, so does the text after the topmost `version:`.
//!
//! Nothing else changes, and nothing changes in other files.

use std::collections::BTreeMap;

use registry_trust::archive::File;
use semver::Version;

use crate::golden_path::MANIFEST;

/// The hostname that stands for the registry in module sources.
const PLACEHOLDER: &str = "registry.example.com";

/// Writes both into every file that has them.
pub(super) fn imprint(files: &mut BTreeMap<String, File>, hostname: &str, version: &Version) {
    for (path, file) in files {
        let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension);
        let Ok(text) = std::str::from_utf8(&file.content) else { continue };
        let addressed = || text.replace(&format!("\"{PLACEHOLDER}/"), &format!("\"{hostname}/"));
        let text = match extension {
            "tf" => with_version(&addressed(), version, |line| {
                line.trim_start()
                    .strip_prefix("golden_path_version")?
                    .trim_start()
                    .strip_prefix('=')
            }),
            "md" => addressed(),
            _ if path == MANIFEST => {
                with_version(text, version, |line| line.strip_prefix("version:"))
            }
            _ => continue,
        };
        file.content = text.into_bytes();
    }
}

/// Every line that `assigned` knows gets the version in place of the quoted text that follows.
fn with_version(text: &str, version: &Version, assigned: impl Fn(&str) -> Option<&str>) -> String {
    text.split_inclusive('\n')
        .map(|line| match assigned(line).and_then(|value| split_quoted(line, value)) {
            Some((before, after)) => format!("{before}{version}{after}"),
            None => line.to_owned(),
        })
        .collect()
}

/// The line before and after the quoted text that its end, `value`, begins with.
fn split_quoted<'a>(line: &'a str, value: &'a str) -> Option<(&'a str, &'a str)> {
    let value = value.trim_start().strip_prefix('"')?;
    let end = value.find('"').filter(|end| !value[..*end].contains(['$', '%', '\\']))?;
    Some((&line[..line.len() - value.len()], &value[end..]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn imprinted(path: &str, text: &str) -> String {
        let mut files = BTreeMap::from([(path.to_owned(), File::from(text.as_bytes().to_vec()))]);
        imprint(&mut files, "registry.acme.example", &Version::new(1, 2, 3));
        String::from_utf8(files.remove(path).unwrap().content).unwrap()
    }

    #[test]
    fn the_placeholder_becomes_the_hostname_in_addresses_only() {
        assert_eq!(
            imprinted("versions.tf", "source = \"registry.example.com/platform/idp\"\n"),
            "source = \"registry.acme.example/platform/idp\"\n"
        );
        let elsewhere = "# see registry.example.com\nx = \"https://registry.example.com/\"\n";
        assert_eq!(imprinted("main.tf", elsewhere), elsewhere);
        let other = "source: \"registry.example.com/platform/idp\"\n";
        assert_eq!(imprinted("golden-path.yaml", other), other);
    }

    #[test]
    fn a_manifest_says_the_version_that_is_published() {
        let manifest = "format: 1\nversion: \"0.0.0\"\ninputs:\n  version: \"0.0.0\"\n";
        assert_eq!(
            imprinted("golden-path.yaml", manifest),
            "format: 1\nversion: \"1.2.3\"\ninputs:\n  version: \"0.0.0\"\n"
        );
        assert_eq!(imprinted("other/golden-path.yaml", manifest), manifest);
    }

    #[test]
    fn a_module_passes_its_own_version() {
        assert_eq!(
            imprinted("main.tf", "  golden_path_version = \"0.0.0\" # own\n"),
            "  golden_path_version = \"1.2.3\" # own\n"
        );
        let reference = "  golden_path_version = var.version\n  golden_path_version = \"${x}\"\n";
        assert_eq!(imprinted("main.tf", reference), reference);
    }

    proptest! {
        #[test]
        fn imprinting_twice_is_imprinting_once(text in "(golden_path_version ?= ?\"[^\"\n]{0,8}\"?\n|.{0,20}\n){0,5}") {
            let once = imprinted("main.tf", &text);
            prop_assert_eq!(imprinted("main.tf", &once), once);
        }
    }
}
