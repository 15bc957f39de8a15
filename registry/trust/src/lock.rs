//! The lock file, `.idp.lock.json`: what a configuration is pinned to, and what was last seen of the registry's log.
//!
//! One line per entry, sorted by key, so that two branches that lock different things merge without help:
//!
//! ```json
//! {
//!   "version": 2,
//!   "golden_paths": {
//!     "golden/api/nodejs": { "version": "1.4.0", "sha256": "…", "publisher": "…" }
//!   },
//!   "modules": {
//!     "registry.example.com/acme/vpc/aws@1.2.0": { "sha256": "…", "h1": "h1:…", "publisher": "…" }
//!   },
//!   "log": { "origin": "registry.example.com/log", "size": 12, "root": "…" }
//! }
//! ```
//!
//! A module may be used in several versions, so its version is part of the key. The log's head travels with the file:
//! everybody who commits or merges it tells the others what the registry showed, so it cannot show two histories.
//!
//! A reader refuses fields that it does not know: a lock that is half understood protects nothing. New sections
//! come with a new `version`; version 1 had golden paths only and is still read.

mod conflict;
mod read;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fmt::Write};

use semver::Version;
use serde::{Deserialize, Serialize};

pub use self::conflict::Resolved;
use crate::{
    digest::{DirHash1, Sha256, shortened},
    evidence::Seen,
    key::KeyId,
    log::checkpoint::Checkpoint,
    release::{ModuleId, ReleaseId, is_hostname, is_name, is_system},
};

/// The lock file's name, in the root module's folder.
pub const FILE_NAME: &str = ".idp.lock.json";
/// The version of the format that is written. Version 1 is read too.
pub const FORMAT_VERSION: u64 = 2;
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
        "{FILE_NAME}:{line}: an unresolved merge conflict; run `idp lock`, which takes both sides together"
    )]
    MergeConflict {
        /// The line of the first marker.
        line: usize,
    },
    /// Written by a later release.
    #[error(
        "{FILE_NAME} has format version {found}, this release reads versions 1 to {FORMAT_VERSION}; update it"
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
    /// A published version that somebody else signed.
    #[error(
        "{key} is locked to the publisher key {locked}, but {offered} is offered; a published version is signed once"
    )]
    OtherPublisher {
        /// Which golden path or module.
        key: String,
        /// The key in the lock file.
        locked: KeyId,
        /// The key offered.
        offered: KeyId,
    },
    /// Another log than the one that was seen.
    #[error(
        "{FILE_NAME} has seen the log {seen}, this is the log {offered}; if the registry has a new log, ask its operator, \
         then remove the line \"log\""
    )]
    OtherLog {
        /// The origin in the lock file.
        seen: String,
        /// The other origin, shortened.
        offered: String,
    },
    /// A log that is shorter than it was.
    #[error("{FILE_NAME} has seen the log with {seen} entries, it cannot go back to {offered}")]
    Backwards {
        /// The size in the lock file.
        seen: u64,
        /// The size offered.
        offered: u64,
    },
    /// One size, two roots.
    #[error(
        "the registry showed two logs with {size} entries: somebody saw another history than you; keep both and ask its \
         operator"
    )]
    TwoHistories {
        /// The size of both.
        size: u64,
    },
}

/// A published version that is offered with other content than it is locked to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{address} {version} is locked to {what} {locked}, but {offered} is offered; \
     published versions never change, so one of the two is not what was published"
)]
pub struct Rewritten {
    /// The golden path's or the module's address.
    pub address: String,
    /// The version that both have.
    pub version: Version,
    /// Which digest it is: `sha256` or `h1`.
    pub what: &'static str,
    /// The digest in the lock file.
    pub locked: String,
    /// The digest offered.
    pub offered: String,
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

/// What one version of a module is locked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LockedModule {
    /// The digest of its archive.
    pub sha256: Sha256,
    /// The hash of its tree.
    pub h1: DirHash1,
    /// The key that signed it.
    pub publisher: KeyId,
}

/// A lock file's content.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lock {
    golden_paths: BTreeMap<String, LockedPath>,
    modules: BTreeMap<ReleaseId, LockedModule>,
    log: Option<Seen>,
}

impl Lock {
    /// Reads a lock file.
    pub fn parse(bytes: &[u8]) -> Result<Self, LockError> {
        read::parse(bytes)
    }

    /// Reads a lock file in which git left conflict markers: the union of both sides.
    ///
    /// Of two versions of a golden path the higher one, of two heads of one log the later one. What the sides say
    /// differently of one version is refused.
    pub fn resolve_conflict(bytes: &[u8]) -> Result<Resolved, LockError> {
        conflict::resolve(bytes)
    }

    /// Writes the lock file: one line per entry, sorted, always the same bytes.
    pub fn to_json(&self) -> String {
        // Addresses, versions, digests and key ids hold no character that JSON escapes.
        let paths = self.golden_paths.iter().map(|(address, entry)| {
            let LockedPath { version, sha256, publisher } = entry;
            format!(r#""{address}": {{ "version": "{version}", "sha256": "{sha256}", "publisher": "{publisher}" }}"#)
        });
        let modules = self.modules.iter().map(|(release, entry)| {
            let LockedModule { sha256, h1, publisher } = entry;
            format!(r#""{release}": {{ "sha256": "{sha256}", "h1": "{h1}", "publisher": "{publisher}" }}"#)
        });
        let mut text = format!("{{\n  \"version\": {FORMAT_VERSION}");
        write_section(&mut text, "golden_paths", paths);
        write_section(&mut text, "modules", modules);
        if let Some(Seen { checkpoint: Checkpoint { origin, size, root }, root_version }) =
            &self.log
        {
            let origin = serde_json::Value::from(origin.as_str());
            // Writing to a string cannot fail.
            let _ = write!(
                text,
                ",\n  \"log\": {{ \"origin\": {origin}, \"size\": {size}, \"root\": \"{root}\", \
                 \"root_version\": {root_version} }}"
            );
        }
        text.push_str("\n}\n");
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
            Some(locked) if locked.version == entry.version => {
                check_digest(address, &entry.version, locked.sha256, entry.sha256)?;
            }
            _ => {}
        }
        let before = self.golden_paths.insert(address.to_owned(), entry.clone());
        Ok(Some(Change { address: address.to_owned(), before, after: entry }))
    }

    /// Unlocks a golden path.
    pub fn remove(&mut self, address: &str) -> Option<LockedPath> {
        self.golden_paths.remove(address)
    }

    /// What a version of a module is locked to.
    pub fn module(&self, release: &ReleaseId) -> Option<&LockedModule> {
        self.modules.get(release)
    }

    /// Every locked version of every module, sorted by address and version.
    pub fn modules(&self) -> impl ExactSizeIterator<Item = (&ReleaseId, &LockedModule)> {
        self.modules.iter()
    }

    /// The versions in which a module is locked, lowest first.
    pub fn versions(&self, module: &ModuleId) -> impl DoubleEndedIterator<Item = &Version> {
        let of_module = move |release: &&ReleaseId| release.module() == module;
        self.modules.keys().filter(of_module).map(ReleaseId::version)
    }

    /// Locks a version of a module; false where it was locked so already. Other content or another publisher than it is
    /// locked to is refused.
    pub fn insert_module(
        &mut self,
        release: &ReleaseId,
        entry: LockedModule,
    ) -> Result<bool, LockError> {
        if let Some(locked) = self.modules.get(release) {
            let address = release.module().to_string();
            check_digest(&address, release.version(), locked.sha256, entry.sha256)?;
            if locked.h1 != entry.h1 {
                return Err(LockError::Rewritten(Box::new(Rewritten {
                    address,
                    version: release.version().clone(),
                    what: "h1",
                    locked: locked.h1.to_string(),
                    offered: entry.h1.to_string(),
                })));
            }
            check_publisher(release.to_string(), locked.publisher, entry.publisher)?;
        }
        Ok(self.modules.insert(release.clone(), entry).is_none())
    }

    /// Unlocks a version of a module.
    pub fn remove_module(&mut self, release: &ReleaseId) -> Option<LockedModule> {
        self.modules.remove(release)
    }

    /// The log as it was last seen.
    pub fn log(&self) -> Option<&Seen> {
        self.log.as_ref()
    }

    /// Remembers the log as it was verified against what was seen before; false where it is that. Going backwards is
    /// refused.
    pub fn remember(&mut self, now: Seen) -> Result<bool, LockError> {
        if let Some(before) = &self.log {
            if *before == now {
                return Ok(false);
            }
            let (seen, offered) = (before.checkpoint.size, now.checkpoint.size);
            if later(before, &now)? == before && before.checkpoint != now.checkpoint {
                return Err(LockError::Backwards { seen, offered });
            }
        }
        self.log = Some(now);
        Ok(true)
    }
}

/// What was seen later of one log.
fn later<'a>(first: &'a Seen, second: &'a Seen) -> Result<&'a Seen, LockError> {
    let (one, other) = (&first.checkpoint, &second.checkpoint);
    if one.origin != other.origin {
        let (seen, offered) = (shortened(&one.origin), shortened(&other.origin));
        return Err(LockError::OtherLog { seen, offered });
    }
    if one.size == other.size && one.root != other.root {
        return Err(LockError::TwoHistories { size: one.size });
    }
    Ok(if other.size > one.size { second } else { first })
}

fn check_digest(
    address: &str,
    version: &Version,
    locked: Sha256,
    offered: Sha256,
) -> Result<(), LockError> {
    if locked == offered {
        return Ok(());
    }
    Err(LockError::Rewritten(Box::new(Rewritten {
        address: address.to_owned(),
        version: version.clone(),
        what: "sha256",
        locked: locked.to_string(),
        offered: offered.to_string(),
    })))
}

fn check_publisher(key: String, locked: KeyId, offered: KeyId) -> Result<(), LockError> {
    if locked == offered { Ok(()) } else { Err(LockError::OtherPublisher { key, locked, offered }) }
}

fn write_section(text: &mut String, name: &str, lines: impl Iterator<Item = String>) {
    // Writing to a string cannot fail.
    let _ = write!(text, ",\n  \"{name}\": {{");
    let mut separator = "\n";
    for line in lines {
        let _ = write!(text, "{separator}    {line}");
        separator = ",\n";
    }
    text.push_str(if separator == "\n" { "}" } else { "\n  }" });
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
