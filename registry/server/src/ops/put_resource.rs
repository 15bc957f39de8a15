//! Creating and changing a resource: what the plan showed, or a refusal that says what moved.

use registry_api::platform::{OperationKind, PlanAction, PutResource, ResourceRef};

use super::accept::{Change, Request, accept, joined};
use super::places::{Scope, require, require_revision, scope};
use super::prepare::{Draft, Prepared, enforce, prepare};
use super::refusal::{PlatformError, Reason, invalid, refuse};
use super::{adopt, logins, spec, standing};
use crate::app::App;
use crate::model::revision::{Revision, image_to_run};
use crate::model::right::Action;
use crate::store::operations::{self, OperationRow};
use crate::store::resources::ResourceRow;

/// What a write expects to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// `If-None-Match: *`: nothing.
    Nothing,
    /// `If-Match: "7"`: this generation.
    Generation(u64),
}

/// Accepts a create or an update and answers with its operation.
pub async fn put_resource(
    app: &App,
    request: &Request<'_>,
    reference: &ResourceRef,
    body: &PutResource,
    expected: Expected,
) -> Result<OperationRow, PlatformError> {
    let token = request.token;
    let scope = scope(app, token, &reference.environment, &body.owner)?;
    require(token, &Action::Apply, &reference.environment, &body.owner)?;
    if let Some(first) = request.repeated(app).await? {
        return Ok(first);
    }
    require_revision(app, scope.place, body.environment_revision.as_deref()).await?;
    let row = standing::find(app, reference).await?;
    if let Some(row) = &row {
        require(token, &Action::Apply, &reference.environment, &row.owner)?;
        let mut conn = app.store.read().await?;
        if let Some(active) = operations::active_operation(&mut conn, &row.id).await? {
            return joined(request, row, active);
        }
    }
    let kind = check_expectation(row.as_ref(), reference, body, expected)?;
    if let Some(row) = &row {
        standing::require_not_half_removed(app, row).await?;
    }
    let target = target(app, request, scope, reference, body, row.as_ref()).await?;
    accept(
        app,
        request,
        Change::Become { kind, reference, row: row.as_ref(), target: Box::new(target) },
    )
    .await
}

fn check_expectation(
    row: Option<&ResourceRow>,
    reference: &ResourceRef,
    body: &PutResource,
    expected: Expected,
) -> Result<OperationKind, PlatformError> {
    match (expected, row) {
        (Expected::Nothing, None) => Ok(OperationKind::Create),
        (Expected::Nothing, Some(row)) => {
            standing::may_create(row, &body.owner)?;
            Ok(OperationKind::Create)
        }
        (Expected::Generation(_), None) => Err(standing::not_found(reference)),
        (Expected::Generation(generation), Some(row)) => {
            standing::require_generation(row, generation)?;
            Ok(if row.revision.is_some() { OperationKind::Update } else { OperationKind::Create })
        }
    }
}

async fn target(
    app: &App,
    request: &Request<'_>,
    scope: Scope<'_>,
    reference: &ResourceRef,
    body: &PutResource,
    row: Option<&ResourceRow>,
) -> Result<Revision, PlatformError> {
    let current = row.and_then(|row| row.revision.as_ref());
    let observed = match current {
        Some(current) => Some(standing::observe_files(scope.place, reference, current).await?),
        None => None,
    };
    let wrong = spec::check(reference.kind, &body.spec, &[]);
    if !wrong.is_empty() {
        return Err(invalid(wrong));
    }
    let asked = spec::parse(reference.kind, &body.spec)?;
    let adopt = body.adopt || row.is_some_and(ResourceRow::is_being_adopted);
    adopt::check(request.token, scope, reference, adopt)?;
    let draft = Draft {
        scope,
        reference,
        action: if current.is_some() { PlanAction::Update } else { PlanAction::Create },
        spec: &asked,
        image: image_to_run(&asked, current),
        selection: &body.golden_path,
        deletion_protection: body.deletion_protection,
        token: request.token,
        current,
        begun: row.and_then(ResourceRow::begun),
        observed: observed.as_ref(),
        adopt,
        anew: false,
    };
    let Prepared { revision, verdicts, missing, lenders, .. } = prepare(app, draft).await?;
    for lender in &lenders {
        require(request.token, &Action::Apply, &reference.environment, lender)?;
    }
    if !missing.is_empty() {
        return Err(invalid(missing));
    }
    if let Some(expected) = &body.expected_rendered_sha256
        && *expected != revision.rendered_sha256
    {
        return Err(refuse(
            Reason::PlanStale,
            format!(
                "what {} would become is not what the plan showed: golden path {} {} renders {} now; plan again",
                standing::title(reference),
                revision.golden_path.address,
                revision.golden_path.version,
                revision.rendered_sha256
            ),
        ));
    }
    logins::require_drained(app, reference, &revision, current).await?;
    enforce(request.token, scope, &verdicts)?;
    Ok(revision)
}
