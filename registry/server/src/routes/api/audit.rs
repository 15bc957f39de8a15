//! `/audit`.

use axum::extract::State;
use registry_api::platform::{AuditHead, AuditPage};
use serde::Deserialize;

use crate::app::App;
use crate::error::ApiError;
use crate::extract::{Caller, Json, Query};
use crate::store;

/// Most entries of one page.
const PAGE: u32 = 1000;

/// Which part of the log.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuditQuery {
    /// Position of the last entry already known.
    #[serde(default)]
    after: u64,
    /// Most entries to answer with, 1000 at most.
    limit: Option<u32>,
}

/// Shows the audit log, in order; each entry carries the hash of the one before.
///
/// Needs the right `admin`.
pub async fn list_audit(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<AuditQuery>,
) -> Result<Json<AuditPage>, ApiError> {
    caller.require_admin()?;
    let limit = query.limit.unwrap_or(PAGE).clamp(1, PAGE);
    let (entries, head) = store::audit::page(&app.store, query.after, limit).await?;
    let head = AuditHead { sequence: head.sequence, hash: head.hash };
    let full = entries.len() == usize::try_from(limit).unwrap_or(usize::MAX);
    let next = entries.last().map(|entry| entry.sequence).filter(|_| full);
    Ok(Json(AuditPage { entries, head, next }))
}
