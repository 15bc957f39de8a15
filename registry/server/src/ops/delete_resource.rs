//! Removing a resource; for one that was never finished, rolling back what of it was written.

use registry_api::platform::{OperationError, OperationKind, ResourceRef};
use serde_json::json;

use super::accept::{Change, Request, accept, joined};
use super::places::require;
use super::refusal::{PlatformError, Reason, refuse};
use super::standing::{self, subject, title};
use crate::app::App;
use crate::model::audit::Event;
use crate::model::right::Action;
use crate::model::steps::steps;
use crate::store::operations::{self, OperationRow};
use crate::store::resources::{self, ResourceRow};
use crate::store::{StoreError, audit};

/// Accepts a delete of the resource at `generation` and answers with its operation.
pub async fn delete_resource(
    app: &App,
    request: &Request<'_>,
    reference: &ResourceRef,
    generation: u64,
) -> Result<OperationRow, PlatformError> {
    let token = request.token;
    // Before the row is looked for: the first delete may have removed it.
    if let Some(first) = request.repeated(app).await? {
        require(token, &Action::Destroy, &reference.environment, &first.owner)?;
        return Ok(first);
    }
    let row = standing::find_visible(app, token, reference).await?;
    require(token, &Action::Destroy, &reference.environment, &row.owner)?;
    standing::require_generation(&row, generation)?;
    let mut conn = app.store.read().await?;
    let active = operations::active_operation(&mut conn, &row.id).await?;
    drop(conn);
    if let Some(active) = active
        && !(row.revision.is_none() && cancel(app, &row, &active).await?)
    {
        return joined(request, &row, active);
    }
    if row.revision.as_ref().is_some_and(|revision| revision.deletion_protection) {
        return Err(refuse(Reason::DeletionProtected, protection_words(&row)));
    }
    if !app.platform.environments.contains_key(&reference.environment) {
        return Err(refuse(
            // Not "not found": a client would forget what is still there.
            Reason::EnvironmentMoved,
            format!(
                "{} lives in an environment that is not configured any more; the platform team has to bring \
                 [[environment]] {:?} back to remove it",
                title(reference),
                reference.environment.as_str()
            ),
        ));
    }
    accept(app, request, Change::Remove(&row)).await
}

/// Calls off the first operation of a resource while it only waits to be tried again: who abandons the resource need
/// not wait for that. What earlier attempts may have written is removed by the delete that follows.
async fn cancel(
    app: &App,
    row: &ResourceRow,
    active: &OperationRow,
) -> Result<bool, PlatformError> {
    if active.kind != OperationKind::Create {
        return Ok(false);
    }
    let now = app.clock.now();
    let error = OperationError {
        step: steps(active.kind)[0].to_owned(),
        code: "abandoned".to_owned(),
        message: "the resource was abandoned before this was carried out".to_owned(),
        remaining: "what was written is removed".to_owned(),
    };
    let mut tx = app.store.write().await?;
    if !operations::cancel(&mut tx, &active.id, &error, now).await? {
        return Ok(false);
    }
    resources::fall_back(&mut tx, &row.id, now).await?;
    let event = Event {
        at: now,
        actor: "platform".to_owned(),
        action: "operation.failed".to_owned(),
        subject: subject(&row.reference),
        detail: json!({ "operation": active.id, "code": error.code }),
        request_id: None,
    };
    audit::append(&mut tx, event).await?;
    tx.commit().await.map_err(StoreError::from)?;
    app.platform.signals.ended(&active.id);
    Ok(true)
}

/// Why a protected resource stays, and how to let it go.
pub(super) fn protection_words(row: &ResourceRow) -> String {
    format!(
        "{} has deletion protection; set deletion_protection = false and apply that first",
        title(&row.reference)
    )
}
