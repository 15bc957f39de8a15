//! Which keys seal secrets, and what they sealed: bytes that mean nothing here.

use registry_api::platform::SecretRef;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::document::{number, unsigned};
use super::{Connection, StoreError};

/// A key as the database knows it: everything but the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRow {
    /// Its id in the key file.
    pub id: String,
    /// Whether it seals whatever is written; another one still opens what it sealed.
    pub is_primary: bool,
    /// A known text sealed under it.
    pub check_value: Vec<u8>,
    /// Since when it is in use.
    pub created_at: i64,
    /// How many values are sealed under it.
    pub values: u64,
}

/// One sealed value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedRow {
    /// Of which secret.
    pub path: SecretRef,
    /// Which version of it.
    pub version: u64,
    /// Under which key.
    pub key_id: String,
    /// The bytes.
    pub sealed: Vec<u8>,
}

const KEYS: &str = "SELECT id, state, check_value, created_at, \
     (SELECT COUNT(*) FROM secret_value WHERE key_id = secret_key.id) AS used FROM secret_key \
     ORDER BY created_at DESC, id DESC";

/// Every key in use, the newest first.
pub async fn keys(conn: &mut Connection) -> Result<Vec<KeyRow>, StoreError> {
    sqlx::query(KEYS).fetch_all(conn).await?.iter().map(key_from_row).collect()
}

/// The id of the key that seals whatever is written.
pub async fn primary(conn: &mut Connection) -> Result<String, StoreError> {
    let row = sqlx::query("SELECT id FROM secret_key WHERE state = 'primary'");
    Ok(row.fetch_one(conn).await?.try_get("id")?)
}

/// Records a new key that seals from now on; the one before it only opens.
pub async fn insert_primary(
    tx: &mut Connection,
    id: &str,
    check_value: &[u8],
    now: i64,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE secret_key SET state = 'retiring' WHERE state = 'primary'")
        .execute(&mut *tx)
        .await?;
    sqlx::query(
        "INSERT INTO secret_key (id, state, check_value, created_at) VALUES ($1, 'primary', $2, $3)",
    )
    .bind(id)
    .bind(check_value)
    .bind(now)
    .execute(tx)
    .await?;
    Ok(())
}

/// Forgets the keys that seal nothing any more; their ids.
pub async fn delete_unused(tx: &mut Connection) -> Result<Vec<String>, StoreError> {
    sqlx::query(
        "DELETE FROM secret_key WHERE state <> 'primary'
             AND id NOT IN (SELECT key_id FROM secret_value) RETURNING id",
    )
    .fetch_all(tx)
    .await?
    .iter()
    .map(|row| Ok(row.try_get("id")?))
    .collect()
}

/// One version of a value.
pub async fn value(
    conn: &mut Connection,
    path: &SecretRef,
    version: u64,
) -> Result<Option<SealedRow>, StoreError> {
    let row = sqlx::query(
        "SELECT path, version, key_id, sealed FROM secret_value WHERE path = $1 AND version = $2",
    )
    .bind(path.to_string())
    .bind(number(version))
    .fetch_optional(conn)
    .await?;
    row.as_ref().map(value_from_row).transpose()
}

/// At most `limit` values that are not sealed under the primary key.
pub async fn values_to_reseal(
    conn: &mut Connection,
    limit: u32,
) -> Result<Vec<SealedRow>, StoreError> {
    sqlx::query(
        "SELECT path, version, key_id, sealed FROM secret_value
         WHERE key_id IN (SELECT id FROM secret_key WHERE state <> 'primary')
         ORDER BY path, version LIMIT $1",
    )
    .bind(i64::from(limit))
    .fetch_all(conn)
    .await?
    .iter()
    .map(value_from_row)
    .collect()
}

/// Keeps a value, in the place of the same version where there is one.
pub async fn put_value(tx: &mut Connection, row: &SealedRow) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO secret_value (path, version, key_id, sealed) VALUES ($1, $2, $3, $4)
         ON CONFLICT (path, version) DO UPDATE SET key_id = excluded.key_id, sealed = excluded.sealed",
    )
    .bind(row.path.to_string())
    .bind(number(row.version))
    .bind(&row.key_id)
    .bind(&row.sealed)
    .execute(tx)
    .await?;
    Ok(())
}

/// Forgets the versions of a value before `version`.
pub async fn delete_values_before(
    tx: &mut Connection,
    path: &SecretRef,
    version: u64,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM secret_value WHERE path = $1 AND version < $2")
        .bind(path.to_string())
        .bind(number(version))
        .execute(tx)
        .await?;
    Ok(())
}

fn key_from_row(row: &SqliteRow) -> Result<KeyRow, StoreError> {
    let state: String = row.try_get("state")?;
    let is_primary = match state.as_str() {
        "primary" => true,
        "retiring" => false,
        _ => return Err(StoreError::Corrupt { what: "state of a key", value: state }),
    };
    Ok(KeyRow {
        id: row.try_get("id")?,
        is_primary,
        check_value: row.try_get("check_value")?,
        created_at: row.try_get("created_at")?,
        values: unsigned(row.try_get("used")?),
    })
}

fn value_from_row(row: &SqliteRow) -> Result<SealedRow, StoreError> {
    Ok(SealedRow {
        path: super::secrets::path(row)?,
        version: unsigned(row.try_get("version")?),
        key_id: row.try_get("key_id")?,
        sealed: row.try_get("sealed")?,
    })
}
