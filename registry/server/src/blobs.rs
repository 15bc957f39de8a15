//! Content-addressed files: `sha256/ab/cdef…` under one folder; the only place that knows their paths.
//!
//! A blob is written under a temporary name, synced, renamed and its folder synced, so a path that exists holds the
//! whole content. Nothing is ever overwritten. What is read is checked against its name once per process and again
//! whenever the file's size or time moves.

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use sha2::{Digest, Sha256};
use tokio::fs;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{failpoint, id};

/// The folder of blobs; cheap to clone.
#[derive(Debug, Clone)]
pub struct Blobs {
    root: Arc<PathBuf>,
    checked: Arc<Mutex<HashMap<String, Seen>>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    bytes: u64,
    modified: SystemTime,
}

/// What the blob store could not do.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// No room on the disk.
    #[error("no room left on the disk for {}", path.display())]
    Full {
        /// The file that did not fit.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A row names a blob that is not there.
    #[error("blob {sha256} is missing; restore {} from a backup", path.display())]
    Missing {
        /// Its name.
        sha256: String,
        /// Where it should be.
        path: PathBuf,
    },
    /// The bytes are not those that were stored.
    #[error("blob {sha256} is damaged: its content has SHA-256 {found}; restore {} from a backup", path.display())]
    Damaged {
        /// Its name.
        sha256: String,
        /// What its content hashes to.
        found: String,
        /// Where it is.
        path: PathBuf,
    },
    /// Anything else.
    #[error("the blob store cannot use {}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl BlobError {
    fn io(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                Self::Full { path, source }
            }
            _ => Self::Io { path, source },
        }
    }
}

/// A blob under way; dropped, it is gone.
#[derive(Debug)]
pub struct BlobWriter {
    blobs: Blobs,
    file: fs::File,
    temporary: TemporaryFile,
    hash: Sha256,
    bytes: u64,
}

/// A whole blob that is not kept yet; dropped, it is gone.
#[derive(Debug)]
pub struct Staged {
    blobs: Blobs,
    temporary: TemporaryFile,
    /// Hex SHA-256 of the content.
    pub sha256: String,
    /// Size of the content.
    pub bytes: u64,
}

/// A file that is removed when nobody wants it any more.
#[derive(Debug)]
struct TemporaryFile(Option<PathBuf>);

impl TemporaryFile {
    fn path(&self) -> &Path {
        self.0.as_deref().unwrap_or(Path::new(""))
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            // A leftover is swept at the next start.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// A blob to be read.
#[derive(Debug)]
pub struct OpenBlob {
    /// The file, at its start.
    pub file: fs::File,
    /// Its size.
    pub bytes: u64,
}

impl Blobs {
    /// Opens the folder, makes it where there is none, and sweeps what a killed process left half-written.
    pub async fn open(root: &Path) -> Result<Self, BlobError> {
        let blobs = Self { root: Arc::new(root.to_owned()), checked: Arc::default() };
        let temporary = blobs.temporary_folder();
        fs::create_dir_all(&temporary).await.map_err(|e| BlobError::io(&temporary, e))?;
        let mut entries =
            fs::read_dir(&temporary).await.map_err(|e| BlobError::io(&temporary, e))?;
        while let Some(entry) =
            entries.next_entry().await.map_err(|e| BlobError::io(&temporary, e))?
        {
            let path = entry.path();
            fs::remove_file(&path).await.map_err(|e| BlobError::io(&path, e))?;
        }
        Ok(blobs)
    }

    /// The folder as it is, for a process beside the one that has it: makes and sweeps nothing.
    pub fn beside(root: &Path) -> Self {
        Self { root: Arc::new(root.to_owned()), checked: Arc::default() }
    }

    /// Starts a blob of unknown size.
    pub async fn writer(&self) -> Result<BlobWriter, BlobError> {
        let path = self.temporary_folder().join(id::new(0));
        let file = fs::File::create_new(&path).await.map_err(|e| BlobError::io(&path, e))?;
        Ok(BlobWriter {
            blobs: self.clone(),
            file,
            temporary: TemporaryFile(Some(path)),
            hash: Sha256::new(),
            bytes: 0,
        })
    }

    /// Stages bytes that are in memory.
    pub async fn stage(&self, content: &[u8]) -> Result<Staged, BlobError> {
        let mut writer = self.writer().await?;
        writer.write(content).await?;
        writer.finish().await
    }

    /// Opens a blob for reading, after checking that it is what its name says.
    pub async fn read(&self, sha256: &str) -> Result<OpenBlob, BlobError> {
        let path = self.path(sha256);
        let OpenBlob { mut file, bytes } = self.read_unchecked(sha256).await?;
        let meta = file.metadata().await.map_err(|e| BlobError::io(&path, e))?;
        let modified = meta.modified().map_err(|e| BlobError::io(&path, e))?;
        let seen = Seen { bytes, modified };
        if self.lock_checked().get(sha256) != Some(&seen) {
            let found = hash_file(&mut file).await.map_err(|e| BlobError::io(&path, e))?;
            if found != sha256 {
                return Err(self.damaged(sha256, found));
            }
            self.lock_checked().insert(sha256.to_owned(), seen);
            file = fs::File::open(&path).await.map_err(|e| BlobError::io(&path, e))?;
        }
        Ok(OpenBlob { file, bytes })
    }

    /// Opens a blob for somebody who checks it while reading.
    pub async fn read_unchecked(&self, sha256: &str) -> Result<OpenBlob, BlobError> {
        let path = self.path(sha256);
        let file = match fs::File::open(&path).await {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(BlobError::Missing { sha256: sha256.to_owned(), path });
            }
            Err(error) => return Err(BlobError::io(&path, error)),
        };
        let bytes = file.metadata().await.map_err(|e| BlobError::io(&path, e))?.len();
        Ok(OpenBlob { file, bytes })
    }

    /// What is wrong with a blob whose content has another digest.
    pub fn damaged(&self, sha256: &str, found: String) -> BlobError {
        BlobError::Damaged { sha256: sha256.to_owned(), found, path: self.path(sha256) }
    }

    /// The whole of a blob.
    pub async fn read_all(&self, sha256: &str) -> Result<Vec<u8>, BlobError> {
        let mut open = self.read(sha256).await?;
        let mut content = Vec::new();
        open.file
            .read_to_end(&mut content)
            .await
            .map_err(|e| BlobError::io(&self.path(sha256), e))?;
        Ok(content)
    }

    /// Proves that the folder takes writes.
    pub async fn ping(&self) -> Result<(), BlobError> {
        self.stage(b"ready?").await.map(drop)
    }

    fn temporary_folder(&self) -> PathBuf {
        self.root.join("tmp")
    }

    fn path(&self, sha256: &str) -> PathBuf {
        let (shard, rest) = sha256.split_at_checked(2).unwrap_or(("", sha256));
        self.root.join("sha256").join(shard).join(rest)
    }

    fn lock_checked(&self) -> std::sync::MutexGuard<'_, HashMap<String, Seen>> {
        self.checked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BlobWriter {
    /// Appends.
    pub async fn write(&mut self, chunk: &[u8]) -> Result<(), BlobError> {
        self.hash.update(chunk);
        self.bytes += chunk.len() as u64;
        self.file.write_all(chunk).await.map_err(|e| BlobError::io(self.temporary.path(), e))
    }

    /// How much was written.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Puts the content on the disk and names it.
    pub async fn finish(mut self) -> Result<Staged, BlobError> {
        self.file.flush().await.map_err(|e| BlobError::io(self.temporary.path(), e))?;
        self.file.sync_all().await.map_err(|e| BlobError::io(self.temporary.path(), e))?;
        failpoint::hit("blob.written");
        Ok(Staged {
            blobs: self.blobs,
            temporary: self.temporary,
            sha256: hex::encode(self.hash.finalize()),
            bytes: self.bytes,
        })
    }
}

impl Staged {
    /// The whole content.
    pub async fn content(&self) -> Result<Vec<u8>, BlobError> {
        let path = self.temporary.path();
        fs::read(path).await.map_err(|e| BlobError::io(path, e))
    }

    /// Where the content is until it is kept.
    pub fn path(&self) -> &Path {
        self.temporary.path()
    }

    /// Keeps it for good. The same content twice is one blob.
    pub async fn keep(mut self) -> Result<String, BlobError> {
        let path = self.blobs.path(&self.sha256);
        let folder = path.parent().unwrap_or(&self.blobs.root).to_owned();
        fs::create_dir_all(&folder).await.map_err(|e| BlobError::io(&folder, e))?;
        let from = self.temporary.path().to_owned();
        fs::rename(&from, &path).await.map_err(|e| BlobError::io(&path, e))?;
        self.temporary.0 = None;
        failpoint::hit("blob.renamed");
        for folder in [folder.as_path(), &self.blobs.root.join("sha256"), &self.blobs.root] {
            sync_folder(folder).await?;
        }
        Ok(std::mem::take(&mut self.sha256))
    }
}

/// A name is on the disk only when its folder is.
async fn sync_folder(folder: &Path) -> Result<(), BlobError> {
    let open = fs::File::open(folder).await.map_err(|e| BlobError::io(folder, e))?;
    open.sync_all().await.map_err(|e| BlobError::io(folder, e))
}

async fn hash_file(file: &mut fs::File) -> io::Result<String> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0_u8; 64 * 1024];
    loop {
        let read = file.read(&mut buffer).await?;
        if read == 0 {
            return Ok(hex::encode(hash.finalize()));
        }
        hash.update(&buffer[..read]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn blobs() -> (tempfile::TempDir, Blobs) {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(folder.path()).await.unwrap();
        (folder, blobs)
    }

    #[tokio::test]
    async fn what_is_kept_reads_back() {
        let (_folder, blobs) = blobs().await;

        let first = blobs.stage(b"content").await.unwrap().keep().await.unwrap();
        let second = blobs.stage(b"content").await.unwrap().keep().await.unwrap();

        assert_eq!(first, second);
        assert_eq!(blobs.read_all(&first).await.unwrap(), b"content");
    }

    #[tokio::test]
    async fn what_is_not_kept_leaves_nothing() {
        let (folder, blobs) = blobs().await;

        let staged = blobs.stage(b"content").await.unwrap();
        let sha256 = staged.sha256.clone();
        drop(staged);

        assert!(matches!(blobs.read(&sha256).await, Err(BlobError::Missing { .. })));
        assert_eq!(std::fs::read_dir(folder.path().join("tmp")).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_damaged_blob_is_not_served() {
        let (folder, blobs) = blobs().await;
        let sha256 = blobs.stage(b"content").await.unwrap().keep().await.unwrap();
        let path = folder.path().join("sha256").join(&sha256[..2]).join(&sha256[2..]);

        blobs.read(&sha256).await.unwrap();
        std::fs::write(&path, b"c0ntents").unwrap();

        assert!(matches!(blobs.read(&sha256).await, Err(BlobError::Damaged { .. })));
    }

    #[tokio::test]
    async fn half_written_blobs_are_swept_at_the_next_start() {
        let (folder, blobs) = blobs().await;
        std::mem::forget(blobs.stage(b"half").await.unwrap());

        Blobs::open(folder.path()).await.unwrap();

        assert_eq!(std::fs::read_dir(folder.path().join("tmp")).unwrap().count(), 0);
    }
}
