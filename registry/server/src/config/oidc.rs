//! `[[oidc_issuer]]`: whose word on CI jobs counts. Which jobs may publish where stands in the log: `idp keys trust-ci`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use jsonwebtoken::jwk::JwkSet;
use reqwest::Url;
use serde::Deserialize;

use super::load::{check_file, problem};
use super::{Config, Problem};

/// `[[oidc_issuer]]`: a CI system whose ID tokens are believed. No other is ever asked for its keys.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OidcIssuer {
    /// The `iss` of its tokens, letter for letter.
    pub url: String,
    /// The `aud` that tokens for this server have; the server's hostname where unset.
    #[serde(default)]
    pub audience: String,
    /// Where its keys are; found from `<url>/.well-known/openid-configuration` where unset.
    #[serde(default)]
    pub jwks_url: Option<String>,
    /// A file with its keys, for a server that does not reach it.
    #[serde(default)]
    pub jwks_file: Option<PathBuf>,
    /// How its tokens may be signed.
    #[serde(default = "usual_algorithms")]
    pub algorithms: Vec<JwtAlgorithm>,
    /// Claims and values with which a job may not publish, whatever else it is: jobs that run the code of strangers
    /// with the rights of the repository. A namespace that asks for such a value by name allows it.
    #[serde(default = "risky_events")]
    pub refuse_claims: BTreeMap<String, Vec<String>>,
}

/// How a token is signed: public-key algorithms only, so that no key that is published can ever sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum JwtAlgorithm {
    /// RSA PKCS#1 v1.5 with SHA-256.
    RS256,
    /// RSA PKCS#1 v1.5 with SHA-384.
    RS384,
    /// RSA PKCS#1 v1.5 with SHA-512.
    RS512,
    /// RSA PSS with SHA-256.
    PS256,
    /// RSA PSS with SHA-384.
    PS384,
    /// RSA PSS with SHA-512.
    PS512,
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// ECDSA on P-384 with SHA-384.
    ES384,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl JwtAlgorithm {
    /// Its name in the header of a token.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::RS384 => "RS384",
            Self::RS512 => "RS512",
            Self::PS256 => "PS256",
            Self::PS384 => "PS384",
            Self::PS512 => "PS512",
            Self::ES256 => "ES256",
            Self::ES384 => "ES384",
            Self::EdDsa => "EdDSA",
        }
    }
}

impl fmt::Display for JwtAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

fn usual_algorithms() -> Vec<JwtAlgorithm> {
    vec![JwtAlgorithm::RS256, JwtAlgorithm::ES256]
}

fn risky_events() -> BTreeMap<String, Vec<String>> {
    let rule = |claim: &str, values: &[&str]| {
        (claim.to_owned(), values.iter().map(|value| (*value).to_owned()).collect())
    };
    BTreeMap::from([
        rule("event_name", &["pull_request_target", "workflow_run"]),
        rule("pipeline_source", &["merge_request_event"]),
    ])
}

/// `[[trusted_publisher]]`, which went elsewhere: reading one says where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Moved;

impl<'de> Deserialize<'de> for Moved {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom(
            "[[trusted_publisher]] is no configuration: whose CI jobs may publish is signed by a key of the namespace \
             and stands in the log. Take it out and, once the server runs: \
             idp keys trust-ci NAMESPACE --issuer URL --claim NAME=VALUE",
        ))
    }
}

impl Config {
    /// The issuer whose tokens name themselves so.
    pub fn oidc_issuer(&self, url: &str) -> Option<&OidcIssuer> {
        self.oidc_issuers.iter().find(|issuer| issuer.url == url)
    }
}

/// Whether keys may be fetched from there: encrypted, or from this very machine.
pub(crate) fn is_safe_to_ask(url: &Url) -> bool {
    let loopback = match url.host_str() {
        Some("localhost" | "[::1]") => true,
        Some(host) => host.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback()),
        None => false,
    };
    let plain = url.username().is_empty() && url.password().is_none();
    plain && (url.scheme() == "https" && url.has_host() || url.scheme() == "http" && loopback)
}

/// What is wrong with issuers.
pub(super) fn check(config: &Config) -> Vec<Problem> {
    let issuers = config.oidc_issuers.iter().enumerate();
    issuers.flat_map(|(index, issuer)| check_issuer(index, issuer)).collect()
}

fn check_issuer(index: usize, issuer: &OidcIssuer) -> Vec<Problem> {
    let mut problems = Vec::new();
    let key = |name: &str| format!("oidc_issuer[{index}].{name}");
    let safe = |text: &str| Url::parse(text).is_ok_and(|url| is_safe_to_ask(&url));
    // With a file nobody is asked: then the name is only a name.
    if issuer.url.is_empty() || issuer.jwks_file.is_none() && !safe(&issuer.url) {
        problems.push(problem(
            key("url"),
            format!("{:?} is not the address of an issuer", issuer.url),
            "write the iss of its tokens, such as https://gitlab.example.com; http only for this very machine",
        ));
    }
    if let Some(url) = issuer.jwks_url.as_ref().filter(|url| !safe(url)) {
        problems.push(problem(
            key("jwks_url"),
            format!("{url:?} is not a place to fetch keys from"),
            "write https:// and a host; http only for this very machine",
        ));
    }
    if issuer.jwks_url.is_some() && issuer.jwks_file.is_some() {
        problems.push(problem(key("jwks_file"), "is set beside jwks_url", "write one of them"));
    }
    if let Some(path) = &issuer.jwks_file {
        problems.extend(check_file(&key("jwks_file"), path));
        let parsed = std::fs::read(path).ok().map(|text| serde_json::from_slice::<JwkSet>(&text));
        if let Some(Err(error)) = parsed {
            problems.push(problem(
                key("jwks_file"),
                format!("{} is not a set of keys: {error}", path.display()),
                "write what the issuer serves as its jwks_uri, {\"keys\": […]}",
            ));
        }
    }
    if issuer.algorithms.is_empty() {
        problems.push(problem(
            key("algorithms"),
            "is empty: no token could be believed",
            "write [\"RS256\"], or leave it out for RS256 and ES256",
        ));
    }
    problems
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::ConfigError;
    use super::*;

    const GOOD: &str = r#"
[server]
hostname = "registry.example.com"

[[namespace]]
name = "acme"

[[oidc_issuer]]
url = "https://gitlab.example.com"
"#;

    fn parse(text: &str) -> Result<Config, ConfigError> {
        Config::parse(text, Path::new("idp.toml"), Path::new("/etc/idp"), &BTreeMap::new())
    }

    #[test]
    fn an_issuer_is_asked_for_the_servers_own_name_unless_it_says_otherwise() {
        let config = parse(GOOD).unwrap();
        let issuer = config.oidc_issuer("https://gitlab.example.com").unwrap();

        assert_eq!(issuer.audience, "registry.example.com");
        assert_eq!(issuer.algorithms, [JwtAlgorithm::RS256, JwtAlgorithm::ES256]);
        assert_eq!(issuer.refuse_claims["pipeline_source"], ["merge_request_event"]);
    }

    #[test]
    fn every_mistake_is_named_with_its_key() {
        for (from, to, key) in [
            ("url = \"https:", "url = \"http:", "oidc_issuer[0].url"),
            ("url = \"https://", "url = \"https://user:pw@", "oidc_issuer[0].url"),
            ("b.example.com\"", "b.example.com\"\nalgorithms = []", "oidc_issuer[0].algorithms"),
            (
                "b.example.com\"",
                "b.example.com\"\nalgorithms = [\"HS256\"]",
                "unknown variant `HS256`",
            ),
            (
                "b.example.com\"",
                "b.example.com\"\nalgorithms = [\"none\"]",
                "unknown variant `none`",
            ),
            (
                "b.example.com\"",
                "b.example.com\"\njwks_url = \"file:///x\"",
                "oidc_issuer[0].jwks_url",
            ),
            (
                "b.example.com\"",
                "b.example.com\"\njwks_file = \"none\"",
                "oidc_issuer[0].jwks_file",
            ),
        ] {
            let error = parse(&GOOD.replace(from, to)).unwrap_err().to_string();
            assert!(error.contains(key), "{key} is missing in {error}");
        }
    }

    #[test]
    fn whose_jobs_are_trusted_is_no_configuration() {
        let old = "\n[[trusted_publisher]]\nnamespace = \"acme\"\nissuer = \"https://gitlab.example.com\"\n";

        let error = parse(&format!("{GOOD}{old}claims = {{ project_id = 74 }}\n")).unwrap_err();

        let said = error.to_string();
        assert!(said.contains("line "), "{said}");
        assert!(said.contains("idp keys trust-ci NAMESPACE --issuer URL --claim"), "{said}");
    }

    #[test]
    fn a_file_of_keys_must_be_one() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys.json");
        let with = GOOD.replace(
            "b.example.com\"",
            &format!("b.example.com\"\njwks_file = {:?}", file.display().to_string()),
        );

        std::fs::write(&file, "<html>").unwrap();
        let error = parse(&with).unwrap_err().to_string();
        std::fs::write(&file, r#"{"keys": []}"#).unwrap();

        assert!(error.contains("is not a set of keys"), "{error}");
        assert!(parse(&with).is_ok());
    }

    #[test]
    fn plain_http_is_only_for_this_machine() {
        for (url, safe) in [
            ("https://gitlab.example.com/x", true),
            ("http://127.0.0.1:8000", true),
            ("http://localhost:8000", true),
            ("http://[::1]:8000", true),
            ("http://gitlab.example.com", false),
            ("http://127.0.0.1.example.com", false),
            ("http://10.0.0.1", false),
            ("https://a:b@gitlab.example.com", false),
            ("file:///etc/passwd", false),
            ("data:,x", false),
        ] {
            assert_eq!(is_safe_to_ask(&Url::parse(url).unwrap()), safe, "{url}");
        }
    }
}
