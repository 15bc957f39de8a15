//! Removing a resource; for one that was never finished, rolling back what of it was written.

use std::sync::Arc;

use registry_api::platform::{
    Kind, OperationError, OperationKind, PlanAction, ResourceRef, Verdict,
};
use serde_json::json;

use super::accept::{Change, Request, accept, joined};
use super::databases::databases;
use super::places::{Scope, place, require};
use super::prepare::{enforce, in_background, judge};
use super::refusal::{PlatformError, Reason, refuse};
use super::standing::{self, subject, title};
use crate::app::App;
use crate::auth::Token;
use crate::model::audit::Event;
use crate::model::environment::OwnerFacts;
use crate::model::revision::Revision;
use crate::model::right::Action;
use crate::model::steps::steps;
use crate::platform::Place;
use crate::policy::PolicyInput;
use crate::store::operations::{self, OperationRow};
use crate::store::resources::{self, ResourceFilter, ResourceRow};
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
    if let Some(active) = active.clone().filter(|active| !may_call_off(&row, active)) {
        return joined(request, &row, active);
    }
    // Before anything is called off: a delete that is refused leaves everything as it is.
    require_removable(app, token, &row).await?;
    if let Some(active) = active
        && !cancel(app, &row, &active).await?
    {
        return joined(request, &row, active);
    }
    accept(app, request, Change::Remove(&row)).await
}

async fn require_removable(
    app: &App,
    token: &Token,
    row: &ResourceRow,
) -> Result<(), PlatformError> {
    require_unprotected(row)?;
    require_unused(app, &row.reference).await?;
    let place = place(app, &row.reference)?;
    if row.leaves_dump() {
        databases(place)?.server.check_dump_tool().await?;
    }
    let owner = owner(app, row);
    let verdicts = judge_removal(app, token, row, place, &owner).await?;
    enforce(token, Scope { place, owner: &owner }, &verdicts)
}

/// Refuses what would remove a protected resource.
pub(super) fn require_unprotected(row: &ResourceRow) -> Result<(), PlatformError> {
    if row.revision.as_ref().is_some_and(|revision| revision.deletion_protection) {
        return Err(refuse(Reason::DeletionProtected, protection_words(row)));
    }
    Ok(())
}

/// Refuses to take a database away from services that use it.
pub async fn require_unused(app: &App, reference: &ResourceRef) -> Result<(), PlatformError> {
    let users = users(app, reference).await?;
    if users.is_empty() {
        return Ok(());
    }
    Err(refuse(
        Reason::InUse,
        format!(
            "{} is used by {}; take it out of their uses, or remove them, and apply that first",
            title(reference),
            users.join(", ")
        ),
    ))
}

/// The services that use a database.
pub(super) async fn users(
    app: &App,
    reference: &ResourceRef,
) -> Result<Vec<String>, PlatformError> {
    if reference.kind != Kind::Database {
        return Ok(Vec::new());
    }
    let filter = ResourceFilter {
        kind: Some(Kind::Service),
        environment: Some(reference.environment.clone()),
        ..ResourceFilter::default()
    };
    let mut conn = app.store.read().await?;
    let services = resources::resources(&mut conn, &filter).await?;
    let is_user = |row: &&ResourceRow| {
        let has = |revision: &Revision| {
            revision.provision.logins.iter().any(|login| login.database == reference.name)
        };
        has(&row.requested) || row.revision.as_ref().is_some_and(has)
    };
    Ok(services.iter().filter(is_user).map(|row| title(&row.reference)).collect())
}

/// Whose the resource is. An owner that is configured no longer keeps nothing from being removed.
pub(super) fn owner(app: &App, row: &ResourceRow) -> OwnerFacts {
    app.platform.owners.get(&row.owner).cloned().unwrap_or_else(|| OwnerFacts {
        name: row.owner.clone(),
        title: row.owner.to_string(),
        contact: None,
        cost_center: None,
    })
}

/// What the organisation's policy says of removing the resource.
pub(super) async fn judge_removal(
    app: &App,
    token: &Token,
    row: &ResourceRow,
    place: &Place,
    owner: &OwnerFacts,
) -> Result<Vec<Verdict>, PlatformError> {
    let shown = row.shown();
    let (facts, owner, policy) =
        (place.facts.clone(), owner.clone(), Arc::clone(&app.platform.policy));
    let (caller, reference) = (token.name.clone(), row.reference.clone());
    let (path, spec) = (shown.golden_path.clone(), shown.effective_spec().to_json());
    in_background(app, move || {
        let input = PolicyInput {
            action: PlanAction::Delete,
            kind: reference.kind,
            name: &reference.name,
            owner: &owner,
            environment: &facts,
            spec: &spec,
            unknown: &[],
            golden_path: Some(&path),
            objects: Vec::new(),
            cost: None,
            caller: &caller,
        };
        Ok(judge(&policy, None, input)?)
    })
    .await
}

/// Whether `active` is the first operation of a resource that never was.
fn may_call_off(row: &ResourceRow, active: &OperationRow) -> bool {
    row.revision.is_none() && active.kind == OperationKind::Create
}

/// Calls off the first operation of a resource while it only waits to be tried again: who abandons the resource need
/// not wait for that. What earlier attempts may have written is removed by the delete that follows.
async fn cancel(
    app: &App,
    row: &ResourceRow,
    active: &OperationRow,
) -> Result<bool, PlatformError> {
    let now = app.clock.now();
    let error = OperationError {
        step: steps(active.kind, row.reference.kind, false)[0].to_owned(),
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
