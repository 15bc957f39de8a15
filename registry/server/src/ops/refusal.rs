//! Why the platform does not do what it was asked, in words for the one who asked.

use registry_api::platform::Verdict;
use registry_api::problem::FieldError;

use crate::blobs::BlobError;
use crate::drivers::gitops::GitOpsError;
use crate::drivers::postgres::PostgresError;
use crate::secrets::SecretsError;
use crate::store::StoreError;
use crate::trust::TrustError;

/// What keeps the platform from doing what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum PlatformError {
    /// The request is at fault, or the world is not as it says.
    #[error(transparent)]
    Refused(#[from] Box<Refusal>),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The blob store.
    #[error(transparent)]
    Blobs(#[from] BlobError),
    /// The secret store.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// The log.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The GitOps repository could not be read.
    #[error("the GitOps repository could not be read")]
    GitOps(#[from] GitOpsError),
    /// A database server could not do it.
    #[error(transparent)]
    Postgres(#[from] PostgresError),
    /// The organisation's rules could not be applied: never consent.
    #[error("the organisation's policy could not be evaluated")]
    Policy(#[from] crate::policy::PolicyError),
    /// Ours.
    #[error("a task of the platform ended early")]
    Task(#[from] tokio::task::JoinError),
}

/// A refusal: reason, words, and which parts of the request it is about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Refusal {
    /// Which rule.
    pub reason: Reason,
    /// What is wrong and how to mend it.
    pub detail: String,
    /// Where in the request.
    pub errors: Vec<FieldError>,
}

/// Every rule by which the platform refuses; each has a stable code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Parts of the request are wrong.
    Invalid,
    /// The token lacks a right.
    Forbidden,
    /// There is no such thing.
    NotFound,
    /// A create of what is there.
    AlreadyExists,
    /// The name belongs to somebody else.
    NameTaken,
    /// Somebody else changed it first.
    Conflict,
    /// Another change is under way.
    InProgress,
    /// The environment's configuration moved since the plan.
    EnvironmentMoved,
    /// What would be rendered is not what the plan showed.
    PlanStale,
    /// A policy says no.
    PolicyDenied,
    /// A policy wants the right `approve`.
    ApprovalRequired,
    /// Deletion protection is on.
    DeletionProtected,
    /// Others use it.
    InUse,
    /// Credentials that were made anew a moment ago.
    Draining,
    /// A rotation of a value that the server did not make.
    ValueGiven,
    /// A deployment of a service whose image the configuration moves.
    ImageNotPipeline,
    /// An idempotency key that came with another request before.
    KeyReused,
    /// A write that does not say what it expects.
    PreconditionRequired,
    /// The golden path's signature does not verify.
    PathUntrusted,
    /// The golden path itself is at fault.
    PathBroken,
}

impl Reason {
    /// The stable name in problems.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Invalid => "invalid_request",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::AlreadyExists => "already_exists",
            Self::NameTaken => "name_taken",
            Self::Conflict => "conflict",
            Self::InProgress => "operation_in_progress",
            Self::EnvironmentMoved => "environment_moved",
            Self::PlanStale => "plan_stale",
            Self::PolicyDenied => "policy_denied",
            Self::ApprovalRequired => "approval_required",
            Self::DeletionProtected => "deletion_protected",
            Self::InUse => "in_use",
            Self::Draining => "credentials_draining",
            Self::ValueGiven => "value_given",
            Self::ImageNotPipeline => "image_source_not_pipeline",
            Self::KeyReused => "idempotency_key_reused",
            Self::PreconditionRequired => "precondition_required",
            Self::PathUntrusted => "golden_path_untrusted",
            Self::PathBroken => "golden_path_broken",
        }
    }
}

/// A refusal in plain words.
pub fn refuse(reason: Reason, detail: impl Into<String>) -> PlatformError {
    Box::new(Refusal { reason, detail: detail.into(), errors: Vec::new() }).into()
}

/// A refusal because of parts of the request.
pub fn invalid(errors: Vec<FieldError>) -> PlatformError {
    let detail = match errors.as_slice() {
        [only] => only.detail.clone(),
        several => format!("{} parts of the request are wrong", several.len()),
    };
    Box::new(Refusal { reason: Reason::Invalid, detail, errors }).into()
}

/// A refusal because of what policies say; `verdicts` are those that refuse.
pub fn judged(reason: Reason, detail: String, verdicts: &[&Verdict]) -> PlatformError {
    let errors = verdicts
        .iter()
        .map(|verdict| FieldError {
            pointer: verdict.pointer.clone().unwrap_or_default(),
            detail: verdict.message.clone(),
            rule: verdict.rule.clone(),
            fix: None,
        })
        .collect();
    Box::new(Refusal { reason, detail, errors }).into()
}
