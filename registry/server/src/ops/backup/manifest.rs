//! What a backup says of itself: the first entry of its file.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::tar::{BLOCK, padded};
use crate::model::audit::Head;
use crate::store::{Connection, StoreError, audit, copy, log};

/// The form of file that this program writes and reads.
pub const FORMAT: u32 = 1;
/// Name of the entry with the manifest.
pub(super) const MANIFEST: &str = "manifest.json";
/// Name of the entry with the database.
pub(super) const DATABASE: &str = "idp.sqlite";
/// Name of the last entry: the digests of all others, in the form that `sha256sum -c` takes.
pub(super) const SUMS: &str = "SHA256SUMS";
/// Largest manifest, in bytes: half a million blobs.
pub(super) const LARGEST_MANIFEST: u64 = 64 * 1024 * 1024;

/// What is in a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: u32,
    /// When the copy of the database began, RFC 3339.
    pub made_at: String,
    /// Version of the program that made it.
    pub server_version: String,
    /// `server.hostname`, which the signed statements in it name.
    pub hostname: String,
    /// The database's file.
    pub database: Entry,
    /// What is in the database.
    pub contents: Contents,
    /// The blobs that are in the backup, in the order of names.
    pub blobs: Vec<Entry>,
    /// Blobs that the database names and that were not whole; only where that was asked for.
    pub skipped: Vec<Skipped>,
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Hex SHA-256 of its content.
    pub sha256: String,
    /// Its size.
    pub bytes: u64,
}

/// A blob that is not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Skipped {
    /// Its name.
    pub sha256: String,
    /// What it belongs to.
    pub of: String,
    /// Why it is not there.
    pub problem: String,
}

/// What is in a database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contents {
    /// The last step of its schema.
    pub schema: i64,
    /// Rows of each table.
    pub rows: BTreeMap<String, u64>,
    /// Where the audit log ends.
    pub audit: LogHead,
    /// Where the log of statements ends, where there is one.
    pub log: Option<LogHead>,
}

/// Where a log ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogHead {
    /// How many entries it has.
    pub size: u64,
    /// The hash over all of them.
    pub hash: String,
}

impl From<Head> for LogHead {
    fn from(head: Head) -> Self {
        Self { size: head.sequence, hash: head.hash }
    }
}

/// Why a manifest is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidManifest {
    /// Made by a later version.
    #[error(
        "it has format {0}, this idp reads format {FORMAT}: use the idp that made it, or a newer one"
    )]
    Format(u64),
    /// Not JSON of the form.
    #[error("it is not the manifest of a backup: {0}")]
    Form(String),
    /// Not what we would write.
    #[error("it is not as it was written: {0}")]
    Content(&'static str),
}

impl Manifest {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    pub(super) fn parse(bytes: &[u8]) -> Result<Self, InvalidManifest> {
        let form = |error: serde_json::Error| InvalidManifest::Form(error.to_string());
        let value: serde_json::Value = serde_json::from_slice(bytes).map_err(form)?;
        match value.get("format").and_then(serde_json::Value::as_u64) {
            Some(format) if format != u64::from(FORMAT) => {
                return Err(InvalidManifest::Format(format));
            }
            _ => {}
        }
        let manifest: Self = serde_json::from_value(value).map_err(form)?;
        manifest.check()?;
        if manifest.to_bytes() != bytes {
            return Err(InvalidManifest::Content("the same words would be written in another way"));
        }
        Ok(manifest)
    }

    /// Names become paths and sizes become loops: both are looked at before anything is done with them.
    fn check(&self) -> Result<(), InvalidManifest> {
        let is_digest = |text: &String| {
            text.len() == 64
                && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        };
        let blobs = self.blobs.iter().map(|blob| &blob.sha256);
        let skipped = self.skipped.iter().map(|blob| &blob.sha256);
        if !blobs.clone().chain(skipped).chain([&self.database.sha256]).all(is_digest) {
            return Err(InvalidManifest::Content("a digest is not 64 hex digits"));
        }
        if !blobs.is_sorted_by(|earlier, later| earlier < later) {
            return Err(InvalidManifest::Content("blobs repeat or are out of order"));
        }
        if self.length(0).is_none() {
            return Err(InvalidManifest::Content("the sizes are beyond all bounds"));
        }
        Ok(())
    }

    /// Name and size of every entry after the manifest.
    pub(super) fn entries(&self) -> impl Iterator<Item = (String, u64)> {
        let database = (DATABASE.to_owned(), self.database.bytes);
        let blobs = self.blobs.iter().map(|blob| (blob_name(&blob.sha256), blob.bytes));
        let sums = (SUMS.to_owned(), self.sums("").len() as u64 + 64);
        [database].into_iter().chain(blobs).chain([sums])
    }

    /// How long the whole file is where the manifest has `manifest` bytes; nothing for more than there can be.
    pub(super) fn length(&self, manifest: u64) -> Option<u64> {
        let entries = self.entries().map(|(_, bytes)| bytes);
        let mut length: u64 = 2 * BLOCK;
        for bytes in [manifest].into_iter().chain(entries) {
            length = length.checked_add(padded(bytes)?)?.checked_add(BLOCK)?;
        }
        Some(length)
    }

    /// The content of the last entry, for a manifest of that digest.
    pub(super) fn sums(&self, manifest_sha256: &str) -> String {
        let mut sums =
            format!("{manifest_sha256}  {MANIFEST}\n{}  {DATABASE}\n", self.database.sha256);
        for Entry { sha256, .. } in &self.blobs {
            // Writing to a String cannot fail.
            let _ = writeln!(sums, "{sha256}  {}", blob_name(sha256));
        }
        sums
    }

    /// Size of everything that is in it.
    pub fn bytes(&self) -> u64 {
        self.blobs.iter().map(|blob| blob.bytes).sum::<u64>() + self.database.bytes
    }
}

/// Name of the entry with a blob.
pub(super) fn blob_name(sha256: &str) -> String {
    format!("blobs/{sha256}")
}

/// What is in a database whose schema was looked at.
pub(super) async fn contents(conn: &mut Connection, schema: i64) -> Result<Contents, StoreError> {
    Ok(Contents {
        schema,
        rows: copy::rows(conn).await?,
        audit: audit::head(conn).await?.into(),
        log: log_head(conn).await?,
    })
}

/// Where the log of statements ends. Its leaves and tiles are rows, so a copy of the database is one of the log.
async fn log_head(conn: &mut Connection) -> Result<Option<LogHead>, StoreError> {
    if !log::is_there(conn).await? {
        return Ok(None);
    }
    let tree = log::frontier(conn).await?;
    Ok(Some(LogHead { size: tree.size(), hash: tree.root().to_string() }))
}
