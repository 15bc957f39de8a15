//! CHANGELOG.md: one section a version, under `## 1.2.3` or `## [1.2.3] …`.

use semver::Version;

/// The version of the topmost section that has one.
pub fn topmost(text: &str) -> Option<Version> {
    lines(text).find_map(|(_, heading)| heading.and_then(version))
}

/// The sections of the versions after `from` up to `to`, as they are written.
pub fn sections(text: &str, from: &Version, to: &Version) -> String {
    let mut wanted = false;
    let mut found = String::new();
    for (line, heading) in lines(text) {
        if let Some(heading) = heading {
            wanted = version(heading).is_some_and(|version| version > *from && version <= *to);
        }
        if wanted {
            found.push_str(line);
        }
    }
    found.truncate(found.trim_end().len());
    found
}

/// Every line, and what a heading of the second level says. Code is no heading.
fn lines(text: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    let mut in_code = false;
    text.split_inclusive('\n').map(move |line| {
        let start = line.trim_start();
        if start.starts_with("```") || start.starts_with("~~~") {
            in_code = !in_code;
        }
        (line, line.strip_prefix("## ").filter(|_| !in_code))
    })
}

fn version(heading: &str) -> Option<Version> {
    let word = heading.split_whitespace().next()?;
    word.trim_matches(['[', ']']).parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "# Changelog\n\n## Unreleased\n\n- soon\n\n## [1.2.0] - 2026-11-01\n\n- two\n\n```md\n## 9.9.9\n```\n\n## 1.1.0\n\n### Added\n\n- one\n\n## 1.0.0\n\n- first\n";

    fn sections_between(from: &str, to: &str) -> String {
        sections(TEXT, &from.parse().unwrap(), &to.parse().unwrap())
    }

    #[test]
    fn the_topmost_version_is_the_one_at_work() {
        assert_eq!(topmost(TEXT), Some(Version::new(1, 2, 0)));
        assert_eq!(topmost("# nothing\n```\n## 1.0.0\n```\n"), None);
    }

    #[test]
    fn sections_are_those_after_one_version_up_to_another() {
        assert_eq!(sections_between("1.0.0", "1.1.0"), "## 1.1.0\n\n### Added\n\n- one");
        let both = sections_between("1.0.0", "1.2.0");
        assert!(both.starts_with("## [1.2.0] - 2026-11-01"), "{both}");
        assert!(both.contains("## 9.9.9") && both.ends_with("- one"), "{both}");
        assert_eq!(sections_between("1.2.0", "3.0.0"), "");
    }

    proptest! {
        #[test]
        fn any_text_has_sections(text in "(## |\\[|1\\.0\\.0|\n|```|é){0,30}") {
            let all = sections(&text, &Version::new(0, 0, 0), &Version::new(9, 0, 0));
            prop_assert!(all.len() <= text.len());
        }
    }
}
