//! `/resources/{kind}/{environment}/{name}/deployments`.

use axum::extract::State;
use registry_api::platform::{DeployRequest, ResourceRef};

use super::resources::Asked;
use super::write::{Accepted, WriteHeaders};
use crate::app::App;
use crate::error::ApiError;
use crate::extract::{Caller, Json, Path};
use crate::ops::accept::Request;
use crate::ops::{deploy, operations};
use crate::request_id;

/// Moves the image of a service whose image a pipeline moves.
///
/// Needs the right `deploy`. Only for `image_source = "pipeline"`.
pub async fn create_deployment(
    State(app): State<App>,
    caller: Caller,
    Path(reference): Path<ResourceRef>,
    headers: WriteHeaders,
    Json(body): Json<DeployRequest>,
) -> Result<Accepted, ApiError> {
    let asked = Asked { what: "deploy", reference: &reference, body: &body };
    let request =
        Request::new(caller.token()?, request_id::current(), headers.idempotency_key, &asked);
    let operation = deploy::deploy(&app, &request, &reference, &body).await?;
    Ok(Accepted(operations::to_wire(&app, operation).await?))
}
