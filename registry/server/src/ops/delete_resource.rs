//! Removing a resource; for one that was never finished, rolling back what of it was written.

use registry_api::platform::ResourceRef;

use super::accept::{Change, Request, accept, joined};
use super::places::require;
use super::refusal::{PlatformError, Reason, refuse};
use super::standing::{self, title};
use crate::app::App;
use crate::model::right::Action;
use crate::store::operations::{self, OperationRow};
use crate::store::resources::ResourceRow;

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
    let mut conn = app.store.read().await?;
    if let Some(active) = operations::active_operation(&mut conn, &row.id).await? {
        return joined(request, &row, active);
    }
    drop(conn);
    standing::require_generation(&row, generation)?;
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

/// Why a protected resource stays, and how to let it go.
pub(super) fn protection_words(row: &ResourceRow) -> String {
    format!(
        "{} has deletion protection; set deletion_protection = false and apply that first",
        title(&row.reference)
    )
}
