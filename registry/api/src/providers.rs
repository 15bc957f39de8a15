//! The provider registry protocol, `providers.v1`.

use semver::Version;
use serde::{Deserialize, Serialize};

/// Answer of `GET :namespace/:type/versions`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct ProviderVersions {
    /// Every version, highest first.
    pub versions: Vec<ProviderVersion>,
    /// Texts that Terraform prints at every init.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// One version and what it supports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct ProviderVersion {
    /// Strict semver, without `v`.
    pub version: Version,
    /// Plugin protocol versions, such as `6.0`.
    pub protocols: Vec<String>,
    /// The platforms it was built for.
    pub platforms: Vec<ProviderPlatform>,
}

/// One build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct ProviderPlatform {
    /// Operating system, in Go's words.
    pub os: String,
    /// Architecture, in Go's words.
    pub arch: String,
}

/// Answer of `GET :namespace/:type/:version/download/:os/:arch`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct ProviderPackage {
    /// Plugin protocol versions.
    pub protocols: Vec<String>,
    /// As asked.
    pub os: String,
    /// As asked.
    pub arch: String,
    /// Name of the zip.
    pub filename: String,
    /// Where the zip is.
    pub download_url: String,
    /// Where SHA256SUMS is.
    pub shasums_url: String,
    /// Where its detached binary OpenPGP signature is.
    pub shasums_signature_url: String,
    /// Hex SHA-256 of the zip.
    pub shasum: String,
    /// Keys that signed this version.
    pub signing_keys: SigningKeys,
}

/// The keys of [`ProviderPackage`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct SigningKeys {
    /// OpenPGP keys.
    pub gpg_public_keys: Vec<GpgPublicKey>,
}

/// One OpenPGP key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct GpgPublicKey {
    /// Sixteen upper-case hex digits.
    pub key_id: String,
    /// One armoured block.
    pub ascii_armor: String,
}

/// The `release` part of a publish: what the files themselves do not say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct ProviderRelease {
    /// Plugin protocol versions, such as `6.0`.
    pub protocols: Vec<String>,
}

/// Answer of a publish.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct PublishedProvider {
    /// `namespace/type`.
    pub address: crate::ProviderAddress,
    /// The version that stands.
    pub version: Version,
    /// Every build.
    pub platforms: Vec<crate::Platform>,
    /// Hex SHA-256 of SHA256SUMS.
    pub shasums_sha256: String,
    /// OpenPGP key id that signed it.
    pub key_id: String,
    /// False when the same content was there already.
    pub created: bool,
}
