//! What is known of the published versions of a module, and how they differ.

use std::fmt::Write as _;

use registry_api::ModuleAddress;
use registry_api::interface::{ModuleChanges, ModuleInterface};
use registry_api::modules::{ModuleDetail, ModuleVersionDetail};
use registry_trust::archive::Archive;
use semver::Version;

use super::age;
use super::module_status::{Said, said, standing, wire_standing};
use super::open_archive::{OpenError, open_archive_in_turn};
use crate::app::App;
use crate::clock::rfc3339;
use crate::model::{changelog, interface};
use crate::store::StoreError;
use crate::store::modules::{ModuleVersionRow, module_version, module_versions};
use crate::trust::TrustError;

/// The most of a changelog that is read, in bytes.
const CHANGELOG_BYTES: usize = 1024 * 1024;

/// Why a module cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Nothing is published there.
    #[error("there is no module {0} here")]
    NoModule(ModuleAddress),
    /// That number is not published.
    #[error("there is no version {version} of {address} here")]
    NoVersion {
        /// Of which module.
        address: ModuleAddress,
        /// Which.
        version: Version,
    },
    /// The wrong way round.
    #[error("{from} is higher than {to}; from is the older version, to the newer one")]
    Order {
        /// Asked for as the older one.
        from: Version,
        /// Asked for as the newer one.
        to: Version,
    },
    /// The archive.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The log.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Every version of a module.
pub async fn describe_module(
    app: &App,
    address: &ModuleAddress,
) -> Result<ModuleDetail, ReadError> {
    let mut conn = app.store.read().await?;
    let mut rows = module_versions(&mut conn, address).await?;
    if rows.is_empty() {
        return Err(ReadError::NoModule(address.clone()));
    }
    rows.sort_by(|left, right| right.version.cmp(&left.version));
    let (said, _) = said(&app.trust, &mut conn, address).await?;
    let versions = rows.into_iter().map(|row| version_detail(app, row, &said)).collect();
    Ok(ModuleDetail { address: address.clone(), versions })
}

fn version_detail(app: &App, row: ModuleVersionRow, said: &[Said]) -> ModuleVersionDetail {
    ModuleVersionDetail {
        status: wire_standing(standing(said, &row.version)),
        selectable_from: age::waits_until(app, row.address.namespace(), row.published_at)
            .map(rfc3339),
        version: row.version,
        sha256: row.archive_sha256,
        h1: row.tree_h1,
        publisher: row.publisher,
        published_at: rfc3339(row.published_at),
    }
}

/// What callers gain and lose between two versions, and what the changelog says about them.
pub async fn module_changes(
    app: &App,
    address: &ModuleAddress,
    from: Version,
    to: Version,
) -> Result<ModuleChanges, ReadError> {
    if from > to {
        return Err(ReadError::Order { from, to });
    }
    let old = sha256_of(app, address, &from).await?;
    let new = sha256_of(app, address, &to).await?;
    let old = open_archive_in_turn(app, &old, read_interface).await?;
    let (new, text) = open_archive_in_turn(app, &new, |archive| {
        (read_interface(archive), read_changelog(archive))
    })
    .await?;
    let changelog = changelog::sections(&text, &from, &to);
    Ok(ModuleChanges { from, to, interface: interface::diff(&old, &new), changelog })
}

/// What a version promises its callers.
pub async fn module_interface(
    app: &App,
    address: &ModuleAddress,
    version: &Version,
) -> Result<ModuleInterface, ReadError> {
    let sha256 = sha256_of(app, address, version).await?;
    Ok(open_archive_in_turn(app, &sha256, read_interface).await?)
}

/// The digest and path of every file: the very text whose SHA-256 is the tree's hash.
pub async fn module_files(
    app: &App,
    address: &ModuleAddress,
    version: &Version,
) -> Result<String, ReadError> {
    let sha256 = sha256_of(app, address, version).await?;
    let lines = open_archive_in_turn(app, &sha256, |archive| {
        archive.entries().fold(String::new(), |mut lines, entry| {
            // Writing to a string cannot fail.
            let _ = writeln!(lines, "{}  {}", entry.sha256, entry.path);
            lines
        })
    });
    Ok(lines.await?)
}

async fn sha256_of(
    app: &App,
    address: &ModuleAddress,
    version: &Version,
) -> Result<String, ReadError> {
    let row = module_version(&mut *app.store.read().await?, address, version).await?;
    row.map(|row| row.archive_sha256)
        .ok_or_else(|| ReadError::NoVersion { address: address.clone(), version: version.clone() })
}

fn read_interface(archive: &Archive) -> ModuleInterface {
    interface::read(archive.entries().map(|entry| (entry.path, entry.content)))
}

fn read_changelog(archive: &Archive) -> String {
    let content = archive.get("CHANGELOG.md").map_or(&[][..], |entry| entry.content);
    let most = content.len().min(CHANGELOG_BYTES);
    String::from_utf8_lossy(&content[..most]).into_owned()
}
