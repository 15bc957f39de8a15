//! Reading what is in a published archive, not on the async threads.
//!
//! Unpacked archives are large and some who ask are strangers, so readers take turns; a publish waits for none of them.

use registry_trust::archive::{Archive, ArchiveError, Limits};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::app::App;
use crate::blobs::BlobError;

/// How many archives are unpacked for readers at once.
static TURNS: Semaphore = Semaphore::const_new(2);

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

/// What `read` finds in the archive of that SHA-256.
pub async fn open_archive<T: Send + 'static>(
    app: &App,
    sha256: &str,
    read: impl FnOnce(&Archive) -> T + Send + 'static,
) -> Result<T, OpenError> {
    open(app, sha256, None, read).await
}

/// The same, when it is the caller's turn.
pub async fn open_archive_in_turn<T: Send + 'static>(
    app: &App,
    sha256: &str,
    read: impl FnOnce(&Archive) -> T + Send + 'static,
) -> Result<T, OpenError> {
    // Nobody closes it, so everybody's turn comes.
    let turn = TURNS.acquire().await.ok();
    open(app, sha256, turn, read).await
}

async fn open<T: Send + 'static>(
    app: &App,
    sha256: &str,
    turn: Option<SemaphorePermit<'static>>,
    read: impl FnOnce(&Archive) -> T + Send + 'static,
) -> Result<T, OpenError> {
    let packed = app.blobs.read_all(sha256).await?;
    let found = tokio::task::spawn_blocking(move || {
        // Ends with the work, which goes on when the request is gone.
        let _turn = turn;
        let archive = Archive::open(&packed, &Limits::default())?;
        Ok::<T, ArchiveError>(read(&archive))
    });
    Ok(found.await??)
}
