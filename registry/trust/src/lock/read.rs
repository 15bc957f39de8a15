//! Reading a lock file strictly.

use std::{collections::BTreeMap, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor},
};

use super::{
    FORMAT_VERSION, Lock, LockError, LockedModule, LockedPath, MAX_BYTES, check_address, conflict,
};
use crate::{
    digest::{DirHash1, Sha256, shortened_to},
    evidence::Seen,
    key::KeyId,
    log::{checkpoint::Checkpoint, merkle::empty_root},
    release::ReleaseId,
};

pub(super) fn parse(bytes: &[u8]) -> Result<Lock, LockError> {
    check_size(bytes)?;
    if let Some(line) = conflict::first_marker(bytes) {
        return Err(LockError::MergeConflict { line });
    }
    match version(bytes)? {
        1 => {
            let file: FirstFile =
                serde_json::from_slice(bytes).map_err(|error| malformed(&error))?;
            Ok(Lock { golden_paths: file.golden_paths.0, ..Lock::default() })
        }
        FORMAT_VERSION => parse_sections(bytes),
        found => Err(LockError::FormatVersion { found }),
    }
}

/// One side of a merge. The line with the version may be the other side's, so it decides nothing.
pub(super) fn parse_side(bytes: &[u8]) -> Result<Lock, LockError> {
    match version(bytes)? {
        1 | FORMAT_VERSION => parse_sections(bytes),
        found => Err(LockError::FormatVersion { found }),
    }
}

pub(super) fn check_size(bytes: &[u8]) -> Result<(), LockError> {
    if bytes.len() > MAX_BYTES {
        return Err(LockError::TooLarge { size: bytes.len() });
    }
    Ok(())
}

fn version(bytes: &[u8]) -> Result<u64, LockError> {
    let head: Head = serde_json::from_slice(bytes).map_err(|error| malformed(&error))?;
    Ok(head.version)
}

fn parse_sections(bytes: &[u8]) -> Result<Lock, LockError> {
    let file: File = serde_json::from_slice(bytes).map_err(|error| malformed(&error))?;
    let log = file.log.map(|log| log.0);
    Ok(Lock { golden_paths: file.golden_paths.0, modules: file.modules.0, log })
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
struct FirstFile {
    #[serde(rename = "version")]
    _version: u64,
    golden_paths: Section<String, LockedPath>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "version")]
    _version: u64,
    golden_paths: Section<String, LockedPath>,
    #[serde(default)]
    modules: Section<ReleaseId, LockedModule>,
    #[serde(default, deserialize_with = "present")]
    log: Option<LogLine>,
}

/// A `log` that is `null` is a line that somebody emptied.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<LogLine>, D::Error> {
    LogLine::deserialize(deserializer).map(Some)
}

impl<'de> Deserialize<'de> for LockedModule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let ModuleLine { sha256, h1, publisher } = ModuleLine::deserialize(deserializer)?;
        let h1 = DirHash1::from_h1(&h1).map_err(D::Error::custom)?;
        Ok(Self { sha256, h1, publisher })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ModuleLine {
    sha256: Sha256,
    h1: String,
    publisher: KeyId,
}

struct LogLine(Seen);

impl<'de> Deserialize<'de> for LogLine {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let LogFields { origin, size, root, root_version } = LogFields::deserialize(deserializer)?;
        if origin.is_empty() || origin.len() > 512 || origin.chars().any(char::is_control) {
            return Err(D::Error::custom("origin must be 1 to 512 characters on one line"));
        }
        if size == 0 && root != empty_root() {
            let expected = empty_root();
            return Err(D::Error::custom(format_args!(
                "a log without entries has the root {expected}"
            )));
        }
        Ok(Self(Seen { checkpoint: Checkpoint { origin, size, root }, root_version }))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LogFields {
    origin: String,
    size: u64,
    root: Sha256,
    root_version: u64,
}

/// What the keys of a section are.
trait Key: Ord + Sized {
    fn read(text: &str) -> Result<Self, String>;
}

impl Key for String {
    fn read(text: &str) -> Result<Self, String> {
        check_address(text).map_err(|error| error.to_string())?;
        Ok(text.to_owned())
    }
}

impl Key for ReleaseId {
    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(|error: crate::release::InvalidRelease| error.to_string())
    }
}

struct Section<K, V>(BTreeMap<K, V>);

impl<K, V> Default for Section<K, V> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<'de, K: Key, V: Deserialize<'de>> Deserialize<'de> for Section<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(SectionVisitor(PhantomData)).map(Self)
    }
}

/// A map whose keys occur once; the library's own keeps the last of two.
struct SectionVisitor<K, V>(PhantomData<(K, V)>);

impl<'de, K: Key, V: Deserialize<'de>> Visitor<'de> for SectionVisitor<K, V> {
    type Value = BTreeMap<K, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of entries by address")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = BTreeMap::new();
        while let Some(text) = map.next_key::<String>()? {
            let key = K::read(&text).map_err(A::Error::custom)?;
            if entries.contains_key(&key) {
                return Err(A::Error::custom(format_args!(
                    "{text} is locked twice; keep one line"
                )));
            }
            let entry = map.next_value()?;
            entries.insert(key, entry);
        }
        Ok(entries)
    }
}
