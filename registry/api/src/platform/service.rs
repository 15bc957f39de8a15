//! The specification of a service.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Access;

/// What an application team writes about a service.
///
/// `template` and `language` choose the golden path `golden/<template>/<language>`, whose input schema has the
/// last word on every other field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct ServiceSpec {
    /// Shape of the workload: `api`.
    pub template: String,
    /// Runtime: `nodejs`.
    pub language: String,
    /// Container image; production wants a digest.
    pub image: String,
    /// Who moves the image after creation.
    #[serde(default)]
    pub image_source: ImageSource,
    /// Port the container listens on.
    pub port: u16,
    /// Resource class: `small`, `medium` or `large`, as the path defines them.
    #[serde(default = "default_size")]
    pub size: String,
    /// Bounds of the autoscaler; the path has defaults per tier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<Replicas>,
    /// Plain configuration, never secrets.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// What users are promised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slo: Option<Slo>,
    /// Other resources that it uses, by the name under which it knows them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub uses: BTreeMap<String, Use>,
    /// Inputs that only this path knows.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, Value>,
}

/// A resource that a service uses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Use {
    /// Its id: `database/staging/orders` or `secret/staging/stripe`.
    pub resource: String,
    /// What the service may do with a database; a secret is only ever read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<Access>,
}

/// Who moves the image of a running service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub enum ImageSource {
    /// The configuration does.
    #[default]
    Terraform,
    /// A pipeline does, by deployments; the configuration only seeds the first.
    Pipeline,
}

/// Bounds of the autoscaler, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Replicas {
    /// Fewest pods.
    pub min: u32,
    /// Most pods.
    pub max: u32,
}

/// Service level objectives over 30 days.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Slo {
    /// Share of requests that succeed, in percent: `99.9`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub availability: Option<f64>,
    /// Share of requests answered in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<Latency>,
}

/// A latency objective.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Latency {
    /// A duration such as `250ms`; must be a bucket of the path's histogram.
    pub threshold: String,
    /// Share of requests at least that fast, in percent.
    pub target: f64,
}

pub(super) fn default_size() -> String {
    "small".to_owned()
}
