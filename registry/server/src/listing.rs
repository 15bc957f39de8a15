//! A JSON answer that is written once, kept, and revalidated by its tag.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use semver::Version;
use sha2::{Digest, Sha256};

use crate::error::ApiError;

/// The answer.
#[derive(Debug)]
pub struct Listing {
    json: Bytes,
    etag: HeaderValue,
    /// In milliseconds; none for ever.
    until: Option<i64>,
}

impl Listing {
    /// Writes the answer once.
    pub fn new<T: serde::Serialize>(value: &T) -> Result<Self, ApiError> {
        let json = serde_json::to_vec(value).map_err(ApiError::internal)?;
        // Weak, because a compressed answer has other bytes.
        let etag = format!("W/\"{}\"", &hex::encode(Sha256::digest(&json))[..32]);
        Ok(Self {
            json: json.into(),
            etag: HeaderValue::try_from(etag).map_err(ApiError::internal)?,
            until: None,
        })
    }

    /// Notes from when on the answer is another one, though nothing is published.
    #[must_use]
    pub fn until(mut self, until: Option<i64>) -> Self {
        self.until = until;
        self
    }

    /// Whether it is still the answer.
    pub fn holds_at(&self, now: i64) -> bool {
        self.until.is_none_or(|until| now < until)
    }

    /// 304 where the client has it already.
    pub fn answer(&self, headers: &HeaderMap) -> Response {
        let mut response = if self.is_at(headers) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            let json = HeaderValue::from_static("application/json");
            ([(header::CONTENT_TYPE, json)], self.json.clone()).into_response()
        };
        let answer = response.headers_mut();
        answer.insert(header::ETAG, self.etag.clone());
        // Private namespaces answer by token, so nobody may answer in our place without asking.
        answer.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
        answer.insert(header::VARY, HeaderValue::from_static("authorization"));
        response
    }

    fn is_at(&self, headers: &HeaderMap) -> bool {
        let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
        let ours = opaque(self.etag.to_str().unwrap_or_default());
        headers
            .get_all(header::IF_NONE_MATCH)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|tag| tag.trim() == "*" || opaque(tag) == ours)
    }
}

/// The version list of a module.
#[derive(Debug)]
pub struct ModuleListing {
    /// As everybody gets it.
    pub shared: Listing,
    /// The versions in it.
    pub listed: Vec<Version>,
    /// Those that only who had them before still gets: yanked, or past their sunset.
    pub hidden: Vec<Version>,
}
