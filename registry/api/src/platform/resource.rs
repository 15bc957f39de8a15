//! Resources: what was asked for, and what is.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Change, DatabaseOutputs, GoldenPathRef, Kind, Selection};
use crate::{Name, VersionConstraint};

/// Names one resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct ResourceRef {
    /// What it is.
    pub kind: Kind,
    /// Where it is.
    pub environment: Name,
    /// What it is called there.
    pub name: Name,
}

/// Body of `PUT /resources/{kind}/{environment}/{name}`.
///
/// `If-None-Match: *` creates, `If-Match: "<generation>"` updates; one of them is required.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct PutResource {
    /// For whom.
    pub owner: Name,
    /// What is asked for: a [`ServiceSpec`](super::ServiceSpec) or a [`DatabaseSpec`](super::DatabaseSpec), as the
    /// kind in the path says.
    pub spec: Value,
    /// Which version of the path.
    #[serde(default)]
    pub golden_path: Selection,
    /// Whether a delete is refused.
    #[serde(default)]
    pub deletion_protection: bool,
    /// Whether a create takes over what exists already and belongs to nobody.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub adopt: bool,
    /// The digest that the plan showed; other content is refused with `plan_stale`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_rendered_sha256: Option<String>,
    /// The revision that the plan saw; another is refused with `environment_moved`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment_revision: Option<String>,
}

/// Body of `POST /resources/{kind}/{environment}/{name}/deployments`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct DeployRequest {
    /// The image that shall run.
    pub image: String,
}

/// Answer of `GET /resources/{kind}/{environment}/{name}`; its generation is also the `ETag`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Resource {
    /// Which one.
    #[serde(flatten)]
    pub reference: ResourceRef,
    /// For whom.
    pub owner: Name,
    /// Grows with every accepted change.
    pub generation: u64,
    /// What stands: the last change that succeeded, or, before the first, what was asked for. Its shape is that of
    /// the kind, as in [`PutResource::spec`].
    pub spec: Value,
    /// What the configuration allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub golden_path_version: Option<VersionConstraint>,
    /// The path in use.
    pub golden_path: GoldenPathRef,
    /// Whether a delete is refused.
    pub deletion_protection: bool,
    /// Where it stands.
    pub phase: ResourcePhase,
    /// Why.
    #[serde(default)]
    pub conditions: Vec<Condition>,
    /// What it gives.
    pub outputs: Outputs,
    /// The image that runs; absent where the resource is no service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running_image: Option<String>,
    /// What the last operation changed.
    #[serde(default)]
    pub changes: Vec<Change>,
    /// Digest of what is in the world now; differs from `desired_rendered_sha256` where it drifted.
    pub rendered_sha256: String,
    /// Digest of what the platform put there.
    pub desired_rendered_sha256: String,
    /// Digest of what is on the environment's database servers for this resource now, its roles, grants and
    /// settings; absent where it has nothing there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provisioned_sha256: Option<String>,
    /// What differs.
    #[serde(default)]
    pub drift: Vec<Drift>,
    /// Revision of the environment's configuration now.
    pub environment_revision: String,
    /// The operation that is under way, or that failed and left it unfinished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// When it was first asked for.
    pub created_at: String,
    /// When it last changed.
    pub updated_at: String,
}

/// Answer of `GET /resources`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct ResourceList {
    /// What the caller may see, by kind, environment and name.
    pub resources: Vec<ResourceSummary>,
}

/// One line of [`ResourceList`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct ResourceSummary {
    /// Which one.
    #[serde(flatten)]
    pub reference: ResourceRef,
    /// For whom.
    pub owner: Name,
    /// Its generation.
    pub generation: u64,
    /// Where it stands.
    pub phase: ResourcePhase,
    /// The path in use.
    pub golden_path: GoldenPathRef,
    /// When it last changed.
    pub updated_at: String,
}

/// Where a resource stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub enum ResourcePhase {
    /// Its first operation has not finished: the owner's next create continues it.
    Unfinished,
    /// All that was asked for is done.
    Ready,
    /// An operation is under way.
    Changing,
    /// The last change failed; the one before it stands.
    Failed,
    /// It is being removed.
    Deleting,
}

/// One statement about a resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Condition {
    /// What it is about: `Committed`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether it holds.
    pub status: bool,
    /// Why, for people.
    pub message: String,
}

/// What a resource gives.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Outputs {
    /// Where it is reached; absent where the environment has no domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Its entity in the catalogue: `component:staging/checkout`, `resource:staging/orders`.
    pub catalog_ref: String,
    /// Where its files are.
    pub gitops: GitOpsLocation,
    /// How a database is reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<DatabaseOutputs>,
}

/// Where the files of a resource are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct GitOpsLocation {
    /// Name of the repository in the server's configuration.
    pub repository: String,
    /// The commit that last changed it; absent before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Folder in the repository.
    pub path: String,
}

/// One difference between what the platform put there and what is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Drift {
    /// Which file, or which object of a database server: `postgres:Role/orders_read`.
    pub path: String,
    /// In what way.
    pub kind: DriftKind,
}

/// In what way the world differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub enum DriftKind {
    /// Someone removed it.
    Missing,
    /// Someone edited it.
    Modified,
    /// Someone added it.
    Unexpected,
}
