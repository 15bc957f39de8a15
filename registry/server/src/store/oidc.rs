//! What CI jobs exchanged: ID tokens that count once, and keys that may sign for a while.

use std::collections::BTreeMap;

use super::document::text;
use super::{Connection, StoreError};

/// A key of a CI job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CiKeyRow {
    /// Id of the row.
    pub id: String,
    /// Where it may sign.
    pub namespace: String,
    /// The only modules, as `NAME/SYSTEM`.
    pub modules: Option<Vec<String>>,
    /// Name of the key.
    pub key_id: String,
    /// The key, PEM.
    pub public_key: String,
    /// Whose job it was.
    pub issuer: String,
    /// Which job it was.
    pub claims: BTreeMap<String, String>,
    /// From when.
    pub granted_at: i64,
    /// Until when.
    pub expires_at: i64,
}

/// Notes that a token was exchanged; false where it was before.
pub async fn use_token(
    tx: &mut Connection,
    issuer: &str,
    fingerprint: &str,
    usable_until: i64,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "INSERT INTO oidc_token (issuer, fingerprint, usable_until) VALUES ($1, $2, $3)
         ON CONFLICT (issuer, fingerprint) DO NOTHING",
    )
    .bind(issuer)
    .bind(fingerprint)
    .bind(usable_until)
    .execute(tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Forgets tokens that could not be presented since `then`.
pub async fn forget_tokens(tx: &mut Connection, then: i64) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM oidc_token WHERE usable_until < $1").bind(then).execute(tx).await?;
    Ok(())
}

/// Records a key.
pub async fn insert_ci_key(tx: &mut Connection, row: &CiKeyRow) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO ci_key (id, namespace, modules, key_id, public_key, issuer, claims, granted_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(&row.id)
    .bind(&row.namespace)
    .bind(row.modules.as_ref().map(text))
    .bind(&row.key_id)
    .bind(&row.public_key)
    .bind(&row.issuer)
    .bind(text(&row.claims))
    .bind(row.granted_at)
    .bind(row.expires_at)
    .execute(tx)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    #[tokio::test]
    async fn a_token_counts_once_for_as_long_as_it_could_be_presented() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("idp.sqlite")).await.unwrap();
        let mut tx = store.write().await.unwrap();

        assert!(use_token(&mut tx, "a", "1", 100).await.unwrap());
        assert!(!use_token(&mut tx, "a", "1", 100).await.unwrap());
        assert!(use_token(&mut tx, "b", "1", 100).await.unwrap());
        forget_tokens(&mut tx, 100).await.unwrap();
        assert!(!use_token(&mut tx, "a", "1", 100).await.unwrap());
        forget_tokens(&mut tx, 101).await.unwrap();
        assert!(use_token(&mut tx, "a", "1", 200).await.unwrap());
    }
}
