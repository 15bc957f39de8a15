//! Looking at operations, and waiting for their end.

use std::time::Duration;

use registry_api::platform::{Operation, OperationKind, OperationState};

use super::places::may_see;
use super::refusal::{PlatformError, Reason, refuse};
use crate::app::App;
use crate::auth::Token;
use crate::clock::rfc3339;
use crate::model::right::Action;
use crate::store::operations::{self, OperationRow};
use crate::store::resources;

/// How often a waiter looks into the database itself, for ends that another process brought about.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The operation, once it ended or after `wait`, whichever comes first.
pub async fn operation(
    app: &App,
    token: &Token,
    id: &str,
    wait: Duration,
) -> Result<Operation, PlatformError> {
    let deadline = tokio::time::Instant::now() + wait;
    loop {
        let signal = app.platform.signals.end_of(id);
        let mut ended = std::pin::pin!(signal.notified());
        ended.as_mut().enable();
        let row = visible(app, token, id).await?;
        let left = deadline.saturating_duration_since(tokio::time::Instant::now());
        if row.state.is_final() || left.is_zero() {
            acknowledge(app, token, &row).await?;
            return to_wire(app, row).await;
        }
        // Either way the database is looked at again.
        let _ = tokio::time::timeout(left.min(LOOK_EVERY), ended).await;
    }
}

async fn visible(app: &App, token: &Token, id: &str) -> Result<OperationRow, PlatformError> {
    let mut conn = app.store.read().await?;
    let row = operations::operation(&mut conn, id).await?;
    // An id says nothing about whose it is, so what is not there and what is not yours look the same.
    row.filter(|row| may_see(token, &row.resource.environment, &row.owner)).ok_or_else(|| {
        let shown: String = id.chars().take(64).collect();
        refuse(Reason::NotFound, format!("this token may see no operation {shown:?}"))
    })
}

/// Notes that whoever applies was told of a create's success: from now on the resource is theirs to import, not
/// to create again.
async fn acknowledge(app: &App, token: &Token, row: &OperationRow) -> Result<(), PlatformError> {
    let place = (row.resource.environment.as_str(), row.owner.as_str());
    if row.kind != OperationKind::Create
        || row.state != OperationState::Succeeded
        || !token.rights.allows(&Action::Apply, place.0, place.1)
    {
        return Ok(());
    }
    let mut conn = app.store.read().await?;
    if resources::is_acknowledged(&mut conn, &row.resource_id).await? {
        return Ok(());
    }
    drop(conn);
    let mut tx = app.store.write().await?;
    resources::acknowledge(&mut tx, &row.resource_id).await?;
    tx.commit().await.map_err(crate::store::StoreError::from)?;
    Ok(())
}

/// The operation with its steps, as clients see it.
pub async fn to_wire(app: &App, row: OperationRow) -> Result<Operation, PlatformError> {
    let mut conn = app.store.read().await?;
    let steps = operations::steps(&mut conn, &row.id).await?;
    Ok(Operation {
        id: row.id,
        kind: row.kind,
        resource: row.resource,
        generation: row.generation,
        state: row.state,
        steps,
        error: row.error,
        created_at: rfc3339(row.created_at),
        finished_at: row.finished_at.map(rfc3339),
    })
}
