//! Everything a handler may use, opened once.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use registry_api::{ModuleAddress, ProviderAddress};

use crate::auth::links::Links;
use crate::auth::provider_keys::{ProviderKeyError, ProviderKeys};
use crate::blobs::{BlobError, Blobs};
use crate::cache::Cache;
use crate::clock::Clock;
use crate::config::Config;
use crate::drivers::oidc::Issuers;
use crate::listing::{Listing, ModuleListing};
use crate::platform::{Platform, PlatformStartError};
use crate::secrets::{Secrets, SecretsError};
use crate::store::{Store, StoreError};
use crate::trust::{Trust, TrustError};

/// The running service; cheap to clone.
#[derive(Debug, Clone)]
pub struct App {
    /// As it was at the start.
    pub config: Arc<Config>,
    /// The database.
    pub store: Store,
    /// Archives and packages.
    pub blobs: Blobs,
    /// Seals and opens secrets.
    pub secrets: Secrets,
    /// Where the time comes from.
    pub clock: Clock,
    /// Signs and checks archive links.
    pub links: Links,
    /// Whose signatures count for providers.
    pub provider_keys: ProviderKeys,
    /// The log, and whose signatures count for modules.
    pub trust: Trust,
    /// The keys of CI systems.
    pub issuers: Arc<Issuers>,
    /// Version lists of modules, as they were last answered.
    pub module_lists: Cache<ModuleAddress, ModuleListing>,
    /// The platform's memory.
    pub platform: Arc<Platform>,
    /// Version lists of providers, likewise.
    pub provider_lists: Cache<ProviderAddress, Listing>,
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
    /// Somebody else has the data folder.
    #[error(
        "the data folder {} is in use by another process{holder}; stop that one first, or name another folder in \
         server.data_dir",
        path.display()
    )]
    InUse {
        /// Which.
        path: PathBuf,
        /// Its number, where it wrote that down.
        holder: String,
    },
    /// The lock of the data folder.
    #[error("cannot lock {}", path.display())]
    Lock {
        /// Which file.
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
    /// The key that signs archive links.
    #[error("cannot use the key of archive links {}", path.display())]
    LinkKey {
        /// Where it is.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The secret store.
    #[error("cannot open the secret store")]
    Secrets(#[from] SecretsError),
    /// The keys of providers.
    #[error(transparent)]
    ProviderKeys(#[from] ProviderKeyError),
    /// The log.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The platform.
    #[error("cannot start the platform")]
    Platform(#[from] PlatformStartError),
    /// The revisions of the environments.
    #[error("cannot note what the environments are configured as")]
    Environments(#[source] StoreError),
}

impl App {
    /// Opens what the configuration names.
    pub async fn start(config: Config, clock: Clock) -> Result<Self, StartError> {
        let provider_keys = ProviderKeys::load(&config)?;
        let store = open_store(&config).await?;
        let trust = Trust::open(&config, &store).await?;
        let blobs = Blobs::open(&config.server.data_dir.join("blobs")).await?;
        let secrets = Secrets::open(&store, &config.server.secret_key_file, clock.now()).await?;
        let path = config.server.data_dir.join("link.key");
        let links = Links::open(&path, config.limits.link_seconds)
            .map_err(|source| StartError::LinkKey { path, source })?;
        let platform = Arc::new(Platform::new(&config)?);
        crate::platform::remember(&store, &platform, clock.now())
            .await
            .map_err(StartError::Environments)?;
        Ok(Self {
            issuers: Arc::new(Issuers::new(&config.oidc_issuers)),
            config: Arc::new(config),
            store,
            blobs,
            secrets,
            clock,
            links,
            provider_keys,
            trust,
            module_lists: Cache::default(),
            platform,
            provider_lists: Cache::default(),
        })
    }

    /// A link into this server, from a path that starts with a slash.
    pub fn link(&self, path: &str) -> String {
        format!("{}{path}", self.config.server.public_url)
    }
}

/// Name of the lock in the data folder.
pub const LOCK: &str = "server.lock";

/// A data folder that this process has alone: another server would sweep its uploads and take over its operations, and
/// a restore would move the folder away. The system gives it free when the process ends, however it does.
#[derive(Debug)]
pub struct Alone(#[expect(dead_code, reason = "kept open: the lock goes with it")] File);

impl Alone {
    /// Takes the folder, and makes it where there is none; refused while somebody else has it.
    pub fn hold(folder: &Path) -> Result<Self, StartError> {
        std::fs::create_dir_all(folder)
            .map_err(|source| StartError::DataFolder { path: folder.to_owned(), source })?;
        let path = folder.join(LOCK);
        let failed = |source| StartError::Lock { path: path.clone(), source };
        let mut options = OpenOptions::new();
        // Not emptied before it is ours: it says whose it is.
        options.read(true).write(true).create(true).truncate(false);
        let mut file = match options.open(&path) {
            // Made by another user; to be locked it need not be written.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => File::open(&path),
            opened => opened,
        }
        .map_err(failed)?;
        match file.try_lock() {
            // Only words for a person.
            Ok(()) => drop(write_holder(&mut file)),
            Err(TryLockError::WouldBlock) => {
                let holder = read_holder(&mut file);
                return Err(StartError::InUse { path: folder.to_owned(), holder });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        Ok(Self(file))
    }
}

fn write_holder(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    writeln!(file, "{}", std::process::id())
}

/// ` (42)`, or nothing.
fn read_holder(file: &mut File) -> String {
    let mut text = String::new();
    // Only words for a person: what cannot be read is left out.
    let _ = file.take(20).read_to_string(&mut text);
    text.trim().parse::<u32>().map_or_else(|_| String::new(), |id| format!(" ({id})"))
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
