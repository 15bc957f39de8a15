//! A server that answers as a test says: for what a real platform cannot be made to do.
//!
//! Speaks just enough HTTP/1.1, one request a connection, so that it can also fall silent or hang up.

#![expect(dead_code, reason = "each test binary uses its own part")]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail their test")]

pub(crate) mod database;
pub(crate) mod driven;
pub(crate) mod registry;

use std::sync::{Arc, Mutex};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::{Value as Json, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;

/// What came in.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// `POST /api/v1/plans`, without the query.
    pub(crate) what: String,
    headers: String,
    pub(crate) body: Json,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        self.headers.lines().find_map(|line| {
            let (given, value) = line.split_once(':')?;
            given.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    }
}

/// What goes out.
pub(crate) enum Reply {
    /// A status and a JSON body.
    Json(u16, Json),
    /// The same with one more header.
    WithHeader(u16, &'static str, Json),
    /// A status and a body that is no JSON.
    Text(u16, String),
    /// A status and no body.
    Empty(u16),
    /// Nothing, and the connection breaks.
    HangUp,
    /// Nothing, and the connection stays.
    Silence,
}

/// A server under a test's control; it stops with the test's runtime.
pub(crate) struct Scripted {
    pub(crate) endpoint: String,
    /// The certificate that it shows, where it speaks TLS.
    pub(crate) certificate: Option<String>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Scripted {
    /// Answers every request with what the script returns for it and for how often that came before.
    pub(crate) async fn start(
        script: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::listen(script, None, None).await
    }

    /// The same over TLS, with a certificate that nobody knows.
    pub(crate) async fn start_tls(
        script: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let key = signing_key.serialize_der().try_into().unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        Self::listen(script, Some(TlsAcceptor::from(Arc::new(config))), Some(cert.pem())).await
    }

    async fn listen(
        script: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static,
        tls: Option<TlsAcceptor>,
        certificate: Option<String>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let endpoint = format!("{scheme}://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (script, log) = (Arc::new(script), Arc::clone(&seen));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (script, log, tls) = (Arc::clone(&script), Arc::clone(&log), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, &*script, &log).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => serve(stream, &*script, &log).await,
                            Err(error) => Err(error),
                        },
                    }
                });
            }
        });
        Self { endpoint, certificate, seen }
    }

    /// Every request so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The requests of one kind so far.
    pub(crate) fn seen_of(&self, what: &str) -> Vec<Seen> {
        self.seen().into_iter().filter(|seen| seen.what.starts_with(what)).collect()
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    script: &(impl Fn(&Seen, usize) -> Reply + ?Sized),
    log: &Mutex<Vec<Seen>>,
) -> std::io::Result<()> {
    let request = receive(&mut stream).await?;
    let before = {
        let mut log = log.lock().unwrap();
        let before = log.iter().filter(|seen| seen.what == request.what).count();
        log.push(request.clone());
        before
    };
    let (status, header, body) = match script(&request, before) {
        Reply::Json(status, body) => (status, "", body.to_string()),
        Reply::WithHeader(status, header, body) => (status, header, body.to_string()),
        Reply::Text(status, body) => (status, "", body),
        Reply::Empty(status) => (status, "", String::new()),
        Reply::HangUp => return Ok(()),
        Reply::Silence => std::future::pending().await,
    };
    let separator = if header.is_empty() { "" } else { "\r\n" };
    let answer = format!(
        "HTTP/1.1 {status} -\r\ncontent-type: application/json\r\nx-request-id: req_7\r\nconnection: close\r\n\
         {header}{separator}content-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}

async fn receive(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Seen> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    };
    let text = String::from_utf8(bytes[..head].to_vec()).unwrap();
    let (first, headers) = text.split_once("\r\n").unwrap_or((&text, ""));
    let target = first.rsplit_once(' ').unwrap().0;
    let what = target.split('?').next().unwrap().to_owned();
    let mut seen = Seen { what, headers: headers.to_owned(), body: Json::Null };
    let length = seen.header("content-length").map_or(0, |text| text.parse().unwrap());
    while bytes.len() < head + 4 + length {
        stream.read_buf(&mut bytes).await?;
    }
    seen.body = serde_json::from_slice(&bytes[head + 4..]).unwrap_or_default();
    Ok(seen)
}

/// A problem as the platform reports it.
pub(crate) fn problem(status: u16, code: &str, detail: &str) -> Reply {
    let body = json!({
        "type": "about:blank", "title": "Refused", "status": status, "code": code, "detail": detail,
        "request_id": "req_7",
    });
    Reply::Json(status, body)
}

/// The path that every answer here names.
pub(crate) fn golden_path() -> Json {
    json!({
        "address": "golden/api/nodejs", "version": "1.2.0", "sha256": "a".repeat(64), "publisher": "key",
    })
}

fn outputs(commit: Option<&str>) -> Json {
    json!({
        "url": "https://checkout.example.com", "catalog_ref": "component:staging/checkout",
        "gitops": { "repository": "main", "commit": commit, "path": "staging/service/checkout" },
    })
}

/// The answer to a plan.
pub(crate) fn plan(rendered: &str) -> Reply {
    let body = json!({
        "golden_path": golden_path(), "policy_sha256": "p", "outputs": outputs(None),
        "rendered_sha256": rendered, "environment_revision": "e1",
        "cost": { "currency": "EUR", "monthly_min": 20.0, "monthly_max": 60.0 },
        "changes": [{
            "target": "gitops", "action": "create", "object": "Deployment/checkout", "summary": "new",
        }],
    });
    Reply::Json(200, body)
}

/// An operation in some state.
pub(crate) fn operation(state: &str) -> Json {
    json!({
        "id": "op_1", "kind": "create", "generation": 1, "state": state,
        "resource": { "kind": "service", "environment": "staging", "name": "checkout" },
        "created_at": "2026-01-01T00:00:00Z",
    })
}

/// The resource that the configuration of these tests asks for.
pub(crate) fn resource(generation: u64, spec: &Json, rendered: &str) -> Json {
    json!({
        "kind": "service", "environment": "staging", "name": "checkout", "owner": "payments",
        "generation": generation, "spec": spec, "golden_path": golden_path(),
        "golden_path_version": "1.2.0", "deletion_protection": false, "phase": "ready",
        "outputs": outputs(Some("c1")), "running_image": spec["image"], "rendered_sha256": rendered,
        "desired_rendered_sha256": "r1", "environment_revision": "e1",
        "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z",
    })
}

/// Its specification.
pub(crate) fn spec() -> Json {
    json!({
        "template": "api", "language": "nodejs", "image": "acme/checkout:1", "port": 8080,
        "slo": { "availability": 99.9 }, "parameters": { "weight": 1.5, "tags": ["a"] },
    })
}
