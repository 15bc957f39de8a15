//! The provider registry protocol, `providers.v1`.

use std::cmp::Reverse;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use registry_api::providers::{
    GpgPublicKey, ProviderPackage, ProviderPlatform, ProviderVersion, ProviderVersions, SigningKeys,
};
use registry_api::{Platform, ProviderAddress};
use registry_trust::sums::{signature_name, sums_name};
use semver::Version;

use super::archives;
use super::protocol::{PlainError, ProtocolCaller};
use crate::app::App;
use crate::error::ApiError;
use crate::listing::Listing;
use crate::model::module::Status;
use crate::store::providers::{
    ProviderPackageRow, ProviderVersionRow, provider_packages, provider_version, provider_versions,
};

/// Lists every version that can be chosen, highest first, with protocols and platforms.
pub(crate) async fn versions(
    State(app): State<App>,
    ProtocolCaller(caller): ProtocolCaller,
    Path((namespace, kind)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, PlainError> {
    caller.require_read(&app, &namespace)?;
    let address = parse_address(&namespace, &kind)?;
    Ok(listing(&app, address).await?.answer(&headers))
}

async fn listing(app: &App, address: ProviderAddress) -> Result<Arc<Listing>, ApiError> {
    let asked = match app.provider_lists.get(&address) {
        Ok(known) => return Ok(known),
        Err(asked) => asked,
    };
    let mut conn = app.store.read().await?;
    let rows = provider_versions(&mut conn, &address).await?;
    if rows.is_empty() {
        return Err(ApiError::not_found(
            "provider_not_found",
            format!("there is no provider {address} here"),
        ));
    }
    let mut versions = Vec::new();
    for row in rows.into_iter().filter(|row| row.status == Status::Active) {
        let packages = provider_packages(&mut conn, &row.id).await?;
        let platforms = packages.iter().map(platform).collect();
        versions.push(ProviderVersion {
            version: row.version,
            protocols: row.protocols,
            platforms,
        });
    }
    versions.sort_by_key(|version| Reverse(version.version.clone()));
    let listing = Arc::new(Listing::new(&ProviderVersions { versions, warnings: Vec::new() })?);
    app.provider_lists.keep(asked, address, Arc::clone(&listing));
    Ok(listing)
}

/// Says where one build is, what its checksum is, and who signed for it.
pub(crate) async fn download(
    State(app): State<App>,
    ProtocolCaller(caller): ProtocolCaller,
    Path((namespace, kind, version, os, arch)): Path<(String, String, String, String, String)>,
) -> Result<Json<ProviderPackage>, PlainError> {
    caller.require_read(&app, &namespace)?;
    let address = parse_address(&namespace, &kind)?;
    let not_found = || no_build(&address, &version, &os, &arch);
    let number = Version::parse(&version).map_err(|_| not_found())?;
    let wanted = Platform::new(&os, &arch).map_err(|_| not_found())?;
    let mut conn = app.store.read().await?;
    let row = provider_version(&mut conn, &address, &number)
        .await?
        .filter(|row| !matches!(row.status, Status::Revoked { .. }))
        .ok_or_else(not_found)?;
    let packages = provider_packages(&mut conn, &row.id).await?;
    drop(conn);
    let package =
        packages.into_iter().find(|package| package.platform == wanted).ok_or_else(not_found)?;
    Ok(Json(describe(&app, row, package)))
}

fn describe(app: &App, row: ProviderVersionRow, package: ProviderPackageRow) -> ProviderPackage {
    let kind = row.address.kind();
    ProviderPackage {
        os: package.platform.os().to_owned(),
        arch: package.platform.arch().to_owned(),
        download_url: archives::link(app, &package.zip_sha256, &package.filename),
        shasums_url: archives::link(app, &row.shasums_sha256, &sums_name(kind, &row.version)),
        shasums_signature_url: archives::link(
            app,
            &row.signature_sha256,
            &signature_name(kind, &row.version),
        ),
        shasum: package.zip_sha256,
        filename: package.filename,
        protocols: row.protocols,
        signing_keys: SigningKeys {
            gpg_public_keys: vec![GpgPublicKey { key_id: row.key_id, ascii_armor: row.key_armor }],
        },
    }
}

fn platform(package: &ProviderPackageRow) -> ProviderPlatform {
    ProviderPlatform {
        os: package.platform.os().to_owned(),
        arch: package.platform.arch().to_owned(),
    }
}

fn parse_address(namespace: &str, kind: &str) -> Result<ProviderAddress, ApiError> {
    ProviderAddress::new(namespace, kind)
        .map_err(|error| ApiError::not_found("provider_not_found", error.to_string()))
}

fn no_build(address: &ProviderAddress, version: &str, os: &str, arch: &str) -> ApiError {
    let clip = |text: &str| text.chars().take(80).collect::<String>();
    ApiError::not_found(
        "package_not_found",
        format!(
            "there is no build of {address} {} for {}_{} here",
            clip(version),
            clip(os),
            clip(arch)
        ),
    )
}
