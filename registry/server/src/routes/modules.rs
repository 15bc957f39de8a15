//! The module registry protocol, `modules.v1`.
//!
//! Addresses are case-sensitive and published in lower case only, so one in capitals is not found.

use std::cmp::Reverse;
use std::fmt::Write as _;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use registry_api::ModuleAddress;
use registry_api::modules::{ModuleLocation, ModuleVersion, ModuleVersionList, ModuleVersions};
use registry_trust::standing::Standing;
use registry_trust::time::Day;
use semver::Version;

use super::archives;
use super::protocol::{PlainError, ProtocolCaller};
use crate::app::App;
use crate::clock::rfc3339;
use crate::error::ApiError;
use crate::extract::Caller;
use crate::listing::{Listing, ModuleListing};
use crate::ops::age;
use crate::ops::consumers::note_download;
use crate::ops::module_status::{said, standing};
use crate::store::downloads::versions_of_token;
use crate::store::modules::{ModuleVersionRow, module_version, module_versions};

const X_TERRAFORM_GET: HeaderName = HeaderName::from_static("x-terraform-get");

/// Lists every version that can be chosen, highest first: clients follow no pages. What is yanked or past its sunset is
/// listed only for tokens that downloaded it before, so that what they pinned goes on installing.
pub(crate) async fn versions(
    State(app): State<App>,
    ProtocolCaller(caller): ProtocolCaller,
    Path((namespace, name, system)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Result<Response, PlainError> {
    caller.require_read(&app, &namespace)?;
    let address = parse_address(&namespace, &name, &system)?;
    let listing = listing(&app, &address).await?;
    if let Ok(token) = caller.token()
        && !listing.hidden.is_empty()
        && let Some(personal) = personal(&app, &address, &listing, &token.id).await?
    {
        return Ok(personal.answer(&headers));
    }
    Ok(listing.shared.answer(&headers))
}

async fn listing(app: &App, address: &ModuleAddress) -> Result<Arc<ModuleListing>, ApiError> {
    let now = app.clock.now();
    let asked = match app.module_lists.get_if(address, |listing| listing.shared.holds_at(now)) {
        Ok(known) => return Ok(known),
        Err(asked) => asked,
    };
    let mut conn = app.store.read().await?;
    let rows = module_versions(&mut conn, address).await?;
    if rows.is_empty() {
        return Err(no_module(address));
    }
    let (said, _) = said(&app.trust, &mut conn, address).await?;
    let standing = |row: &ModuleVersionRow| standing(&said, &row.version);
    let waits_until =
        |row: &ModuleVersionRow| age::waits_until(app, address.namespace(), row.published_at);
    // Until one more version is old enough, or one past its sunset.
    let sunset = |row: &ModuleVersionRow| standing(row).sunset.map(Day::start);
    let until = rows.iter().filter_map(|row| waits_until(row).or_else(|| sunset(row)));
    let until = until.filter(|at| *at > now).min();
    let old_enough = rows.iter().filter(|row| waits_until(row).is_none());
    // A revoked version stays listed: Terraform shows why only when it asks for the version.
    let (listed, hidden): (Vec<_>, Vec<_>) = old_enough.partition(|row| {
        let standing = standing(row);
        standing.is_offered(now) || standing.is_revoked()
    });
    let [listed, hidden] =
        [listed, hidden].map(|rows| rows.iter().map(|row| row.version.clone()).collect::<Vec<_>>());
    let shared = written(listed.clone())?.until(until);
    let listing = Arc::new(ModuleListing { shared, listed, hidden });
    app.module_lists.keep(asked, address.clone(), Arc::clone(&listing));
    Ok(listing)
}

/// The list with what this token downloaded before it was hidden from others; none where that is nothing.
async fn personal(
    app: &App,
    address: &ModuleAddress,
    listing: &ModuleListing,
    token_id: &str,
) -> Result<Option<Listing>, ApiError> {
    let mut conn = app.store.read().await?;
    let known = versions_of_token(&mut conn, address, token_id).await?;
    let hidden = listing.hidden.iter().filter(|version| known.contains(version)).cloned();
    let mut versions: Vec<Version> = hidden.collect();
    if versions.is_empty() {
        return Ok(None);
    }
    versions.extend_from_slice(&listing.listed);
    written(versions).map(Some)
}

fn written(mut versions: Vec<Version>) -> Result<Listing, ApiError> {
    versions.sort_unstable_by_key(|version| Reverse(version.clone()));
    let versions = versions.into_iter().map(|version| ModuleVersion { version }).collect();
    Listing::new(&ModuleVersions { modules: vec![ModuleVersionList { versions }] })
}

/// Says where the archive of a version is, in both forms that clients read.
pub(crate) async fn download(
    State(app): State<App>,
    ProtocolCaller(caller): ProtocolCaller,
    Path((namespace, name, system, version)): Path<(String, String, String, String)>,
) -> Result<Response, PlainError> {
    caller.require_read(&app, &namespace)?;
    let address = parse_address(&namespace, &name, &system)?;
    let Ok(version) = Version::parse(&version) else {
        return Err(no_version(&address, &version).into());
    };
    let mut conn = app.store.read().await?;
    let found = module_version(&mut conn, &address, &version).await?;
    let Some(row) = found else {
        return Err(no_version(&address, &version.to_string()).into());
    };
    let (said, _) = said(&app.trust, &mut conn, &address).await?;
    let standing = standing(&said, &version);
    if standing.is_revoked() {
        return Err(revoked(&address, &version, &standing).into());
    }
    if let Some(from) = age::waits_until(&app, address.namespace(), row.published_at) {
        return Err(too_young(&address, &version, from).into());
    }
    drop(conn);
    note(&app, &caller, &address, &version).await;
    let filename =
        format!("{}-{}-{}-{version}.tar.gz", address.namespace(), address.name(), address.system());
    // The checksum is what makes a stock client refuse other bytes.
    let location = format!(
        "{}&archive=tar.gz&checksum=sha256:{}",
        archives::link(&app, &row.archive_sha256, &filename),
        row.archive_sha256
    );
    let header = HeaderValue::try_from(&location).map_err(ApiError::internal)?;
    Ok(([(X_TERRAFORM_GET, header)], Json(ModuleLocation { location })).into_response())
}

fn parse_address(namespace: &str, name: &str, system: &str) -> Result<ModuleAddress, ApiError> {
    ModuleAddress::new(namespace, name, system)
        .map_err(|error| ApiError::not_found("module_not_found", error.to_string()))
}

fn no_module(address: &ModuleAddress) -> ApiError {
    ApiError::not_found("module_not_found", format!("there is no module {address} here"))
}

fn no_version(address: &ModuleAddress, version: &str) -> ApiError {
    ApiError::not_found(
        "version_not_found",
        format!(
            "there is no version {} of {address} here",
            version.chars().take(80).collect::<String>()
        ),
    )
}

fn too_young(address: &ModuleAddress, version: &Version, from: i64) -> ApiError {
    ApiError::refused(
        StatusCode::FORBIDDEN,
        "too_young",
        format!(
            "version {version} of {address} can be selected from {} on, when it has the minimum age of its namespace. \
             Wait until then, or choose an older version.",
            rfc3339(from)
        ),
    )
}

/// What Terraform prints word for word.
fn revoked(address: &ModuleAddress, version: &Version, standing: &Standing) -> ApiError {
    let Standing { reason, replacement, contact, .. } = standing;
    let reason = reason.as_deref().unwrap_or("no reason was given");
    let mut detail = format!("version {version} of {address} was revoked: {reason}. ");
    // Writing to a string cannot fail.
    let _ = match replacement {
        Some(replacement) => write!(detail, "Use {replacement} instead."),
        None => write!(detail, "Choose another version."),
    };
    if let Some(contact) = contact {
        let _ = write!(detail, " Ask {contact}.");
    }
    ApiError::refused(StatusCode::GONE, "version_revoked", detail)
}

/// Remembers who downloaded what, for whoever wants to retire it. A full disk is no reason to serve nothing.
async fn note(app: &App, caller: &Caller, address: &ModuleAddress, version: &Version) {
    let token = caller.token().map(|token| token.id.clone()).unwrap_or_default();
    if let Err(error) = note_download(app, address, version, &token).await {
        tracing::warn!(module.address = %address, %error, "a download could not be noted");
    }
}
