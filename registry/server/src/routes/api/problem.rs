//! Which status each refusal of the platform answers with.

use axum::http::StatusCode;

use crate::drivers::gitops::GitOpsError;
use crate::error::ApiError;
use crate::ops::refusal::{PlatformError, Reason};

impl From<PlatformError> for ApiError {
    fn from(error: PlatformError) -> Self {
        match error {
            PlatformError::Refused(refusal) => {
                let status = status(refusal.reason);
                Self::refused(status, refusal.reason.code(), refusal.detail)
                    .with_errors(refusal.errors)
            }
            PlatformError::Store(error) => error.into(),
            PlatformError::Blobs(error) => error.into(),
            PlatformError::GitOps(error) => unreadable(&error),
            PlatformError::Policy(_) | PlatformError::Task(_) => Self::internal(error),
        }
    }
}

const fn status(reason: Reason) -> StatusCode {
    match reason {
        Reason::Invalid
        | Reason::PolicyDenied
        | Reason::KeyReused
        | Reason::PathUntrusted
        | Reason::PathBroken => StatusCode::UNPROCESSABLE_ENTITY,
        Reason::Forbidden | Reason::ApprovalRequired => StatusCode::FORBIDDEN,
        Reason::NotFound => StatusCode::NOT_FOUND,
        Reason::PreconditionRequired => StatusCode::PRECONDITION_REQUIRED,
        Reason::AlreadyExists
        | Reason::NameTaken
        | Reason::Conflict
        | Reason::InProgress
        | Reason::EnvironmentMoved
        | Reason::PlanStale
        | Reason::DeletionProtected
        | Reason::ImageNotPipeline => StatusCode::CONFLICT,
    }
}

/// The repository cannot be read now (503: try again) or with this configuration (502).
fn unreadable(error: &GitOpsError) -> ApiError {
    tracing::warn!(%error, "a GitOps repository could not be read");
    let status = if error.is_retryable() {
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        StatusCode::BAD_GATEWAY
    };
    ApiError::refused(status, "gitops_unavailable", error.to_string())
}
