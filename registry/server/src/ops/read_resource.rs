//! Looking at resources: what was asked for, and what is really there.

use registry_api::platform::{
    Condition, Resource, ResourceList, ResourcePhase, ResourceRef, ResourceSummary,
};

use super::databases;
use super::places::may_see;
use super::refusal::{PlatformError, Reason, refuse};
use super::standing::{self, title};
use crate::app::App;
use crate::auth::Token;
use crate::clock::rfc3339;
use crate::model::provisioned;
use crate::model::revision::{Observed, Revision};
use crate::platform::Place;
use crate::store::operations;
use crate::store::resources::{self, ResourceFilter, ResourceRow};

/// The resource as it is in the world.
pub async fn resource(
    app: &App,
    token: &Token,
    reference: &ResourceRef,
) -> Result<Resource, PlatformError> {
    let row = standing::find_visible(app, token, reference).await?;
    let place = app.platform.environments.get(&reference.environment).ok_or_else(|| {
        refuse(
            // Not "not found": a client would forget what is still there.
            Reason::EnvironmentMoved,
            format!(
                "{} lives in an environment that is not configured any more; the platform team has to bring it back",
                title(reference)
            ),
        )
    })?;
    let mut shown = row.shown().clone();
    let (observed, engine_version) = tokio::try_join!(
        standing::observe(app, place, &row),
        databases::engine_version(place, &shown),
    )?;
    if let Some(database) = &mut shown.outputs.database {
        database.engine_version = engine_version.filter(|_| row.revision.is_some());
    }
    let drift = shown.drift(&observed);
    let conditions = conditions(app, &row, drift.is_empty()).await?;
    Ok(to_wire(row, place, shown, conditions, &observed, drift))
}

fn to_wire(
    row: ResourceRow,
    place: &Place,
    shown: Revision,
    conditions: Vec<Condition>,
    observed: &Observed,
    drift: Vec<registry_api::platform::Drift>,
) -> Resource {
    let settled = row.phase == ResourcePhase::Ready;
    let rendered_sha256 = shown.observed_sha256(&observed.files);
    Resource {
        reference: row.reference,
        owner: row.owner,
        generation: row.generation,
        spec: shown.spec.to_json(),
        golden_path_version: shown.golden_path_version,
        golden_path: shown.golden_path,
        deletion_protection: shown.deletion_protection,
        phase: row.phase,
        conditions,
        outputs: shown.outputs,
        running_image: shown.running_image,
        changes: shown.changes,
        rendered_sha256,
        desired_rendered_sha256: shown.rendered_sha256,
        provisioned_sha256: provisioned::sha256(&observed.provisioned),
        drift,
        environment_revision: place.revision.clone(),
        operation: (!settled).then_some(row.operation_id),
        created_at: rfc3339(row.created_at),
        updated_at: rfc3339(row.updated_at),
    }
}

async fn conditions(
    app: &App,
    row: &ResourceRow,
    intact: bool,
) -> Result<Vec<Condition>, PlatformError> {
    let condition = |kind: &str, status: bool, message: String| Condition {
        kind: kind.to_owned(),
        status,
        message,
    };
    let committed = match row.revision.as_ref().map(|revision| &revision.outputs.gitops) {
        Some(gitops) => condition(
            "Committed",
            true,
            match &gitops.commit {
                Some(commit) => format!("commit {commit} of repository {}", gitops.repository),
                None => format!("repository {} holds it already", gitops.repository),
            },
        ),
        None => condition("Committed", false, "no operation has finished yet".to_owned()),
    };
    let kept = condition(
        "InSync",
        intact,
        if intact {
            "everything is as the platform made it"
        } else {
            "somebody changed what the platform made; apply puts it back"
        }
        .to_owned(),
    );
    let mut conn = app.store.read().await?;
    let last = operations::operation(&mut conn, &row.operation_id).await?;
    let failed = last.and_then(|last| last.error).map(|error| {
        condition(
            "LastChangeSucceeded",
            false,
            format!("step {}: {}; {}", error.step, error.message, error.remaining),
        )
    });
    Ok([Some(committed), Some(kept), failed].into_iter().flatten().collect())
}

/// The resources that the token may see.
pub async fn list(
    app: &App,
    token: &Token,
    filter: &ResourceFilter,
) -> Result<ResourceList, PlatformError> {
    let mut conn = app.store.read().await?;
    let rows = resources::resources(&mut conn, filter).await?;
    let resources = rows
        .into_iter()
        .filter(|row| may_see(token, &row.reference.environment, &row.owner))
        .map(|row| ResourceSummary {
            golden_path: row.shown().golden_path.clone(),
            reference: row.reference,
            owner: row.owner,
            generation: row.generation,
            phase: row.phase,
            updated_at: rfc3339(row.updated_at),
        })
        .collect();
    Ok(ResourceList { resources })
}
