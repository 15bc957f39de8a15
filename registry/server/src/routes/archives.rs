//! Archives and packages, to whoever holds a signed link: HEAD and GET alike, whatever the order of the query.

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tokio_util::io::ReaderStream;

use super::protocol::PlainError;
use crate::app::App;
use crate::error::ApiError;

/// Parameters that count; clients may add `archive` and `checksum`.
#[derive(Debug, Deserialize)]
pub(crate) struct Signed {
    expires: Option<String>,
    signature: Option<String>,
}

/// A link to a blob that works for a while and needs no token.
pub(super) fn link(app: &App, sha256: &str, filename: &str) -> String {
    app.link(&app.links.sign(&path(sha256, filename), app.clock.now()))
}

fn path(sha256: &str, filename: &str) -> String {
    format!("/archives/{sha256}/{filename}")
}

/// Serves a blob whole. Its length is true on HEAD too: older clients skip the GET when it is 0.
pub(crate) async fn fetch(
    State(app): State<App>,
    method: Method,
    Path((sha256, filename)): Path<(String, String)>,
    Query(signed): Query<Signed>,
) -> Result<Response, PlainError> {
    app.links
        .verify(
            &path(&sha256, &filename),
            signed.expires.as_deref(),
            signed.signature.as_deref(),
            app.clock.now(),
        )
        .map_err(|error| {
            ApiError::refused(StatusCode::FORBIDDEN, "link_refused", error.to_string())
        })?;
    let blob = app.blobs.read(&sha256).await?;
    let body = if method == Method::HEAD {
        Body::empty()
    } else {
        Body::from_stream(ReaderStream::with_capacity(blob.file, 64 * 1024))
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(content_type(&filename))),
        (header::CONTENT_LENGTH, HeaderValue::from(blob.bytes)),
        (header::CACHE_CONTROL, HeaderValue::from_static("private, immutable, max-age=3600")),
    ];
    Ok((headers, body).into_response())
}

fn content_type(filename: &str) -> &'static str {
    let ends = |suffix| filename.ends_with(suffix);
    match () {
        () if ends(".tar.gz") => "application/gzip",
        () if ends(".zip") => "application/zip",
        () if ends("_SHA256SUMS") => "text/plain; charset=utf-8",
        () => "application/octet-stream",
    }
}
