//! The server's API, for commands that talk to one.

use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use registry_api::Problem;
use registry_api::platform::IDEMPOTENCY_KEY_HEADER;
use registry_api::tokens::ServerInfo;
use reqwest::multipart::Form;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::Context;
use crate::config::Secret;
use crate::id;

/// Longest that a request may take which carries no upload; a server holds a waiting one for 20 seconds.
const REQUEST: Duration = Duration::from_secs(45);
/// How long a server may be away before a command gives up.
const PATIENCE: Duration = Duration::from_mins(1);
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// Which server, and as whom.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct Remote {
    /// Server to talk to, such as `https://registry.example.com` [default: IDP_SERVER]
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// Token to present; better in IDP_TOKEN, where other users of the machine do not see it
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
}

/// A server, and the token it is asked with.
#[derive(Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    server: String,
    token: Option<Secret>,
}

impl Remote {
    pub(super) fn client(&self, context: &Context<'_>) -> anyhow::Result<Client> {
        let server = self.server(context).ok_or_else(|| {
            anyhow!("which server? name it with --server or IDP_SERVER, such as https://registry.example.com")
        })?;
        self.client_of(server, context)
    }

    /// The server that is named, or else the registry of that hostname.
    pub(super) fn client_for(
        &self,
        hostname: &str,
        context: &Context<'_>,
    ) -> anyhow::Result<Client> {
        match self.server(context) {
            Some(server) => self.client_of(server, context),
            None => self.client_of(&format!("https://{hostname}"), context),
        }
    }

    fn server<'a>(&'a self, context: &'a Context<'_>) -> Option<&'a str> {
        self.server.as_deref().or_else(|| context.variable("IDP_SERVER"))
    }

    fn client_of(&self, server: &str, context: &Context<'_>) -> anyhow::Result<Client> {
        let token = self.token.as_deref().or_else(|| context.variable("IDP_TOKEN"));
        Client::new(server, token.map(Secret::new))
    }
}

impl Client {
    pub(super) fn new(server: &str, token: Option<Secret>) -> anyhow::Result<Self> {
        if !server.starts_with("http://") && !server.starts_with("https://") {
            bail!("{server:?} is not a server: write http:// or https:// and a host");
        }
        let http = reqwest::Client::builder()
            .user_agent(concat!("idp/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(10))
            .build()
            .context("cannot make an HTTP client")?;
        Ok(Self { http, server: server.trim_end_matches('/').to_owned(), token })
    }

    /// The same server, asked with another token.
    pub(super) fn with_token(&self, token: Secret) -> Self {
        Self { http: self.http.clone(), server: self.server.clone(), token: Some(token) }
    }

    /// Facts about the server.
    pub(super) async fn info(&self) -> anyhow::Result<ServerInfo> {
        self.get("/api/v1/server").await
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        let answer = self.send(self.request(Method::GET, path)).await?;
        self.read(answer).await
    }

    /// A file of at most so many bytes; nothing if there is none.
    pub(super) async fn file(&self, path: &str, most: usize) -> anyhow::Result<Option<Vec<u8>>> {
        match self.get_bytes(path, most).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) => match error.downcast_ref::<Refusal>() {
                Some(refusal) if refusal.status == StatusCode::NOT_FOUND => Ok(None),
                _ => Err(error),
            },
        }
    }

    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> anyhow::Result<T> {
        let answer = self.send(self.request(Method::POST, path).json(body)).await?;
        self.read(answer).await
    }

    pub(super) async fn put<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> anyhow::Result<T> {
        let answer = self.send(self.request(Method::PUT, path).json(body)).await?;
        self.read(answer).await
    }

    /// What is not JSON of ours, or is to be read by somebody else; at most so many bytes.
    pub(super) async fn get_bytes(&self, path: &str, most: usize) -> anyhow::Result<Vec<u8>> {
        let answer = self.send(self.request(Method::GET, path)).await?;
        self.read_bytes(answer, most).await
    }

    /// The same for the answer to a question.
    pub(super) async fn post_for_bytes(
        &self,
        path: &str,
        body: &impl Serialize,
        most: usize,
    ) -> anyhow::Result<Vec<u8>> {
        let answer = self.send(self.request(Method::POST, path).json(body)).await?;
        self.read_bytes(answer, most).await
    }

    async fn read_bytes(&self, mut answer: Response, most: usize) -> anyhow::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let cannot = || format!("{} broke off its answer", self.server);
        while let Some(chunk) = answer.chunk().await.with_context(cannot)? {
            if bytes.len() + chunk.len() > most {
                bail!("{} answers with more than the {most} bytes allowed", self.server);
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    /// Posts once, however often it has to be sent: the server knows it again by its key.
    pub(super) async fn post_once<T: DeserializeOwned>(
        &self,
        context: &Context<'_>,
        path: &str,
        body: &impl Serialize,
    ) -> anyhow::Result<T> {
        let mut key = [0_u8; 16];
        id::fill_random(&mut key);
        let key = hex::encode(key);
        patiently(context, async || {
            let request = self.request(Method::POST, path).json(body);
            let answer = self.send(request.header(IDEMPOTENCY_KEY_HEADER, &key)).await?;
            self.read(answer).await
        })
        .await
    }

    pub(super) async fn delete(&self, path: &str) -> anyhow::Result<()> {
        self.send(self.request(Method::DELETE, path)).await.map(drop)
    }

    /// Deletes what is at a generation.
    pub(super) async fn delete_at<T: DeserializeOwned>(
        &self,
        path: &str,
        generation: u64,
    ) -> anyhow::Result<T> {
        let request = self.request(Method::DELETE, path);
        let answer = self.send(request.header("if-match", format!("\"{generation}\""))).await?;
        self.read(answer).await
    }

    /// Sends a form; uploads may take as long as they take.
    pub(super) async fn upload<T: DeserializeOwned>(
        &self,
        path: &str,
        form: Form,
    ) -> anyhow::Result<T> {
        let request = self.unhurried(Method::PUT, path).multipart(form);
        let answer = self.send(request).await?;
        self.read(answer).await
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.unhurried(method, path).timeout(REQUEST)
    }

    fn unhurried(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.server));
        match &self.token {
            Some(token) => request.bearer_auth(token.expose()),
            None => request,
        }
    }

    async fn read<T: DeserializeOwned>(&self, answer: Response) -> anyhow::Result<T> {
        answer.json().await.with_context(|| {
            format!("{} answered something that is not what this idp expects", self.server)
        })
    }

    async fn send(&self, request: RequestBuilder) -> anyhow::Result<Response> {
        let answer =
            request.send().await.with_context(|| format!("cannot reach {}", self.server))?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status();
        let body = answer.bytes().await.unwrap_or_default();
        Err(refusal(status, &body).into())
    }
}

/// Does what may be done again until the server answers, or was away for too long.
pub(super) async fn patiently<T>(
    context: &Context<'_>,
    attempt: impl AsyncFn() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let begun = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        let error = match attempt().await {
            Err(error) if is_passing(&error) && begun.elapsed() + pause < PATIENCE => error,
            done => return done,
        };
        context.output.progress(format!("{error:#}; trying again in {} s", pause.as_secs()));
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Whether the server, or what stands before it, may be back soon.
fn is_passing(error: &anyhow::Error) -> bool {
    if let Some(refusal) = error.downcast_ref::<Refusal>() {
        return matches!(
            refusal.status,
            StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT
        );
    }
    let failure = error.chain().find_map(|cause| cause.downcast_ref::<reqwest::Error>());
    failure.is_some_and(|e| e.is_connect() || e.is_timeout() || e.is_request() || e.is_body())
}

/// What a refusing server said, in full.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
struct Refusal {
    status: StatusCode,
    text: String,
}

fn refusal(status: StatusCode, body: &[u8]) -> Refusal {
    let Ok(problem) = serde_json::from_slice::<Problem>(body) else {
        let text: String = String::from_utf8_lossy(body).chars().take(500).collect();
        return Refusal { status, text: format!("the server answered {status}: {}", text.trim()) };
    };
    let mut text = problem.detail;
    for error in &problem.errors {
        text.push_str("\n  ");
        text.push_str(&error.detail);
        if let Some(fix) = &error.fix {
            text.push_str("; ");
            text.push_str(fix);
        }
    }
    let request = problem.request_id.map(|id| format!(", request {id}")).unwrap_or_default();
    let text = format!("{text}\n  ({}, HTTP {}{request})", problem.code, problem.status);
    Refusal { status, text }
}
