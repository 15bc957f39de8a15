//! Publishing a provider version: checksums, signature and packages are checked, then everything is stored.
//!
//! The signing key never comes here. Which key counts: one that the configuration names for the namespace, or, where
//! it names none, the key that signed the namespace's first release.

use std::collections::BTreeMap;
use std::fs::File;

use registry_api::providers::{ProviderRelease, PublishedProvider};
use registry_api::{Platform, ProviderAddress};
use registry_trust::sums::{InvalidPackageName, PackageName, Sums, SumsError};
use semver::Version;
use serde_json::json;

use crate::app::App;
use crate::auth::Token;
use crate::blobs::{BlobError, Staged};
use crate::model::audit::Event;
use crate::model::module::{InvalidVersion, Status, parse_version};
use crate::model::release::{PackageError, check_package, is_protocol};
use crate::openpgp::{OpenPgpError, PublicKey};
use crate::store::audit;
use crate::store::providers::{
    ProviderPackageRow, ProviderVersionRow, insert_provider_key, insert_provider_version,
    provider_keys, provider_packages, provider_version,
};
use crate::store::{StoreError, Tx};
use crate::{failpoint, id, request_id};

/// What a publisher uploads.
#[derive(Debug)]
pub struct Upload {
    /// Where it goes.
    pub address: ProviderAddress,
    /// The version, as the publisher wrote it.
    pub version: String,
    /// What the files do not say.
    pub release: ProviderRelease,
    /// The armoured public key.
    pub key: Vec<u8>,
    /// SHA256SUMS.
    pub shasums: Vec<u8>,
    /// Its detached binary signature.
    pub signature: Vec<u8>,
    /// The zips by file name, not kept yet.
    pub packages: BTreeMap<String, Staged>,
    /// The token that uploads.
    pub by: Token,
}

/// Why a version was not published.
#[derive(Debug, thiserror::Error)]
pub enum PublishProviderError {
    /// A number that cannot be one.
    #[error(transparent)]
    Version(#[from] InvalidVersion),
    /// A namespace that nobody configured.
    #[error("there is no namespace {0:?}; the operator adds [[namespace]] to the configuration")]
    Namespace(String),
    /// Protocols that no client speaks.
    #[error("protocols {0:?} are refused: name at least one, each 5.x or 6.x, such as 6.0")]
    Protocols(Vec<String>),
    /// SHA256SUMS.
    #[error("SHA256SUMS is refused: {0}")]
    Sums(#[from] SumsError),
    /// A line of SHA256SUMS that names no package.
    #[error("SHA256SUMS is refused: {0}")]
    PackageName(#[from] InvalidPackageName),
    /// A line of SHA256SUMS about another provider or version.
    #[error("SHA256SUMS lists {0:?}, which is not a package of this provider and version")]
    OtherPackage(String),
    /// A package that was not uploaded.
    #[error("SHA256SUMS lists {0:?}, which was not uploaded; upload every platform in one request")]
    PackageMissing(String),
    /// A package that nobody signed for.
    #[error("the package {0:?} was uploaded but SHA256SUMS does not list it")]
    PackageUnlisted(String),
    /// A package with other bytes.
    #[error("the package {name:?} has SHA-256 {found}, SHA256SUMS says {listed}")]
    PackageDiffers {
        /// Which.
        name: String,
        /// What was uploaded.
        found: String,
        /// What was signed.
        listed: String,
    },
    /// A package that would not install.
    #[error("the package {name:?} {source}")]
    Package {
        /// Which.
        name: String,
        /// Why.
        source: PackageError,
    },
    /// A key or signature that Terraform would refuse, or that does not fit.
    #[error("the signature is refused: {0}")]
    OpenPgp(#[from] OpenPgpError),
    /// A key that does not count here.
    #[error(
        "key {found} may not sign providers of namespace {namespace:?} (those that may: {known}); sign with one of them, \
         or the operator adds the key to provider_keys of the namespace"
    )]
    KeyUnknown {
        /// The fingerprint that was uploaded.
        found: String,
        /// Where.
        namespace: String,
        /// The fingerprints that count.
        known: String,
    },
    /// The number stands for other content.
    #[error(
        "version {version} of {address} is published with other content; a published version never changes: raise the \
         version and publish again"
    )]
    VersionTaken {
        /// Which provider.
        address: ProviderAddress,
        /// Which version.
        version: Version,
    },
    /// The blob store.
    #[error("the release could not be stored")]
    Blobs(#[from] BlobError),
    /// The database.
    #[error("the version could not be recorded")]
    Store(#[from] StoreError),
    /// The check itself failed.
    #[error("the check of the upload ended early")]
    Check(#[from] tokio::task::JoinError),
    /// A file vanished under our hands.
    #[error("an uploaded package could not be read back")]
    Read(#[source] std::io::Error),
}

/// Checks and stores one version. The same content again changes nothing and succeeds.
pub async fn publish_provider(
    app: &App,
    upload: Upload,
) -> Result<PublishedProvider, PublishProviderError> {
    let version = parse_version(&upload.version)?;
    if app.config.namespace(upload.address.namespace()).is_none() {
        return Err(PublishProviderError::Namespace(upload.address.namespace().to_owned()));
    }
    let protocols = &upload.release.protocols;
    if protocols.is_empty() || !protocols.iter().all(|text| is_protocol(text)) {
        return Err(PublishProviderError::Protocols(protocols.clone()));
    }
    let now = app.clock.now();
    let (upload, key) = check(upload, version.clone(), now).await?;
    let packages = upload
        .packages
        .iter()
        .map(|(filename, staged)| package_row(filename, staged))
        .collect::<Result<Vec<_>, _>>()?;
    let shasums = app.blobs.stage(&upload.shasums).await?;
    let signature = app.blobs.stage(&upload.signature).await?;
    let row = ProviderVersionRow {
        id: id::new(now),
        address: upload.address,
        version,
        protocols: upload.release.protocols,
        shasums_sha256: shasums.sha256.clone(),
        signature_sha256: signature.sha256.clone(),
        key_id: key.key_id(),
        key_fingerprint: key.fingerprint(),
        key_armor: key.armored().to_owned(),
        published_by: upload.by.id.clone(),
        published_at: now,
        status: Status::Active,
    };
    for staged in upload.packages.into_values().chain([shasums, signature]) {
        staged.keep().await?;
    }
    failpoint::hit("publish.blobs_stored");
    let (app, by) = (app.clone(), upload.by);
    request_id::to_the_end(async move { record(&app, row, packages, &by).await }).await?
}

/// Everything that can be said without the database; not for the async threads.
async fn check(
    upload: Upload,
    version: Version,
    now: i64,
) -> Result<(Upload, PublicKey), PublishProviderError> {
    tokio::task::spawn_blocking(move || {
        let key = PublicKey::from_armored(&String::from_utf8_lossy(&upload.key))?;
        key.verify(&upload.shasums, &upload.signature, now)?;
        let sums = Sums::parse(&upload.shasums)?;
        check_packages(&upload, &version, &sums)?;
        Ok((upload, key))
    })
    .await?
}

fn check_packages(
    upload: &Upload,
    version: &Version,
    sums: &Sums,
) -> Result<(), PublishProviderError> {
    for (name, listed) in sums.iter() {
        let package: PackageName = name.parse()?;
        if package.provider_type != upload.address.kind() || package.version != *version {
            return Err(PublishProviderError::OtherPackage(name.to_owned()));
        }
        let staged = upload
            .packages
            .get(name)
            .ok_or_else(|| PublishProviderError::PackageMissing(name.to_owned()))?;
        let listed = listed.to_string();
        if staged.sha256 != listed {
            let (name, found) = (name.to_owned(), staged.sha256.clone());
            return Err(PublishProviderError::PackageDiffers { name, found, listed });
        }
        let zip = File::open(staged.path()).map_err(PublishProviderError::Read)?;
        check_package(zip, &upload.address, version)
            .map_err(|source| PublishProviderError::Package { name: name.to_owned(), source })?;
    }
    match upload.packages.keys().find(|name| sums.get(name).is_none()) {
        Some(name) => Err(PublishProviderError::PackageUnlisted(name.clone())),
        None => Ok(()),
    }
}

fn package_row(filename: &str, staged: &Staged) -> Result<ProviderPackageRow, InvalidPackageName> {
    let package: PackageName = filename.parse()?;
    let platform = Platform::new(&package.os, &package.arch)
        .map_err(|_| InvalidPackageName { given: filename.to_owned() })?;
    Ok(ProviderPackageRow {
        platform,
        filename: filename.to_owned(),
        zip_sha256: staged.sha256.clone(),
        zip_bytes: i64::try_from(staged.bytes).unwrap_or(i64::MAX),
    })
}

/// Writes the rows; where another publish was faster, what it wrote decides.
async fn record(
    app: &App,
    row: ProviderVersionRow,
    packages: Vec<ProviderPackageRow>,
    by: &Token,
) -> Result<PublishedProvider, PublishProviderError> {
    let mut tx = app.store.write().await?;
    if let Some(standing) = provider_version(&mut tx, &row.address, &row.version).await? {
        if standing.shasums_sha256 != row.shasums_sha256 {
            return Err(PublishProviderError::VersionTaken {
                address: row.address,
                version: row.version,
            });
        }
        let packages = provider_packages(&mut tx, &standing.id).await?;
        return Ok(answer(standing, packages, false));
    }
    check_key(app, &mut tx, &row).await?;
    insert_provider_version(&mut tx, &row, &packages).await?;
    failpoint::hit("publish.rows_written");
    audit::append(&mut tx, event(&row, by)).await?;
    tx.commit().await.map_err(StoreError::from)?;
    failpoint::hit("publish.committed");
    app.provider_lists.forget(&row.address);
    tracing::info!(
        provider.address = %row.address,
        provider.version = %row.version,
        key.id = %row.key_id,
        packages = packages.len(),
        "published a provider version"
    );
    Ok(answer(row, packages, true))
}

fn event(row: &ProviderVersionRow, by: &Token) -> Event {
    Event {
        at: row.published_at,
        actor: by.name.clone(),
        action: "provider.publish".to_owned(),
        subject: format!("{}@{}", row.address, row.version),
        detail: json!({
            "shasums_sha256": row.shasums_sha256,
            "key": row.key_fingerprint,
            "token": by.id,
        }),
        request_id: request_id::current(),
    }
}

/// Refuses a key that does not count; the first key of a namespace without configured ones is remembered.
async fn check_key(
    app: &App,
    tx: &mut Tx,
    row: &ProviderVersionRow,
) -> Result<(), PublishProviderError> {
    let namespace = row.address.namespace();
    let configured = app.provider_keys.of(namespace);
    let known = if configured.is_empty() {
        provider_keys(tx, namespace).await?
    } else {
        configured.to_vec()
    };
    if known.is_empty() {
        let now = row.published_at;
        return Ok(insert_provider_key(tx, namespace, &row.key_fingerprint, now).await?);
    }
    if known.contains(&row.key_fingerprint) {
        return Ok(());
    }
    Err(PublishProviderError::KeyUnknown {
        found: row.key_fingerprint.clone(),
        namespace: namespace.to_owned(),
        known: known.join(", "),
    })
}

fn answer(
    row: ProviderVersionRow,
    packages: Vec<ProviderPackageRow>,
    created: bool,
) -> PublishedProvider {
    PublishedProvider {
        address: row.address,
        version: row.version,
        platforms: packages.into_iter().map(|package| package.platform).collect(),
        shasums_sha256: row.shasums_sha256,
        key_id: row.key_id,
        created,
    }
}
