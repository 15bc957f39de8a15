//! Backups of everything that the server keeps, made while it runs, from another process.
//!
//! First the database is copied as it is at one moment, then every blob that the copy names. Blobs never change and
//! never go, and are there before the row that names them, so the two fit. Keys are not in a backup: whoever has one
//! of the two reads no secret.

mod manifest;
mod read;
mod tar;

use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tokio::fs::{self, File};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufWriter};

pub use manifest::{Contents, Entry, FORMAT, InvalidManifest, LogHead, Manifest, Skipped};
pub use read::{Checked, Opened, Unpack, check_database, open};

use self::manifest::{DATABASE, LARGEST_MANIFEST, MANIFEST, SUMS, blob_name, contents};
use self::tar::{header, padding};
use crate::blobs::{BlobError, Blobs, OpenBlob};
use crate::clock::rfc3339;
use crate::config::Config;
use crate::failpoint;
use crate::store::StoreError;
use crate::store::copy::{self, NamedBlob};

/// How much of a file is in memory at once.
const CHUNK: usize = 256 * 1024;

/// Hears how far it is.
pub trait Watch: Sync {
    /// `done` of `total` bytes.
    fn at(&self, done: u64, total: u64);
}

/// What keeps a backup from being made or read.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is something of that name.
    #[error("{} exists already; nothing is overwritten: name another file", path.display())]
    Exists {
        /// Which.
        path: PathBuf,
    },
    /// Nothing to copy.
    #[error("there is no database {}; is this the configuration of the server?", path.display())]
    NoDatabase {
        /// Where it should be.
        path: PathBuf,
    },
    /// Somebody else writes it.
    #[error("another process is writing {}", path.display())]
    Busy {
        /// The file under way.
        path: PathBuf,
    },
    /// The database itself is not whole.
    #[error("the database is not right: {what}")]
    Database {
        /// What is wrong with it.
        what: String,
    },
    /// A blob is not there, or not what it was.
    #[error("the blob of {of} cannot be copied; --skip-damaged goes on without it")]
    Blob {
        /// What it belongs to.
        of: String,
        /// Why.
        #[source]
        source: BlobError,
    },
    /// More blobs than a manifest names.
    #[error("there are more blobs than a backup can name")]
    TooMany,
    /// Another kind of file.
    #[error("{} is no backup: it does not begin as one", path.display())]
    NoBackup {
        /// Which.
        path: PathBuf,
    },
    /// It says nothing that we understand of itself.
    #[error("{}: {MANIFEST} is refused", path.display())]
    Manifest {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: InvalidManifest,
    },
    /// It ends too early.
    #[error("{} is cut off: it ends within {part}; nothing was changed", path.display())]
    Truncated {
        /// Which file.
        path: PathBuf,
        /// Where.
        part: String,
    },
    /// It is not as it was written.
    #[error("{} was altered or damaged at {part}: {what}; nothing was changed", path.display())]
    Altered {
        /// Which file.
        path: PathBuf,
        /// Where.
        part: String,
        /// How that shows.
        what: String,
    },
    /// A file.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The blobs.
    #[error(transparent)]
    Blobs(#[from] BlobError),
}

impl BackupError {
    pub(super) fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { doing, path: path.to_owned(), source }
    }
}

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// What is in it.
    pub manifest: Manifest,
    /// Hex SHA-256 of its manifest, which has the digests of all else.
    pub manifest_sha256: String,
    /// What is wrong with the audit log, if anything.
    pub audit_problem: Option<String>,
}

/// Writes everything that the server of `config` keeps into the new file `out`. `skip_damaged` goes on where a blob is
/// not whole.
pub async fn make(
    config: &Config,
    out: &Path,
    skip_damaged: bool,
    now: i64,
    watch: &dyn Watch,
) -> Result<Made, BackupError> {
    require_new(out).await?;
    let from = config.server.data_dir.join(DATABASE);
    if !fs::try_exists(&from).await.map_err(|error| BackupError::io("read", &from, error))? {
        return Err(BackupError::NoDatabase { path: from });
    }
    let mut draft = Draft::begin(out)?;
    // A server of an older version may run: its database stays as it is.
    copy::copy(&from, &draft.database.0).await.map_err(|error| match error {
        // It is the copy that has no room, not the database.
        StoreError::Full(_) => {
            let source = io::ErrorKind::StorageFull.into();
            BackupError::io("write", &draft.database.0, source)
        }
        error => error.into(),
    })?;
    failpoint::hit("backup.database_copied");
    let blobs = Blobs::beside(&config.server.data_dir.join("blobs"));
    let looked = look(&draft.database.0, &blobs, skip_damaged).await?;
    let manifest = Manifest {
        format: FORMAT,
        made_at: rfc3339(now),
        server_version: env!("CARGO_PKG_VERSION").to_owned(),
        hostname: config.server.hostname.clone(),
        database: digest(&draft.database.0).await?,
        contents: looked.contents,
        blobs: looked.blobs.iter().map(|(_, entry)| entry.clone()).collect(),
        skipped: looked.skipped,
    };
    let manifest_sha256 = draft.write(&manifest, &looked.blobs, &blobs, watch).await?;
    draft.keep(out).await?;
    Ok(Made { manifest, manifest_sha256, audit_problem: looked.audit_problem })
}

/// What a copied database has and needs.
struct Looked {
    contents: Contents,
    audit_problem: Option<String>,
    blobs: Vec<(NamedBlob, Entry)>,
    skipped: Vec<Skipped>,
}

async fn look(database: &Path, blobs: &Blobs, skip_damaged: bool) -> Result<Looked, BackupError> {
    let broken = |what: String| BackupError::Database { what };
    let mut conn = copy::open(database).await?;
    if let Some(what) = copy::damage(&mut conn).await? {
        return Err(broken(what));
    }
    let schema = copy::schema(&mut conn).await?.map_err(|error| broken(error.to_string()))?;
    let mut looked = Looked {
        contents: contents(&mut conn, schema).await?,
        audit_problem: read::audit_problem(&mut conn).await?,
        blobs: Vec::new(),
        skipped: Vec::new(),
    };
    for named in copy::named_blobs(&mut conn).await? {
        // The manifest stands before the blobs: what is left out of it has to be known by then.
        let found = if skip_damaged {
            blobs.read(&named.sha256).await
        } else {
            blobs.read_unchecked(&named.sha256).await
        };
        match found {
            Ok(OpenBlob { bytes, .. }) => {
                let entry = Entry { sha256: named.sha256.clone(), bytes };
                looked.blobs.push((named, entry));
            }
            Err(error) if skip_damaged && is_lost(&error) => looked.skipped.push(Skipped {
                sha256: named.sha256,
                of: named.of,
                problem: error.to_string(),
            }),
            Err(source) => return Err(BackupError::Blob { of: named.of, source }),
        }
    }
    Ok(looked)
}

/// Whether the blob itself is at fault.
const fn is_lost(error: &BlobError) -> bool {
    matches!(error, BlobError::Missing { .. } | BlobError::Damaged { .. })
}

async fn require_new(out: &Path) -> Result<(), BackupError> {
    match fs::symlink_metadata(out).await {
        Ok(_) => Err(BackupError::Exists { path: out.to_owned() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(BackupError::io("make", out, error)),
    }
}

async fn digest(path: &Path) -> Result<Entry, BackupError> {
    let failed = |source| BackupError::io("read", path, source);
    let mut file = File::open(path).await.map_err(failed)?;
    let (mut hash, mut bytes) = (Sha256::new(), 0);
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = file.read(&mut chunk).await.map_err(failed)?;
        if read == 0 {
            return Ok(Entry { sha256: hex::encode(hash.finalize()), bytes });
        }
        hash.update(&chunk[..read]);
        bytes += read as u64;
    }
}

/// A file that goes unless it is kept.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // A leftover is overwritten by the next backup of that name.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A backup under way: `OUT.partial`, and beside it the copy of the database.
struct Draft {
    file: BufWriter<File>,
    partial: Temporary,
    database: Temporary,
}

impl Draft {
    fn begin(out: &Path) -> Result<Self, BackupError> {
        let partial = with_suffix(out, ".partial");
        let failed = |source| BackupError::io("write", &partial, source);
        let mut options = std::fs::OpenOptions::new();
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        // Not emptied before it is known to be nobody's.
        let file = options.write(true).create(true).truncate(false).open(&partial);
        let file = file.map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => {
                return Err(BackupError::Busy { path: partial });
            }
            Err(std::fs::TryLockError::Error(error)) => return Err(failed(error)),
        }
        if !is_at(&file, &partial).map_err(failed)? {
            // The one that wrote it just gave it its name.
            return Err(BackupError::Busy { path: partial });
        }
        file.set_len(0).map_err(failed)?;
        let database = with_suffix(out, ".partial.sqlite");
        make_private(&database).map_err(|source| BackupError::io("write", &database, source))?;
        Ok(Self {
            file: BufWriter::with_capacity(CHUNK, File::from_std(file)),
            partial: Temporary(partial),
            database: Temporary(database),
        })
    }

    /// Writes all entries and puts them on the disk; the digest of the manifest.
    async fn write(
        &mut self,
        manifest: &Manifest,
        named: &[(NamedBlob, Entry)],
        blobs: &Blobs,
        watch: &dyn Watch,
    ) -> Result<String, BackupError> {
        let total = manifest.bytes();
        let bytes = manifest.to_bytes();
        if bytes.len() as u64 > LARGEST_MANIFEST {
            return Err(BackupError::TooMany);
        }
        let manifest_sha256 = hex::encode(Sha256::digest(&bytes));
        self.small(MANIFEST, &bytes).await?;
        failpoint::hit("backup.manifest_written");
        let database = self.database.0.clone();
        let file = File::open(&database).await;
        let file = file.map_err(|source| BackupError::io("read", &database, source))?;
        let found = self.entry(DATABASE, &manifest.database, file, &database).await?;
        if found != manifest.database.sha256 {
            let what = "its copy changed while it was written".to_owned();
            return Err(BackupError::Database { what });
        }
        let mut done = manifest.database.bytes;
        watch.at(done, total);
        for (named, entry) in named {
            let lost = |source| BackupError::Blob { of: named.of.clone(), source };
            let open = blobs.read_unchecked(&named.sha256).await.map_err(lost)?;
            let name = blob_name(&named.sha256);
            let found = self.entry(&name, entry, open.file, Path::new(&named.sha256)).await?;
            if found != named.sha256 {
                return Err(lost(blobs.damaged(&named.sha256, found)));
            }
            failpoint::hit("backup.blob_written");
            done += entry.bytes;
            watch.at(done, total);
        }
        self.small(SUMS, manifest.sums(&manifest_sha256).as_bytes()).await?;
        self.put(&[0; 1024]).await?;
        Ok(manifest_sha256)
    }

    async fn small(&mut self, name: &str, content: &[u8]) -> Result<(), BackupError> {
        self.put(&header(name, content.len() as u64)).await?;
        self.put(content).await?;
        self.put(&[0; 512][..padding(content.len() as u64)]).await
    }

    /// Copies as much as was announced; the digest of it.
    async fn entry(
        &mut self,
        name: &str,
        entry: &Entry,
        from: File,
        path: &Path,
    ) -> Result<String, BackupError> {
        self.put(&header(name, entry.bytes)).await?;
        let mut from = from.take(entry.bytes);
        let (mut hash, mut left) = (Sha256::new(), entry.bytes);
        let mut chunk = vec![0; CHUNK];
        while left > 0 {
            let read = from.read(&mut chunk).await;
            let read = read.map_err(|source| BackupError::io("read", path, source))?;
            if read == 0 {
                // Shorter than a moment ago; its digest tells.
                break;
            }
            hash.update(&chunk[..read]);
            self.put(&chunk[..read]).await?;
            left -= read as u64;
        }
        self.put(&[0; 512][..padding(entry.bytes)]).await?;
        Ok(hex::encode(hash.finalize()))
    }

    async fn put(&mut self, bytes: &[u8]) -> Result<(), BackupError> {
        let written = self.file.write_all(bytes).await;
        written.map_err(|source| BackupError::io("write", &self.partial.0, source))
    }

    /// Gives the file its name, now that all of it is on the disk.
    async fn keep(mut self, out: &Path) -> Result<(), BackupError> {
        let failed = |source| BackupError::io("write", out, source);
        self.file.flush().await.map_err(failed)?;
        self.file.get_ref().sync_all().await.map_err(failed)?;
        failpoint::hit("backup.written");
        require_new(out).await?;
        fs::rename(&self.partial.0, out).await.map_err(failed)?;
        failpoint::hit("backup.renamed");
        sync_folder(parent(out)).map_err(failed)
    }
}

/// Whether the file still has that name.
fn is_at(file: &std::fs::File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;

    let (open, named) = (file.metadata()?, std::fs::symlink_metadata(path));
    Ok(named.is_ok_and(|named| (named.dev(), named.ino()) == (open.dev(), open.ino())))
}

/// An empty file that only its owner reads, in the place of what a killed process left.
pub(super) fn make_private(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = std::fs::OpenOptions::new();
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.write(true).create_new(true).open(path).map(drop)
}

/// A name is on the disk only when its folder is.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    std::fs::File::open(folder)?.sync_all()
}

/// The folder that a file is in.
pub(super) fn parent(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The name with something behind it.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
