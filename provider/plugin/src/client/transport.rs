//! Sending a request until it is answered, within reason.

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use registry_api::platform::{IDEMPOTENCY_KEY_HEADER, REQUEST_ID_HEADER};
use reqwest::header::{
    AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, IF_MATCH, IF_NONE_MATCH, LOCATION,
    RETRY_AFTER,
};
use reqwest::{Method, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::OnceCell;

use super::retry::{Patience, is_passing};
use super::{ClientError, Endpoint, Expected, ExtraRoots, Token};

/// No answer of the platform is nearly as long, unless its request says so.
const LONGEST_ANSWER: usize = 16 * 1024 * 1024;

/// A request, ready to be sent more than once.
#[derive(Debug)]
pub(super) struct Request {
    method: Method,
    path: String,
    query: Vec<(&'static str, String)>,
    headers: HeaderMap,
    body: Option<Body>,
    waits: Duration,
    confidential: bool,
    longest_answer: usize,
}

/// What a request or an answer carries. It may hold secrets, so nothing shows it.
#[derive(Clone, Default)]
struct Body(Vec<u8>);

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body({} bytes)", self.0.len())
    }
}

impl Request {
    pub(super) fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            query: Vec::new(),
            headers: HeaderMap::new(),
            body: None,
            waits: Duration::ZERO,
            confidential: false,
            longest_answer: LONGEST_ANSWER,
        }
    }

    pub(super) fn query(mut self, name: &'static str, value: &str) -> Self {
        self.query.push((name, value.to_owned()));
        self
    }

    pub(super) fn body(mut self, body: &impl Serialize) -> Result<Self, ClientError> {
        let bytes = serde_json::to_vec(body).map_err(|error| {
            ClientError::Setup(format!("the request cannot be written: {error}"))
        })?;
        self.body = Some(Body(bytes));
        self.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(self)
    }

    pub(super) fn expecting(mut self, expected: Expected) -> Self {
        match expected {
            Expected::Nothing => {
                self.headers.insert(IF_NONE_MATCH, HeaderValue::from_static("*"));
            }
            Expected::Generation(generation) => {
                if let Ok(tag) = HeaderValue::from_str(&format!("\"{generation}\"")) {
                    self.headers.insert(IF_MATCH, tag);
                }
            }
        }
        self
    }

    pub(super) fn idempotent(mut self, key: &str) -> Self {
        if let Ok(key) = HeaderValue::from_str(key) {
            self.headers.insert(IDEMPOTENCY_KEY_HEADER, key);
        }
        self
    }

    /// The answer holds secrets: not even one that cannot be read is quoted.
    pub(super) fn confidential(mut self) -> Self {
        self.confidential = true;
        self
    }

    /// The answer may have so many bytes.
    pub(super) fn at_most(mut self, bytes: usize) -> Self {
        self.longest_answer = bytes;
        self
    }

    /// The server holds the answer back for up to so long.
    pub(super) fn waiting(mut self, wait: Duration) -> Self {
        self.waits = wait;
        self
    }
}

/// A connection to one platform, opened on first use.
#[derive(Debug)]
pub(super) struct Transport {
    endpoint: Endpoint,
    token: Token,
    roots: ExtraRoots,
    patience: Patience,
    http: OnceCell<reqwest::Client>,
    /// Set when a request was given up: others then fail at once instead of each waiting as long, until one succeeds.
    gave_up: AtomicBool,
}

impl Transport {
    pub(super) fn new(
        endpoint: Endpoint,
        token: Token,
        roots: ExtraRoots,
        patience: Patience,
    ) -> Self {
        let gave_up = AtomicBool::new(false);
        Self { endpoint, token, roots, patience, http: OnceCell::new(), gave_up }
    }

    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    pub(super) fn patience(&self) -> &Patience {
        &self.patience
    }

    /// Sends a request, again where that may help, and reads the answer.
    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        request: &Request,
    ) -> Result<T, ClientError> {
        let answer = self.answer(request).await?;
        serde_json::from_slice(&answer.body.0).map_err(|error| {
            let why = if request.confidential {
                format!(
                    "the body is not what was asked for (line {}, column {})",
                    error.line(),
                    error.column()
                )
            } else {
                format!("the body is not what was asked for ({error})")
            };
            ClientError::unreadable(&self.endpoint, answer.status, &why)
        })
    }

    /// Sends a request, again where that may help; whatever the answer says, it is not looked at.
    pub(super) async fn send(&self, request: &Request) -> Result<(), ClientError> {
        self.answer(request).await.map(drop)
    }

    /// Sends a request, again where that may help; what comes back is for others to read.
    pub(super) async fn bytes(&self, request: &Request) -> Result<Vec<u8>, ClientError> {
        self.answer(request).await.map(|answer| answer.body.0)
    }

    async fn answer(&self, request: &Request) -> Result<Answer, ClientError> {
        let http = self.http.get_or_try_init(|| async { self.build() }).await?;
        let attempts =
            if self.gave_up.load(Ordering::Relaxed) { 1 } else { self.patience.attempts };
        let mut attempt = 1;
        loop {
            let failure = match self.attempt(http, request, attempt).await {
                Ok(answer) => {
                    self.gave_up.store(false, Ordering::Relaxed);
                    return self.accepted(request, answer);
                }
                Err(failure) => failure,
            };
            if !failure.may_pass || attempt >= attempts {
                self.gave_up.store(failure.may_pass, Ordering::Relaxed);
                return Err(failure.error);
            }
            let pause = self.patience.pause(attempt, failure.retry_after, chance());
            tracing::debug!(
                method = %request.method, path = %request.path, attempt, pause_ms = pause.as_millis(),
                cause = %failure.error, "a request failed and is sent again"
            );
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    }

    fn build(&self) -> Result<reqwest::Client, ClientError> {
        let tls = self.roots.client_config().map_err(|error| ClientError::setup(&error))?;
        let mut authorization = HeaderValue::from_str(&format!("Bearer {}", self.token.expose()))
            .map_err(|_| {
                ClientError::Setup(
                    "The token holds characters that cannot be sent. Tokens are plain ASCII; check the provider's \
                     `token` (or IDP_TOKEN) for line breaks and quotes."
                        .to_owned(),
                )
            })?;
        authorization.set_sensitive(true);
        reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .default_headers(HeaderMap::from_iter([(AUTHORIZATION, authorization)]))
            .user_agent(concat!("terraform-provider-idp/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(10))
            .build()
            .map_err(|error| ClientError::Setup(format!("HTTP cannot be set up: {error}.")))
    }

    async fn attempt(
        &self,
        http: &reqwest::Client,
        request: &Request,
        attempt: u32,
    ) -> Result<Answer, Failure> {
        let limit = self.patience.answer_within + request.waits;
        match tokio::time::timeout(limit, self.exchange(http, request)).await {
            Ok(Ok(answer)) if is_passing(answer.status) => Err(Failure {
                may_pass: true,
                retry_after: answer.retry_after,
                error: self.refuse(&answer),
            }),
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                let error = ClientError::broken(&self.endpoint, &error, attempt);
                let may_pass = error.is_passing();
                Err(Failure { may_pass, retry_after: None, error })
            }
            Err(_) => {
                let error = ClientError::too_slow(&self.endpoint, limit, attempt);
                Err(Failure { may_pass: true, retry_after: None, error })
            }
        }
    }

    async fn exchange(
        &self,
        http: &reqwest::Client,
        request: &Request,
    ) -> Result<Answer, reqwest::Error> {
        let mut builder = http
            .request(request.method.clone(), self.endpoint.api(&request.path))
            .query(&request.query)
            .headers(request.headers.clone());
        if let Some(body) = &request.body {
            builder = builder.body(body.0.clone());
        }
        Answer::receive(builder.send().await?, request.longest_answer).await
    }

    /// The answer, where it is a success that can be read.
    fn accepted(&self, request: &Request, answer: Answer) -> Result<Answer, ClientError> {
        if answer.status.is_redirection() {
            return Err(ClientError::redirected(&self.endpoint, answer.location.as_deref()));
        }
        if !answer.status.is_success() {
            return Err(self.refuse(&answer));
        }
        if answer.too_long {
            let why = format!("more than {} bytes", request.longest_answer);
            return Err(ClientError::unreadable(&self.endpoint, answer.status, &why));
        }
        Ok(answer)
    }

    fn refuse(&self, answer: &Answer) -> ClientError {
        let request_id = answer.request_id.clone();
        ClientError::refused(&self.endpoint, answer.status, request_id, &answer.body.0)
    }
}

/// Why one attempt failed.
#[derive(Debug)]
struct Failure {
    may_pass: bool,
    retry_after: Option<Duration>,
    error: ClientError,
}

/// What came back, wholly received.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    request_id: Option<String>,
    retry_after: Option<Duration>,
    location: Option<String>,
    body: Body,
    too_long: bool,
}

impl Answer {
    async fn receive(mut response: Response, longest: usize) -> Result<Self, reqwest::Error> {
        let header = |name: &str| {
            response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
        };
        let mut answer = Self {
            status: response.status(),
            request_id: header(REQUEST_ID_HEADER),
            retry_after: header(RETRY_AFTER.as_str())
                .and_then(|seconds| seconds.trim().parse().ok())
                .map(Duration::from_secs),
            location: header(LOCATION.as_str()),
            body: Body::default(),
            too_long: false,
        };
        while let Some(chunk) = response.chunk().await? {
            if answer.body.0.len() + chunk.len() > longest {
                answer.too_long = true;
                break;
            }
            answer.body.0.extend_from_slice(&chunk);
        }
        Ok(answer)
    }
}

/// A number from 0 to 1 that differs from call to call; good enough to spread clients.
fn chance() -> f64 {
    let bits = u32::try_from(RandomState::new().hash_one(0_u8) >> 32).unwrap_or(0);
    f64::from(bits) / f64::from(u32::MAX)
}
