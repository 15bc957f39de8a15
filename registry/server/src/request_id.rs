//! One id per request: in the log, in the answer's header, and in the body of an error.

use std::time::Instant;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use registry_api::platform::REQUEST_ID_HEADER;
use tracing::Instrument;

tokio::task_local! {
    static CURRENT: String;
}

/// The id of the request that this task answers.
pub fn current() -> Option<String> {
    CURRENT.try_with(Clone::clone).ok()
}

/// Gives the request an id, a span and one line in the log.
pub async fn layer(request: Request, next: Next) -> Response {
    let id = given_id(request.headers()).unwrap_or_else(fresh_id);
    let span = tracing::info_span!(
        "request",
        request.id = %id,
        http.method = %request.method(),
        url.path = %request.uri().path(),
    );
    CURRENT.scope(id.clone(), answer(request, next, id).instrument(span)).await
}

async fn answer(request: Request, next: Next, id: String) -> Response {
    let started = Instant::now();
    let mut response = next.run(request).await;
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID_HEADER, value);
    }
    tracing::info!(
        http.status = response.status().as_u16(),
        duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        "answered"
    );
    response
}

/// The id that a proxy in front chose, when it is harmless in a log.
fn given_id(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(REQUEST_ID_HEADER)?.to_str().ok()?;
    let ok = (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    ok.then(|| text.to_owned())
}

fn fresh_id() -> String {
    let mut bytes = [0_u8; 8];
    crate::id::fill_random(&mut bytes);
    hex::encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_request_id_is_replaced() {
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST_ID_HEADER, HeaderValue::from_static("a b\"c"));
        assert_eq!(given_id(&headers), None);
        headers.insert(REQUEST_ID_HEADER, HeaderValue::from_static("req-1.2_3"));
        assert_eq!(given_id(&headers).as_deref(), Some("req-1.2_3"));
    }
}
