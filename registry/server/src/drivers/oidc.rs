//! The public keys of CI systems: fetched from configured issuers and from nobody else, and remembered.
//!
//! Whoever presents a token decides only which key is looked for. Where it is looked for is in the configuration, a
//! redirect is not followed, and an unknown name of a key asks the issuer again at most every half minute.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::path::Path;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use jsonwebtoken::jwk::{Jwk, JwkSet};
use reqwest::Url;
use rustls::{ClientConfig, RootCertStore};
use serde::Deserialize;
use tokio::io::AsyncReadExt as _;
use tokio::sync::Mutex;

use crate::config::{OidcIssuer, is_safe_to_ask};

/// How long an issuer has to answer, discovery included.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long keys are taken as they are.
const FRESH_MILLIS: i64 = 60 * 60 * 1000;
/// How long keys still count when their issuer does not answer.
const STALE_MILLIS: i64 = 24 * 60 * 60 * 1000;
/// How long an issuer is left alone after it was asked.
const PAUSE_MILLIS: i64 = 30 * 1000;
/// Most that an issuer may answer.
const MAX_BYTES: usize = 256 * 1024;

/// The issuers of the configuration and what is known of their keys.
#[derive(Debug)]
pub struct Issuers {
    http: OnceLock<reqwest::Client>,
    known: BTreeMap<String, Issuer>,
}

#[derive(Debug)]
struct Issuer {
    config: OidcIssuer,
    state: RwLock<State>,
    /// Held by the one who asks.
    asking: Mutex<()>,
}

#[derive(Debug, Clone, Default)]
struct State {
    keys: Option<Arc<JwkSet>>,
    fetched_at: i64,
    asked_at: Option<i64>,
    /// Whether it has not answered since it was last asked.
    failed: bool,
}

/// An issuer that does not tell its keys now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{issuer} does not tell its keys at the moment; try again in {retry_seconds} seconds (the operator finds the reason \
     in the log)"
)]
pub struct Unreachable {
    /// Which.
    pub issuer: String,
    /// When it is asked again.
    pub retry_seconds: u64,
}

#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error("HTTP cannot be set up: {0}")]
    Setup(String),
    #[error("{url} does not answer: {why}")]
    Failed { url: String, why: String },
    #[error("no answer within {} seconds", PATIENCE.as_secs())]
    Slow,
    #[error("{url} answered {status}; redirects are not followed")]
    Status { url: String, status: u16 },
    #[error("{from} is larger than {MAX_BYTES} bytes")]
    Large { from: String },
    #[error("{from} is not what it should be: {why}")]
    Content { from: String, why: String },
    #[error("{url} is the discovery document of {found:?}, not of this issuer")]
    OtherIssuer { url: String, found: String },
    #[error(
        "{url} names {found:?} as jwks_uri, which is not https on the issuer's own host; where that is right, set \
         jwks_url"
    )]
    Place { url: String, found: String },
    #[error("{path} cannot be read: {why}")]
    File { path: String, why: String },
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

impl Issuers {
    /// What the configuration names; nobody is asked yet.
    pub fn new(configured: &[OidcIssuer]) -> Self {
        let known = configured.iter().map(|config| {
            let state = RwLock::default();
            (config.url.clone(), Issuer { config: config.clone(), state, asking: Mutex::default() })
        });
        Self { http: OnceLock::new(), known: known.collect() }
    }

    /// The key of that name; asks the issuer where it is not known, or known for too long.
    pub async fn key(&self, issuer: &str, kid: &str, now: i64) -> Result<Option<Jwk>, Unreachable> {
        let Some(issuer) = self.known.get(issuer) else { return Ok(None) };
        if let Some(key) = issuer.state().fresh(kid, now) {
            return Ok(Some(key));
        }
        let _asking = issuer.asking.lock().await;
        let state = issuer.state();
        // Whoever had the lock before may have brought it.
        if let Some(key) = state.fresh(kid, now) {
            return Ok(Some(key));
        }
        if state.pause(now) == 0 {
            self.ask(issuer, now).await;
        }
        let state = issuer.state();
        match state.stale(kid, now) {
            None if state.failed => Err(Unreachable {
                issuer: issuer.config.url.clone(),
                retry_seconds: state.pause(now).div_euclid(1000).max(1).unsigned_abs(),
            }),
            found => Ok(found),
        }
    }

    async fn ask(&self, issuer: &Issuer, now: i64) {
        // Failed until it has answered: this future may be dropped in between.
        issuer.change(|state| (state.asked_at, state.failed) = (Some(now), true));
        let fetched = tokio::time::timeout(PATIENCE, self.fetch(&issuer.config)).await;
        match fetched.unwrap_or(Err(FetchError::Slow)) {
            Ok(keys) => {
                tracing::info!(oidc.issuer = %issuer.config.url, keys = keys.keys.len(), "read an issuer's keys");
                issuer.change(|state| {
                    state.keys = Some(Arc::new(keys));
                    (state.fetched_at, state.failed) = (now, false);
                });
            }
            Err(error) => {
                tracing::warn!(oidc.issuer = %issuer.config.url, %error, "an issuer's keys could not be read");
            }
        }
    }

    async fn fetch(&self, config: &OidcIssuer) -> Result<JwkSet, FetchError> {
        if let Some(path) = &config.jwks_file {
            let text = read(path).await?;
            return parse(&text, &path.display().to_string());
        }
        let url = match &config.jwks_url {
            Some(url) => address(url)?,
            None => self.discover(config).await?,
        };
        let text = self.get(&url).await?;
        parse(&text, url.as_str())
    }

    /// Where the issuer says that its keys are.
    async fn discover(&self, config: &OidcIssuer) -> Result<Url, FetchError> {
        let root = address(&config.url)?;
        let url = format!("{}/.well-known/openid-configuration", config.url.trim_end_matches('/'));
        let text = self.get(&address(&url)?).await?;
        let Discovery { issuer, jwks_uri } = parse(&text, &url)?;
        if issuer != config.url {
            return Err(FetchError::OtherIssuer { url, found: issuer });
        }
        let place = Url::parse(&jwks_uri).ok().filter(|place| {
            is_safe_to_ask(place)
                && place.host_str() == root.host_str()
                && place.port_or_known_default() == root.port_or_known_default()
        });
        place.ok_or(FetchError::Place { url, found: jwks_uri })
    }

    async fn get(&self, url: &Url) -> Result<Vec<u8>, FetchError> {
        let failed = |error: reqwest::Error| FetchError::Failed {
            url: url.to_string(),
            why: causes(&error.without_url()),
        };
        let mut answer = self.http()?.get(url.clone()).send().await.map_err(failed)?;
        if !answer.status().is_success() {
            let status = answer.status().as_u16();
            return Err(FetchError::Status { url: url.to_string(), status });
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > MAX_BYTES {
                return Err(FetchError::Large { from: url.to_string() });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn http(&self) -> Result<&reqwest::Client, FetchError> {
        if let Some(client) = self.http.get() {
            return Ok(client);
        }
        let client = client()?;
        Ok(self.http.get_or_init(|| client))
    }
}

impl Issuer {
    fn state(&self) -> State {
        self.state.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.write().unwrap_or_else(PoisonError::into_inner));
    }
}

impl State {
    fn fresh(&self, kid: &str, now: i64) -> Option<Jwk> {
        self.within(FRESH_MILLIS, kid, now)
    }

    fn stale(&self, kid: &str, now: i64) -> Option<Jwk> {
        self.within(STALE_MILLIS, kid, now)
    }

    fn within(&self, millis: i64, kid: &str, now: i64) -> Option<Jwk> {
        let keys = self.keys.as_ref().filter(|_| now - self.fetched_at < millis)?;
        keys.find(kid).cloned()
    }

    /// How long the issuer is still left alone, in milliseconds.
    fn pause(&self, now: i64) -> i64 {
        // A clock that was set back does not silence an issuer for long.
        let since = self.asked_at.map(|at| now - at).filter(|since| *since >= 0);
        since.map_or(0, |since| (PAUSE_MILLIS - since).max(0))
    }
}

/// rustls with aws-lc by name: who uses this as a library has installed no provider.
fn client() -> Result<reqwest::Client, FetchError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| FetchError::Setup(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .user_agent(concat!("idp/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .timeout(PATIENCE)
        .build()
        .map_err(|error| FetchError::Setup(causes(&error)))
}

fn address(text: &str) -> Result<Url, FetchError> {
    Url::parse(text)
        .map_err(|error| FetchError::Failed { url: text.to_owned(), why: error.to_string() })
}

async fn read(path: &Path) -> Result<Vec<u8>, FetchError> {
    let failed = |error: std::io::Error| FetchError::File {
        path: path.display().to_string(),
        why: error.to_string(),
    };
    let mut text = Vec::new();
    let file = tokio::fs::File::open(path).await.map_err(failed)?;
    file.take(MAX_BYTES as u64 + 1).read_to_end(&mut text).await.map_err(failed)?;
    if text.len() > MAX_BYTES {
        return Err(FetchError::Large { from: path.display().to_string() });
    }
    Ok(text)
}

fn parse<T: serde::de::DeserializeOwned>(text: &[u8], from: &str) -> Result<T, FetchError> {
    serde_json::from_slice(text)
        .map_err(|error| FetchError::Content { from: from.to_owned(), why: error.to_string() })
}

fn causes(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_750_000_000_000;

    fn from_file(path: &Path) -> Issuers {
        let config =
            format!("url = \"https://ci.example\"\njwks_file = {:?}\n", path.display().to_string());
        Issuers::new(&[toml::from_str(&config).unwrap()])
    }

    fn keys(kid: &str) -> String {
        format!(
            r#"{{"keys": [{{"kty": "odd"}}, {{"kty": "EC", "crv": "P-256", "kid": "{kid}", "x": "", "y": ""}}]}}"#
        )
    }

    #[tokio::test]
    async fn a_new_key_is_found_once_the_pause_is_over() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys.json");
        std::fs::write(&file, keys("old")).unwrap();
        let issuers = from_file(&file);
        let find =
            async |kid: &str, now| issuers.key("https://ci.example", kid, now).await.unwrap();

        assert!(find("old", NOW).await.is_some());
        std::fs::write(&file, keys("new")).unwrap();

        assert!(find("new", NOW + 29_999).await.is_none());
        assert!(find("new", NOW + 30_000).await.is_some());
        assert!(
            find("old", NOW + 30_000).await.is_none(),
            "a key that was taken back still counts"
        );
    }

    #[tokio::test]
    async fn keys_of_an_issuer_that_is_away_count_for_a_day() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys.json");
        std::fs::write(&file, keys("k")).unwrap();
        let issuers = from_file(&file);
        let find = async |kid: &str, now| issuers.key("https://ci.example", kid, now).await;
        assert!(find("k", NOW).await.unwrap().is_some());
        std::fs::remove_file(&file).unwrap();

        assert!(find("k", NOW + STALE_MILLIS - 1).await.unwrap().is_some());
        let error = find("other", NOW + STALE_MILLIS - 1).await.unwrap_err();
        assert_eq!(error.retry_seconds, 30);
        assert!(find("k", NOW + STALE_MILLIS).await.is_err());
    }

    #[tokio::test]
    async fn a_file_that_is_too_large_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys.json");
        std::fs::write(&file, keys("k") + &" ".repeat(MAX_BYTES)).unwrap();

        assert!(from_file(&file).key("https://ci.example", "k", NOW).await.is_err());
    }

    #[tokio::test]
    async fn an_issuer_that_nobody_configured_is_not_asked() {
        assert_eq!(Issuers::new(&[]).key("https://ci.example", "k", NOW).await, Ok(None));
    }
}
