//! A CI system on loopback: discovery, keys and tokens, over real HTTP and with real signatures.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::RsaKeyPair;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use registry_trust::key::{Algorithm as KeyAlgorithm, SigningKey};
use serde_json::{Value, json};

/// What the issuer answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Well,
    Broken,
    Oversized,
    Redirecting,
    Impostor,
    PointingElsewhere,
}

/// A key that signs tokens.
#[derive(Clone)]
pub(crate) struct Key {
    kid: String,
    algorithm: Algorithm,
    private: EncodingKey,
}

impl Key {
    pub(crate) fn rs256(kid: &str) -> Self {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let pkcs8 = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).unwrap();
        // Behind version and algorithm, whose length never differs, PKCS#8 holds PKCS#1.
        let private = EncodingKey::from_rsa_der(&pkcs8.as_ref()[26..]);
        Self { kid: kid.to_owned(), algorithm: Algorithm::RS256, private }
    }

    pub(crate) fn es256(kid: &str) -> Self {
        let pem = SigningKey::generate(KeyAlgorithm::EcdsaP256).unwrap().to_pem().unwrap();
        let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let private = EncodingKey::from_ec_der(&STANDARD.decode(base64).unwrap());
        Self { kid: kid.to_owned(), algorithm: Algorithm::ES256, private }
    }

    /// The same key under another name.
    pub(crate) fn named(mut self, kid: &str) -> Self {
        kid.clone_into(&mut self.kid);
        self
    }

    pub(crate) fn public(&self) -> Value {
        let mut jwk = Jwk::from_encoding_key(&self.private, self.algorithm).unwrap();
        jwk.common.key_id = Some(self.kid.clone());
        serde_json::to_value(jwk).unwrap()
    }

    pub(crate) fn sign(&self, claims: &Value) -> String {
        let mut header = Header::new(self.algorithm);
        header.kid = Some(self.kid.clone());
        encode(&header, claims, &self.private).unwrap()
    }
}

struct Shared {
    url: String,
    mood: Mutex<Mood>,
    keys: Mutex<Vec<Value>>,
    asked: AtomicUsize,
    /// What the runner gives to a job that asks it.
    job: Mutex<String>,
}

/// A CI system; gone with its runtime.
#[derive(Clone)]
pub(crate) struct Issuer(Arc<Shared>);

impl Issuer {
    pub(crate) async fn start(keys: &[&Key]) -> Self {
        let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = Self(Arc::new(Shared {
            url: format!("http://{}", socket.local_addr().unwrap()),
            mood: Mutex::new(Mood::Well),
            keys: Mutex::default(),
            asked: AtomicUsize::new(0),
            job: Mutex::default(),
        }));
        issuer.serve_keys(keys);
        let routes = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/keys", get(served_keys))
            .route("/runner", get(runner))
            .with_state(issuer.clone());
        tokio::spawn(async move { axum::serve(socket, routes).await });
        issuer
    }

    pub(crate) fn url(&self) -> &str {
        &self.0.url
    }

    pub(crate) fn serve_keys(&self, keys: &[&Key]) {
        *self.0.keys.lock().unwrap() = keys.iter().map(|key| key.public()).collect();
    }

    pub(crate) fn feel(&self, mood: Mood) {
        *self.0.mood.lock().unwrap() = mood;
    }

    /// How often its keys were fetched.
    pub(crate) fn asked(&self) -> usize {
        self.0.asked.load(Ordering::SeqCst)
    }

    pub(crate) fn give_job(&self, token: String) {
        *self.0.job.lock().unwrap() = token;
    }

    fn mood(&self) -> Mood {
        *self.0.mood.lock().unwrap()
    }
}

async fn discovery(State(issuer): State<Issuer>) -> Response {
    let url = issuer.url();
    let (named, keys) = match issuer.mood() {
        Mood::Broken => return StatusCode::BAD_GATEWAY.into_response(),
        Mood::Impostor => ("https://ci.example", format!("{url}/keys")),
        Mood::PointingElsewhere => (url, "https://169.254.169.254/keys".to_owned()),
        _ => (url, format!("{url}/keys")),
    };
    axum::Json(json!({ "issuer": named, "jwks_uri": keys })).into_response()
}

async fn served_keys(State(issuer): State<Issuer>) -> Response {
    issuer.0.asked.fetch_add(1, Ordering::SeqCst);
    match issuer.mood() {
        Mood::Broken => return StatusCode::BAD_GATEWAY.into_response(),
        Mood::Redirecting => return Redirect::temporary("/keys").into_response(),
        _ => {}
    }
    let keys = issuer.0.keys.lock().unwrap().clone();
    let padding = if issuer.mood() == Mood::Oversized { 256 * 1024 } else { 0 };
    axum::Json(json!({ "keys": keys, "padding": " ".repeat(padding) })).into_response()
}

async fn runner(State(issuer): State<Issuer>, uri: Uri, headers: HeaderMap) -> Response {
    let query = uri.query().unwrap_or_default();
    if query != "api-version=2.0&audience=registry.test.example"
        || headers.get("authorization").is_none_or(|value| value != "Bearer runner-secret")
    {
        return StatusCode::FORBIDDEN.into_response();
    }
    axum::Json(json!({ "value": issuer.0.job.lock().unwrap().clone() })).into_response()
}
