//! Publishing from CI without a stored secret, `/api/v1/oidc`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Body of `POST /oidc/exchange`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct ExchangeRequest {
    /// The ID token of the CI job, a JSON web token.
    pub token: String,
    /// Where the job publishes.
    pub namespace: String,
    /// The key that the job made for itself, PEM: P-256 or Ed25519.
    pub public_key: String,
    /// Base64 of the signature by that key over [`proof_message`].
    pub proof: String,
}

impl std::fmt::Debug for ExchangeRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExchangeRequest")
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

/// What the job signs to show that it holds its key: `hostname` is the server's public one, `token_sha256` the hex
/// SHA-256 of the ID token.
pub fn proof_message(hostname: &str, token_sha256: &str) -> String {
    format!("idp-ci-key-v1\n{hostname}\n{token_sha256}")
}

/// Answer of `POST /oidc/exchange`: the only time that the secret is told.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Exchanged {
    /// A token of this server.
    pub token: String,
    /// When token and key stop working, RFC 3339.
    pub expires_at: String,
    /// What the token may do.
    pub rights: Vec<String>,
    /// Name of the job's key.
    pub key_id: String,
    /// Whose job it is.
    pub issuer: String,
    /// Position of the grant in the log.
    pub index: u64,
    /// Which job it is, as the log has it.
    pub claims: BTreeMap<String, String>,
}

impl std::fmt::Debug for Exchanged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exchanged").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

/// Whose CI jobs may publish into a namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct TrustedPublisher {
    /// Where they may publish.
    pub namespace: String,
    /// The `iss` of their tokens.
    pub issuer: String,
    /// The `aud` of their tokens.
    pub audience: String,
    /// What their tokens say, letter for letter.
    pub claims: BTreeMap<String, String>,
    /// Values with which a job may not publish although its claims match.
    pub refuse_claims: BTreeMap<String, Vec<String>>,
}

/// Answer of `GET /oidc/trusted-publishers`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct TrustedPublisherList {
    /// Those of namespaces that the caller may install from.
    pub trusted_publishers: Vec<TrustedPublisher>,
}
