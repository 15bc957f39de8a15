//! Golden paths as the platform shows them.

use semver::Version;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ModuleAddress;
use crate::trust::ModuleState;

/// The exact path a plan or a resource uses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct GoldenPathRef {
    /// Address in this registry.
    pub address: ModuleAddress,
    /// The version.
    pub version: Version,
    /// Hex SHA-256 of the archive.
    pub sha256: String,
    /// Id of the key that signed it.
    pub publisher: String,
}

/// Answer of `GET /golden-paths/{namespace}/{name}/{system}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct GoldenPath {
    /// The version that the constraint selects today.
    #[serde(flatten)]
    pub selected: GoldenPathRef,
    /// How it stands.
    pub status: ModuleState,
    /// One line for people.
    pub title: String,
    /// What it gives, in a paragraph.
    pub description: String,
    /// Who supports it.
    pub support_owner: String,
    /// How far: `supported`, `beta`, `experimental`.
    pub support_tier: String,
    /// JSON Schema of its inputs.
    pub inputs: Value,
    /// Control ids it meets.
    pub controls: Vec<String>,
    /// Every published version, highest first.
    pub versions: Vec<GoldenPathVersion>,
}

/// One published version of a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct GoldenPathVersion {
    /// The version.
    pub version: Version,
    /// Hex SHA-256 of the archive.
    pub sha256: String,
    /// Id of the key that signed it.
    pub publisher: String,
    /// How it stands.
    pub status: ModuleState,
    /// When it was published.
    pub published_at: String,
}

/// Answer of `GET /golden-paths`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct GoldenPathList {
    /// By address.
    pub golden_paths: Vec<GoldenPathSummary>,
}

/// One line of [`GoldenPathList`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct GoldenPathSummary {
    /// Address in this registry.
    pub address: ModuleAddress,
    /// What configurations write as `template`.
    pub template: String,
    /// What configurations write as `language`.
    pub language: String,
    /// Every published version, highest first.
    pub versions: Vec<Version>,
}
