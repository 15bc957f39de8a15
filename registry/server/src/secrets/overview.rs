//! Which keys there are, in the database and in the file, also where the two do not fit.

use std::path::Path;

use super::keyring::Keyring;
use super::{SecretsError, file, keys};
use crate::store::Store;
use crate::store::secret_keys::KeyRow;

/// One key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyStatus {
    /// Its id.
    pub id: String,
    /// What the database knows of it; nothing for one that only the file has.
    pub row: Option<KeyRow>,
    /// Whether the file has it.
    pub in_file: bool,
}

/// Every key of the database, the newest first, then those that only the file has.
pub async fn overview(store: &Store, file: &Path) -> Result<Vec<KeyStatus>, SecretsError> {
    let rows = keys(store).await?;
    let keyring = file::read(file)?;
    let held: Vec<&str> = keyring.iter().flat_map(Keyring::ids).collect();
    let spare: Vec<KeyStatus> = held
        .iter()
        .filter(|id| rows.iter().all(|row| row.id != **id))
        .map(|id| KeyStatus { id: (*id).to_owned(), row: None, in_file: true })
        .collect();
    let known = rows.into_iter().map(|row| {
        let in_file = held.contains(&row.id.as_str());
        KeyStatus { id: row.id.clone(), row: Some(row), in_file }
    });
    Ok(known.chain(spare).collect())
}
