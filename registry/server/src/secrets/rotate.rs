//! Another key for everything, while the server serves.
//!
//! Every step leaves a state from which the server works and from which the next call goes on: the new key is in the
//! file before the database names it, every value is sealed anew before the old key is forgotten, and the old key
//! leaves the database before it leaves the file.

use std::path::Path;
use std::sync::Arc;

use super::key::Key;
use super::keyring::Keyring;
use super::{Secrets, SecretsError, event, file, file_missing, keys, register, seal};
use crate::failpoint;
use crate::store::secret_keys::{self, KeyRow};
use crate::store::{Store, StoreError, audit};

/// How many values are sealed anew at once: other writers wait that long.
const BATCH: u32 = 100;

/// Who rotates: whoever may write the key file.
const ACTOR: &str = "local";

/// What a rotation did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotated {
    /// The key that seals from now on.
    pub primary: String,
    /// Whether an earlier rotation to that key was finished instead of beginning another.
    pub resumed: bool,
    /// How many values were sealed anew.
    pub resealed: u64,
    /// The keys that are in use no more.
    pub forgotten: Vec<String>,
}

/// Makes a new primary key, or goes on to the one that an interrupted rotation made; seals every value anew; forgets
/// the keys before it.
pub async fn rotate(store: &Store, file: &Path, now: i64) -> Result<Rotated, SecretsError> {
    let secrets = Secrets::open(store, file, now).await?;
    let _alone = file::lock(file)?;
    let resumed = keys(store).await?.iter().any(|key| !key.is_primary);
    if !resumed {
        begin(store, file, now).await?;
    }
    let resealed = reseal(store, &secrets).await?;
    let forgotten = retire(store, now).await?;
    let used: Vec<KeyRow> = keys(store).await?;
    let ids: Vec<String> = used.iter().map(|key| key.id.clone()).collect();
    let mut keyring = read(file, &used)?;
    keyring.keep(&ids);
    file::write(file, &keyring)?;
    failpoint::hit("keys.dropped");
    let primary = used.into_iter().find(|key| key.is_primary).map(|key| key.id);
    Ok(Rotated { primary: primary.unwrap_or_default(), resumed, resealed, forgotten })
}

/// The new key, first in the file, then in the database.
async fn begin(store: &Store, file: &Path, now: i64) -> Result<(), SecretsError> {
    let key = Arc::new(Key::generate(now));
    let mut keyring = read(file, &keys(store).await?)?;
    keyring.add(Arc::clone(&key));
    file::write(file, &keyring)?;
    failpoint::hit("keys.written");
    register(store, &key, "secret_key.rotate", ACTOR, now).await?;
    failpoint::hit("keys.registered");
    Ok(())
}

async fn reseal(store: &Store, secrets: &Secrets) -> Result<u64, SecretsError> {
    let mut resealed = 0;
    loop {
        let mut tx = store.write().await?;
        let rows = secret_keys::values_to_reseal(&mut tx, BATCH).await?;
        if rows.is_empty() {
            return Ok(resealed);
        }
        let primary = secret_keys::primary(&mut tx).await?;
        let key = secrets.key(&mut tx, &primary).await?;
        for row in &rows {
            let value = secrets.open_row(&mut tx, row).await?;
            secret_keys::put_value(&mut tx, &seal(&key, &row.path, row.version, &value)?).await?;
            resealed += 1;
        }
        failpoint::hit("keys.resealing");
        tx.commit().await.map_err(StoreError::from)?;
        failpoint::hit("keys.resealed");
    }
}

async fn retire(store: &Store, now: i64) -> Result<Vec<String>, SecretsError> {
    let mut tx = store.write().await?;
    let forgotten = secret_keys::delete_unused(&mut tx).await?;
    for id in &forgotten {
        audit::append(&mut tx, event("secret_key.forget", ACTOR, id, now)).await?;
    }
    tx.commit().await.map_err(StoreError::from)?;
    failpoint::hit("keys.retired");
    Ok(forgotten)
}

fn read(file: &Path, needed: &[KeyRow]) -> Result<Keyring, SecretsError> {
    file::read(file)?.ok_or_else(|| file_missing(file, needed))
}
