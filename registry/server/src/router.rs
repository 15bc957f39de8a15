//! Every route of the service, in one list.

use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;

use crate::app::App;
use crate::error::ApiError;
use crate::request_id;
use crate::routes::{api, archives, discovery, health, log, modules, providers};

/// The whole service.
pub fn build(app: App) -> Router {
    let routes = Router::new()
        .merge(short(&app))
        .merge(api(&app))
        .route("/archives/{sha256}/{filename}", get(archives::fetch));
    around(routes).with_state(app)
}

/// What every request meets, whatever its route: an id, a log line, and an answer even to a panic.
fn around<S: Clone + Send + Sync + 'static>(routes: Router<S>) -> Router<S> {
    routes
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn(request_id::layer))
}

/// Our own API with the document of it; uploads may take longer and be larger than the rest.
fn api(app: &App) -> Router<App> {
    let limits = &app.config.limits;
    let largest = limits.provider_bytes.max(limits.archive_bytes).saturating_add(FORM_BYTES);
    let quick = api::routes()
        .layer(DefaultBodyLimit::max(limits.request_bytes))
        .layer(middleware::from_fn_with_state(Duration::from_secs(limits.request_seconds), in_time))
        .layer(CompressionLayer::new());
    let uploads = api::upload_routes()
        .layer(DefaultBodyLimit::max(usize::try_from(largest).unwrap_or(usize::MAX)))
        .layer(middleware::from_fn_with_state(Duration::from_secs(limits.upload_seconds), in_time));
    api::openapi::with_document(quick.merge(uploads))
}

/// Room for what a form adds around its files.
const FORM_BYTES: u64 = 1024 * 1024;

/// Routes with small bodies and quick answers.
fn short(app: &App) -> Router<App> {
    let limits = &app.config.limits;
    Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/.well-known/terraform.json", get(discovery::discover))
        .route("/log/checkpoint", get(log::checkpoint))
        .route("/log/tile/{*path}", get(log::tile))
        .route("/v1/modules/{namespace}/{name}/{system}/versions", get(modules::versions))
        .route("/v1/modules/{namespace}/{name}/{system}/{version}/download", get(modules::download))
        .route("/v1/providers/{namespace}/{type}/versions", get(providers::versions))
        .route(
            "/v1/providers/{namespace}/{type}/{version}/download/{os}/{arch}",
            get(providers::download),
        )
        .layer(DefaultBodyLimit::max(limits.request_bytes))
        .layer(middleware::from_fn_with_state(Duration::from_secs(limits.request_seconds), in_time))
        .layer(CompressionLayer::new())
}

/// Ends a request that takes too long.
async fn in_time(State(limit): State<Duration>, request: Request, next: Next) -> Response {
    tokio::time::timeout(limit, next.run(request)).await.unwrap_or_else(|_| {
        ApiError::refused(
            StatusCode::SERVICE_UNAVAILABLE,
            "timeout",
            format!("the request took longer than {} seconds; try again", limit.as_secs()),
        )
        .into_response()
    })
}

async fn not_found(request: Request) -> ApiError {
    ApiError::not_found("no_such_route", format!("there is nothing at {}", request.uri().path()))
}

async fn method_not_allowed(request: Request) -> ApiError {
    ApiError::refused(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        format!("{} is not possible at {}", request.method(), request.uri().path()),
    )
}

/// The panic hook has logged where; here it becomes an answer.
fn panicked(_cause: Box<dyn std::any::Any + Send + 'static>) -> Response {
    ApiError::internal("a handler panicked").into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use tower::ServiceExt as _;

    use super::*;

    async fn explode() -> &'static str {
        panic!("on purpose")
    }

    #[tokio::test]
    async fn a_panic_is_an_answer_that_tells_nothing_but_the_request_id() {
        let router = around(Router::<()>::new().route("/explode", get(explode)));

        let request = Request::get("/explode").body(Body::empty()).unwrap();
        let answer = router.oneshot(request).await.unwrap();

        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let id = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
        let body = to_bytes(answer.into_body(), 10_000).await.unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        assert!(body.contains(&id) && !body.contains("on purpose"), "{body}");
    }
}
