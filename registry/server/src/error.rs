//! What a refused or failed request answers: `application/problem+json`, chosen in one place.
//!
//! A refusal says what, where and how to mend it. A failure of ours is logged once with its causes; its body says
//! only under which request id.

use std::error::Error;
use std::fmt::Write as _;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use registry_api::Problem;
use registry_api::problem::FieldError;

use crate::blobs::BlobError;
use crate::request_id;
use crate::store::StoreError;

/// An error on its way to a client.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    code: &'static str,
    detail: String,
    errors: Vec<FieldError>,
    retry_after: Option<u64>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl ApiError {
    /// A refusal: the request is at fault, `detail` says how and what to do.
    pub fn refused(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            errors: Vec::new(),
            retry_after: None,
            source: None,
        }
    }

    /// 400, the request cannot be understood.
    pub fn bad_request(code: &'static str, detail: impl Into<String>) -> Self {
        Self::refused(StatusCode::BAD_REQUEST, code, detail)
    }

    /// 404.
    pub fn not_found(code: &'static str, detail: impl Into<String>) -> Self {
        Self::refused(StatusCode::NOT_FOUND, code, detail)
    }

    /// 409, the world is not as the request says.
    pub fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::refused(StatusCode::CONFLICT, code, detail)
    }

    /// 422, understood and refused; add [`ApiError::with_errors`].
    pub fn unprocessable(code: &'static str, detail: impl Into<String>) -> Self {
        Self::refused(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
    }

    /// 500, our fault; the cause goes to the log and not to the client.
    pub fn internal(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            code: "internal_error",
            detail: String::new(),
            errors: Vec::new(),
            retry_after: None,
            source: Some(source.into()),
        }
    }

    /// 507, there is no room; the cause goes to the log.
    pub fn no_space(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            status: StatusCode::INSUFFICIENT_STORAGE,
            code: "no_space",
            detail: "the server's disk is full, nothing was stored; the operator has to make room"
                .to_owned(),
            errors: Vec::new(),
            retry_after: None,
            source: Some(source.into()),
        }
    }

    /// Adds what is wrong with which part of the request.
    #[must_use]
    pub fn with_errors(mut self, errors: Vec<FieldError>) -> Self {
        self.errors = errors;
        self
    }

    /// Says after how many seconds it is worth trying again.
    #[must_use]
    pub const fn with_retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// The status it answers with.
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// The stable name of what went wrong.
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// What the client may know, in words.
    pub fn detail(&self) -> String {
        if !self.detail.is_empty() {
            return self.detail.clone();
        }
        match request_id::current() {
            Some(id) => {
                format!("internal error; the operator finds it in the log under request id {id}")
            }
            None => "internal error; the operator finds it in the log".to_owned(),
        }
    }

    /// Logs what is our fault, with every cause, once.
    pub fn log(&self) {
        if let Some(source) = &self.source {
            tracing::error!(error.code = self.code, error = %chain(source.as_ref()), "request failed");
        }
    }
}

/// An error and its causes in one line.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        // Writing to a String cannot fail.
        let _ = write!(text, ": {inner}");
        cause = inner.source();
    }
    text
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        self.log();
        let problem = Problem {
            kind: "about:blank".to_owned(),
            title: self.status.canonical_reason().unwrap_or("Error").to_owned(),
            status: self.status.as_u16(),
            detail: self.detail(),
            code: self.code.to_owned(),
            request_id: request_id::current(),
            errors: self.errors,
        };
        let mut response = (self.status, Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(Problem::CONTENT_TYPE));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full(_) => Self::no_space(error),
            _ => Self::internal(error),
        }
    }
}

impl From<BlobError> for ApiError {
    fn from(error: BlobError) -> Self {
        match error {
            BlobError::Full { .. } => Self::no_space(error),
            _ => Self::internal(error),
        }
    }
}
