//! The audit log as exported.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One entry; each carries the hash of the one before it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct AuditEntry {
    /// Position, from 1, without gaps.
    pub sequence: u64,
    /// When.
    pub at: String,
    /// Name of the token or CI identity.
    pub actor: String,
    /// What was done: `resource.put`, `module.publish`, …
    pub action: String,
    /// To what.
    pub subject: String,
    /// What matters about it; digests, never secrets.
    pub detail: Value,
    /// The request it came with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Hex hash of the entry before; 64 zeros for the first.
    pub previous_hash: String,
    /// Hex SHA-256 of this entry's canonical JSON without this field.
    pub hash: String,
}

/// Where the log ends, as the writer of its last entry noted it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct AuditHead {
    /// Position of the last entry; 0 for an empty log.
    pub sequence: u64,
    /// Its hash; 64 zeros for an empty log.
    pub hash: String,
}

/// Answer of `GET /audit?after=…`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct AuditPage {
    /// Entries in order.
    pub entries: Vec<AuditEntry>,
    /// Where the log ends.
    pub head: AuditHead,
    /// Pass as `after` for the next page; absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}
