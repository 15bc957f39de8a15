//! Operations: work that the platform does after it accepted a change.

use serde::{Deserialize, Serialize};

use super::ResourceRef;

/// Answer of every accepted write (202) and of `GET /operations/{id}?wait=30s`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Operation {
    /// Its id.
    pub id: String,
    /// What it does.
    pub kind: OperationKind,
    /// To what.
    pub resource: ResourceRef,
    /// The generation it brings about.
    pub generation: u64,
    /// Where it stands.
    pub state: OperationState,
    /// What it did so far, in order.
    #[serde(default)]
    pub steps: Vec<Step>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<OperationError>,
    /// When it was accepted.
    pub created_at: String,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<String>,
}

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub enum OperationKind {
    /// Brings a resource into being.
    Create,
    /// Changes it.
    Update,
    /// Moves its image.
    Deploy,
    /// Removes it.
    Delete,
}

/// Where an operation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub enum OperationState {
    /// Waits for a worker.
    Queued,
    /// A worker is at it.
    Running,
    /// All is done.
    Succeeded,
    /// It ended without doing all.
    Failed,
}

impl OperationState {
    /// Whether it ended.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed)
    }
}

/// One step of an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Step {
    /// What it does: `commit`.
    pub name: String,
    /// Where it stands.
    pub state: StepState,
    /// How often it was begun.
    pub attempts: u32,
    /// What came of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// Where a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub enum StepState {
    /// Not begun.
    Pending,
    /// Begun; its effect is not known.
    Running,
    /// Done.
    Done,
    /// Given up.
    Failed,
}

/// Why an operation failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct OperationError {
    /// The step that failed.
    pub step: String,
    /// Stable name, such as `remote_refused`.
    pub code: String,
    /// What happened and how to mend it.
    pub message: String,
    /// What is left as it was or half done.
    pub remaining: String,
}
