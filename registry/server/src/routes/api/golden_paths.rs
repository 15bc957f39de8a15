//! `/golden-paths`.

use axum::extract::State;
use registry_api::platform::{GoldenPath, GoldenPathList, Selection};
use registry_api::{ModuleAddress, VersionConstraint};
use semver::Version;
use serde::Deserialize;

use crate::app::App;
use crate::error::ApiError;
use crate::extract::{Caller, Json, Path, Query};
use crate::ops::{describe_path, paths};

/// Which path.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
pub struct PathAddress {
    /// `golden`.
    namespace: String,
    /// What configurations write as `template`.
    name: String,
    /// What configurations write as `language`.
    system: String,
}

/// Which version.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VersionQuery {
    /// What the configuration allows; every release where absent.
    constraint: Option<VersionConstraint>,
    /// The very version.
    version: Option<Version>,
}

/// Lists the golden paths of this registry.
pub async fn list_golden_paths(
    State(app): State<App>,
    caller: Caller,
) -> Result<Json<GoldenPathList>, ApiError> {
    caller.require_read(&app, paths::NAMESPACE)?;
    Ok(Json(describe_path::list(&app).await?))
}

/// Shows a golden path in the version that a constraint selects today.
pub async fn get_golden_path(
    State(app): State<App>,
    caller: Caller,
    Path(path): Path<PathAddress>,
    Query(query): Query<VersionQuery>,
) -> Result<Json<GoldenPath>, ApiError> {
    let address = ModuleAddress::new(&path.namespace, &path.name, &path.system)
        .map_err(|error| ApiError::bad_request("invalid_path", error.to_string()))?;
    caller.require_read(&app, address.namespace())?;
    let selection =
        Selection { constraint: query.constraint, version: query.version, sha256: None };
    Ok(Json(describe_path::describe(&app, &address, &selection).await?))
}
