//! Moving the image of a running service: for pipelines, through the engine and the rules of every other change.

use registry_api::platform::{DeployRequest, OperationKind, PlanAction, ResourceRef, Selection};

use super::accept::{Change, Request, accept, joined};
use super::places::{require, scope};
use super::prepare::{Draft, enforce, prepare};
use super::refusal::{PlatformError, Reason, refuse};
use super::standing::{self, title};
use crate::app::App;
use crate::model::revision::Revision;
use crate::model::right::Action;
use crate::store::operations::{self, OperationRow};

/// Accepts a deployment and answers with its operation.
pub async fn deploy(
    app: &App,
    request: &Request<'_>,
    reference: &ResourceRef,
    body: &DeployRequest,
) -> Result<OperationRow, PlatformError> {
    let token = request.token;
    let row = standing::find_visible(app, token, reference).await?;
    require(token, &Action::Deploy, &reference.environment, &row.owner)?;
    if let Some(first) = request.repeated(app).await? {
        return Ok(first);
    }
    let mut conn = app.store.read().await?;
    if let Some(active) = operations::active_operation(&mut conn, &row.id).await? {
        return joined(request, &row, active);
    }
    drop(conn);
    let Some(current) = &row.revision else {
        return Err(refuse(
            Reason::NotFound,
            format!("{} was never finished; apply its configuration first", title(reference)),
        ));
    };
    require_pipeline(current, reference)?;
    let scope = scope(app, token, &reference.environment, &row.owner)?;
    let observed = standing::observe_files(scope.place, reference, current).await?;
    // A deployment moves the image and nothing else: the path stays the very same.
    let selection = Selection {
        constraint: None,
        version: Some(current.golden_path.version.clone()),
        sha256: Some(current.golden_path.sha256.clone()),
    };
    let draft = Draft {
        scope,
        reference,
        action: PlanAction::Update,
        spec: &current.spec,
        image: Some(body.image.clone()),
        selection: &selection,
        deletion_protection: current.deletion_protection,
        token,
        current: Some(current),
        begun: None,
        observed: Some(&observed),
        adopt: false,
        anew: false,
    };
    let prepared = prepare(app, draft).await.map_err(about_the_image)?;
    enforce(token, scope, &prepared.verdicts).map_err(about_the_image)?;
    let target =
        Revision { golden_path_version: current.golden_path_version.clone(), ..prepared.revision };
    let (kind, target) = (OperationKind::Deploy, Box::new(target));
    let change = Change::Become { kind, reference, row: Some(&row), target };
    accept(app, request, change).await
}

/// The engine points into a specification; a deployment has only the image.
fn about_the_image(error: PlatformError) -> PlatformError {
    let PlatformError::Refused(mut refusal) = error else { return error };
    for error in &mut refusal.errors {
        if error.pointer == "/spec/image" {
            "/image".clone_into(&mut error.pointer);
        }
    }
    refusal.into()
}

fn require_pipeline(current: &Revision, reference: &ResourceRef) -> Result<(), PlatformError> {
    if current.spec.is_moved_by_pipeline() {
        return Ok(());
    }
    Err(refuse(
        Reason::ImageNotPipeline,
        format!(
            "the image of {} is moved by its configuration; set image_source = \"pipeline\" there to deploy from \
             pipelines",
            title(reference)
        ),
    ))
}
