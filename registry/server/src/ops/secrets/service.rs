//! Credentials that the platform makes for a service and keeps where the service finds them.
//!
//! Called by the operation that brings them about, in the transaction that records it; that operation has its own
//! entry in the audit log.

use registry_api::Name;
use registry_api::platform::SecretRef;

use crate::model::secret_value::{Fields, Source};
use crate::secrets::{Secrets, SecretsError};
use crate::store::Connection;
use crate::store::secrets::{self, SecretRow};

/// Keeps the next version of a service's credentials, and says which that is.
pub async fn keep_credentials(
    values: &Secrets,
    tx: &mut Connection,
    path: &SecretRef,
    owner: &Name,
    value: &Fields,
    now: i64,
) -> Result<u64, SecretsError> {
    let before = secrets::secret(tx, path).await?;
    let row = SecretRow {
        path: path.clone(),
        owner: owner.clone(),
        generation: before.as_ref().map_or(1, |row| row.generation + 1),
        version: before.as_ref().map_or(1, |row| row.version + 1),
        source: Source::Platform,
        deletion_protection: false,
        idempotency_scope: None,
        request_sha256: String::new(),
        created_at: before.map_or(now, |row| row.created_at),
        updated_at: now,
        last_read_at: None,
    };
    secrets::put_secret(tx, &row).await?;
    values.put(tx, path, row.version, value).await?;
    Ok(row.version)
}

/// Forgets a service's credentials; there need not be any.
pub async fn forget_credentials(
    values: &Secrets,
    tx: &mut Connection,
    path: &SecretRef,
) -> Result<(), SecretsError> {
    values.delete(tx, path).await
}
