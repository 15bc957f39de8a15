//! What is published of a module: its versions, their interfaces and files, and how they differ.

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use registry_api::ModuleAddress;
use registry_api::interface::{ModuleChanges, ModuleInterface};
use registry_api::modules::ModuleDetail;
use schemars::JsonSchema;
use semver::Version;
use serde::Deserialize;

use super::modules::{VersionPath, parse_address};
use crate::app::App;
use crate::error::ApiError;
use crate::extract::{Caller, Json, Path, Query};
use crate::model::module::parse_version;
use crate::ops::read_module::{self, ReadError};

/// Which module.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct ModulePath {
    /// First part of the address.
    namespace: String,
    /// Second part.
    name: String,
    /// Third part.
    system: String,
}

/// Between which versions.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Between {
    /// The older version, such as 1.0.0.
    from: String,
    /// The newer version.
    to: String,
}

/// `GET /api/v1/modules/:namespace/:name/:system`: every version, highest first, whatever its status.
pub async fn get_module(
    State(app): State<App>,
    caller: Caller,
    Path(path): Path<ModulePath>,
) -> Result<Json<ModuleDetail>, ApiError> {
    let address = path.readable(&app, &caller)?;
    Ok(Json(read_module::describe_module(&app, &address).await?))
}

/// `GET …/changes?from=1.0.0&to=1.2.0`: what differs for callers, and the changelog between the two.
pub async fn get_changes(
    State(app): State<App>,
    caller: Caller,
    Path(path): Path<ModulePath>,
    Query(Between { from, to }): Query<Between>,
) -> Result<Json<ModuleChanges>, ApiError> {
    let address = path.readable(&app, &caller)?;
    let version = |text: &str| {
        parse_version(text)
            .map_err(|error| ApiError::bad_request("invalid_version", error.to_string()))
    };
    let (from, to) = (version(&from)?, version(&to)?);
    Ok(Json(read_module::module_changes(&app, &address, from, to).await?))
}

/// `GET …/:version/interface`: inputs, outputs and what it needs installed.
pub async fn get_interface(
    State(app): State<App>,
    caller: Caller,
    Path(path): Path<VersionPath>,
) -> Result<Json<ModuleInterface>, ApiError> {
    let (address, version) = path.readable(&app, &caller)?;
    Ok(Json(read_module::module_interface(&app, &address, &version).await?))
}

/// `GET …/:version/files`: `sha256␠␠path` of every file, sorted by path, each line ended by a line feed.
///
/// The SHA-256 of this text is the tree's hash that the publisher signed (`dirHash1`; `h1:` and its base64), so whoever
/// verified that hash can tell from this text which files of an unpacked module are not the published ones.
pub async fn get_files(
    State(app): State<App>,
    caller: Caller,
    Path(path): Path<VersionPath>,
) -> Result<Response, ApiError> {
    let (address, version) = path.readable(&app, &caller)?;
    let lines = read_module::module_files(&app, &address, &version).await?;
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    Ok(([(header::CONTENT_TYPE, text)], lines).into_response())
}

impl ModulePath {
    /// The address, for a caller who may install from there.
    fn readable(&self, app: &App, caller: &Caller) -> Result<ModuleAddress, ApiError> {
        caller.require_read(app, &self.namespace)?;
        parse_address(&self.namespace, &self.name, &self.system)
    }
}

impl VersionPath {
    /// Address and version, for a caller who may install from there.
    fn readable(&self, app: &App, caller: &Caller) -> Result<(ModuleAddress, Version), ApiError> {
        caller.require_read(app, &self.namespace)?;
        let address = parse_address(&self.namespace, &self.name, &self.system)?;
        let version = Version::parse(&self.version).map_err(|_| {
            let detail = format!("there is no such version of {address}");
            ApiError::not_found("version_not_found", detail)
        })?;
        Ok((address, version))
    }
}

impl From<ReadError> for ApiError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::NoModule(_) => Self::not_found("module_not_found", error.to_string()),
            ReadError::NoVersion { .. } => Self::not_found("version_not_found", error.to_string()),
            ReadError::Order { .. } => Self::bad_request("invalid_range", error.to_string()),
            ReadError::Open(error) => Self::internal(error),
            ReadError::Trust(error) => error.into(),
            ReadError::Store(error) => error.into(),
        }
    }
}
