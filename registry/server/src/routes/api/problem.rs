//! Which status each refusal of the platform answers with.

use axum::http::StatusCode;

use crate::drivers::gitops::GitOpsError;
use crate::drivers::postgres::PostgresError;
use crate::error::ApiError;
use crate::ops::refusal::{PlatformError, Reason};
use crate::secrets::SecretsError;

impl From<PlatformError> for ApiError {
    fn from(error: PlatformError) -> Self {
        match error {
            PlatformError::Refused(refusal) => {
                let status = status(refusal.reason);
                Self::refused(status, refusal.reason.code(), refusal.detail)
                    .with_errors(refusal.errors)
            }
            PlatformError::Store(error) | PlatformError::Secrets(SecretsError::Store(error)) => {
                error.into()
            }
            PlatformError::Trust(error) => error.into(),
            PlatformError::Blobs(error) => error.into(),
            PlatformError::GitOps(error) => unreadable(&error),
            PlatformError::Postgres(error) => unusable(&error),
            PlatformError::Secrets(_) | PlatformError::Policy(_) | PlatformError::Task(_) => {
                Self::internal(error)
            }
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
        | Reason::InUse
        | Reason::Draining
        | Reason::ValueGiven
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

/// A database server cannot be used now (503: try again), with this configuration (502), or for this name (409).
fn unusable(error: &PostgresError) -> ApiError {
    let status = match error {
        PostgresError::NotOurs { .. } => {
            return ApiError::conflict(Reason::NameTaken.code(), error.to_string());
        }
        PostgresError::InUse { .. } => {
            return ApiError::conflict(Reason::InUse.code(), error.to_string());
        }
        _ if error.is_retryable() => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::BAD_GATEWAY,
    };
    tracing::warn!(%error, "a database server could not be used");
    ApiError::refused(status, "database_unavailable", error.to_string())
}
