//! A plain HTTP client that follows nothing and hides nothing.

use std::sync::LazyLock;

use reqwest::header::HeaderMap;
use reqwest::{Method, redirect};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Vec<u8>,
}

impl Answer {
    /// One header, empty where it is not there.
    pub fn header(&self, name: &str) -> String {
        let value = self.headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| {
            panic!("{} {:?} is not JSON: {error}", self.status, self.text())
        })
    }

    /// Fails the test unless the status is `status`.
    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }

    /// Fails the test unless this is a problem of that status and code.
    #[track_caller]
    pub fn is_problem(self, status: u16, code: &str) -> Self {
        let answer = self.is(status);
        assert_eq!(answer.header("content-type"), "application/problem+json");
        assert_eq!(answer.json()["code"], code, "{}", answer.text());
        answer
    }
}

/// Sends a request; none where nobody answers.
pub fn try_send(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: Vec<u8>,
) -> Option<Answer> {
    static CLIENT: LazyLock<(Runtime, reqwest::Client)> = LazyLock::new(|| {
        // Whoever comes second finds it installed.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let client = reqwest::Client::builder().redirect(redirect::Policy::none()).no_proxy();
        (runtime.expect("a runtime"), client.build().expect("a client"))
    });
    let (runtime, client) = &*CLIENT;
    let method = Method::from_bytes(method.as_bytes()).expect("a method");
    let mut request = client.request(method, url).body(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    runtime.block_on(async {
        let response = request.send().await.ok()?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Some(Answer { status, headers, body: response.bytes().await.ok()?.to_vec() })
    })
}

/// Sends a request without a body.
#[track_caller]
pub fn send(method: &str, url: &str, headers: &[(&str, &str)]) -> Answer {
    try_send(method, url, headers, Vec::new())
        .unwrap_or_else(|| panic!("{method} {url} was not answered"))
}

/// Sends a GET without headers.
#[track_caller]
pub fn get(url: &str) -> Answer {
    send("GET", url, &[])
}
