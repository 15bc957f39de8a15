//! `/healthz`: the process answers. `/readyz`: it can do its work.

use axum::extract::State;
use axum::http::StatusCode;

use crate::app::App;
use crate::error::{ApiError, chain};

/// Answers while the process runs.
pub async fn alive() -> &'static str {
    "ok\n"
}

/// Answers when database and blob store take writes.
pub async fn ready(State(app): State<App>) -> Result<&'static str, ApiError> {
    app.store.ping().await.map_err(|error| not_ready("the database", &error))?;
    app.blobs.ping().await.map_err(|error| not_ready("the blob store", &error))?;
    Ok("ready\n")
}

fn not_ready(what: &str, error: &(dyn std::error::Error + 'static)) -> ApiError {
    tracing::error!(error = %chain(error), "not ready: {what} takes no writes");
    ApiError::refused(
        StatusCode::SERVICE_UNAVAILABLE,
        "not_ready",
        format!("{what} takes no writes; the log says why"),
    )
}
