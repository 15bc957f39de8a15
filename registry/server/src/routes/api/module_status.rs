//! How modules stand, and whom that concerns.

use axum::extract::State;
use registry_api::ModuleAddress;
use registry_api::trust::{ModuleConsumers, ModuleStatus, ModuleStatusList, NewModuleStatus};
use semver::Version;

use super::modules::{VersionPath, parse_address};
use crate::app::App;
use crate::error::ApiError;
use crate::extract::{Caller, Json, Path, Query};
use crate::model::module::parse_version;
use crate::ops::consumers::consumers;
use crate::ops::module_status::{NewStatus, StatusError, list_statuses, set};

/// Which module.
#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
pub struct ModulePath {
    /// First part of the address.
    namespace: String,
    /// Second part.
    name: String,
    /// Third part.
    system: String,
}

impl ModulePath {
    fn address(&self) -> Result<ModuleAddress, ApiError> {
        parse_address(&self.namespace, &self.name, &self.system)
    }
}

/// What a change expects to find.
#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// Number of the status that was last said of the same, 0 for none; where another was said meanwhile, nothing is
    /// said. Without it, the last one to speak is right.
    expected_sequence: Option<u64>,
}

/// `GET /modules/{namespace}/{name}/{system}/status`: what stands.
pub async fn get_status(
    State(app): State<App>,
    caller: Caller,
    Path(path): Path<ModulePath>,
) -> Result<Json<ModuleStatusList>, ApiError> {
    caller.require_read(&app, &path.namespace)?;
    Ok(Json(list_statuses(&app, &path.address()?).await?))
}

/// `PUT /modules/{namespace}/{name}/{system}/status`: of the module as a whole, signed by the registry.
pub async fn put_status(
    State(app): State<App>,
    caller: Caller,
    Path(path): Path<ModulePath>,
    Query(Expectation { expected_sequence }): Query<Expectation>,
    Json(status): Json<NewModuleStatus>,
) -> Result<Json<ModuleStatus>, ApiError> {
    let token = caller.require_publish(&path.namespace)?;
    let new = NewStatus { version: None, status, expected_sequence };
    Ok(Json(set(&app, &path.address()?, new, token).await?))
}

/// `PUT /modules/{namespace}/{name}/{system}/{version}/status`: of one version, signed by the registry.
pub async fn put_version_status(
    State(app): State<App>,
    caller: Caller,
    Path(VersionPath { namespace, name, system, version }): Path<VersionPath>,
    Query(Expectation { expected_sequence }): Query<Expectation>,
    Json(status): Json<NewModuleStatus>,
) -> Result<Json<ModuleStatus>, ApiError> {
    let token = caller.require_publish(&namespace)?;
    let address = parse_address(&namespace, &name, &system)?;
    let version: Version = parse_version(&version)
        .map_err(|error| ApiError::unprocessable("invalid_version", error.to_string()))?;
    let new = NewStatus { version: Some(version), status, expected_sequence };
    Ok(Json(set(&app, &address, new, token).await?))
}

/// `GET /modules/{namespace}/{name}/{system}/consumers`: who still uses it.
pub async fn get_consumers(
    State(app): State<App>,
    caller: Caller,
    Path(path): Path<ModulePath>,
) -> Result<Json<ModuleConsumers>, ApiError> {
    caller.require_publish(&path.namespace)?;
    Ok(Json(consumers(&app, &path.address()?).await?))
}

impl From<StatusError> for ApiError {
    fn from(error: StatusError) -> Self {
        let detail = error.to_string();
        match error {
            StatusError::NoModule(_) => Self::not_found("module_not_found", detail),
            StatusError::NoVersion { .. } => Self::not_found("version_not_found", detail),
            StatusError::OtherBytes { .. } => Self::unprocessable("other_bytes", detail),
            StatusError::Sequence { .. } | StatusError::Overtaken { .. } => {
                Self::conflict("sequence", detail)
            }
            StatusError::Registry { .. } => Self::unprocessable("other_registry", detail),
            StatusError::Signer { .. } => Self::unprocessable("signer_not_allowed", detail),
            StatusError::Day(_) => Self::unprocessable("sunset_invalid", detail),
            StatusError::Statement(error) => Self::unprocessable(error.code(), detail),
            StatusError::Address(_) => Self::unprocessable("invalid_address", detail),
            StatusError::Trust(error) => error.into(),
            StatusError::Store(error) => error.into(),
            StatusError::Work(_) => Self::internal(error),
        }
    }
}
