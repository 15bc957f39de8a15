//! Reading a backup: every byte is compared with what the manifest says must stand there.
//!
//! The file may come from anywhere. No name in it becomes a path but digests, and no size is believed that the file
//! does not have.

use std::path::{Path, PathBuf};

use registry_trust::audit::Auditor;
use registry_trust::log::checkpoint::Checkpoint;
use sha2::{Digest, Sha256};
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};

use super::manifest::{
    DATABASE, Entry, LARGEST_MANIFEST, MANIFEST, Manifest, SUMS, blob_name, contents,
};
use super::tar::{BLOCK, header, padded, padding, size};
use super::{BackupError, CHUNK, Watch};
use crate::blobs::{BlobWriter, Blobs};
use crate::failpoint;
use crate::model::audit::Head;
use crate::store::{Connection, StoreError, audit, copy, log};

/// A backup whose manifest was read.
pub struct Opened {
    /// What it says of itself, if the rest proves it.
    pub manifest: Manifest,
    manifest_sha256: String,
    source: Source,
}

/// The file, and where in it we are.
struct Source {
    file: BufReader<File>,
    path: PathBuf,
}

/// What [`Opened::read_through`] does with the content.
pub struct Unpack<'a> {
    /// Where the database goes; an empty file.
    pub database: &'a Path,
    /// Where the blobs go; nowhere if they are only to be checked.
    pub blobs: Option<&'a Blobs>,
}

/// What the database in a backup is found to be, beyond what the manifest says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// What is wrong with the audit log, if anything.
    pub audit_problem: Option<String>,
    /// What is wrong with the log of statements, if anything.
    pub log_problem: Option<String>,
}

/// Opens the file and reads its manifest.
pub async fn open(path: &Path) -> Result<Opened, BackupError> {
    let failed = |source| BackupError::io("read", path, source);
    let file = File::open(path).await.map_err(failed)?;
    let length = file.metadata().await.map_err(failed)?.len();
    let mut source = Source { file: BufReader::with_capacity(CHUNK, file), path: path.to_owned() };
    let foreign = || BackupError::NoBackup { path: path.to_owned() };
    let mut block = [0; 512];
    match source.file.read_exact(&mut block).await {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Err(foreign()),
        Err(error) => return Err(failed(error)),
    }
    let bytes = size(&block, MANIFEST).filter(|bytes| *bytes <= LARGEST_MANIFEST);
    let bytes = bytes.ok_or_else(foreign)?;
    if length < BLOCK + bytes {
        return Err(source.truncated(MANIFEST));
    }
    let content = source.take(MANIFEST, bytes).await?;
    source.zeros(MANIFEST, padding(bytes)).await?;
    let manifest = Manifest::parse(&content)
        .map_err(|source| BackupError::Manifest { path: path.to_owned(), source })?;
    require_length(&source, &manifest, bytes, length)?;
    let manifest_sha256 = hex::encode(Sha256::digest(&content));
    Ok(Opened { manifest, manifest_sha256, source })
}

/// Refuses a file of another length than its entries have together, and says where it ends.
fn require_length(
    source: &Source,
    manifest: &Manifest,
    bytes: u64,
    length: u64,
) -> Result<(), BackupError> {
    let whole = manifest.length(bytes).unwrap_or(u64::MAX);
    if length > whole {
        return Err(source.altered("the end", "something follows it"));
    }
    if length == whole {
        return Ok(());
    }
    let mut end = BLOCK + padded(bytes).unwrap_or_default();
    for (name, bytes) in manifest.entries() {
        end += BLOCK + padded(bytes).unwrap_or_default();
        if length < end {
            return Err(source.truncated(&name));
        }
    }
    Err(source.truncated("the end"))
}

impl Opened {
    /// Reads everything to the end; what is not as it was written is refused with the part that is not.
    pub async fn read_through(
        self,
        unpack: Unpack<'_>,
        watch: &dyn Watch,
    ) -> Result<Manifest, BackupError> {
        let Self { manifest, manifest_sha256, mut source } = self;
        let total = manifest.bytes();
        let mut done = manifest.database.bytes;
        source.database(&manifest.database, unpack.database).await?;
        failpoint::hit("restore.database_written");
        watch.at(done, total);
        for blob in &manifest.blobs {
            source.blob(blob, unpack.blobs).await?;
            done += blob.bytes;
            watch.at(done, total);
        }
        let sums = manifest.sums(&manifest_sha256);
        source.header(SUMS, sums.len() as u64).await?;
        let found = source.take(SUMS, sums.len() as u64).await?;
        if found != sums.as_bytes() {
            let manifest_sum = manifest_sha256.as_bytes();
            let part = if found.starts_with(manifest_sum) { SUMS } else { MANIFEST };
            return Err(source.altered(part, "the two do not fit"));
        }
        source.zeros(SUMS, padding(sums.len() as u64)).await?;
        source.zeros("the end", 1024).await?;
        Ok(manifest)
    }
}

impl Source {
    /// The header of that very entry.
    async fn header(&mut self, name: &str, bytes: u64) -> Result<(), BackupError> {
        let mut block = [0; 512];
        self.fill(name, &mut block).await?;
        if block == header(name, bytes) {
            return Ok(());
        }
        Err(self.altered(name, "its header is another than the manifest says"))
    }

    async fn database(&mut self, entry: &Entry, into: &Path) -> Result<(), BackupError> {
        let failed = |source| BackupError::io("write", into, source);
        self.header(DATABASE, entry.bytes).await?;
        let mut out = File::options().write(true).open(into).await.map_err(failed)?;
        let mut hash = Sha256::new();
        let mut left = entry.bytes;
        while left > 0 {
            let chunk = self.chunk(DATABASE, &mut left).await?;
            hash.update(&chunk);
            out.write_all(&chunk).await.map_err(failed)?;
        }
        out.flush().await.map_err(failed)?;
        out.sync_all().await.map_err(failed)?;
        self.ended(DATABASE, entry, &hex::encode(hash.finalize())).await
    }

    async fn blob(&mut self, entry: &Entry, into: Option<&Blobs>) -> Result<(), BackupError> {
        let name = blob_name(&entry.sha256);
        self.header(&name, entry.bytes).await?;
        let mut writer: Option<BlobWriter> = None;
        if let Some(blobs) = into {
            writer = Some(blobs.writer().await?);
        }
        let mut hash = Sha256::new();
        let mut left = entry.bytes;
        while left > 0 {
            let chunk = self.chunk(&name, &mut left).await?;
            hash.update(&chunk);
            if let Some(writer) = &mut writer {
                writer.write(&chunk).await?;
            }
        }
        self.ended(&name, entry, &hex::encode(hash.finalize())).await?;
        if let Some(writer) = writer {
            writer.finish().await?.keep().await?;
            failpoint::hit("restore.blob_written");
        }
        Ok(())
    }

    /// The end of an entry: the zeros after it, and whether it was what it should be.
    async fn ended(&mut self, name: &str, entry: &Entry, found: &str) -> Result<(), BackupError> {
        if found != entry.sha256 {
            let what = format!("its content has SHA-256 {found}, not {}", entry.sha256);
            return Err(self.altered(name, &what));
        }
        self.zeros(name, padding(entry.bytes)).await
    }

    /// The next piece of an entry of which `left` bytes are left.
    async fn chunk(&mut self, name: &str, left: &mut u64) -> Result<Vec<u8>, BackupError> {
        let length = usize::try_from(*left).unwrap_or(CHUNK).min(CHUNK);
        let mut chunk = vec![0; length];
        self.fill(name, &mut chunk).await?;
        *left -= length as u64;
        Ok(chunk)
    }

    /// That many bytes of an entry that is small, or is known to be there.
    async fn take(&mut self, name: &str, bytes: u64) -> Result<Vec<u8>, BackupError> {
        let mut content = vec![0; usize::try_from(bytes).unwrap_or_default()];
        self.fill(name, &mut content).await?;
        Ok(content)
    }

    async fn zeros(&mut self, name: &str, count: usize) -> Result<(), BackupError> {
        let mut block = [0; 1024];
        let block = &mut block[..count];
        self.fill(name, block).await?;
        if block.iter().all(|byte| *byte == 0) {
            return Ok(());
        }
        Err(self.altered(name, "something stands where nothing should"))
    }

    async fn fill(&mut self, name: &str, bytes: &mut [u8]) -> Result<(), BackupError> {
        match self.file.read_exact(bytes).await {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                Err(self.truncated(name))
            }
            Err(error) => Err(BackupError::io("read", &self.path, error)),
        }
    }

    fn truncated(&self, part: &str) -> BackupError {
        BackupError::Truncated { path: self.path.clone(), part: part.to_owned() }
    }

    fn altered(&self, part: &str, what: &str) -> BackupError {
        BackupError::Altered {
            path: self.path.clone(),
            part: part.to_owned(),
            what: what.to_owned(),
        }
    }
}

/// Checks that a database is whole, has a schema that we know, and has what the manifest says.
pub async fn check_database(database: &Path, manifest: &Manifest) -> Result<Checked, BackupError> {
    let broken = |what: String| BackupError::Database { what };
    let mut conn = copy::open(database).await?;
    if let Some(what) = copy::damage(&mut conn).await? {
        return Err(broken(what));
    }
    let schema = copy::schema(&mut conn).await?.map_err(|error| broken(error.to_string()))?;
    if contents(&mut conn, schema).await? != manifest.contents {
        return Err(broken("it does not have what the manifest says".to_owned()));
    }
    let named = copy::named_blobs(&mut conn).await?;
    let there = |sha256: &String| {
        manifest.blobs.binary_search_by(|blob| blob.sha256.cmp(sha256)).is_ok()
            || manifest.skipped.iter().any(|blob| blob.sha256 == *sha256)
    };
    if let Some(missing) = named.iter().find(|blob| !there(&blob.sha256)) {
        return Err(broken(format!(
            "{} needs blob {}, which is not there",
            missing.of, missing.sha256
        )));
    }
    if named.len() != manifest.blobs.len() + manifest.skipped.len() {
        return Err(broken("the backup has blobs that it does not name".to_owned()));
    }
    let audit_problem = audit_problem(&mut conn).await?;
    let log_problem = log_problem(&mut conn).await?;
    Ok(Checked { audit_problem, log_problem })
}

/// How many entries of a log are in memory at once.
const PAGE: u32 = 1000;

/// What is wrong with the chain of the audit log, if anything.
pub(super) async fn audit_problem(conn: &mut Connection) -> Result<Option<String>, StoreError> {
    let written = audit::head(conn).await?;
    let mut chain = Head::genesis();
    loop {
        let page = audit::entries(conn, chain.sequence, PAGE).await?;
        if page.is_empty() {
            return Ok(chain.ends_at(&written).err().map(|error| error.to_string()));
        }
        for entry in &page {
            if let Err(error) = chain.advance(entry) {
                return Ok(Some(error.to_string()));
            }
        }
    }
}

/// What is wrong with the log of statements, if anything: its entries, or the tree that was kept over them.
async fn log_problem(conn: &mut Connection) -> Result<Option<String>, StoreError> {
    if !log::is_there(conn).await? {
        return Ok(None);
    }
    let tree = log::frontier(conn).await?;
    let mut auditor = Auditor::new(None);
    loop {
        let from = auditor.size();
        let page = log::range(conn, from, from + u64::from(PAGE)).await?;
        if page.is_empty() {
            break;
        }
        if let Some(gap) = (from..).zip(&page).find(|(index, entry)| *index != entry.position) {
            return Ok(Some(format!("entry {} is missing", gap.0)));
        }
        let leaves: Vec<String> = page.into_iter().map(|entry| entry.leaf).collect();
        auditor.read(&leaves);
    }
    let kept = Checkpoint { origin: String::new(), size: tree.size(), root: tree.root() };
    let mut findings = auditor.audit().findings;
    findings.extend(auditor.check_tree(&kept));
    let more = match findings.len() {
        0 | 1 => String::new(),
        count => format!("; and {} more", count - 1),
    };
    Ok(findings.first().map(|finding| format!("{finding}{more}")))
}
