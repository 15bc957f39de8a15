//! One change to a repository: what is written, what may be replaced, and how it is told.
//!
//! Pure: checks, digests and commit messages; nothing here runs git.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use sha2::{Digest, Sha256};

use super::{
    drift::Drift,
    error::GitOpsError,
    path::{ancestors, path_problem},
    repository::Identity,
};

/// The trailer by which an operation is found again after a crash. Always written by the driver.
pub const OPERATION_TRAILER: &str = "Idp-Operation";

const MAX_FILES: usize = 5000;
const MAX_BYTES: usize = 32 << 20;
const MAX_LINE: usize = 200;
const MAX_BODY: usize = 16 << 10;

/// What one operation wants to be true in a repository.
#[derive(Debug, Clone)]
pub struct Change {
    /// Committed at most once: the same id again finds its commit. Letters, digits, `.`, `_`, `-`.
    pub operation_id: String,
    /// Directories that belong to this resource alone: files of others in them are left alone and
    /// reported. Files may also lie elsewhere (an Argo CD application, say).
    pub directories: Vec<String>,
    /// Every file that is to exist, with its content. Empty removes whatever is owned.
    pub files: BTreeMap<String, Vec<u8>>,
    /// What the last change of this resource wrote: path → SHA-256 in hex. Only these, and files
    /// that already have the wanted content, may be replaced or removed.
    pub owned: BTreeMap<String, String>,
    /// What failed attempts since then may have written: path → the SHA-256 of each. Such a file may be
    /// replaced or removed only while it has one of these contents; otherwise somebody else wrote it.
    pub attempted: BTreeMap<String, BTreeSet<String>>,
    /// Who asked for it; the repository's committer if nobody did.
    pub author: Option<Identity>,
    /// Time of the commit, in seconds since 1970.
    pub committed_at_seconds: i64,
    /// First line of the message. Line breaks become spaces.
    pub subject: String,
    /// Text between subject and trailers; may be empty.
    pub body: String,
    /// Such as resource and generation. The operation's own trailer is added.
    pub trailers: Vec<(String, String)>,
}

/// What became of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// The commit that holds the change. None only if the branch has no commit and nothing had to
    /// be written, as when a resource is destroyed in an emptied repository.
    pub commit: Option<String>,
    /// Nothing was committed now: the operation had been, or every file was as wanted.
    pub already: bool,
    pub written: Vec<String>,
    pub removed: Vec<String>,
    /// Owned files that somebody had edited or deleted, and that were set right.
    pub mended: Vec<Drift>,
    /// Files in the change's directories that the platform did not write; left as they are.
    pub foreign: Vec<String>,
}

/// A change that passed every check that needs no repository, with the digests of its files.
#[derive(Debug)]
pub(super) struct CheckedChange {
    pub(super) change: Change,
    /// path → SHA-256 of what is to be written.
    pub(super) wanted: BTreeMap<String, String>,
    pub(super) message: String,
    pub(super) bytes: usize,
}

impl CheckedChange {
    pub(super) fn new(change: Change) -> Result<Self, GitOpsError> {
        let operation = change.operation_id.escape_debug().take(MAX_LINE).collect::<String>();
        let wrong = |problem| GitOpsError::InvalidChange { operation: operation.clone(), problem };
        check_operation_id(&change.operation_id).map_err(&wrong)?;
        check_paths(&change).map_err(&wrong)?;
        // Twelve digits reach the year 33658; git refuses much larger ones.
        if !(0..1_000_000_000_000).contains(&change.committed_at_seconds) {
            return Err(wrong(format!("{} is not a time", change.committed_at_seconds)));
        }
        let bytes = change.files.values().map(Vec::len).sum();
        if change.files.len() > MAX_FILES || bytes > MAX_BYTES {
            return Err(wrong(format!(
                "it holds {} files of {bytes} bytes; the most is {MAX_FILES} files of {MAX_BYTES} bytes",
                change.files.len()
            )));
        }
        let message = message(&change).map_err(&wrong)?;
        let wanted =
            change.files.iter().map(|(path, bytes)| (path.clone(), sha256(bytes))).collect();
        Ok(Self { change, wanted, message, bytes })
    }

    /// Every path whose state decides what this change does.
    pub(super) fn scope(&self) -> impl Iterator<Item = &str> {
        self.change.directories.iter().map(String::as_str).chain(self.files())
    }

    /// Every file that this change is about.
    pub(super) fn files(&self) -> impl Iterator<Item = &str> {
        let Change { files, owned, attempted, .. } = &self.change;
        files.keys().chain(owned.keys()).chain(attempted.keys()).map(String::as_str)
    }

    /// The files that may be replaced or removed, with the content they should have had.
    pub(super) fn owned_among<'a>(
        &'a self,
        present: &'a BTreeMap<String, String>,
    ) -> BTreeMap<&'a str, &'a str> {
        let Change { owned, attempted, .. } = &self.change;
        let left = attempted.iter().filter_map(|(path, sums)| {
            let seen = present.get(path).filter(|seen| sums.contains(*seen))?;
            Some((path.as_str(), seen.as_str()))
        });
        left.chain(owned.iter().map(|(path, sum)| (path.as_str(), sum.as_str()))).collect()
    }
}

fn check_operation_id(id: &str) -> Result<(), String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    if id.is_empty() || id.len() > 128 || !id.bytes().all(plain) {
        return Err("its id must be 1 to 128 letters, digits, dots, dashes or underscores".into());
    }
    Ok(())
}

fn check_paths(change: &Change) -> Result<(), String> {
    let owned = change.owned.keys().chain(change.attempted.keys());
    for path in change.directories.iter().chain(change.files.keys()).chain(owned) {
        if let Some(problem) = path_problem(path) {
            return Err(format!("path {path:?}: {problem}"));
        }
    }
    let files: BTreeSet<&str> = change.files.keys().map(String::as_str).collect();
    for path in &files {
        if let Some(above) = ancestors(path).find(|above| files.contains(above)) {
            return Err(format!("{above:?} cannot be a file and the directory of {path:?}"));
        }
    }
    Ok(())
}

fn message(change: &Change) -> Result<String, String> {
    let subject = one_line(&change.subject, MAX_LINE);
    if subject.is_empty() {
        return Err("its subject is empty".into());
    }
    let mut text = subject;
    let body = paragraphs(&change.body);
    if !body.is_empty() {
        text.push_str("\n\n");
        text.push_str(&body);
    }
    // Trailers are the last paragraph, so nothing that the body says is taken for one.
    text.push_str("\n\n");
    for (key, value) in &change.trailers {
        let key_ok = key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if key.is_empty() || !key_ok || key.eq_ignore_ascii_case(OPERATION_TRAILER) {
            return Err(format!("{key:?} cannot name a trailer"));
        }
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{key}: {}", one_line(value, 1000));
    }
    let _ = writeln!(text, "{OPERATION_TRAILER}: {}", change.operation_id);
    Ok(text)
}

/// Everything that a terminal or git could take for a line break or command becomes a space.
fn one_line(text: &str, longest: usize) -> String {
    let flat: String = text
        .chars()
        .map(|c| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c })
        .collect();
    flat.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(longest).collect()
}

fn paragraphs(text: &str) -> String {
    let kept: String = text
        .chars()
        .filter(|c| !c.is_control() || matches!(c, '\n' | '\t'))
        .take(MAX_BODY)
        .collect();
    kept.trim().to_owned()
}

/// The operation that a commit message names in its last paragraph.
pub(super) fn operation_of(message: &str) -> Option<&str> {
    let last = message.trim_end().rsplit("\n\n").next()?;
    last.lines()
        .filter_map(|line| line.split_once(": "))
        .find_map(|(key, value)| (key == OPERATION_TRAILER).then_some(value.trim()))
}

pub(super) fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn change() -> Change {
        Change {
            operation_id: "op_1".into(),
            directories: vec!["staging/service/checkout".into()],
            files: BTreeMap::from([("staging/service/checkout/a.yaml".into(), b"a".to_vec())]),
            owned: BTreeMap::new(),
            attempted: BTreeMap::new(),
            author: None,
            committed_at_seconds: 1_700_000_000,
            subject: "Create checkout".into(),
            body: String::new(),
            trailers: vec![("Idp-Generation".into(), "1".into())],
        }
    }

    #[test]
    fn the_message_ends_in_trailers_that_name_the_operation() {
        let checked = CheckedChange::new(Change { body: "Why.\r\n".into(), ..change() }).unwrap();

        assert_eq!(
            checked.message,
            "Create checkout\n\nWhy.\n\nIdp-Generation: 1\nIdp-Operation: op_1\n"
        );
        assert_eq!(operation_of(&checked.message), Some("op_1"));
    }

    #[test]
    fn changes_that_could_harm_the_repository_are_refused() {
        let bad_path = |path: &str| Change {
            files: BTreeMap::from([(path.to_owned(), Vec::new())]),
            ..change()
        };
        for broken in [
            Change { operation_id: "a\nb".into(), ..change() },
            Change { operation_id: String::new(), ..change() },
            Change { subject: " \n ".into(), ..change() },
            Change { committed_at_seconds: -1, ..change() },
            Change { directories: vec!["../x".into()], ..change() },
            Change { owned: BTreeMap::from([(".git/x".into(), String::new())]), ..change() },
            Change { trailers: vec![("idp-operation".into(), "x".into())], ..change() },
            Change { trailers: vec![("a: b\nc".into(), "x".into())], ..change() },
            bad_path("a/../../b"),
            bad_path("x\0"),
            Change {
                files: BTreeMap::from([("a".into(), Vec::new()), ("a/b".into(), Vec::new())]),
                ..change()
            },
        ] {
            let error = CheckedChange::new(broken).expect_err("accepted");
            assert!(matches!(error, GitOpsError::InvalidChange { .. }), "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_can_pose_as_another_operation(subject in "\\PC*|.*", body in ".*", value in ".*") {
            let forged = format!("{body}\n\nIdp-Operation: forged");
            let value = format!("{value}\nIdp-Operation: forged");
            let subject = format!("x{subject}\n\nIdp-Operation: forged");
            let change = Change {
                subject,
                body: forged,
                trailers: vec![("Idp-Resource".into(), value)],
                ..change()
            };

            let checked = CheckedChange::new(change).unwrap();

            prop_assert_eq!(operation_of(&checked.message), Some("op_1"));
        }
    }
}
