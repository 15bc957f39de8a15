//! Accepting a change: the row of the resource, the operation and the audit entry, in one transaction.
//!
//! What was checked before the transaction began is checked again inside, because something may have come between.

use registry_api::platform::{OperationKind, OperationState, ResourcePhase, ResourceRef};
use serde::Serialize;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::refusal::{PlatformError, Reason, refuse};
use super::standing::{in_progress, subject, title};
use crate::app::App;
use crate::auth::Token;
use crate::model::audit::Event;
use crate::model::revision::Revision;
use crate::model::steps::steps;
use crate::store::operations::{self, OperationRow};
use crate::store::resources::{self, ResourceRow};
use crate::store::{Tx, audit};
use crate::{failpoint, id};

/// Who asks, and how to recognise the request when it comes again.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// Who.
    pub token: &'a Token,
    /// The id under which the request is logged.
    pub request_id: Option<String>,
    /// What the client calls this request, to send it again safely.
    pub idempotency_key: Option<String>,
    /// Digest of everything that was asked.
    pub sha256: String,
}

impl<'a> Request<'a> {
    /// `asked` is everything that makes this request another than the next.
    pub fn new(
        token: &'a Token,
        request_id: Option<String>,
        idempotency_key: Option<String>,
        asked: &impl Serialize,
    ) -> Self {
        let canonical = serde_json_canonicalizer::to_vec(asked).unwrap_or_default();
        Self { token, request_id, idempotency_key, sha256: hex::encode(Sha256::digest(canonical)) }
    }

    fn scope(&self) -> Option<String> {
        self.idempotency_key.as_ref().map(|key| format!("{}:{key}", self.token.id))
    }

    /// The operation of the first request, where this one is a repetition.
    pub async fn repeated(&self, app: &App) -> Result<Option<OperationRow>, PlatformError> {
        let Some(scope) = self.scope() else { return Ok(None) };
        let mut conn = app.store.read().await?;
        let found = operations::operation_by_key(&mut conn, &scope).await?;
        found.map(|found| self.same(found)).transpose()
    }

    fn same(&self, found: OperationRow) -> Result<OperationRow, PlatformError> {
        if found.request_sha256 == self.sha256 {
            return Ok(found);
        }
        Err(refuse(
            Reason::KeyReused,
            "this Idempotency-Key came with another request before; use a new key for a new request",
        ))
    }
}

/// A change that passed every check.
#[derive(Debug)]
pub enum Change<'a> {
    /// The resource becomes `target`.
    Become {
        /// Create, update or deploy.
        kind: OperationKind,
        /// Which resource.
        reference: &'a ResourceRef,
        /// How it stood when this was checked; absent where there was none.
        row: Option<&'a ResourceRow>,
        /// What shall be.
        target: Box<Revision>,
    },
    /// The resource goes.
    Remove(&'a ResourceRow),
}

impl<'a> Change<'a> {
    const fn kind(&self) -> OperationKind {
        match self {
            Self::Become { kind, .. } => *kind,
            Self::Remove(_) => OperationKind::Delete,
        }
    }

    const fn reference(&self) -> &'a ResourceRef {
        match self {
            Self::Become { reference, .. } => reference,
            Self::Remove(row) => &row.reference,
        }
    }

    const fn row(&self) -> Option<&'a ResourceRow> {
        match self {
            Self::Become { row, .. } => *row,
            Self::Remove(row) => Some(row),
        }
    }

    fn target(&self) -> Option<&Revision> {
        match self {
            Self::Become { target, .. } => Some(target),
            Self::Remove(_) => None,
        }
    }

    /// What the resource was last asked to be, once this is accepted.
    fn requested(&self) -> &Revision {
        match self {
            Self::Become { target, .. } => target,
            Self::Remove(row) => &row.requested,
        }
    }
}

/// Makes the change the resource's business: from here on it is carried out, whatever becomes of this process.
pub async fn accept(
    app: &App,
    request: &Request<'_>,
    change: Change<'_>,
) -> Result<OperationRow, PlatformError> {
    let now = app.clock.now();
    let mut tx = app.store.write().await?;
    if let Some(row) = change.row()
        && let Some(active) = operations::active_operation(&mut tx, &row.id).await?
    {
        return joined(request, row, active);
    }
    if let Some(scope) = request.scope()
        && let Some(found) = operations::operation_by_key(&mut tx, &scope).await?
    {
        return request.same(found);
    }
    let (resource, operation) = rows(request, &change, now);
    let accepted = match change.row() {
        Some(_) => resources::accept_change(&mut tx, &resource).await?,
        None => resources::insert_resource(&mut tx, &resource).await?,
    };
    if !accepted {
        return raced(&mut tx, request, change.reference()).await;
    }
    operations::enqueue(&mut tx, &operation, steps_of(&change)).await?;
    audit::append(&mut tx, accepted_event(request, &change, &operation)).await?;
    failpoint::hit("platform.accepting");
    tx.commit().await.map_err(crate::store::StoreError::from)?;
    failpoint::hit("platform.accepted");
    app.platform.signals.queued();
    Ok(operation)
}

/// The same request, sent again while its operation runs, is that operation; another one has to wait.
pub fn joined(
    request: &Request<'_>,
    row: &ResourceRow,
    active: OperationRow,
) -> Result<OperationRow, PlatformError> {
    if active.request_sha256 == request.sha256 {
        return Ok(active);
    }
    Err(in_progress(row, &active.id))
}

/// Somebody was faster between check and transaction.
async fn raced(
    tx: &mut Tx,
    request: &Request<'_>,
    reference: &ResourceRef,
) -> Result<OperationRow, PlatformError> {
    if let Some(row) = resources::resource(tx, reference).await?
        && let Some(active) = operations::active_operation(tx, &row.id).await?
    {
        return joined(request, &row, active);
    }
    Err(refuse(
        Reason::Conflict,
        format!("{} was changed by somebody else at this moment; plan again", title(reference)),
    ))
}

fn rows(request: &Request<'_>, change: &Change<'_>, now: i64) -> (ResourceRow, OperationRow) {
    let (row, requested) = (change.row(), change.requested());
    let generation = row.map_or(1, |row| row.generation + 1);
    let resource_id = row.map_or_else(|| id::new(now), |row| row.id.clone());
    let operation = OperationRow {
        id: id::new(now),
        kind: change.kind(),
        resource_id: resource_id.clone(),
        resource: change.reference().clone(),
        owner: requested.owner.clone(),
        generation,
        state: OperationState::Queued,
        target: change.target().cloned(),
        actor: request.token.name.clone(),
        request_id: request.request_id.clone(),
        request_sha256: request.sha256.clone(),
        idempotency_scope: request.scope(),
        attempts: 0,
        commit_id: None,
        error: None,
        created_at: now,
        finished_at: None,
    };
    let resource = ResourceRow {
        id: resource_id,
        reference: change.reference().clone(),
        owner: row.map_or_else(|| requested.owner.clone(), |row| row.owner.clone()),
        generation,
        phase: phase(change),
        revision: row.and_then(|row| row.revision.clone()),
        requested: requested.clone(),
        operation_id: operation.id.clone(),
        acknowledged: acknowledged(change),
        created_at: row.map_or(now, |row| row.created_at),
        updated_at: now,
    };
    (resource, operation)
}

/// What is to be done, in order.
fn steps_of(change: &Change<'_>) -> &'static [&'static str] {
    let had = change.row().and_then(|row| row.revision.as_ref());
    let is_used = |revision: Option<&Revision>| {
        revision.is_some_and(|revision| !revision.provision.is_empty())
    };
    let uses_databases = is_used(had)
        || is_used(change.target())
        || change.row().is_some_and(|row| is_used(Some(&row.requested)));
    steps(change.kind(), change.reference().kind, uses_databases)
}

fn acknowledged(change: &Change<'_>) -> bool {
    match change.kind() {
        // Who creates has yet to be told.
        OperationKind::Create => false,
        // Who deploys need not be who creates.
        OperationKind::Deploy => change.row().is_some_and(|row| row.acknowledged),
        // Who names a generation has seen the resource.
        OperationKind::Update | OperationKind::Delete => true,
    }
}

fn phase(change: &Change<'_>) -> ResourcePhase {
    match change {
        Change::Remove(_) => ResourcePhase::Deleting,
        Change::Become { row: Some(row), .. } if row.revision.is_some() => ResourcePhase::Changing,
        Change::Become { .. } => ResourcePhase::Unfinished,
    }
}

fn accepted_event(request: &Request<'_>, change: &Change<'_>, operation: &OperationRow) -> Event {
    let before = change.row().and_then(|row| row.revision.as_ref());
    let action = match change.kind() {
        OperationKind::Create => "resource.create",
        OperationKind::Update => "resource.update",
        OperationKind::Deploy => "resource.deploy",
        OperationKind::Delete => "resource.delete",
    };
    Event {
        at: operation.created_at,
        actor: request.token.name.clone(),
        action: action.to_owned(),
        subject: subject(change.reference()),
        detail: json!({
            "operation": operation.id,
            "generation": operation.generation,
            "owner": operation.owner,
            "token_id": request.token.id,
            "before_sha256": before.map(|before| &before.rendered_sha256),
            "after_sha256": change.target().map(|target| &target.rendered_sha256),
            "golden_path": change.target().map(|target| {
                json!({
                    "address": target.golden_path.address,
                    "version": target.golden_path.version,
                    "sha256": target.golden_path.sha256,
                })
            }),
            "image": change.target().map(|target| &target.running_image),
        }),
        request_id: request.request_id.clone(),
    }
}
