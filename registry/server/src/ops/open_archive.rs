//! Reading what is in a published archive.
//!
//! Unpacked archives are large and some who ask are strangers, so only a few are held in memory at once; the others
//! wait.

use registry_trust::archive::{Archive, ArchiveError, Limits};
use tokio::sync::Semaphore;

use crate::app::App;
use crate::blobs::BlobError;

/// How many archives are unpacked at once.
static UNPACKED: Semaphore = Semaphore::const_new(2);

/// Why a published archive cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The blob store.
    #[error("a published archive cannot be read")]
    Blobs(#[from] BlobError),
    /// It is not what was accepted once.
    #[error("a published archive cannot be opened")]
    Archive(#[from] ArchiveError),
    /// The server stops.
    #[error("reading a published archive ended early")]
    Task(#[from] tokio::task::JoinError),
}

/// What `read` finds in the archive of that SHA-256; not on the async threads.
pub async fn open_archive<T: Send + 'static>(
    app: &App,
    sha256: &str,
    read: impl FnOnce(&Archive) -> T + Send + 'static,
) -> Result<T, OpenError> {
    // Never closed, so there is nothing to wait for in vain.
    let permit = UNPACKED.acquire().await.ok();
    let packed = app.blobs.read_all(sha256).await?;
    let found = tokio::task::spawn_blocking(move || {
        let archive = Archive::open(&packed, &Limits::default())?;
        Ok::<T, ArchiveError>(read(&archive))
    })
    .await??;
    drop(permit);
    Ok(found)
}
