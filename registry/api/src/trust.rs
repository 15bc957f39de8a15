//! Keys, statuses and the log, as the platform API speaks of them. What is signed travels as text, word for word.

use std::collections::BTreeMap;

use semver::Version;
use serde::{Deserialize, Serialize};

use crate::ModuleAddress;

/// Answer of `GET /trust`: what to pin, and the registry's own keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct TrustInfo {
    /// The registry's hostname.
    pub hostname: String,
    /// Text of a trust policy, `idp.policy`.
    pub policy: String,
    /// Version of the root, from 1.
    pub root_version: u64,
    /// How many root keys must sign.
    pub threshold: usize,
    /// Ids of the root keys.
    pub root_keys: Vec<String>,
    /// The registry's own public keys, PEM.
    pub registry_keys: Vec<String>,
    /// The log's public key, in the form of signed notes.
    pub log_key: String,
    /// The newest root as it was signed: an envelope.
    pub root: String,
}

/// Answer of `GET /namespaces/{namespace}/keys`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct NamespaceKeys {
    /// The namespace.
    pub namespace: String,
    /// Number of the newest change; the next one has this plus one.
    pub sequence: u64,
    /// How many entries the log has.
    pub log_size: u64,
    /// Every key it has or had, in the order of their addition.
    pub keys: Vec<PublisherKey>,
    /// Kinds of CI jobs that may publish.
    pub ci: Vec<TrustedCi>,
}

/// A key of a namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct PublisherKey {
    /// SHA-256 of the public key, base64.
    pub id: String,
    /// `ecdsa-p256` or `ed25519`.
    pub algorithm: String,
    /// PEM.
    pub public_key: String,
    /// Position of the entry that added it.
    pub added: u64,
    /// First position from which it does not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_from: Option<u64>,
    /// `superseded` or `compromised`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A kind of CI jobs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct TrustedCi {
    /// The `iss` of their tokens.
    pub issuer: String,
    /// The claims that their tokens must have.
    pub claims: BTreeMap<String, String>,
}

/// Body of `POST /statements`: something signed, to be accepted and logged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct SignedStatement {
    /// A Sigstore bundle, or a DSSE envelope in canonical JSON where several keys signed.
    pub statement: String,
}

/// How a version or a module stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub enum ModuleState {
    /// Use it.
    #[default]
    Active,
    /// It works; move on, by the sunset at the latest.
    Deprecated,
    /// Nobody new gets it.
    Yanked,
    /// Nobody gets it.
    Revoked,
}

/// Body of `PUT …/status`: the registry signs it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct NewModuleStatus {
    /// How it stands.
    pub state: ModuleState,
    /// Why, for people; only an active one may do without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What to use instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replacement: Option<String>,
    /// Who to ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
    /// The day from which on nothing new may use it, such as `2027-01-31`. Only of a deprecated one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sunset: Option<String>,
}

/// What was last said of a version, or of a module as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct ModuleStatus {
    /// Which module.
    pub address: ModuleAddress,
    /// Which version; every version where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    /// What was said.
    #[serde(flatten)]
    pub status: NewModuleStatus,
    /// Number among the statuses of the module; 0 where nothing was ever said.
    pub sequence: u64,
    /// Position in the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
    /// Id of the key that signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_by: Option<String>,
}

/// Answer of `GET /modules/{namespace}/{name}/{system}/status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct ModuleStatusList {
    /// Which module.
    pub address: ModuleAddress,
    /// Number of the newest status; the next one has this plus one.
    pub sequence: u64,
    /// What stands: of the module as a whole and of each version of which something was said.
    pub statuses: Vec<ModuleStatus>,
}

/// Answer of `GET /modules/{namespace}/{name}/{system}/consumers`: who would notice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct ModuleConsumers {
    /// Which module.
    pub address: ModuleAddress,
    /// Who downloaded it, latest first.
    pub downloads: Vec<ModuleDownload>,
    /// Resources of the platform that run on it.
    pub resources: Vec<ModuleResource>,
}

/// Who downloaded a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct ModuleDownload {
    /// Which version.
    pub version: Version,
    /// Name of the token; `anonymous` where there was none.
    pub token: String,
    /// Id of the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_id: Option<String>,
    /// When it first asked, RFC 3339.
    pub first_at: String,
    /// When it last asked.
    pub last_at: String,
}

/// A resource that runs on a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct ModuleResource {
    /// Which version.
    pub version: Version,
    /// `service` or `database`.
    pub kind: String,
    /// Where it lives.
    pub environment: String,
    /// Its name.
    pub name: String,
    /// Whose it is.
    pub owner: String,
}

/// Body of `POST /evidence`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct EvidenceRequest {
    /// Which releases shall be judged.
    pub modules: Vec<EvidenceModule>,
    /// Size of the log when the client last saw it; the answer proves that the log only grew since.
    #[serde(default)]
    pub since: u64,
}

/// A release to be judged.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct EvidenceModule {
    /// Which module.
    pub address: ModuleAddress,
    /// Which version.
    pub version: Version,
}
