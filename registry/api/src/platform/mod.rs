//! The platform API, `/api/v1`: plans, resources, operations, secrets, golden paths, audit.
//!
//! JSON in and out; every error is a [`crate::Problem`]. Times are RFC 3339 in UTC.

mod audit;
mod credential;
mod database;
mod golden_path;
mod operation;
mod place;
mod plan;
mod resource;
mod secret;
mod service;

use serde::{Deserialize, Serialize};

pub use audit::{AuditEntry, AuditHead, AuditPage};
pub use credential::{Credential, CredentialLease, CredentialRequest, Rotate};
pub use database::{Access, DatabaseOutputs, DatabaseSpec, DeletionPolicy, Rotation};
pub use golden_path::{
    GoldenPath, GoldenPathList, GoldenPathRef, GoldenPathSummary, GoldenPathVersion,
};
pub use operation::{Operation, OperationError, OperationKind, OperationState, Step, StepState};
pub use place::{Environment, EnvironmentList, Owner, OwnerList};
pub use plan::{
    Change, ChangeAction, Cost, Effect, Level, Notice, Plan, PlanAction, PlanRequest, Prior,
    Selection, Verdict,
};
pub use resource::{
    Condition, DeployRequest, Drift, DriftKind, GitOpsLocation, Outputs, PutResource, Resource,
    ResourceList, ResourcePhase, ResourceRef, ResourceSummary,
};
pub use secret::{
    Generate, InvalidSecretRef, PutSecret, Secret, SecretList, SecretOrigin, SecretRef,
    SecretRotation, SecretValues, Sensitive,
};
pub use service::{ImageSource, Latency, Replicas, ServiceSpec, Slo, Use};

/// Path under which the platform API is served.
pub const BASE_PATH: &str = "/api/v1";

/// Header with the id under which the server logged a request.
pub const REQUEST_ID_HEADER: &str = "x-request-id";

/// Header that makes a repeated write answer with the operation of the first.
pub const IDEMPOTENCY_KEY_HEADER: &str = "idempotency-key";

/// What a resource is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub enum Kind {
    /// A workload rendered into a GitOps repository.
    Service,
    /// A database on a server of the environment.
    Database,
}

impl Kind {
    /// The word used in paths and messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Database => "database",
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Answer of `GET /whoami`: what the presented token may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Whoami {
    /// Name of the token.
    pub name: String,
    /// Rights in the form `action:environment:owner`.
    pub rights: Vec<String>,
    /// When it stops working.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// Version of the server.
    pub server_version: String,
}
