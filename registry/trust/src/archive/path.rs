//! Which paths an archive may hold: those that mean one and the same file on every system that unpacks it.

use std::collections::BTreeMap;

use unicode_normalization::{UnicodeNormalization, is_nfc};

/// Why a path is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathProblem {
    /// No name at all.
    #[error("the path is empty")]
    Empty,
    /// Bytes that are no text.
    #[error("the path is not UTF-8; rename the file")]
    NotUtf8,
    /// Text that other systems would spell with other bytes.
    #[error(
        "the path is not in Unicode normalisation form C; rename the file to composed characters"
    )]
    NotNfc,
    /// Does not fit the header: at most 100 bytes of name after at most 155 bytes of folders.
    #[error(
        "the path is too long: at most 255 bytes, with at most 100 after the last `/` that leaves 155 before it"
    )]
    TooLong,
    /// More folders than allowed.
    #[error("the path is deeper than the {limit} levels allowed")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// Begins with `/`.
    #[error("the path is absolute; paths are relative to the module's root")]
    Absolute,
    /// Contains `..`.
    #[error("the path contains `..` and would leave the module's folder")]
    DotDot,
    /// Contains `.` or nothing between two slashes.
    #[error("the path has an empty or `.` segment; write it in its shortest form")]
    EmptySegment,
    /// A backslash, which separates folders on Windows.
    #[error("the path contains `\\`, which is a separator on Windows")]
    Backslash,
    /// A drive letter or a stream, as `C:`.
    #[error("the path contains `:`, which names drives and streams on Windows")]
    DriveLetter,
    /// A control character.
    #[error("the path contains the control character U+{:04X}", u32::from(*character))]
    Control {
        /// The character.
        character: char,
    },
    /// A character that some systems ignore or that shows other text than there is.
    #[error("the path contains the invisible character U+{:04X}", u32::from(*character))]
    Invisible {
        /// The character.
        character: char,
    },
    /// A character that Windows refuses.
    #[error("the path contains {character:?}, which Windows does not allow in a name")]
    Forbidden {
        /// The character.
        character: char,
    },
    /// A name that is a device on Windows.
    #[error("{name:?} is a device name on Windows; rename the file")]
    Reserved {
        /// The segment.
        name: String,
    },
    /// Windows drops a dot or a space at the end.
    #[error("{name:?} ends with a dot or a space, which Windows drops")]
    TrailingDotOrSpace {
        /// The segment.
        name: String,
    },
    /// Version control data.
    #[error("{name:?} is version control data and does not belong in an archive")]
    VersionControl {
        /// The segment.
        name: String,
    },
    /// Terraform's working directory.
    #[error("`.terraform` is Terraform's working directory and does not belong in an archive")]
    TerraformData,
    /// A state file, which may hold secrets.
    #[error("{name:?} is a Terraform state file, which may hold secrets; remove it")]
    State {
        /// The segment.
        name: String,
    },
}

/// Checks one path by itself.
pub(crate) fn check(path: &str, depth: usize) -> Result<(), PathProblem> {
    if path.is_empty() {
        return Err(PathProblem::Empty);
    }
    path.chars().try_for_each(check_character)?;
    if path.starts_with('/') {
        return Err(PathProblem::Absolute);
    }
    if !is_nfc(path) {
        return Err(PathProblem::NotNfc);
    }
    if path.split('/').count() > depth {
        return Err(PathProblem::TooDeep { limit: depth });
    }
    path.split('/').try_for_each(check_segment)
}

fn check_character(character: char) -> Result<(), PathProblem> {
    match character {
        '\\' => Err(PathProblem::Backslash),
        ':' => Err(PathProblem::DriveLetter),
        '<' | '>' | '"' | '|' | '?' | '*' => Err(PathProblem::Forbidden { character }),
        // HFS+ ignores some of these when it compares names, and the others reorder the text that a person reads.
        '\u{00AD}'
        | '\u{034F}'
        | '\u{061C}'
        | '\u{180B}'..='\u{180F}'
        | '\u{200B}'..='\u{200F}'
        | '\u{2028}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}'
        | '\u{FE00}'..='\u{FE0F}'
        | '\u{FEFF}'
        | '\u{E0000}'..='\u{E0FFF}' => Err(PathProblem::Invisible { character }),
        _ if character.is_control() => Err(PathProblem::Control { character }),
        _ => Ok(()),
    }
}

fn check_segment(segment: &str) -> Result<(), PathProblem> {
    let name = || segment.to_owned();
    match segment {
        "" | "." => return Err(PathProblem::EmptySegment),
        ".." => return Err(PathProblem::DotDot),
        _ => {}
    }
    if segment.ends_with(['.', ' ']) {
        return Err(PathProblem::TrailingDotOrSpace { name: name() });
    }
    let lower = segment.to_ascii_lowercase();
    match lower.as_str() {
        // `git~1` is what NTFS also calls `.git`.
        ".git" | "git~1" | ".hg" | ".svn" => Err(PathProblem::VersionControl { name: name() }),
        ".terraform" => Err(PathProblem::TerraformData),
        _ if lower.contains(".tfstate") => Err(PathProblem::State { name: name() }),
        _ if is_windows_device(&lower) => Err(PathProblem::Reserved { name: name() }),
        _ => Ok(()),
    }
}

/// Windows opens the device whatever extension follows.
fn is_windows_device(lower: &str) -> bool {
    let stem = lower.split('.').next().unwrap_or(lower).trim_end_matches(' ');
    if matches!(stem, "con" | "prn" | "aux" | "nul" | "conin$" | "conout$") {
        return true;
    }
    let Some(port) = stem.strip_prefix("com").or_else(|| stem.strip_prefix("lpt")) else {
        return false;
    };
    let mut digits = port.chars();
    matches!((digits.next(), digits.next()), (Some('0'..='9' | '¹' | '²' | '³'), None))
}

/// Two paths that some system would take for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Collision {
    /// The same bytes.
    Duplicate,
    /// Equal on a system that ignores case.
    Folded { other: String },
    /// One path is a folder of another.
    FileAndFolder { other: String },
}

/// Every name seen so far, file or folder, as a system that ignores case would compare it.
#[derive(Default)]
pub(crate) struct Names {
    by_folded: BTreeMap<String, Name>,
    last_folder: String,
}

struct Name {
    path: String,
    is_folder: bool,
}

impl Names {
    /// Adds a file and the folders that it implies.
    pub(crate) fn add(&mut self, path: &str) -> Result<(), Collision> {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        if folder != self.last_folder {
            for (end, _) in folder.match_indices('/') {
                self.insert(&folder[..end], true)?;
            }
            if !folder.is_empty() {
                self.insert(folder, true)?;
            }
            folder.clone_into(&mut self.last_folder);
        }
        self.insert(path, false)
    }

    fn insert(&mut self, path: &str, is_folder: bool) -> Result<(), Collision> {
        let folded = fold(path);
        let Some(known) = self.by_folded.get(&folded) else {
            self.by_folded.insert(folded, Name { path: path.to_owned(), is_folder });
            return Ok(());
        };
        if known.path != path {
            Err(Collision::Folded { other: known.path.clone() })
        } else if known.is_folder != is_folder {
            Err(Collision::FileAndFolder { other: known.path.clone() })
        } else if is_folder {
            Ok(())
        } else {
            Err(Collision::Duplicate)
        }
    }
}

/// Upper case first, so that letters with several lower-case forms (`ß`, `ς`) fold to one.
fn fold(path: &str) -> String {
    if path.is_ascii() {
        return path.to_ascii_lowercase();
    }
    path.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).nfc().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DEPTH: usize = 32;

    #[test]
    fn ordinary_module_paths_are_accepted() {
        for path in [
            "main.tf",
            "modules/a b/main.tf",
            ".gitignore",
            ".github/workflows/ci.yaml",
            "docs/größe.md",
            "console.tf",
            "com10.tf",
            "templates/_helpers.tpl",
            "terraform.tfvars",
        ] {
            assert_eq!(check(path, DEPTH), Ok(()), "{path}");
        }
    }

    #[test]
    fn every_hostile_path_is_refused_with_its_own_reason() {
        let cases = [
            ("", "Empty"),
            ("/etc/passwd", "Absolute"),
            ("../main.tf", "DotDot"),
            ("a/../main.tf", "DotDot"),
            ("./main.tf", "EmptySegment"),
            ("a//b", "EmptySegment"),
            ("a/", "EmptySegment"),
            ("a\\b", "Backslash"),
            ("C:main.tf", "DriveLetter"),
            ("a\nb", "Control"),
            ("a\u{85}b", "Control"),
            (".g\u{200c}it/config", "Invisible"),
            ("a\u{202e}b", "Invisible"),
            ("what?.tf", "Forbidden"),
            ("aux.tf", "Reserved"),
            ("a/COM1", "Reserved"),
            ("lpt³.txt", "Reserved"),
            ("a./b", "TrailingDotOrSpace"),
            ("cafe\u{301}.tf", "NotNfc"),
            (".GIT/config", "VersionControl"),
            ("git~1/config", "VersionControl"),
            ("a/.terraform/x", "TerraformData"),
            ("terraform.tfstate", "State"),
            ("terraform.tfstate.d/x/y", "State"),
            ("X.TFSTATE.backup", "State"),
        ];
        for (path, expected) in cases {
            let problem = check(path, DEPTH).expect_err(path);
            assert!(format!("{problem:?}").starts_with(expected), "{path:?}: {problem:?}");
        }
        assert_eq!(check(&"a/".repeat(33), DEPTH), Err(PathProblem::TooDeep { limit: 32 }));
    }

    #[test]
    fn names_that_differ_only_in_case_collide_as_files_and_as_folders() {
        for (first, second) in [
            ("README.md", "readme.md"),
            ("A/x", "a/y"),
            ("straße", "STRASSE"),
            ("ς", "Σ"),
            ("É", "é"),
        ] {
            let mut names = Names::default();
            names.add(first).unwrap();

            let collision = names.add(second).unwrap_err();

            assert!(matches!(collision, Collision::Folded { .. }), "{first} {second}");
        }
    }

    #[test]
    fn a_path_is_added_once_and_is_a_file_or_a_folder() {
        let mut names = Names::default();
        names.add("a/b").unwrap();
        names.add("a/c").unwrap();

        assert_eq!(names.add("a/b"), Err(Collision::Duplicate));
        assert_eq!(names.add("a"), Err(Collision::FileAndFolder { other: "a".into() }));
        assert_eq!(names.add("a/c/d"), Err(Collision::FileAndFolder { other: "a/c".into() }));
    }

    proptest! {
        #[test]
        fn an_accepted_path_never_leaves_the_folder(path in "\\PC{0,40}") {
            if check(&path, DEPTH).is_ok() {
                let inside = std::path::Path::new(&path)
                    .components()
                    .all(|part| matches!(part, std::path::Component::Normal(_)));
                prop_assert!(inside);
            }
        }
    }
}
