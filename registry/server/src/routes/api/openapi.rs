//! The OpenAPI document, made from the very routes it describes.

use aide::axum::ApiRouter;
use aide::openapi::{Info, OpenApi, SecurityScheme};
use aide::transform::TransformOpenApi;
use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use registry_api::platform::BASE_PATH;

use crate::app::App;

/// Name of the one way to say who you are.
pub const TOKEN: &str = "token";

/// The API below its base path, with the document of it.
pub fn with_document(routes: ApiRouter<App>) -> Router<App> {
    let mut document = OpenApi::default();
    let api = ApiRouter::new().nest(BASE_PATH, routes).finish_api_with(&mut document, describe);
    let text = to_text(&document);
    let serve = move || {
        let text = text.clone();
        async move { ([(header::CONTENT_TYPE, "application/json")], text).into_response() }
    };
    api.route(&format!("{BASE_PATH}/openapi.json"), get(serve))
}

/// The document as it is checked in and served.
pub fn document(routes: ApiRouter<App>) -> String {
    let mut document = OpenApi::default();
    let _: Router<App> =
        ApiRouter::new().nest(BASE_PATH, routes).finish_api_with(&mut document, describe);
    to_text(&document)
}

fn to_text(document: &OpenApi) -> String {
    // Through a value, so that keys are sorted and the text moves only when the API does.
    let value = serde_json::to_value(document).unwrap_or_default();
    let mut text = serde_json::to_string_pretty(&value).unwrap_or_default();
    text.push('\n');
    text
}

fn describe(api: TransformOpenApi<'_>) -> TransformOpenApi<'_> {
    let mut api = api
        .title("Platform API")
        .version("1")
        .summary("Plans, resources and operations of the platform")
        .description(
            "JSON in and out; every error is a problem (RFC 9457) with a stable `code`. Times are RFC 3339 in UTC. \
             Writes of resources answer 202 with an operation to wait for; writes of secrets are done when they \
             are answered.",
        )
        .security_scheme(
            TOKEN,
            SecurityScheme::Http {
                scheme: "bearer".to_owned(),
                bearer_format: None,
                description: Some("A token of this server, as `idp token` makes it.".to_owned()),
                extensions: indexmap::IndexMap::default(),
            },
        );
    let info: &mut Info = &mut api.inner_mut().info;
    info.license = None;
    api
}
