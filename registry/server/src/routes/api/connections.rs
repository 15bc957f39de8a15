//! `/connections`, `/credentials` and `/rotations`: logins to databases.

use axum::extract::State;
use axum::http::StatusCode;
use registry_api::platform::{Credential, CredentialLease, CredentialRequest, Rotate, Secret};

use super::write::Unstored;
use crate::app::App;
use crate::error::ApiError;
use crate::extract::{Caller, Json, Path};
use crate::ops::{credentials, rotate_credentials, secrets};

/// Makes a login to a database that ends by itself; the answer is the only time that its password is told.
///
/// Needs the right `credentials:<privilege>`.
pub async fn open(
    State(app): State<App>,
    caller: Caller,
    Path(connection): Path<String>,
    Json(body): Json<CredentialRequest>,
) -> Result<(StatusCode, Unstored<Credential>), ApiError> {
    let opened = credentials::open(&app, caller.token()?, &connection, &body).await?;
    Ok((StatusCode::CREATED, Unstored(opened)))
}

/// Prolongs a login, for the token that made it.
pub async fn renew(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<CredentialLease>, ApiError> {
    Ok(Json(credentials::renew(&app, caller.token()?, &id).await?))
}

/// Ends a login, for the token that made it; one that ended does no harm.
pub async fn close(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    credentials::close(&app, caller.token()?, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes the credentials of a consumer of a database anew; those before go on working for a while.
///
/// Needs the right `apply` for the consumer's owner. Answers with what is known of the secret that has them.
pub async fn rotate(
    State(app): State<App>,
    caller: Caller,
    Json(body): Json<Rotate>,
) -> Result<Json<Secret>, ApiError> {
    let rotated = rotate_credentials::rotate(&app, caller.token()?, &body.secret_ref).await?;
    Ok(Json(secrets::to_wire(rotated)))
}
