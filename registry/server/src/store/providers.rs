//! Provider versions, their packages, and the keys that signed them.

use registry_api::{Platform, ProviderAddress};
use semver::Version;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::modules::version;
use super::{Connection, StoreError};
use crate::model::module::Status;

/// One published version.
#[derive(Debug, Clone)]
pub struct ProviderVersionRow {
    /// Id of the row.
    pub id: String,
    /// Which provider.
    pub address: ProviderAddress,
    /// Which version.
    pub version: Version,
    /// Plugin protocol versions, such as `6.0`.
    pub protocols: Vec<String>,
    /// Hex SHA-256 of SHA256SUMS.
    pub shasums_sha256: String,
    /// Hex SHA-256 of its signature.
    pub signature_sha256: String,
    /// OpenPGP key id.
    pub key_id: String,
    /// OpenPGP fingerprint.
    pub key_fingerprint: String,
    /// The armoured public key.
    pub key_armor: String,
    /// Id of the token that uploaded it.
    pub published_by: String,
    /// When.
    pub published_at: i64,
    /// Whether it can be installed.
    pub status: Status,
}

/// One build of a version.
#[derive(Debug, Clone)]
pub struct ProviderPackageRow {
    /// Where it runs.
    pub platform: Platform,
    /// Name of the zip.
    pub filename: String,
    /// Hex SHA-256 of the zip.
    pub zip_sha256: String,
    /// Size of the zip.
    pub zip_bytes: i64,
}

/// Every version of a provider, in the order of publishing.
pub async fn provider_versions(
    conn: &mut Connection,
    address: &ProviderAddress,
) -> Result<Vec<ProviderVersionRow>, StoreError> {
    sqlx::query(
        "SELECT id, namespace, type, version, protocols, shasums_sha256, signature_sha256, key_id, key_fingerprint,
                key_armor, published_by, published_at, status, status_reason
         FROM provider_version WHERE namespace = $1 AND type = $2 ORDER BY id",
    )
    .bind(address.namespace())
    .bind(address.kind())
    .fetch_all(conn)
    .await?
    .iter()
    .map(from_row)
    .collect()
}

/// One version of a provider.
pub async fn provider_version(
    conn: &mut Connection,
    address: &ProviderAddress,
    version: &Version,
) -> Result<Option<ProviderVersionRow>, StoreError> {
    let row = sqlx::query(
        "SELECT id, namespace, type, version, protocols, shasums_sha256, signature_sha256, key_id, key_fingerprint,
                key_armor, published_by, published_at, status, status_reason
         FROM provider_version WHERE namespace = $1 AND type = $2 AND version = $3",
    )
    .bind(address.namespace())
    .bind(address.kind())
    .bind(version.to_string())
    .fetch_optional(conn)
    .await?;
    row.as_ref().map(from_row).transpose()
}

/// The builds of a version, sorted by platform.
pub async fn provider_packages(
    conn: &mut Connection,
    version_id: &str,
) -> Result<Vec<ProviderPackageRow>, StoreError> {
    sqlx::query(
        "SELECT os, arch, filename, zip_sha256, zip_bytes FROM provider_package
         WHERE version_id = $1 ORDER BY os, arch",
    )
    .bind(version_id)
    .fetch_all(conn)
    .await?
    .iter()
    .map(package_from_row)
    .collect()
}

/// Records a version and its builds; false when that number is taken. Safe to race.
pub async fn insert_provider_version(
    tx: &mut Connection,
    row: &ProviderVersionRow,
    packages: &[ProviderPackageRow],
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "INSERT INTO provider_version (id, namespace, type, version, protocols, shasums_sha256, signature_sha256,
                                       key_id, key_fingerprint, key_armor, published_by, published_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
         ON CONFLICT (namespace, type, version) DO NOTHING",
    )
    .bind(&row.id)
    .bind(row.address.namespace())
    .bind(row.address.kind())
    .bind(row.version.to_string())
    .bind(row.protocols.join(","))
    .bind(&row.shasums_sha256)
    .bind(&row.signature_sha256)
    .bind(&row.key_id)
    .bind(&row.key_fingerprint)
    .bind(&row.key_armor)
    .bind(&row.published_by)
    .bind(row.published_at)
    .execute(&mut *tx)
    .await?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    for package in packages {
        sqlx::query(
            "INSERT INTO provider_package (version_id, os, arch, filename, zip_sha256, zip_bytes)
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(&row.id)
        .bind(package.platform.os())
        .bind(package.platform.arch())
        .bind(&package.filename)
        .bind(&package.zip_sha256)
        .bind(package.zip_bytes)
        .execute(&mut *tx)
        .await?;
    }
    Ok(true)
}

/// The fingerprints of the keys that signed providers of a namespace so far.
pub async fn provider_keys(
    conn: &mut Connection,
    namespace: &str,
) -> Result<Vec<String>, StoreError> {
    sqlx::query("SELECT fingerprint FROM provider_key WHERE namespace = $1 ORDER BY first_used_at")
        .bind(namespace)
        .fetch_all(conn)
        .await?
        .iter()
        .map(|row| Ok(row.try_get("fingerprint")?))
        .collect()
}

/// Remembers that a key signs providers of a namespace.
pub async fn insert_provider_key(
    tx: &mut Connection,
    namespace: &str,
    fingerprint: &str,
    now: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO provider_key (namespace, fingerprint, first_used_at) VALUES ($1, $2, $3)
         ON CONFLICT (namespace, fingerprint) DO NOTHING",
    )
    .bind(namespace)
    .bind(fingerprint)
    .bind(now)
    .execute(tx)
    .await?;
    Ok(())
}

fn package_from_row(row: &SqliteRow) -> Result<ProviderPackageRow, StoreError> {
    let (os, arch): (String, String) = (row.try_get("os")?, row.try_get("arch")?);
    Ok(ProviderPackageRow {
        platform: Platform::new(&os, &arch)
            .map_err(|_| StoreError::Corrupt { what: "platform", value: format!("{os}_{arch}") })?,
        filename: row.try_get("filename")?,
        zip_sha256: row.try_get("zip_sha256")?,
        zip_bytes: row.try_get("zip_bytes")?,
    })
}

fn from_row(row: &SqliteRow) -> Result<ProviderVersionRow, StoreError> {
    let (namespace, kind): (String, String) = (row.try_get("namespace")?, row.try_get("type")?);
    let protocols: String = row.try_get("protocols")?;
    Ok(ProviderVersionRow {
        id: row.try_get("id")?,
        address: ProviderAddress::new(&namespace, &kind).map_err(|_| StoreError::Corrupt {
            what: "provider address",
            value: format!("{namespace}/{kind}"),
        })?,
        version: version(row)?,
        protocols: protocols.split(',').map(str::to_owned).collect(),
        shasums_sha256: row.try_get("shasums_sha256")?,
        signature_sha256: row.try_get("signature_sha256")?,
        key_id: row.try_get("key_id")?,
        key_fingerprint: row.try_get("key_fingerprint")?,
        key_armor: row.try_get("key_armor")?,
        published_by: row.try_get("published_by")?,
        published_at: row.try_get("published_at")?,
        status: status(row)?,
    })
}

fn status(row: &SqliteRow) -> Result<Status, StoreError> {
    let (word, reason): (String, String) = (row.try_get("status")?, row.try_get("status_reason")?);
    Status::from_columns(&word, &reason)
        .ok_or(StoreError::Corrupt { what: "version status", value: word })
}
