//! ID tokens of CI jobs: parsing, verifying and matching. Pure: keys and time are arguments.
//!
//! The algorithm is one that the issuer's configuration allows and its key is made for; what a token's header says of
//! keys beyond the name of one is never read.

mod trusted;

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use registry_trust::statement::TrustedCi;
use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

pub use self::trusted::{InvalidCi, check_trusted};
use crate::clock::rfc3339;
use crate::config::{JwtAlgorithm, OidcIssuer};

/// No CI system's token comes near it.
const MAX_BYTES: usize = 16 * 1024;
/// How far clocks may be apart, in seconds.
const LEEWAY: i64 = 60;
/// Longest that a token may live, in seconds.
const LONGEST_LIFE: i64 = 60 * 60;
/// How much of a value that somebody else wrote goes into a message.
const SHOWN: usize = 120;

/// Claims that go into the log for ever, where everybody reads them: they say which job it was, and nothing of persons.
const LOGGED: &[&str] = &[
    "sub",
    "repository",
    "repository_id",
    "repository_owner",
    "repository_owner_id",
    "repository_visibility",
    "ref",
    "ref_type",
    "ref_protected",
    "sha",
    "workflow_ref",
    "workflow_sha",
    "job_workflow_ref",
    "job_workflow_sha",
    "run_id",
    "run_number",
    "run_attempt",
    "event_name",
    "environment",
    "runner_environment",
    "project_path",
    "project_id",
    "namespace_path",
    "namespace_id",
    "pipeline_id",
    "pipeline_source",
    "job_id",
    "ci_config_ref_uri",
    "ci_config_sha",
];

/// Why a token does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not a signed JSON web token.
    #[error("the ID token is malformed: {0}")]
    Malformed(String),
    /// Signed in a way that is not allowed, or not at all.
    #[error("alg: the ID token says {found:?}, allowed is {allowed}")]
    Algorithm {
        /// What its header says, shortened.
        found: String,
        /// What counts.
        allowed: String,
    },
    /// Not signed by the key it names.
    #[error(
        "the ID token is not signed by the key {kid:?} of its issuer: it was changed or forged"
    )]
    Signature {
        /// The name of the key, shortened.
        kid: String,
    },
    /// Too late, too early, or for too long.
    #[error("{0}")]
    Expired(String),
    /// For another service.
    #[error(
        "aud: expected {expected:?} and nothing else, the ID token has {actual}; ask the CI system for a token with \
         the audience {expected:?}"
    )]
    Audience {
        /// What it should be.
        expected: String,
        /// What it is.
        actual: String,
    },
    /// Of a job that nobody trusts.
    #[error("this job may not publish there: {0}")]
    Mismatch(String),
    /// Of a run that may carry the code of strangers.
    #[error(
        "{claim}: jobs with {value:?} may not publish, because they can be made to run a stranger's code; publish from \
         another event, or name this one in the claims that the namespace trusts"
    )]
    Event {
        /// Which claim.
        claim: String,
        /// Its value.
        value: String,
    },
}

impl TokenError {
    /// The stable name of the refusal.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "oidc_token_malformed",
            Self::Algorithm { .. } => "oidc_algorithm",
            Self::Signature { .. } => "oidc_signature_invalid",
            Self::Expired(_) => "oidc_expired",
            Self::Audience { .. } => "oidc_audience",
            Self::Mismatch(_) => "oidc_claims_mismatch",
            Self::Event { .. } => "oidc_event_refused",
        }
    }
}

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims(Map<String, Value>);

impl Claims {
    /// A claim as text, where it is a string, a number or a flag.
    pub fn text(&self, name: &str) -> Option<String> {
        match self.0.get(name)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(flag) => Some(flag.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// The one audience; nothing where there are several.
    pub fn audience(&self) -> Option<String> {
        let value = match self.0.get("aud")? {
            Value::Array(list) if list.len() == 1 => &list[0],
            value => value,
        };
        value.as_str().map(str::to_owned)
    }

    /// Every claim, as text or as JSON.
    pub fn all(&self) -> BTreeMap<String, String> {
        let text = |name: &String, value: &Value| self.text(name).unwrap_or(value.to_string());
        self.0.iter().map(|(name, value)| (name.clone(), text(name, value))).collect()
    }

    /// What may be written down for ever of a job that is one of `ci`: the claims of a list, and those that are asked for.
    /// What no statement can carry is left out; those that are asked for are in one already.
    pub fn logged(&self, ci: &TrustedCi) -> BTreeMap<String, String> {
        let mut logged = ci.clone();
        for name in LOGGED {
            let Some(value) = self.text(name) else { continue };
            let mut more = logged.clone();
            more.claims.entry((*name).to_owned()).or_insert(value);
            if more.check().is_ok() {
                logged = more;
            }
        }
        logged.claims
    }

    /// The name of a token for such a job, for people.
    pub fn subject(&self, ci: &TrustedCi) -> String {
        ["repository", "project_path"]
            .iter()
            .find_map(|name| self.text(name))
            .or_else(|| ci.claims.values().next().cloned())
            .unwrap_or_default()
    }

    /// Each wanted claim beside what the token has.
    pub fn compare(&self, wanted: &BTreeMap<String, String>) -> Vec<Comparison> {
        wanted
            .iter()
            .map(|(claim, expected)| Comparison {
                claim: claim.clone(),
                expected: expected.clone(),
                actual: self.text(claim),
            })
            .collect()
    }

    /// The first of the trusted kinds of jobs whose every claim the token has.
    pub fn matching<'a>(
        &self,
        trusted: &[&'a TrustedCi],
        refuse: &BTreeMap<String, Vec<String>>,
    ) -> Result<&'a TrustedCi, TokenError> {
        let mut first_mismatches = Vec::new();
        let mut refused = None;
        for ci in trusted {
            let compared = self.compare(&ci.claims);
            match compared.iter().find(|comparison| !comparison.matches()) {
                Some(mismatch) => first_mismatches.push(mismatch.to_string()),
                None => match self.refused(ci, refuse) {
                    Some(event) => refused = refused.or(Some(event)),
                    None => return Ok(ci),
                },
            }
        }
        Err(refused.unwrap_or_else(|| TokenError::Mismatch(first_mismatches.join("; "))))
    }

    /// The claim for which a matching job may not publish after all.
    fn refused(
        &self,
        ci: &TrustedCi,
        refuse: &BTreeMap<String, Vec<String>>,
    ) -> Option<TokenError> {
        refuse.iter().find_map(|(claim, values)| {
            let value = self.text(claim).filter(|value| values.contains(value))?;
            let named = ci.claims.get(claim) == Some(&value);
            (!named).then(|| TokenError::Event { claim: claim.clone(), value })
        })
    }
}

/// A claim that is wanted, and what a token has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// Name of the claim.
    pub claim: String,
    /// What it should be.
    pub expected: String,
    /// What it is; nothing where the token has none, or a list or an object.
    pub actual: Option<String>,
}

impl Comparison {
    /// Whether they are the same, letter for letter.
    pub fn matches(&self) -> bool {
        self.actual.as_deref() == Some(self.expected.as_str())
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { claim, expected, actual } = self;
        match actual {
            Some(actual) => {
                write!(f, "{claim}: expected {expected:?}, the ID token has {:?}", shown(actual))
            }
            None => write!(f, "{claim}: expected {expected:?}, the ID token has none"),
        }
    }
}

/// A token that parses and is not believed yet.
#[derive(Clone)]
pub struct IdToken {
    algorithm: String,
    kid: String,
    claims: Claims,
    issuer: String,
    /// Header and claims as they were signed.
    signed: String,
    signature: String,
}

impl fmt::Debug for IdToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdToken").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

/// A token of its issuer, for this server and of now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedToken {
    /// What it says.
    pub claims: Claims,
    /// Hex SHA-256 of what tells it from every other token of its issuer.
    pub fingerprint: String,
    /// Until when it could be presented, in milliseconds.
    pub usable_until: i64,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<Value>,
}

impl IdToken {
    /// Takes a token apart.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let malformed = |what: &str| TokenError::Malformed(what.to_owned());
        if text.len() > MAX_BYTES {
            return Err(TokenError::Malformed(format!("it is longer than {MAX_BYTES} bytes")));
        }
        let mut parts = text.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(malformed("a JSON web token has three parts with dots between them"));
        };
        let read: Header = part(header)
            .ok_or_else(|| malformed("its header is not base64url of a JSON object with an alg"))?;
        if read.crit.is_some() {
            return Err(malformed("crit: its header asks for extensions that this server lacks"));
        }
        let kid = read.kid.filter(|kid| !kid.is_empty());
        let kid = kid.ok_or_else(|| malformed("kid: its header does not name a key"))?;
        let claims: Map<String, Value> = part(payload)
            .ok_or_else(|| malformed("its claims are not base64url of a JSON object"))?;
        let issuer = claims.get("iss").and_then(Value::as_str).map(str::to_owned);
        let issuer = issuer.ok_or_else(|| malformed("iss: it does not say who made it"))?;
        Ok(Self {
            algorithm: read.alg,
            kid,
            claims: Claims(claims),
            issuer,
            signed: text[..header.len() + 1 + payload.len()].to_owned(),
            signature: signature.to_owned(),
        })
    }

    /// Who is said to have made it.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The name of the key that is said to have signed it.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// What it says, which nobody has verified.
    pub fn unverified(&self) -> &Claims {
        &self.claims
    }

    /// The algorithm that it names, where that is an allowed one.
    pub fn algorithm(&self, allowed: &[JwtAlgorithm]) -> Result<JwtAlgorithm, TokenError> {
        let found = allowed.iter().find(|algorithm| algorithm.name() == self.algorithm);
        found.copied().ok_or_else(|| TokenError::Algorithm {
            found: shown(&self.algorithm),
            allowed: allowed.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or "),
        })
    }

    /// Checks signature, times and audience.
    pub fn verify(
        self,
        key: &Jwk,
        issuer: &OidcIssuer,
        now_millis: i64,
    ) -> Result<VerifiedToken, TokenError> {
        let algorithm = self.algorithm(&issuer.algorithms)?;
        self.check_signature(key, algorithm)?;
        let expires = check_times(&self.claims, now_millis.div_euclid(1000))?;
        check_audience(&self.claims, &issuer.audience)?;
        Ok(VerifiedToken {
            fingerprint: self.fingerprint(),
            usable_until: expires.saturating_add(LEEWAY).saturating_mul(1000),
            claims: self.claims,
        })
    }

    fn check_signature(&self, key: &Jwk, algorithm: JwtAlgorithm) -> Result<(), TokenError> {
        let other =
            |allowed: String| TokenError::Algorithm { found: algorithm.to_string(), allowed };
        let wanted = library_algorithm(algorithm);
        if let Some(of_key) = key.common.key_algorithm.filter(|of_key| *of_key != wanted.into()) {
            let name = if of_key == KeyAlgorithm::UNKNOWN_ALGORITHM {
                "another algorithm".to_owned()
            } else {
                of_key.to_string()
            };
            return Err(other(format!("{name} for the key {:?}", shown(&self.kid))));
        }
        let signs =
            key.common.public_key_use.as_ref().is_none_or(|of| *of == PublicKeyUse::Signature)
                && key
                    .common
                    .key_operations
                    .as_ref()
                    .is_none_or(|operations| operations.contains(&KeyOperations::Verify));
        let decoded = DecodingKey::from_jwk(key).ok().filter(|_| signs);
        let decoded = decoded.filter(|decoded| decoded.family() == wanted.family());
        let Some(decoded) = decoded else {
            return Err(other(format!("none with the key {:?}", shown(&self.kid))));
        };
        let verified =
            jsonwebtoken::crypto::verify(&self.signature, self.signed.as_bytes(), &decoded, wanted);
        match verified {
            Ok(true) => Ok(()),
            _ => Err(TokenError::Signature { kid: shown(&self.kid) }),
        }
    }

    /// The issuer's own id of the token, else what was signed. Not the token as it came: a signature can be written in
    /// more than one way.
    fn fingerprint(&self) -> String {
        let id = self.claims.text("jti").filter(|id| !id.is_empty());
        hex::encode(Sha256::digest(id.as_deref().unwrap_or(&self.signed)))
    }
}

fn part<T: serde::de::DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

/// When the token ends, where it is valid now.
fn check_times(claims: &Claims, now: i64) -> Result<i64, TokenError> {
    let time = |seconds: i64| rfc3339(seconds.saturating_mul(1000));
    let Some(expires) = date(claims, "exp")? else {
        return Err(TokenError::Expired("exp: the ID token does not say when it ends".to_owned()));
    };
    if expires.saturating_add(LEEWAY) <= now {
        return Err(TokenError::Expired(format!(
            "exp: the ID token ended at {}, now it is {}; ask the CI system for a new one",
            time(expires),
            time(now)
        )));
    }
    let (not_before, issued) = (date(claims, "nbf")?, date(claims, "iat")?);
    for (name, begins) in [("nbf", not_before), ("iat", issued)] {
        if let Some(begins) = begins.filter(|begins| *begins > now.saturating_add(LEEWAY)) {
            return Err(TokenError::Expired(format!(
                "{name}: the ID token begins at {}, now it is {}; set the clocks of both machines",
                time(begins),
                time(now)
            )));
        }
    }
    let life = expires.saturating_sub(issued.or(not_before).unwrap_or(now));
    if life > LONGEST_LIFE {
        return Err(TokenError::Expired(format!(
            "exp: the ID token lives for {life} seconds, at most {LONGEST_LIFE} are accepted; give the job a timeout of \
             an hour or less"
        )));
    }
    Ok(expires)
}

/// Seconds since 1970; some issuers write fractions.
fn date(claims: &Claims, name: &str) -> Result<Option<i64>, TokenError> {
    /// The end of the year 9999.
    const LAST: f64 = 253_402_300_799.0;

    let Some(value) = claims.0.get(name) else { return Ok(None) };
    match value.as_f64() {
        #[expect(clippy::cast_possible_truncation, reason = "between 0 and the end of year 9999")]
        Some(seconds) if (0.0..=LAST).contains(&seconds) => Ok(Some(seconds.floor() as i64)),
        _ => {
            Err(TokenError::Malformed(format!("{name}: {} is no time", shown(&value.to_string()))))
        }
    }
}

/// One audience, ours: whoever else a token is for could present it here.
fn check_audience(claims: &Claims, expected: &str) -> Result<(), TokenError> {
    if claims.audience().as_deref() == Some(expected) {
        return Ok(());
    }
    let actual =
        claims.0.get("aud").map_or_else(|| "none".to_owned(), |value| shown(&value.to_string()));
    Err(TokenError::Audience { expected: expected.to_owned(), actual })
}

const fn library_algorithm(algorithm: JwtAlgorithm) -> Algorithm {
    match algorithm {
        JwtAlgorithm::RS256 => Algorithm::RS256,
        JwtAlgorithm::RS384 => Algorithm::RS384,
        JwtAlgorithm::RS512 => Algorithm::RS512,
        JwtAlgorithm::PS256 => Algorithm::PS256,
        JwtAlgorithm::PS384 => Algorithm::PS384,
        JwtAlgorithm::PS512 => Algorithm::PS512,
        JwtAlgorithm::ES256 => Algorithm::ES256,
        JwtAlgorithm::ES384 => Algorithm::ES384,
        JwtAlgorithm::EdDsa => Algorithm::EdDSA,
    }
}

/// A value that somebody else wrote, shortened.
pub(crate) fn shown(text: &str) -> String {
    if text.chars().count() <= SHOWN {
        return text.to_owned();
    }
    text.chars().take(SHOWN).chain(['…']).collect()
}

#[cfg(test)]
mod tests;
