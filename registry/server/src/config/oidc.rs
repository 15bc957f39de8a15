//! `[[oidc_issuer]]` and `[[trusted_publisher]]`: which CI jobs may publish without a token of ours.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use jsonwebtoken::jwk::JwkSet;
use registry_api::ModuleAddress;
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
    /// with the rights of the repository. A trusted publisher that names such a value allows it.
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

/// `[[trusted_publisher]]`: whose CI jobs may publish into a namespace.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustedPublisher {
    /// Name of a `[[namespace]]`.
    pub namespace: String,
    /// `url` of an `[[oidc_issuer]]`.
    pub issuer: String,
    /// What the token must say, all of it, letter for letter.
    #[serde(deserialize_with = "texts")]
    pub claims: BTreeMap<String, String>,
    /// The only modules, as `NAME/SYSTEM`; every one of the namespace where unset.
    #[serde(default)]
    pub modules: Option<Vec<String>>,
}

/// Claims are compared as text, however an issuer or an operator writes a number.
fn texts<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(
        untagged,
        expecting = "the value of a claim is a string, a whole number, true or false"
    )]
    enum Scalar {
        Text(String),
        Number(i64),
        Flag(bool),
    }

    let claims = BTreeMap::<String, Scalar>::deserialize(deserializer)?;
    let text = |value| match value {
        Scalar::Text(text) => text,
        Scalar::Number(number) => number.to_string(),
        Scalar::Flag(flag) => flag.to_string(),
    };
    Ok(claims.into_iter().map(|(name, value)| (name, text(value))).collect())
}

/// Claims that every token has and that are checked anyway.
const CHECKED_ANYWAY: &[&str] = &["iss", "aud", "exp", "nbf", "iat", "jti"];

/// Claims that say how a job runs and not whose it is: a stranger's job can have the same values.
const ANYBODYS: &[&str] = &[
    "actor",
    "base_ref",
    "environment",
    "environment_protected",
    "deployment_tier",
    "event_name",
    "head_ref",
    "pipeline_source",
    "ref",
    "ref_path",
    "ref_protected",
    "ref_type",
    "repository_visibility",
    "project_visibility",
    "runner_environment",
    "workflow",
];

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

/// What is wrong with issuers and trusted publishers.
pub(super) fn check(config: &Config) -> Vec<Problem> {
    let issuers = config.oidc_issuers.iter().enumerate();
    let mut problems: Vec<Problem> =
        issuers.flat_map(|(index, issuer)| check_issuer(index, issuer)).collect();
    let publishers = config.trusted_publishers.iter().enumerate();
    problems.extend(
        publishers.flat_map(|(index, publisher)| check_publisher(index, publisher, config)),
    );
    problems
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

fn check_publisher(index: usize, publisher: &TrustedPublisher, config: &Config) -> Vec<Problem> {
    let mut problems = Vec::new();
    let key = |name: &str| format!("trusted_publisher[{index}].{name}");
    if config.namespace(&publisher.namespace).is_none() {
        problems.push(problem(
            key("namespace"),
            format!("there is no [[namespace]] named {:?}", publisher.namespace),
            "add one, or name one of those that are there",
        ));
    }
    if config.oidc_issuer(&publisher.issuer).is_none() {
        problems.push(problem(
            key("issuer"),
            format!("there is no [[oidc_issuer]] with the url {:?}", publisher.issuer),
            "write the url of one, letter for letter",
        ));
    }
    for (name, value) in &publisher.claims {
        if CHECKED_ANYWAY.contains(&name.as_str()) {
            problems.push(problem(
                key(&format!("claims.{name}")),
                "is checked for every token",
                "leave it out",
            ));
        }
        if value.contains('*') || value.is_empty() {
            problems.push(problem(
                key(&format!("claims.{name}")),
                format!("{value:?} is compared letter for letter: no job has it"),
                "write the whole value; * stands for nothing else here",
            ));
        }
    }
    let tells = |name: &&String| {
        !ANYBODYS.contains(&name.as_str()) && !CHECKED_ANYWAY.contains(&name.as_str())
    };
    if !publisher.claims.keys().any(|name| tells(&name)) {
        problems.push(problem(
            key("claims"),
            "say nothing of whose jobs are meant: anybody's job could match",
            "name what belongs to one project and is never given to another: repository_id and repository_owner_id \
             on GitHub, project_id and namespace_id on GitLab",
        ));
    }
    if let Some(modules) = &publisher.modules {
        problems.extend(check_modules(&key("modules"), &publisher.namespace, modules));
    }
    problems
}

fn check_modules(key: &str, namespace: &str, modules: &[String]) -> Vec<Problem> {
    if modules.is_empty() {
        return vec![problem(
            key,
            "is empty: no job could publish anything",
            "name modules such as \"vpc/aws\", or leave it out for every module of the namespace",
        )];
    }
    let mut seen = BTreeSet::new();
    let mut problems = Vec::new();
    for module in modules {
        let address = module
            .split_once('/')
            .and_then(|(name, system)| ModuleAddress::new(namespace, name, system).ok());
        if address.is_none() || !seen.insert(module) {
            problems.push(problem(
                key,
                format!("{module:?} is not a module of a namespace, or there twice"),
                "write NAME/SYSTEM, such as \"vpc/aws\"",
            ));
        }
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

[[trusted_publisher]]
namespace = "acme"
issuer = "https://gitlab.example.com"
claims = { project_id = 74, ref_protected = true, ref = "main" }
modules = ["vpc/aws"]
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
    fn numbers_and_flags_are_claims_as_text() {
        let config = parse(GOOD).unwrap();

        let claims = &config.trusted_publishers[0].claims;

        assert_eq!(claims["project_id"], "74");
        assert_eq!(claims["ref_protected"], "true");
    }

    #[test]
    fn every_mistake_is_named_with_its_key() {
        for (from, to, key) in [
            ("url = \"https:", "url = \"http:", "oidc_issuer[0].url"),
            ("url = \"https://", "url = \"https://user:pw@", "oidc_issuer[0].url"),
            ("com\"\n\n[[tr", "com\"\nalgorithms = []\n\n[[tr", "oidc_issuer[0].algorithms"),
            ("com\"\n\n[[tr", "com\"\nalgorithms = [\"HS256\"]\n\n[[tr", "unknown variant `HS256`"),
            ("com\"\n\n[[tr", "com\"\nalgorithms = [\"none\"]\n\n[[tr", "unknown variant `none`"),
            ("com\"\n\n[[tr", "com\"\njwks_url = \"file:///x\"\n\n[[tr", "oidc_issuer[0].jwks_url"),
            ("com\"\n\n[[tr", "com\"\njwks_file = \"none\"\n\n[[tr", "oidc_issuer[0].jwks_file"),
            ("namespace = \"acme\"", "namespace = \"other\"", "trusted_publisher[0].namespace"),
            ("issuer = \"https://gitlab", "issuer = \"https://x", "trusted_publisher[0].issuer"),
            ("project_id = 74", "project_id = \"7*\"", "trusted_publisher[0].claims.project_id"),
            ("project_id = 74", "iss = \"x\"", "trusted_publisher[0].claims.iss"),
            ("project_id = 74, ", "", "trusted_publisher[0].claims: say nothing"),
            ("project_id = 74", "project_id = [74]", "the value of a claim is"),
            ("[\"vpc/aws\"]", "[]", "trusted_publisher[0].modules"),
            ("[\"vpc/aws\"]", "[\"vpc\"]", "trusted_publisher[0].modules"),
        ] {
            let error = parse(&GOOD.replace(from, to)).unwrap_err().to_string();
            assert!(error.contains(key), "{key} is missing in {error}");
        }
    }

    #[test]
    fn a_file_of_keys_must_be_one() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys.json");
        let with = GOOD.replace(
            "com\"\n\n[[tr",
            &format!("com\"\njwks_file = {:?}\n\n[[tr", file.display().to_string()),
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
