//! Plans: what a change would do, computed without doing it.

use semver::Version;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{GoldenPathRef, Kind, Outputs};
use crate::{Name, VersionConstraint};

/// Body of `POST /plans`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct PlanRequest {
    /// What is planned.
    pub kind: Kind,
    /// Where.
    pub environment: Name,
    /// Under which name.
    pub name: Name,
    /// For whom.
    pub owner: Name,
    /// Create, update or delete.
    pub action: PlanAction,
    /// The specification; parts named in `unknown` may be absent.
    pub spec: Value,
    /// JSON pointers, from the root of this request, to what only apply will know, such as `/spec/image`. Where
    /// this is not empty nothing is rendered and only what is known is checked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
    /// Which version of the path.
    #[serde(default)]
    pub golden_path: Selection,
    /// Whether a create takes over what exists already and belongs to nobody.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub adopt: bool,
    /// The resource as the client last read it. With a create: the one that the client removes first, to make this
    /// one in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prior: Option<Prior>,
    /// Revision of the environment when the client last read the resource. Where it moved since, the plan is
    /// refused with `environment_moved`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment_revision: Option<String>,
}

/// What a plan is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub enum PlanAction {
    /// The resource does not exist.
    Create,
    /// It does.
    Update,
    /// It shall not any more.
    Delete,
}

/// Which version of a golden path to use.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Selection {
    /// What the configuration allows; absent allows every release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub constraint: Option<VersionConstraint>,
    /// The version to use, from the lock file or the state; must meet the constraint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    /// Hex SHA-256 that the lock file or the state remembers; other bytes are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// The resource as the client last read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Prior {
    /// Its generation.
    pub generation: u64,
    /// Digest of its files as they were. Where they moved since, the plan of an update is refused: it would list
    /// other changes than the one before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rendered_sha256: Option<String>,
    /// The same of what is on database servers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provisioned_sha256: Option<String>,
}

/// Answer of `POST /plans`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Plan {
    /// The path that would be used; absent when it could not be chosen because inputs are unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub golden_path: Option<GoldenPathRef>,
    /// What the policies say; empty when all is well.
    #[serde(default)]
    pub policy: Vec<Verdict>,
    /// Hex SHA-256 of the organisation's policy bundle.
    pub policy_sha256: String,
    /// What would change.
    #[serde(default)]
    pub changes: Vec<Change>,
    /// What the resource would give; absent when inputs are unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outputs: Option<Outputs>,
    /// What it would cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// What the reader should know.
    #[serde(default)]
    pub notices: Vec<Notice>,
    /// Digest of what would be rendered; absent when inputs are unknown and for a delete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rendered_sha256: Option<String>,
    /// Digest of what would be on the environment's database servers for this resource; absent where it has nothing
    /// there, when inputs are unknown and for a delete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provisioned_sha256: Option<String>,
    /// Revision of the environment's configuration.
    pub environment_revision: String,
}

/// One effect of a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Change {
    /// Which driver does it: `gitops` or `postgres`.
    pub target: String,
    /// What it does.
    pub action: ChangeAction,
    /// To what: `Deployment/checkout`, `Role/orders_read`.
    pub object: String,
    /// One line for people.
    pub summary: String,
}

/// What a change does to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub enum ChangeAction {
    /// It comes into being.
    Create,
    /// It changes in place.
    Update,
    /// It goes.
    Delete,
}

/// What one policy rule says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Verdict {
    /// Stable name of the rule.
    pub rule: String,
    /// What follows.
    pub effect: Effect,
    /// What is wrong and how to mend it.
    pub message: String,
    /// JSON pointer into the request to what it is about, such as `/spec/image`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// Control ids it enforces.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub controls: Vec<String>,
}

/// What follows from a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub enum Effect {
    /// The change is refused.
    Deny,
    /// Only a caller with the right `approve` may apply it.
    RequireApproval,
    /// The change goes on; the reader should know.
    Warn,
}

/// A range of cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Cost {
    /// ISO 4217.
    pub currency: String,
    /// Least per month.
    pub monthly_min: f64,
    /// Most per month.
    pub monthly_max: f64,
}

/// Something the reader of a plan should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Notice {
    /// How much it matters.
    pub level: Level,
    /// Stable name: `newer_version`, `resolved_version`, …
    pub code: String,
    /// One line.
    pub summary: String,
    /// What to do about it.
    pub detail: String,
}

/// How much a notice matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub enum Level {
    /// Good to know.
    Info,
    /// Act on it.
    Warning,
}
