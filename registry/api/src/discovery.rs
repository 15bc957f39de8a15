//! `/.well-known/terraform.json`.

use serde::{Deserialize, Serialize};

/// The discovery document: where each protocol lives, relative to the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Discovery {
    /// Base of the module protocol; ends in a slash.
    #[serde(rename = "modules.v1")]
    pub modules: String,
    /// Base of the provider protocol; ends in a slash.
    #[serde(rename = "providers.v1")]
    pub providers: String,
}
