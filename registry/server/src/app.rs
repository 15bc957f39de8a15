//! Everything a handler may use, opened once.

use std::path::PathBuf;
use std::sync::Arc;

use crate::blobs::{BlobError, Blobs};
use crate::clock::Clock;
use crate::config::Config;
use crate::store::{Store, StoreError};

/// The running service; cheap to clone.
#[derive(Debug, Clone)]
pub struct App {
    /// As it was at the start.
    pub config: Arc<Config>,
    /// The database.
    pub store: Store,
    /// Archives and packages.
    pub blobs: Blobs,
    /// Where the time comes from.
    pub clock: Clock,
}

/// Why the service could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder.
    #[error("cannot make the data folder {}", path.display())]
    DataFolder {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The database.
    #[error("cannot open the database {}", path.display())]
    Store {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: StoreError,
    },
    /// The blobs.
    #[error("cannot open the blob store")]
    Blobs(#[from] BlobError),
}

impl App {
    /// Opens what the configuration names.
    pub async fn start(config: Config, clock: Clock) -> Result<Self, StartError> {
        let store = open_store(&config).await?;
        let blobs = Blobs::open(&config.server.data_dir.join("blobs")).await?;
        Ok(Self { config: Arc::new(config), store, blobs, clock })
    }

    /// A link into this server, from a path that starts with a slash.
    pub fn link(&self, path: &str) -> String {
        format!("{}{path}", self.config.server.public_url)
    }
}

/// Opens only the database, for commands that work on the data folder.
pub async fn open_store(config: &Config) -> Result<Store, StartError> {
    let folder = &config.server.data_dir;
    tokio::fs::create_dir_all(folder)
        .await
        .map_err(|source| StartError::DataFolder { path: folder.clone(), source })?;
    let path = folder.join("idp.sqlite");
    Store::open(&path).await.map_err(|source| StartError::Store { path, source })
}
