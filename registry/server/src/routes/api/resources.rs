//! `/resources`.

use axum::extract::State;
use registry_api::Name;
use registry_api::platform::{Kind, PutResource, Resource, ResourceList, ResourceRef};
use serde::{Deserialize, Serialize};

use super::write::{Accepted, Tagged, WriteHeaders};
use crate::app::App;
use crate::error::ApiError;
use crate::extract::{Caller, Json, Path, Query};
use crate::ops::accept::Request;
use crate::ops::{self, operations};
use crate::request_id;
use crate::store::resources::ResourceFilter;

/// Which resources to list; all that the caller may see where nothing is given.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    /// Only this kind.
    kind: Option<Kind>,
    /// Only this environment.
    environment: Option<Name>,
    /// Only this owner.
    owner: Option<Name>,
    /// Only those whose first operation never finished.
    #[serde(default)]
    unfinished: bool,
}

/// Lists the resources that the caller may see, by kind, environment and name.
pub async fn list_resources(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<ListQuery>,
) -> Result<Json<ResourceList>, ApiError> {
    let filter = ResourceFilter {
        kind: query.kind,
        environment: query.environment,
        owner: query.owner,
        unfinished: query.unfinished,
    };
    Ok(Json(ops::read_resource::list(&app, caller.token()?, &filter).await?))
}

/// Shows a resource as it is in the world, drift included.
///
/// The `ETag` is its generation.
pub async fn get_resource(
    State(app): State<App>,
    caller: Caller,
    Path(reference): Path<ResourceRef>,
) -> Result<Tagged<Resource>, ApiError> {
    let resource = ops::read_resource::resource(&app, caller.token()?, &reference).await?;
    Ok(Tagged(resource.generation, resource))
}

/// Shows a database that exists on its server and that nobody manages, as a resource that could take it over: its
/// generation is 0.
///
/// Needs the right `approve`, as taking it over does.
pub async fn get_unmanaged(
    State(app): State<App>,
    caller: Caller,
    Path(reference): Path<ResourceRef>,
) -> Result<Json<Resource>, ApiError> {
    Ok(Json(ops::adopt::unmanaged(&app, caller.token()?, &reference).await?))
}

/// Creates or changes a resource.
///
/// Needs the right `apply`. Answers with the operation that carries it out.
pub async fn put_resource(
    State(app): State<App>,
    caller: Caller,
    Path(reference): Path<ResourceRef>,
    headers: WriteHeaders,
    Json(body): Json<PutResource>,
) -> Result<Accepted, ApiError> {
    let expected = headers.expected()?;
    let asked = Asked { what: "put", reference: &reference, body: &body };
    let request =
        Request::new(caller.token()?, request_id::current(), headers.idempotency_key, &asked);
    let operation =
        ops::put_resource::put_resource(&app, &request, &reference, &body, expected).await?;
    Ok(Accepted(operations::to_wire(&app, operation).await?))
}

/// Removes a resource; one that was never finished is rolled back.
///
/// Needs the right `destroy` and `If-Match`. Refused while deletion protection is on.
pub async fn delete_resource(
    State(app): State<App>,
    caller: Caller,
    Path(reference): Path<ResourceRef>,
    headers: WriteHeaders,
) -> Result<Accepted, ApiError> {
    let generation = headers.generation()?;
    let asked = Asked { what: "delete", reference: &reference, body: &generation };
    let request =
        Request::new(caller.token()?, request_id::current(), headers.idempotency_key, &asked);
    let operation =
        ops::delete_resource::delete_resource(&app, &request, &reference, generation).await?;
    Ok(Accepted(operations::to_wire(&app, operation).await?))
}

/// Everything that makes one write another than the next.
#[derive(Debug, Serialize)]
pub(super) struct Asked<'a, T> {
    pub(super) what: &'static str,
    pub(super) reference: &'a ResourceRef,
    pub(super) body: &'a T,
}
