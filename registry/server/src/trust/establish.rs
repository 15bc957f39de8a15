//! The first entries of a log: the root, and the keys that it lets publish.

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use registry_trust::key::{Algorithm, KeyError, SigningKey, VerifyingKey};
use registry_trust::log::note::{NoteError, NoteKey};
use registry_trust::statement::{
    KeyChange, NamespaceKeys, Statement, StatementError, TrustRoot, sign,
};

use super::{append, origin};
use crate::config::Config;
use crate::files::write_new;
use crate::store::{Store, StoreError, log};

/// The key that signs snapshots, statuses and grants to CI jobs.
pub(super) const REGISTRY_KEY: &str = "registry.pem";
/// The key that signs the log's head.
pub(super) const LOG_KEY: &str = "log.pem";

/// A key that may publish from the beginning.
#[derive(Debug, Clone)]
pub struct Enrolment {
    /// Into which namespace.
    pub namespace: String,
    /// The key.
    pub key: VerifyingKey,
}

/// Why a registry's log could not be begun.
#[derive(Debug, thiserror::Error)]
pub enum EstablishError {
    /// It was.
    #[error("this registry has its root keys already; `idp keys root rotate` changes them")]
    Established,
    /// A file.
    #[error("cannot write {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A key.
    #[error("cannot make the registry's keys")]
    Key(#[from] KeyError),
    /// A key of the trust folder that cannot be used.
    #[error(transparent)]
    Unusable(Box<super::TrustError>),
    /// The log's key.
    #[error("cannot make the log's key")]
    Note(#[from] NoteError),
    /// A statement.
    #[error("cannot make the first statements")]
    Statement(#[from] StatementError),
    /// The database.
    #[error("cannot write the first entries of the log")]
    Store(#[from] StoreError),
}

/// Makes the registry's own keys and logs the root and the first publishers, all signed by `root`. What was published
/// before there was a log follows.
pub async fn establish(
    config: &Config,
    store: &Store,
    root: &SigningKey,
    enrolments: &[Enrolment],
    now: i64,
) -> Result<(), EstablishError> {
    let folder = &config.trust.directory;
    let hostname = &config.server.hostname;
    let mut tx = store.write().await?;
    if log::newest_authority(&mut tx).await?.is_some() {
        return Err(EstablishError::Established);
    }
    make_folder(folder)?;
    let registry = own_key(&folder.join(REGISTRY_KEY), Algorithm::EcdsaP256)?;
    let log_key = own_key(&folder.join(LOG_KEY), Algorithm::Ed25519)?;
    let first = TrustRoot {
        registry: hostname.clone(),
        version: 1,
        previous: None,
        threshold: 1,
        keys: vec![root.verifying_key()],
        registry_keys: vec![registry.verifying_key()],
        log: NoteKey::new(&origin(hostname), log_key.verifying_key())?,
    };
    append(&mut tx, &sign(&first, root)?, &Statement::Root(first), now).await?;
    for keys in changes(hostname, enrolments) {
        append(&mut tx, &sign(&keys, root)?, &Statement::Keys(keys), now).await?;
    }
    tx.commit().await.map_err(StoreError::from)?;
    Ok(())
}

/// One addition for each key, numbered within its namespace.
fn changes(hostname: &str, enrolments: &[Enrolment]) -> Vec<NamespaceKeys> {
    let mut changes: Vec<NamespaceKeys> = Vec::new();
    for Enrolment { namespace, key } in enrolments {
        let before = changes.iter().filter(|change| change.namespace == *namespace).count();
        changes.push(NamespaceKeys {
            registry: hostname.to_owned(),
            namespace: namespace.clone(),
            sequence: before as u64 + 1,
            change: KeyChange::Add(Box::new(key.clone())),
        });
    }
    changes
}

fn make_folder(folder: &Path) -> Result<(), EstablishError> {
    let mut builder = fs::DirBuilder::new();
    builder
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|source| EstablishError::File { path: folder.to_owned(), source })
}

/// The key in a file, which an interrupted beginning may have left; else a new one.
fn own_key(path: &Path, algorithm: Algorithm) -> Result<SigningKey, EstablishError> {
    if path.exists() {
        return super::read_key(path).map_err(|error| EstablishError::Unusable(Box::new(error)));
    }
    let key = SigningKey::generate(algorithm)?;
    let pem = key.to_pem()?;
    write_new(path, pem.as_bytes(), 0o600)
        .map_err(|source| EstablishError::File { path: path.to_owned(), source })?;
    Ok(key)
}
