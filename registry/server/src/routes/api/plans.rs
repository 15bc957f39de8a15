//! `POST /plans`.

use axum::extract::State;
use registry_api::platform::{Plan, PlanRequest};

use crate::app::App;
use crate::error::ApiError;
use crate::extract::{Caller, Json};
use crate::ops;

/// Says what a change would do, without doing it.
///
/// Needs the right `plan`. Policies that deny are part of the answer.
pub async fn create_plan(
    State(app): State<App>,
    caller: Caller,
    Json(request): Json<PlanRequest>,
) -> Result<Json<Plan>, ApiError> {
    Ok(Json(ops::plan::plan(&app, caller.token()?, &request).await?))
}
