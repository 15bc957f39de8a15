//! The module registry protocol, `modules.v1`.

use semver::Version;
use serde::{Deserialize, Serialize};

/// Answer of `GET :namespace/:name/:system/versions`; clients read only the first element.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct ModuleVersions {
    /// One element: the module asked for.
    pub modules: Vec<ModuleVersionList>,
}

/// Every version of one module, whole: clients follow no pages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct ModuleVersionList {
    /// The versions, highest first.
    pub versions: Vec<ModuleVersion>,
}

/// One version in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct ModuleVersion {
    /// Strict semver, without `v`.
    pub version: Version,
}

/// Body of `GET …/:version/download` for clients that read a body; the header `X-Terraform-Get` says the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct ModuleLocation {
    /// Where the archive is, with `archive` and `checksum` parameters.
    pub location: String,
}

/// Answer of a publish.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Published {
    /// `namespace/name/system`.
    pub address: crate::ModuleAddress,
    /// The version that stands.
    pub version: Version,
    /// Hex SHA-256 of the archive.
    pub sha256: String,
    /// Hash of the unpacked tree, `h1:` form.
    pub h1: String,
    /// Key id that signed it.
    pub publisher: String,
    /// False when the same content was there already.
    pub created: bool,
    /// That the log has the publisher's statement.
    pub log: LogProof,
    /// From when it can be selected (RFC 3339), where its namespace has a minimum age that it has not reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selectable_from: Option<String>,
}

/// That the registry's log has a statement: an RFC 6962 inclusion proof under a signed checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct LogProof {
    /// Position of the statement, from 0.
    pub index: u64,
    /// The log's head as a C2SP signed note; its second line is the size of the tree.
    pub checkpoint: String,
    /// Hex SHA-256 hashes from the leaf to the root.
    pub proof: Vec<String>,
}

/// Every version of a module, with what identifies each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct ModuleDetail {
    /// `namespace/name/system`.
    pub address: crate::ModuleAddress,
    /// Every version, whatever its status, highest first.
    pub versions: Vec<ModuleVersionDetail>,
}

/// One version of a module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct ModuleVersionDetail {
    /// Strict semver, without `v`.
    pub version: Version,
    /// Hex SHA-256 of the archive.
    pub sha256: String,
    /// Hash of the unpacked tree, `h1:` form.
    pub h1: String,
    /// Key id that signed it.
    pub publisher: String,
    /// When it was published, RFC 3339.
    pub published_at: String,
    /// How it stands.
    pub status: crate::trust::NewModuleStatus,
    /// From when it can be selected (RFC 3339), where its namespace has a minimum age that it has not reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selectable_from: Option<String>,
}
