//! Module versions: rows that never change and never go. How a version stands is in the log.

use registry_api::ModuleAddress;
use semver::Version;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::{Connection, StoreError};

/// One published version.
#[derive(Debug, Clone)]
pub struct ModuleVersionRow {
    /// Id of the row.
    pub id: String,
    /// Which module.
    pub address: ModuleAddress,
    /// Which version.
    pub version: Version,
    /// Hex SHA-256 of the archive.
    pub archive_sha256: String,
    /// Size of the archive.
    pub archive_bytes: i64,
    /// Hash of the tree, `h1:` form.
    pub tree_h1: String,
    /// The publisher's signed statement, as uploaded.
    pub bundle: String,
    /// Key id of the publisher.
    pub publisher: String,
    /// Id of the token that uploaded it.
    pub published_by: String,
    /// When.
    pub published_at: i64,
    /// Why it was published although it breaks callers of the version before it; null where it does not.
    pub allow_breaking: Option<String>,
}

/// Every version of a module, in the order of publishing.
pub async fn module_versions(
    conn: &mut Connection,
    address: &ModuleAddress,
) -> Result<Vec<ModuleVersionRow>, StoreError> {
    sqlx::query(
        "SELECT id, namespace, name, system, version, archive_sha256, archive_bytes, tree_h1, bundle, publisher,
                published_by, published_at, allow_breaking
         FROM module_version WHERE namespace = $1 AND name = $2 AND system = $3 ORDER BY id",
    )
    .bind(address.namespace())
    .bind(address.name())
    .bind(address.system())
    .fetch_all(conn)
    .await?
    .iter()
    .map(from_row)
    .collect()
}

/// Every version of every module, in the order of publishing.
pub async fn all_module_versions(
    conn: &mut Connection,
) -> Result<Vec<ModuleVersionRow>, StoreError> {
    sqlx::query(
        "SELECT id, namespace, name, system, version, archive_sha256, archive_bytes, tree_h1, bundle, publisher,
                published_by, published_at, allow_breaking
         FROM module_version ORDER BY published_at, id",
    )
    .fetch_all(conn)
    .await?
    .iter()
    .map(from_row)
    .collect()
}

/// One version of a module.
pub async fn module_version(
    conn: &mut Connection,
    address: &ModuleAddress,
    version: &Version,
) -> Result<Option<ModuleVersionRow>, StoreError> {
    let row = sqlx::query(
        "SELECT id, namespace, name, system, version, archive_sha256, archive_bytes, tree_h1, bundle, publisher,
                published_by, published_at, allow_breaking
         FROM module_version WHERE namespace = $1 AND name = $2 AND system = $3 AND version = $4",
    )
    .bind(address.namespace())
    .bind(address.name())
    .bind(address.system())
    .bind(version.to_string())
    .fetch_optional(conn)
    .await?;
    row.as_ref().map(from_row).transpose()
}

/// Every module of a namespace that has a version, sorted.
pub async fn modules_in(
    conn: &mut Connection,
    namespace: &str,
) -> Result<Vec<ModuleAddress>, StoreError> {
    sqlx::query(
        "SELECT DISTINCT namespace, name, system FROM module_version WHERE namespace = $1 ORDER BY name, system",
    )
    .bind(namespace)
    .fetch_all(conn)
    .await?
    .iter()
    .map(address)
    .collect()
}

/// Records a version; false when that number is taken. Safe to race.
pub async fn insert_module_version(
    tx: &mut Connection,
    row: &ModuleVersionRow,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "INSERT INTO module_version (id, namespace, name, system, version, archive_sha256, archive_bytes, tree_h1,
                                     bundle, publisher, published_by, published_at, allow_breaking)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
         ON CONFLICT (namespace, name, system, version) DO NOTHING",
    )
    .bind(&row.id)
    .bind(row.address.namespace())
    .bind(row.address.name())
    .bind(row.address.system())
    .bind(row.version.to_string())
    .bind(&row.archive_sha256)
    .bind(row.archive_bytes)
    .bind(&row.tree_h1)
    .bind(&row.bundle)
    .bind(&row.publisher)
    .bind(&row.published_by)
    .bind(row.published_at)
    .bind(&row.allow_breaking)
    .execute(tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

fn address(row: &SqliteRow) -> Result<ModuleAddress, StoreError> {
    let (namespace, name, system): (String, String, String) =
        (row.try_get("namespace")?, row.try_get("name")?, row.try_get("system")?);
    ModuleAddress::new(&namespace, &name, &system).map_err(|_| StoreError::Corrupt {
        what: "module address",
        value: format!("{namespace}/{name}/{system}"),
    })
}

fn from_row(row: &SqliteRow) -> Result<ModuleVersionRow, StoreError> {
    Ok(ModuleVersionRow {
        id: row.try_get("id")?,
        address: address(row)?,
        version: version(row)?,
        archive_sha256: row.try_get("archive_sha256")?,
        archive_bytes: row.try_get("archive_bytes")?,
        tree_h1: row.try_get("tree_h1")?,
        bundle: row.try_get("bundle")?,
        publisher: row.try_get("publisher")?,
        published_by: row.try_get("published_by")?,
        published_at: row.try_get("published_at")?,
        allow_breaking: row.try_get("allow_breaking")?,
    })
}

/// The version column of any table that has one.
pub(super) fn version(row: &SqliteRow) -> Result<Version, StoreError> {
    let text: String = row.try_get("version")?;
    text.parse().map_err(|_| StoreError::Corrupt { what: "version", value: text })
}
