//! The last head of the log that was signed, in a file outside the database.
//!
//! A database can be restored to what it was; what was signed cannot be taken back. So the head is written down before
//! it is signed, beside the keys, and a log that does not continue it is not signed any more: two histories would
//! carry this registry's name.

use std::path::{Path, PathBuf};

use registry_trust::digest::Sha256;
use registry_trust::log::checkpoint::Checkpoint;
use serde::{Deserialize, Serialize};

use super::TrustError;
use crate::files;
use crate::store::{Connection, log};

/// The file's name in the trust folder.
pub(super) const FILE: &str = "checkpoint.json";

/// Why the log is not signed.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// Fewer entries than were signed.
    #[error(
        "the log has {size} entries, but one with {signed} was signed and given out: the database is older than {}.\n\
         Nothing is signed, because clients would see two histories. Restore a newer backup, or bring the missing \
         entries back from a copy of the log: idp log recover FOLDER (`idp log monitor` keeps one). Only where they are \
         lost for good: take {} away; whoever's lock file has seen more refuses this registry until its \"log\" line is \
         taken out", file.display(), file.display()
    )]
    Behind {
        /// How many there are.
        size: u64,
        /// How many there were.
        signed: u64,
        /// The guard.
        file: PathBuf,
    },
    /// Other entries than were signed.
    #[error(
        "the first {signed} entries of the log are not those that were signed and given out ({}).\n\
         Nothing is signed, because clients would see two histories. Restore the database that belongs to these keys",
        file.display()
    )]
    Forked {
        /// How many were signed.
        signed: u64,
        /// The guard.
        file: PathBuf,
    },
    /// Not readable.
    #[error("{} does not say what was signed last: {reason}. Restore it, it is beside the registry's keys", file.display())]
    Unreadable {
        /// The guard.
        file: PathBuf,
        /// Why.
        reason: String,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    origin: String,
    size: u64,
    root: Sha256,
}

/// Refuses a log that does not continue what was signed.
pub(super) async fn check(
    file: &Path,
    origin: &str,
    conn: &mut Connection,
) -> Result<(), TrustError> {
    let Some(signed) = read(file)? else { return Ok(()) };
    let file = || file.to_owned();
    if signed.origin != origin {
        let reason = format!("it is of the log {:?}", signed.origin);
        return Err(GuardError::Unreadable { file: file(), reason }.into());
    }
    let size = log::frontier(conn).await?.size();
    if size < signed.size {
        return Err(GuardError::Behind { size, signed: signed.size, file: file() }.into());
    }
    if super::root_at(conn, signed.size).await? != signed.root {
        return Err(GuardError::Forked { signed: signed.size, file: file() }.into());
    }
    Ok(())
}

/// The head that was signed last.
pub(super) fn signed(file: &Path) -> Result<Option<Checkpoint>, TrustError> {
    let head = read(file)?;
    Ok(head.map(|Head { origin, size, root }| Checkpoint { origin, size, root }))
}

/// What was signed last.
fn read(file: &Path) -> Result<Option<Head>, TrustError> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(TrustError::File { path: file.to_owned(), source }),
    };
    serde_json::from_str(&text).map(Some).map_err(|error| {
        GuardError::Unreadable { file: file.to_owned(), reason: error.to_string() }.into()
    })
}

/// Writes down what is about to be signed; it is on the disk when this returns.
pub(super) async fn persist(file: &Path, checkpoint: &Checkpoint) -> Result<(), TrustError> {
    let Checkpoint { origin, size, root } = checkpoint.clone();
    let head = Head { origin, size, root };
    let target = file.to_owned();
    let written = tokio::task::spawn_blocking(move || {
        let mut text = serde_json::to_vec(&head)?;
        text.push(b'\n');
        files::replace(&target, &text, 0o600)
    })
    .await;
    let flat = written.unwrap_or_else(|error| Err(std::io::Error::other(error)));
    flat.map_err(|source| TrustError::File { path: file.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(size: u64) -> Checkpoint {
        Checkpoint { origin: "r.example/log".to_owned(), size, root: Sha256::of(b"root") }
    }

    #[tokio::test]
    async fn what_was_persisted_is_read_back_whole() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(FILE);

        assert!(read(&file).unwrap().is_none());
        for size in [1, 2] {
            persist(&file, &head(size)).await.unwrap();
            let read = read(&file).unwrap().unwrap();
            assert_eq!((read.size, read.root), (size, Sha256::of(b"root")));
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_damaged_guard_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(FILE);
        std::fs::write(&file, "{\"size\":").unwrap();

        let error = read(&file).err().unwrap().to_string();

        assert!(error.contains("does not say what was signed last"), "{error}");
    }
}
