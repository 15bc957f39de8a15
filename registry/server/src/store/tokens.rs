//! Tokens: who may ask, found by the hash of the secret.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::{Connection, StoreError};
use crate::model::right::Rights;

/// One token, without its secret.
#[derive(Debug, Clone)]
pub struct TokenRow {
    /// Id of the row.
    pub id: String,
    /// For people.
    pub name: String,
    /// Hex SHA-256 of the secret.
    pub secret_sha256: String,
    /// What it may do.
    pub rights: Rights,
    /// Who made it: a token's id, `local` for the command on the data folder, `oidc` for a CI job itself.
    pub created_by: String,
    /// When it was made.
    pub created_at: i64,
    /// When it stops working.
    pub expires_at: Option<i64>,
    /// When it was taken back.
    pub revoked_at: Option<i64>,
    /// When it was last seen, to within a few minutes.
    pub last_used_at: Option<i64>,
}

const COLUMNS_BY_HASH: &str = "SELECT id, name, secret_sha256, rights, created_by, created_at, expires_at, \
     revoked_at, last_used_at FROM token WHERE secret_sha256 = $1";

const COLUMNS_ALL: &str = "SELECT id, name, secret_sha256, rights, created_by, created_at, expires_at, \
     revoked_at, last_used_at FROM token ORDER BY id";

/// The token with that secret, revoked and expired ones included.
pub async fn token_by_hash(
    conn: &mut Connection,
    secret_sha256: &str,
) -> Result<Option<TokenRow>, StoreError> {
    let row = sqlx::query(COLUMNS_BY_HASH).bind(secret_sha256).fetch_optional(conn).await?;
    row.as_ref().map(from_row).transpose()
}

/// Every token, oldest first.
pub async fn tokens(conn: &mut Connection) -> Result<Vec<TokenRow>, StoreError> {
    sqlx::query(COLUMNS_ALL).fetch_all(conn).await?.iter().map(from_row).collect()
}

/// Records a new token.
pub async fn insert_token(tx: &mut Connection, token: &TokenRow) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO token (id, name, secret_sha256, rights, created_by, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(&token.id)
    .bind(&token.name)
    .bind(&token.secret_sha256)
    .bind(token.rights.texts().join("\n"))
    .bind(&token.created_by)
    .bind(token.created_at)
    .bind(token.expires_at)
    .execute(tx)
    .await?;
    Ok(())
}

/// Takes a token back; false where there is no token of that id. Revoking twice keeps the first time.
pub async fn revoke_token(tx: &mut Connection, id: &str, now: i64) -> Result<bool, StoreError> {
    let done = sqlx::query("UPDATE token SET revoked_at = COALESCE(revoked_at, $2) WHERE id = $1")
        .bind(id)
        .bind(now)
        .execute(tx)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// Takes back the tokens of a maker that have exactly these rights.
pub async fn revoke_tokens_made_by(
    tx: &mut Connection,
    maker: &str,
    rights: &Rights,
    now: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE token SET revoked_at = $3 WHERE created_by = $1 AND rights = $2 AND revoked_at IS NULL",
    )
    .bind(maker)
    .bind(rights.texts().join("\n"))
    .bind(now)
    .execute(tx)
    .await?;
    Ok(())
}

/// Forgets the tokens of a maker that ended before `then`.
pub async fn forget_tokens_made_by(
    tx: &mut Connection,
    maker: &str,
    then: i64,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM token WHERE created_by = $1 AND expires_at < $2")
        .bind(maker)
        .bind(then)
        .execute(tx)
        .await?;
    Ok(())
}

/// Notes that a token was used.
pub async fn touch_token(tx: &mut Connection, id: &str, now: i64) -> Result<(), StoreError> {
    sqlx::query("UPDATE token SET last_used_at = $2 WHERE id = $1")
        .bind(id)
        .bind(now)
        .execute(tx)
        .await?;
    Ok(())
}

fn from_row(row: &SqliteRow) -> Result<TokenRow, StoreError> {
    let rights: String = row.try_get("rights")?;
    let lines: Vec<&str> = rights.lines().collect();
    Ok(TokenRow {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        secret_sha256: row.try_get("secret_sha256")?,
        rights: Rights::parse(&lines)
            .map_err(|_| StoreError::Corrupt { what: "list of rights", value: rights.clone() })?,
        created_by: row.try_get("created_by")?,
        created_at: row.try_get("created_at")?,
        expires_at: row.try_get("expires_at")?,
        revoked_at: row.try_get("revoked_at")?,
        last_used_at: row.try_get("last_used_at")?,
    })
}
