//! Tokens and facts about the server, `/api/v1/tokens` and `/api/v1/server`.

use serde::{Deserialize, Serialize};

/// Body of `POST /tokens`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct NewToken {
    /// For people; a DNS label.
    pub name: crate::Name,
    /// Such as `apply:staging:payments`, `publish:golden` or `admin`.
    pub rights: Vec<String>,
    /// Seconds until it stops working; never where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_seconds: Option<u64>,
}

/// A token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Token {
    /// Names it when it is revoked, and in the audit log.
    pub id: String,
    /// For people.
    pub name: String,
    /// What it may do.
    pub rights: Vec<String>,
    /// When it was made, RFC 3339.
    pub created_at: String,
    /// Id of the token that made it, or `local`.
    pub created_by: String,
    /// When it stops working.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// When it was taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<String>,
    /// When it was last used, to within a few minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<String>,
}

/// Answer of `POST /tokens`: the only time that the secret is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct CreatedToken {
    /// The secret.
    pub token: String,
    /// What was made.
    #[serde(flatten)]
    pub info: Token,
}

/// Answer of `GET /tokens`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct TokenList {
    /// Every token, oldest first.
    pub tokens: Vec<Token>,
}

/// Answer of `GET /server`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct ServerInfo {
    /// The public hostname, as it stands in module and provider sources.
    pub hostname: String,
    /// Version of the server.
    pub version: String,
}
