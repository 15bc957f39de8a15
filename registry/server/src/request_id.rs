//! One id per request: in the log, in the answer's header, and in the body of an error.

use std::time::Instant;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use registry_api::platform::REQUEST_ID_HEADER;
use tokio::task::JoinError;
use tracing::Instrument;

tokio::task_local! {
    static CURRENT: String;
}

/// The id of the request that this task answers.
pub fn current() -> Option<String> {
    CURRENT.try_with(Clone::clone).ok()
}

/// Runs `work` to its end, with the request's id and span, even when the client goes away and its request is dropped:
/// what follows a commit must not be lost.
pub async fn to_the_end<F>(work: F) -> Result<F::Output, JoinError>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    let span = tracing::Span::current();
    let task = match current() {
        Some(id) => tokio::spawn(CURRENT.scope(id, work).instrument(span)),
        None => tokio::spawn(work.instrument(span)),
    };
    task.await
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

    #[tokio::test]
    async fn work_that_was_started_ends_without_its_request() {
        let (begin, waiting) = tokio::sync::oneshot::channel::<()>();
        let (done, ended) = tokio::sync::oneshot::channel();
        let work = to_the_end(async move {
            waiting.await.unwrap();
            done.send(current()).unwrap();
        });

        let request = CURRENT.scope("r1".to_owned(), work);
        assert!(tokio::time::timeout(std::time::Duration::from_millis(50), request).await.is_err());
        begin.send(()).unwrap();

        assert_eq!(ended.await.unwrap().as_deref(), Some("r1"));
    }

    #[test]
    fn a_hostile_request_id_is_replaced() {
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST_ID_HEADER, HeaderValue::from_static("a b\"c"));
        assert_eq!(given_id(&headers), None);
        headers.insert(REQUEST_ID_HEADER, HeaderValue::from_static("req-1.2_3"));
        assert_eq!(given_id(&headers).as_deref(), Some("req-1.2_3"));
    }
}
