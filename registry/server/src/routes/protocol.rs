//! What Terraform's protocols have in common: plain-text errors.
//!
//! Terraform shows the body of a refused module download word for word, so it is a sentence and not a document.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::error::ApiError;
use crate::extract::Caller;

/// An error whose body is one sentence.
#[derive(Debug)]
pub(crate) struct PlainError(ApiError);

impl<E: Into<ApiError>> From<E> for PlainError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for PlainError {
    fn into_response(self) -> Response {
        self.0.log();
        let mut response = (self.0.status(), format!("{}\n", self.0.detail())).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.0.status() == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// The caller, with refusals in plain text.
#[derive(Debug)]
pub(crate) struct ProtocolCaller(pub(crate) Caller);

impl FromRequestParts<App> for ProtocolCaller {
    type Rejection = PlainError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, PlainError> {
        Ok(Self(Caller::identify(app, &parts.headers).await?))
    }
}
