//! `/.well-known/terraform.json`: where the protocols live.

use axum::Json;
use registry_api::discovery::Discovery;

/// Base path of the module protocol.
pub const MODULES: &str = "/v1/modules/";
/// Base path of the provider protocol.
pub const PROVIDERS: &str = "/v1/providers/";

/// Answers everyone: a client with a stale token sends it here too, and must get on.
///
/// The paths are relative to whatever name the client used.
pub async fn discover() -> Json<Discovery> {
    Json(Discovery { modules: MODULES.to_owned(), providers: PROVIDERS.to_owned() })
}
