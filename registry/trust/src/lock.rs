//! The lock file, `.idp.lock.json`: which version of each golden path a configuration uses, and who signed it.
//!
//! One line per entry, sorted by address, so that two branches that lock different things merge without help:
//!
//! ```json
//! {
//!   "version": 1,
//!   "golden_paths": {
//!     "golden/api/nodejs": { "version": "1.4.0", "sha256": "…", "publisher": "…" }
//!   }
//! }
//! ```
//!
//! A reader refuses fields that it does not know: a lock that is half understood protects nothing. New sections
//! come with a new `version`.

use std::{
    collections::BTreeMap,
    fmt::{self, Write},
};

use semver::Version;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error as _, MapAccess, Visitor},
};

use crate::{
    digest::{Sha256, shortened, shortened_to},
    key::KeyId,
    release::{is_hostname, is_name, is_system},
};

/// The lock file's name, in the root module's folder.
pub const FILE_NAME: &str = ".idp.lock.json";
/// The version of the format that is read and written.
pub const FORMAT_VERSION: u64 = 1;
/// The largest lock file that is read.
pub const MAX_BYTES: usize = 1 << 20;

/// Why a lock file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LockError {
    /// Larger than [`MAX_BYTES`].
    #[error("{FILE_NAME} is {size} bytes, more than the {MAX_BYTES} allowed")]
    TooLarge {
        /// Its size.
        size: usize,
    },
    /// Git left both sides of a merge in the file.
    #[error(
        "{FILE_NAME}:{line}: an unresolved merge conflict; keep both sides' lines or run `idp lock` again"
    )]
    MergeConflict {
        /// The line of the first marker.
        line: usize,
    },
    /// Written by a later release.
    #[error(
        "{FILE_NAME} has format version {found}, this release reads version {FORMAT_VERSION}; update it"
    )]
    FormatVersion {
        /// The file's version.
        found: u64,
    },
    /// Not JSON, not of the lock file's shape, or holding what cannot be.
    #[error("{FILE_NAME}:{line}:{column}: {reason}")]
    Malformed {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// What is wrong.
        reason: String,
    },
    /// Not the address of a golden path.
    #[error(transparent)]
    Address(#[from] InvalidAddress),
    /// A published version with other content.
    #[error(transparent)]
    Rewritten(Box<Rewritten>),
}

/// A published version that is offered with other content than it is locked to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{address} {version} is locked to sha256 {locked}, but {offered} is offered; \
     published versions never change, so one of the two is not what was published"
)]
pub struct Rewritten {
    /// The golden path's address.
    pub address: String,
    /// The version that both have.
    pub version: Version,
    /// The digest in the lock file.
    pub locked: Sha256,
    /// The digest offered.
    pub offered: Sha256,
}

/// A text that is not the address of a golden path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{given:?} is not an address; write namespace/name/system, with the registry's hostname before it if needed"
)]
pub struct InvalidAddress {
    /// What was given, shortened.
    pub given: String,
}

/// What one golden path is locked to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedPath {
    /// The version.
    pub version: Version,
    /// The digest of its archive.
    pub sha256: Sha256,
    /// The key that signed it.
    pub publisher: KeyId,
}

/// How a merge changed one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The golden path's address.
    pub address: String,
    /// What it was locked to, if it was.
    pub before: Option<LockedPath>,
    /// What it is locked to now.
    pub after: LockedPath,
}

/// A lock file's content.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lock {
    golden_paths: BTreeMap<String, LockedPath>,
}

impl Lock {
    /// Reads a lock file.
    pub fn parse(bytes: &[u8]) -> Result<Self, LockError> {
        if bytes.len() > MAX_BYTES {
            return Err(LockError::TooLarge { size: bytes.len() });
        }
        if let Some(line) = merge_conflict(bytes) {
            return Err(LockError::MergeConflict { line });
        }
        let head: Head = serde_json::from_slice(bytes).map_err(|error| malformed(&error))?;
        if head.version != FORMAT_VERSION {
            return Err(LockError::FormatVersion { found: head.version });
        }
        let file: File = serde_json::from_slice(bytes).map_err(|error| malformed(&error))?;
        Ok(Self { golden_paths: file.golden_paths.0 })
    }

    /// Writes the lock file: one line per entry, sorted, always the same bytes.
    pub fn to_json(&self) -> String {
        let mut text = format!("{{\n  \"version\": {FORMAT_VERSION},\n  \"golden_paths\": {{");
        let mut separator = "\n";
        for (address, LockedPath { version, sha256, publisher }) in &self.golden_paths {
            // Addresses, versions, digests and key ids hold no character that JSON escapes.
            let entry = format_args!(
                r#""version": "{version}", "sha256": "{sha256}", "publisher": "{publisher}""#
            );
            // Writing to a string cannot fail.
            let _ = write!(text, "{separator}    \"{address}\": {{ {entry} }}");
            separator = ",\n";
        }
        text.push_str(if self.golden_paths.is_empty() { "}\n}\n" } else { "\n  }\n}\n" });
        text
    }

    /// What a golden path is locked to.
    pub fn golden_path(&self, address: &str) -> Option<&LockedPath> {
        self.golden_paths.get(address)
    }

    /// Every locked golden path, sorted by address.
    pub fn golden_paths(&self) -> impl ExactSizeIterator<Item = (&str, &LockedPath)> {
        self.golden_paths.iter().map(|(address, entry)| (address.as_str(), entry))
    }

    /// Locks a golden path and says what that changed: nothing where it was locked so already.
    ///
    /// The same version with another digest is refused.
    pub fn insert(
        &mut self,
        address: &str,
        entry: LockedPath,
    ) -> Result<Option<Change>, LockError> {
        check_address(address)?;
        let before = self.golden_paths.get(address);
        match before {
            Some(locked) if *locked == entry => return Ok(None),
            Some(locked) if locked.version == entry.version && locked.sha256 != entry.sha256 => {
                return Err(LockError::Rewritten(Box::new(Rewritten {
                    address: address.to_owned(),
                    version: entry.version,
                    locked: locked.sha256,
                    offered: entry.sha256,
                })));
            }
            _ => {}
        }
        let before = self.golden_paths.insert(address.to_owned(), entry.clone());
        Ok(Some(Change { address: address.to_owned(), before, after: entry }))
    }

    /// Takes over every entry of `newer`; entries that it lacks stay. Changes nothing when it fails.
    pub fn merge(&mut self, newer: &Self) -> Result<Vec<Change>, LockError> {
        let mut merged = self.clone();
        let mut changes = Vec::new();
        for (address, entry) in newer.golden_paths() {
            changes.extend(merged.insert(address, entry.clone())?);
        }
        *self = merged;
        Ok(changes)
    }

    /// Unlocks a golden path.
    pub fn remove(&mut self, address: &str) -> Option<LockedPath> {
        self.golden_paths.remove(address)
    }
}

fn check_address(address: &str) -> Result<(), InvalidAddress> {
    let parts: Vec<_> = address.split('/').collect();
    let holds = match parts.as_slice() {
        [namespace, name, system] => is_name(namespace) && is_name(name) && is_system(system),
        [hostname, namespace, name, system] => {
            is_hostname(hostname) && is_name(namespace) && is_name(name) && is_system(system)
        }
        _ => false,
    };
    if holds { Ok(()) } else { Err(InvalidAddress { given: shortened(address) }) }
}

fn merge_conflict(bytes: &[u8]) -> Option<usize> {
    let is_marker = |line: &[u8]| line.starts_with(b"<<<<<<< ") || line.starts_with(b">>>>>>> ");
    bytes.split(|byte| *byte == b'\n').position(is_marker).map(|index| index + 1)
}

/// The library appends the position to its message; ours is at the front.
fn malformed(error: &serde_json::Error) -> LockError {
    let (line, column) = (error.line(), error.column());
    let message = error.to_string();
    let reason = message.strip_suffix(&format!(" at line {line} column {column}"));
    LockError::Malformed { line, column, reason: shortened_to(300, reason.unwrap_or(&message)) }
}

#[derive(Deserialize)]
struct Head {
    version: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "version")]
    _version: u64,
    golden_paths: GoldenPaths,
}

struct GoldenPaths(BTreeMap<String, LockedPath>);

impl<'de> Deserialize<'de> for GoldenPaths {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntriesVisitor).map(Self)
    }
}

/// A map whose keys are addresses and occur once; the library's own keeps the last of two.
struct EntriesVisitor;

impl<'de> Visitor<'de> for EntriesVisitor {
    type Value = BTreeMap<String, LockedPath>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of golden paths by address")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = BTreeMap::new();
        while let Some(address) = map.next_key::<String>()? {
            check_address(&address).map_err(A::Error::custom)?;
            if entries.contains_key(&address) {
                return Err(A::Error::custom(format_args!(
                    "{address} is locked twice; keep one line"
                )));
            }
            let entry = map.next_value()?;
            entries.insert(address, entry);
        }
        Ok(entries)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::key::{Algorithm, SigningKey};

    const PUBLISHER: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

    fn other_publisher() -> KeyId {
        SigningKey::generate(Algorithm::Ed25519).unwrap().verifying_key().id()
    }

    fn entry(version: &str, content: &str) -> LockedPath {
        LockedPath {
            version: version.parse().unwrap(),
            sha256: Sha256::of(content.as_bytes()),
            publisher: PUBLISHER.parse().unwrap(),
        }
    }

    fn lock(entries: &[(&str, &str)]) -> Lock {
        let mut lock = Lock::default();
        for (address, version) in entries {
            lock.insert(address, entry(version, version)).unwrap();
        }
        lock
    }

    fn error(text: &str) -> String {
        Lock::parse(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn each_entry_is_one_line_and_lines_are_sorted() {
        let text =
            lock(&[("golden/worker/go", "1.0.0"), ("golden/api/nodejs", "1.4.0-rc.1")]).to_json();

        let digest = Sha256::of(b"1.4.0-rc.1");
        let expected = format!(
            r#"{{
  "version": 1,
  "golden_paths": {{
    "golden/api/nodejs": {{ "version": "1.4.0-rc.1", "sha256": "{digest}", "publisher": "{PUBLISHER}" }},
"#
        );
        assert!(text.starts_with(&expected), "{text}");
        assert_eq!(text.lines().count(), 7);
        assert!(text.ends_with("\n  }\n}\n"));
    }

    #[test]
    fn a_lock_reads_back_as_it_was_written() {
        for lock in [
            Lock::default(),
            lock(&[("golden/api/nodejs", "1.0.0+b1"), ("idp.example:8443/golden/api/go", "2.0.0")]),
        ] {
            assert_eq!(Lock::parse(lock.to_json().as_bytes()), Ok(lock));
        }
    }

    #[test]
    fn inserting_says_what_changed() {
        let mut lock = lock(&[("golden/api/nodejs", "1.0.0")]);

        let same = lock.insert("golden/api/nodejs", entry("1.0.0", "1.0.0")).unwrap();
        let newer = lock.insert("golden/api/nodejs", entry("1.1.0", "x")).unwrap().unwrap();

        assert_eq!(same, None);
        assert_eq!(newer.before, Some(entry("1.0.0", "1.0.0")));
        assert_eq!(lock.golden_path("golden/api/nodejs"), Some(&newer.after));
    }

    #[test]
    fn a_locked_version_cannot_change_its_content() {
        let mut mine = lock(&[("golden/api/go", "1.0.0"), ("golden/api/nodejs", "1.0.0")]);
        let before = mine.clone();
        let mut theirs = lock(&[("golden/api/go", "2.0.0")]);
        theirs.insert("golden/api/nodejs", entry("1.0.0", "other")).unwrap();

        let refused = mine.merge(&theirs).unwrap_err();

        assert!(matches!(refused, LockError::Rewritten(_)), "{refused}");
        assert_eq!(mine, before);
    }

    #[test]
    fn merging_keeps_what_the_other_side_lacks() {
        let mut mine = lock(&[("golden/api/go", "1.0.0"), ("golden/api/nodejs", "1.0.0")]);

        let changes = mine
            .merge(&lock(&[("golden/api/go", "2.0.0"), ("golden/worker/go", "1.0.0")]))
            .unwrap();

        assert_eq!(changes.len(), 2);
        assert_eq!(mine.golden_paths().len(), 3);
        assert_eq!(mine.remove("golden/worker/go"), Some(entry("1.0.0", "1.0.0")));
    }

    #[test]
    fn another_publisher_of_the_same_bytes_is_a_change() {
        let mut lock = lock(&[("golden/api/go", "1.0.0")]);
        let other = LockedPath { publisher: other_publisher(), ..entry("1.0.0", "1.0.0") };

        assert!(lock.insert("golden/api/go", other).unwrap().is_some());
    }

    #[test]
    fn errors_name_the_line() {
        let good = lock(&[("golden/api/go", "1.0.0"), ("golden/api/nodejs", "1.0.0")]).to_json();
        let line = |number: usize| good.lines().nth(number - 1).unwrap();
        let repeated = good.replace(line(5), &format!("{},\n{}", line(5), line(5)));
        let conflict =
            good.replace(line(5), &format!("<<<<<<< HEAD\n{}\n=======\n>>>>>>> x", line(5)));

        for (text, expected) in [
            (good.replace("1.0.0\", \"sha256", "1.0\", \"sha256"), ".idp.lock.json:4:"),
            (repeated, ".idp.lock.json:6:"),
            (conflict, ".idp.lock.json:5: an unresolved merge conflict"),
            (good.replace("golden/api/go\"", "golden/../go\""), ".idp.lock.json:4:"),
            (good.replace("golden_paths", "modules"), "unknown field `modules`"),
            (good.replace("\"version\": 1,", "\"version\": 2,"), "format version 2"),
            (good.replace("\"version\": 1,", ""), "missing field `version`"),
            (good.clone() + "x", "trailing characters"),
            (String::new(), "EOF"),
        ] {
            assert!(error(&text).contains(expected), "{expected}: {}", error(&text));
        }
        let large = Lock::parse(&vec![b' '; MAX_BYTES + 1]).unwrap_err();
        assert_eq!(large, LockError::TooLarge { size: MAX_BYTES + 1 });
    }

    #[test]
    fn an_address_has_three_parts_and_perhaps_a_hostname() {
        for address in ["golden/api/nodejs", "idp.example/golden/api/nodejs"] {
            assert!(check_address(address).is_ok(), "{address}");
        }
        for address in ["", "golden", "golden/api", "a/b/c/d/e", "golden/api/", "golden/a\"/go"] {
            assert!(check_address(address).is_err(), "{address}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
            let _ = Lock::parse(&bytes);
        }

        #[test]
        fn a_changed_lock_fails_or_round_trips(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let lock = lock(&[("golden/api/go", "1.0.0"), ("golden/api/nodejs", "1.2.0-rc.1")]);
            let mut bytes = lock.to_json().into_bytes();
            let at = at.index(bytes.len());
            bytes[at] = byte;

            if let Ok(read) = Lock::parse(&bytes) {
                prop_assert_eq!(Lock::parse(read.to_json().as_bytes()), Ok(read));
            }
        }
    }
}
