//! Module versions as golden paths see them: what is published in one namespace, and what its publisher signed.

use registry_api::ModuleAddress;
use registry_api::platform::GoldenPathRef;
use sqlx::Row;

use super::{Connection, StoreError};

/// One published version of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathVersion {
    /// The path, version and digest.
    pub path: GoldenPathRef,
    /// When it was published.
    pub published_at: i64,
}

/// Every version of a path, in no particular order.
pub async fn path_versions(
    conn: &mut Connection,
    address: &ModuleAddress,
) -> Result<Vec<PathVersion>, StoreError> {
    let rows = sqlx::query(
        "SELECT version, archive_sha256, publisher, published_at FROM module_version
         WHERE namespace = $1 AND name = $2 AND system = $3",
    )
    .bind(address.namespace())
    .bind(address.name())
    .bind(address.system())
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|row| {
            let version: String = row.try_get("version")?;
            let path = GoldenPathRef {
                address: address.clone(),
                version: version
                    .parse()
                    .map_err(|_| StoreError::Corrupt { what: "version", value: version })?,
                sha256: row.try_get("archive_sha256")?,
                publisher: row.try_get("publisher")?,
            };
            Ok(PathVersion { path, published_at: row.try_get("published_at")? })
        })
        .collect()
}
