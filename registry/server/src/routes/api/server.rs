//! Facts about the server that clients need before they publish.

use axum::extract::State;
use registry_api::tokens::ServerInfo;

use crate::app::App;
use crate::extract::Json;

/// `GET /api/v1/server`: answers everyone.
pub async fn info(State(app): State<App>) -> Json<ServerInfo> {
    Json(ServerInfo {
        hostname: app.config.server.hostname.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    })
}
