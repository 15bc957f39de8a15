//! The secret store: values by path and version, sealed under keys that are outside the database.
//!
//! Knows neither tokens nor owners. A value is opened only by the key, at the path and in the version that it was
//! sealed for, so a row that was damaged, moved or put back is an error and never another value. The database says
//! which keys are in use; the key file has the keys. Where the two do not fit, nothing starts and nothing is changed.
//!
//! The functions have the shape of a key-value store with versions, such as KV v2 of Vault.

mod file;
mod key;
mod keyring;
mod overview;
mod rotate;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use registry_api::platform::SecretRef;
use serde_json::json;

use crate::failpoint;
use crate::model::audit::Event;
use crate::model::secret_value::{Fields, from_bytes, to_bytes};
use crate::store::secret_keys::{self, KeyRow, SealedRow};
use crate::store::{Connection, Store, StoreError, audit, secrets};
use key::Key;
use keyring::Keyring;

pub use keyring::InvalidKeyring;
pub use overview::{KeyStatus, overview};
pub use rotate::{Rotated, rotate};

/// Seals and opens values; cheap to clone.
#[derive(Clone)]
pub struct Secrets {
    file: Arc<Path>,
    /// Only grows while the process runs: whoever read a row a moment ago can still open it.
    keyring: Arc<RwLock<Keyring>>,
}

/// Why the secret store cannot work.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// The key file cannot be used.
    #[error("cannot {doing} the key file {}", path.display())]
    File {
        /// What was tried.
        doing: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The first key file cannot be made.
    #[error(
        "cannot make the key file {}, which the database needs from now on; let this user write to its folder once, \
         or name another file in server.secret_key_file",
        path.display()
    )]
    FileUnmade {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<SecretsError>,
    },
    /// There is no key file any more.
    #[error(
        "the key file {} is not there, but the database's secrets are sealed under key {id}; restore the file from \
         its backup, or name it in server.secret_key_file (nothing was lost or changed)",
        path.display()
    )]
    FileMissing {
        /// Where it should be.
        path: PathBuf,
        /// The key that is needed.
        id: String,
    },
    /// The key file is not one.
    #[error(
        "the key file {} is not right: {problem}; restore it from its backup (nothing was lost or changed)",
        path.display()
    )]
    FileInvalid {
        /// Which file.
        path: PathBuf,
        /// What is wrong, without the text of it.
        problem: InvalidKeyring,
    },
    /// The key file lacks a key.
    #[error(
        "the key file {} does not have key {id}, under which the database seals its secrets \
         ({values} of them now); restore \
         the file of the same time as the database from its backup (nothing was lost or changed)",
        path.display()
    )]
    KeyMissing {
        /// Which file.
        path: PathBuf,
        /// The key that is needed.
        id: String,
        /// How many values need it.
        values: u64,
    },
    /// The key file has another key of that name.
    #[error(
        "key {id} in {} is not the key of that name under which the database's secrets are sealed; restore the file \
         of this database from its backup (nothing was lost or changed)",
        path.display()
    )]
    WrongKey {
        /// Which file.
        path: PathBuf,
        /// Which key.
        id: String,
    },
    /// Somebody else is at it.
    #[error("another process is changing the keys beside {}; wait for it and repeat", path.display())]
    Busy {
        /// Which file.
        path: PathBuf,
    },
    /// A row is not what was written.
    #[error(
        "version {version} of {path} does not open: its row was damaged, moved or put back; restore the database from \
         its backup, or write the secret anew"
    )]
    Damaged {
        /// Which secret.
        path: SecretRef,
        /// Which version.
        version: u64,
    },
    /// The cipher refused to seal.
    #[error("the cipher failed")]
    Cipher,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secrets").field("file", &self.file).finish_non_exhaustive()
    }
}

impl Secrets {
    /// Checks that key file and database fit. A database that never had a key gets one, and the file is made where
    /// there is none.
    pub async fn open(store: &Store, file: &Path, now: i64) -> Result<Self, SecretsError> {
        let known = keys(store).await?;
        let opened = match known.as_slice() {
            [] => Self::begin(store, file, now).await,
            known => match Self::fit(file, known) {
                // A rotation may have ended between the two reads.
                Err(SecretsError::KeyMissing { .. }) => Self::fit(file, &keys(store).await?),
                opened => opened,
            },
        }?;
        file::warn_of_readers(file);
        Ok(opened)
    }

    fn fit(file: &Path, known: &[KeyRow]) -> Result<Self, SecretsError> {
        let keyring = file::read(file)?.ok_or_else(|| file_missing(file, known))?;
        for row in known.iter().filter(|row| row.is_primary || row.values > 0) {
            check(file, &keyring, row)?;
        }
        Ok(Self::with(file, keyring))
    }

    /// Gives a database its first key.
    async fn begin(store: &Store, file: &Path, now: i64) -> Result<Self, SecretsError> {
        let _alone = file::lock(file)?;
        let known = keys(store).await?;
        if !known.is_empty() {
            return Self::fit(file, &known);
        }
        let keyring = match file::read(file)? {
            Some(keyring) => keyring,
            None => make_file(file, now)?,
        };
        register(store, keyring.newest(), "secret_key.create", "platform", now).await?;
        Ok(Self::with(file, keyring))
    }

    fn with(file: &Path, keyring: Keyring) -> Self {
        Self { file: file.into(), keyring: Arc::new(RwLock::new(keyring)) }
    }

    /// Keeps a version of a value and forgets those before it.
    pub async fn put(
        &self,
        tx: &mut Connection,
        path: &SecretRef,
        version: u64,
        value: &Fields,
    ) -> Result<(), SecretsError> {
        self.stage(tx, path, version, value).await?;
        Ok(secret_keys::delete_values_before(tx, path, version).await?)
    }

    /// Keeps the next version of a value beside the one that is in force: [`Secrets::put`] puts it in force.
    pub async fn stage(
        &self,
        tx: &mut Connection,
        path: &SecretRef,
        version: u64,
        value: &Fields,
    ) -> Result<(), SecretsError> {
        // Within the transaction: no rotation comes between the question and the write.
        let primary = secret_keys::primary(tx).await?;
        let row = seal(&*self.key(tx, &primary).await?, path, version, value)?;
        Ok(secret_keys::put_value(tx, &row).await?)
    }

    /// A version of a value, if it is kept.
    pub async fn get(
        &self,
        conn: &mut Connection,
        path: &SecretRef,
        version: u64,
    ) -> Result<Option<Fields>, SecretsError> {
        let Some(row) = secret_keys::value(conn, path, version).await? else { return Ok(None) };
        self.open_row(conn, &row).await.map(Some)
    }

    /// Forgets a secret with every version of its value.
    pub async fn delete(&self, tx: &mut Connection, path: &SecretRef) -> Result<(), SecretsError> {
        Ok(secrets::delete_secret(tx, path).await?)
    }

    async fn open_row(
        &self,
        conn: &mut Connection,
        row: &SealedRow,
    ) -> Result<Fields, SecretsError> {
        let key = self.key(conn, &row.key_id).await?;
        let bytes = key.open(&about(&row.path, row.version), &row.sealed);
        bytes
            .and_then(|bytes| from_bytes(&bytes))
            .ok_or_else(|| SecretsError::Damaged { path: row.path.clone(), version: row.version })
    }

    /// The key of that id; where a rotation made it since, the file is read again.
    async fn key(&self, conn: &mut Connection, id: &str) -> Result<Arc<Key>, SecretsError> {
        let known = self.keyring.read().unwrap_or_else(PoisonError::into_inner).get(id);
        if let Some(key) = known {
            return Ok(key);
        }
        let rows = secret_keys::keys(conn).await?;
        let row = rows
            .iter()
            .find(|row| row.id == id)
            .ok_or(StoreError::Corrupt { what: "key of a secret", value: id.to_owned() })?;
        let read = file::read(&self.file)?.ok_or_else(|| file_missing(&self.file, &rows))?;
        // Only what was checked becomes known.
        let key = check(&self.file, &read, row)?;
        self.keyring.write().unwrap_or_else(PoisonError::into_inner).add(Arc::clone(&key));
        Ok(key)
    }
}

/// Whether key file and database fit, as [`Secrets::open`] wants it; changes neither.
pub async fn check_fit(conn: &mut Connection, file: &Path) -> Result<(), SecretsError> {
    match secret_keys::keys(conn).await?.as_slice() {
        [] => Ok(()),
        known => Secrets::fit(file, known).map(drop),
    }
}

async fn keys(store: &Store) -> Result<Vec<KeyRow>, StoreError> {
    secret_keys::keys(&mut *store.read().await?).await
}

/// The key of `row` out of a keyring, if it is the very key.
fn check(file: &Path, keyring: &Keyring, row: &KeyRow) -> Result<Arc<Key>, SecretsError> {
    let path = || file.to_owned();
    let key = keyring.get(&row.id).ok_or_else(|| SecretsError::KeyMissing {
        path: path(),
        id: row.id.clone(),
        values: row.values,
    })?;
    if !key.is_proven_by(&row.check_value) {
        return Err(SecretsError::WrongKey { path: path(), id: row.id.clone() });
    }
    Ok(key)
}

fn make_file(file: &Path, now: i64) -> Result<Keyring, SecretsError> {
    let keyring = Keyring::from(Key::generate(now));
    file::write(file, &keyring).map_err(|error| SecretsError::FileUnmade {
        path: file.to_owned(),
        source: Box::new(error),
    })?;
    tracing::warn!(
        path = %file.display(),
        "made the key file of the secret store; keep a copy of it apart from those of the database"
    );
    failpoint::hit("keys.made");
    Ok(keyring)
}

/// Makes `key` the one that seals from now on.
async fn register(
    store: &Store,
    key: &Key,
    action: &str,
    actor: &str,
    now: i64,
) -> Result<(), SecretsError> {
    let check_value = key.proof().ok_or(SecretsError::Cipher)?;
    let mut tx = store.write().await?;
    secret_keys::insert_primary(&mut tx, key.id(), &check_value, now).await?;
    audit::append(&mut tx, event(action, actor, key.id(), now)).await?;
    Ok(tx.commit().await.map_err(StoreError::from)?)
}

fn event(action: &str, actor: &str, key: &str, now: i64) -> Event {
    Event {
        at: now,
        actor: actor.to_owned(),
        action: action.to_owned(),
        subject: key.to_owned(),
        detail: json!({}),
        request_id: None,
    }
}

fn seal(
    key: &Key,
    path: &SecretRef,
    version: u64,
    value: &Fields,
) -> Result<SealedRow, SecretsError> {
    let sealed = key.seal(&about(path, version), to_bytes(value)).ok_or(SecretsError::Cipher)?;
    Ok(SealedRow { path: path.clone(), version, key_id: key.id().to_owned(), sealed })
}

/// What a sealed value is bound to. A path has no line feed, so no two run into each other.
fn about(path: &SecretRef, version: u64) -> String {
    format!("value\n{path}\n{version}")
}

fn file_missing(file: &Path, known: &[KeyRow]) -> SecretsError {
    let needed = known.iter().find(|row| row.is_primary).or(known.first());
    SecretsError::FileMissing {
        path: file.to_owned(),
        id: needed.map(|row| row.id.clone()).unwrap_or_default(),
    }
}
