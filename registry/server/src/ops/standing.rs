//! How a resource stands before a change: what may be done to it, and what is there in the world.

use std::collections::BTreeMap;

use registry_api::platform::{OperationKind, ResourcePhase, ResourceRef, Step, StepState};

use super::databases;
use super::refusal::{PlatformError, Reason, refuse};
use crate::app::App;
use crate::auth::Token;
use crate::drivers::postgres::Options;
use crate::golden_path::directory;
use crate::model::provisioned::Provisioned;
use crate::model::revision::{Observed, Revision};
use crate::model::steps::DROP;
use crate::ops::places::{lacks, may_see};
use crate::platform::Place;
use crate::store::operations;
use crate::store::resources::{self, ResourceRow};

/// The resource, if there is one.
pub async fn find(
    app: &App,
    reference: &ResourceRef,
) -> Result<Option<ResourceRow>, PlatformError> {
    let mut conn = app.store.read().await?;
    Ok(resources::resource(&mut conn, reference).await?)
}

/// The resource, which must be there; a token that may see nothing of it is told that first.
pub async fn find_visible(
    app: &App,
    token: &Token,
    reference: &ResourceRef,
) -> Result<ResourceRow, PlatformError> {
    let environment = &reference.environment;
    match find(app, reference).await? {
        Some(row) if may_see(token, environment, &row.owner) => Ok(row),
        Some(_) => Err(lacks(
            token,
            &format!("plan:{environment}:OWNER for the owner of {}", title(reference)),
        )),
        // Who may see nothing here does not learn what there is; "not found" would make a client forget it.
        None if !app.platform.owners.keys().any(|owner| may_see(token, environment, owner)) => {
            Err(lacks(token, &format!("plan:{environment}:OWNER")))
        }
        None => Err(not_found(reference)),
    }
}

/// The refusal of a resource that is not there.
pub fn not_found(reference: &ResourceRef) -> PlatformError {
    refuse(Reason::NotFound, format!("there is no {}", title(reference)))
}

/// `service staging/checkout`.
pub fn title(reference: &ResourceRef) -> String {
    format!("{} {}/{}", reference.kind, reference.environment, reference.name)
}

/// `service/staging/checkout`, as audit entries and commit trailers name it.
pub fn subject(reference: &ResourceRef) -> String {
    format!("{}/{}/{}", reference.kind, reference.environment, reference.name)
}

/// Whether a create may continue `row`: nobody was ever told that it is there.
///
/// Otherwise says why not, with the block that takes a finished one over.
pub fn may_create(row: &ResourceRow, owner: &registry_api::Name) -> Result<(), PlatformError> {
    let name = title(&row.reference);
    if row.owner != *owner {
        return Err(refuse(
            Reason::NameTaken,
            format!(
                "{name} belongs to another owner; choose another name, or ask for it to be handed over"
            ),
        ));
    }
    if row.phase == ResourcePhase::Deleting {
        return Err(refuse(
            Reason::InProgress,
            format!(
                "{name} is being removed by operation {}; apply again when that ended",
                row.operation_id
            ),
        ));
    }
    if row.revision.is_none() || !row.acknowledged {
        return Ok(());
    }
    let ResourceRef { kind, environment, name: label } = &row.reference;
    let label_hcl = label.as_str().replace('-', "_");
    Err(refuse(
        Reason::AlreadyExists,
        format!(
            "{name} exists already. To manage it from here, add this block and apply again:\n\n\
             import {{\n  to = idp_{kind}.{label_hcl}\n  id = \"{environment}/{label}\"\n}}"
        ),
    ))
}

/// Refuses a change while another is under way.
pub async fn require_quiet(app: &App, row: &ResourceRow) -> Result<(), PlatformError> {
    let mut conn = app.store.read().await?;
    match operations::active_operation(&mut conn, &row.id).await? {
        Some(active) => Err(in_progress(row, &active.id)),
        None => Ok(()),
    }
}

/// Refuses to change a database whose data a delete removed before it failed: an update would make an empty one of it.
pub async fn require_not_half_removed(app: &App, row: &ResourceRow) -> Result<(), PlatformError> {
    let mut conn = app.store.read().await?;
    let last = operations::operation(&mut conn, &row.operation_id).await?;
    if last.is_none_or(|last| last.kind != OperationKind::Delete) {
        return Ok(());
    }
    let steps = operations::steps(&mut conn, &row.operation_id).await?;
    if !has_dropped(&steps) {
        return Ok(());
    }
    Err(refuse(
        Reason::Conflict,
        format!(
            "the last delete of {} removed its data and then failed; delete it again, which finishes that",
            title(&row.reference)
        ),
    ))
}

/// Whether an operation with these steps has dropped its database.
pub fn has_dropped(steps: &[Step]) -> bool {
    steps.iter().any(|step| step.name == DROP && step.state == StepState::Done)
}

/// The refusal of a change while another is under way.
pub fn in_progress(row: &ResourceRow, operation: &str) -> PlatformError {
    refuse(
        Reason::InProgress,
        format!(
            "operation {operation} is changing {}; wait for it (`idp resources show {}/{}`), then plan again",
            title(&row.reference),
            row.reference.environment,
            row.reference.name
        ),
    )
}

/// Refuses a change that was planned for another generation.
pub fn require_generation(row: &ResourceRow, expected: u64) -> Result<(), PlatformError> {
    require_same_generation(&title(&row.reference), row.generation, expected)
}

/// The same for anything that has a generation.
pub fn require_same_generation(
    what: &str,
    generation: u64,
    expected: u64,
) -> Result<(), PlatformError> {
    if generation == expected {
        return Ok(());
    }
    Err(refuse(
        Reason::Conflict,
        format!(
            "{what} is at generation {generation}, but this was planned for generation {expected}: somebody changed \
             it since; refresh and plan again"
        ),
    ))
}

/// What there is of a resource in the world.
pub async fn observe(
    app: &App,
    place: &Place,
    row: &ResourceRow,
) -> Result<Observed, PlatformError> {
    let (reference, revision) = (&row.reference, row.shown());
    let (nothing, options) = (Provisioned::new(), Options { adopt: row.is_being_adopted() });
    let (files, provisioned) = tokio::try_join!(
        observe_files(place, reference, revision),
        databases::observe(app, place, reference, &revision.provision, &nothing, options),
    )?;
    Ok(Observed { files, provisioned })
}

/// What is in the repository at the paths of a resource.
pub async fn observe_files(
    place: &Place,
    reference: &ResourceRef,
    revision: &Revision,
) -> Result<BTreeMap<String, String>, PlatformError> {
    let mut paths = vec![folder(reference)];
    let own = format!("{}/", paths[0]);
    paths.extend(
        revision
            .files
            .iter()
            .map(|file| &file.path)
            .filter(|path| !path.starts_with(&own))
            .cloned(),
    );
    Ok(place.gitops.observe(&paths).await?.files)
}

/// The folder of a resource.
pub fn folder(reference: &ResourceRef) -> String {
    directory(reference.environment.as_str(), reference.kind, reference.name.as_str())
}
