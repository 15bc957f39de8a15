//! What CI jobs exchanged: ID tokens, each of which counts once.

use super::{Connection, StoreError};

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
