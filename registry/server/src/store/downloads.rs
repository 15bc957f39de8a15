//! Who downloaded which module version, and which resources run on it.

use registry_api::ModuleAddress;
use semver::Version;
use sqlx::Row;

use super::modules::version;
use super::{Connection, StoreError};

/// How stale `last_at` may be: a download must not become a write each time.
const STALE_MILLIS: i64 = 60 * 60 * 1000;

/// Who downloaded a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DownloadRow {
    /// Which version.
    pub version: Version,
    /// Id of the token; none for everybody who had none.
    pub token_id: Option<String>,
    /// Name of the token.
    pub token_name: Option<String>,
    /// When it first asked.
    pub first_at: i64,
    /// When it last asked, to within an hour.
    pub last_at: i64,
}

/// Whether a download by this token is to be noted: it was not in the last hour.
pub async fn is_news(
    conn: &mut Connection,
    address: &ModuleAddress,
    version: &Version,
    token_id: &str,
    now: i64,
) -> Result<bool, StoreError> {
    let row = sqlx::query(
        "SELECT last_at FROM module_download
         WHERE namespace = $1 AND name = $2 AND system = $3 AND version = $4 AND token_id = $5",
    )
    .bind(address.namespace())
    .bind(address.name())
    .bind(address.system())
    .bind(version.to_string())
    .bind(token_id)
    .fetch_optional(conn)
    .await?;
    let last_at: Option<i64> = row.map(|row| row.try_get("last_at")).transpose()?;
    Ok(last_at.is_none_or(|at| now - at >= STALE_MILLIS))
}

/// Notes a download; `token_id` is empty for everybody who had none.
pub async fn note_download(
    tx: &mut Connection,
    address: &ModuleAddress,
    version: &Version,
    token_id: &str,
    now: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO module_download (namespace, name, system, version, token_id, first_at, last_at)
         VALUES ($1, $2, $3, $4, $5, $6, $6)
         ON CONFLICT (namespace, name, system, version, token_id) DO UPDATE SET last_at = excluded.last_at",
    )
    .bind(address.namespace())
    .bind(address.name())
    .bind(address.system())
    .bind(version.to_string())
    .bind(token_id)
    .bind(now)
    .execute(tx)
    .await?;
    Ok(())
}

/// Everybody who downloaded a module, latest first.
pub async fn downloads(
    conn: &mut Connection,
    address: &ModuleAddress,
) -> Result<Vec<DownloadRow>, StoreError> {
    sqlx::query(
        "SELECT d.version, d.token_id, t.name AS token_name, d.first_at, d.last_at
         FROM module_download d LEFT JOIN token t ON t.id = d.token_id
         WHERE d.namespace = $1 AND d.name = $2 AND d.system = $3 ORDER BY d.last_at DESC, d.version, d.token_id",
    )
    .bind(address.namespace())
    .bind(address.name())
    .bind(address.system())
    .fetch_all(conn)
    .await?
    .iter()
    .map(|row| {
        let token_id: String = row.try_get("token_id")?;
        Ok(DownloadRow {
            version: version(row)?,
            token_id: Some(token_id).filter(|id| !id.is_empty()),
            token_name: row.try_get("token_name")?,
            first_at: row.try_get("first_at")?,
            last_at: row.try_get("last_at")?,
        })
    })
    .collect()
}

/// The versions of a module that a token downloaded before.
pub async fn versions_of_token(
    conn: &mut Connection,
    address: &ModuleAddress,
    token_id: &str,
) -> Result<Vec<Version>, StoreError> {
    sqlx::query(
        "SELECT version FROM module_download WHERE namespace = $1 AND name = $2 AND system = $3 AND token_id = $4",
    )
    .bind(address.namespace())
    .bind(address.name())
    .bind(address.system())
    .bind(token_id)
    .fetch_all(conn)
    .await?
    .iter()
    .map(version)
    .collect()
}
