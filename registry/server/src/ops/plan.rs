//! Plans: what a change would do, computed by the engine that does it. Side-effect free.

use registry_api::platform::{
    Effect, GoldenPathRef, Level, Notice, Plan, PlanAction, PlanRequest, Prior, ResourceRef,
    ServiceSpec, Verdict,
};
use serde_json::Value;

use super::delete_resource::{judge_removal, owner, place, protection_words};
use super::places::{Scope, require, require_revision, scope};
use super::prepare::{Draft, Prepared, in_background, judge, prepare};
use super::refusal::{PlatformError, Reason, invalid, refuse};
use super::{paths, spec, standing};
use crate::app::App;
use crate::auth::Token;
use crate::model::revision::{image_to_run, removals};
use crate::model::right::Action;
use crate::policy::PolicyInput;
use crate::store::resources::ResourceRow;

/// Computes what `request` would do.
pub async fn plan(app: &App, token: &Token, request: &PlanRequest) -> Result<Plan, PlatformError> {
    let reference = ResourceRef {
        kind: request.kind,
        environment: request.environment.clone(),
        name: request.name.clone(),
    };
    if request.action == PlanAction::Delete {
        return plan_delete(app, token, request, &reference).await;
    }
    let scope = scope(app, token, &request.environment, &request.owner)?;
    require(token, &Action::Plan, &request.environment, &request.owner)?;
    require_revision(app, scope.place, request.environment_revision.as_deref()).await?;
    let row = standing::find(app, &reference).await?;
    let row = if request.action == PlanAction::Create {
        row.map(|row| makes_way(token, row, request)).transpose()?.flatten()
    } else {
        let row = row.ok_or_else(|| standing::not_found(&reference))?;
        require(token, &Action::Plan, &request.environment, &row.owner)?;
        check_prior(&row, request)?;
        Some(row)
    };
    plan_change(app, token, row, request, scope, &reference).await
}

fn check_prior(row: &ResourceRow, request: &PlanRequest) -> Result<(), PlatformError> {
    request
        .prior
        .as_ref()
        .map_or(Ok(()), |prior| standing::require_generation(row, prior.generation))
}

/// What a create goes on with. A resource that the client names goes first, so nothing of it is left by then.
fn makes_way(
    token: &Token,
    row: ResourceRow,
    request: &PlanRequest,
) -> Result<Option<ResourceRow>, PlatformError> {
    if request.prior.is_none() {
        standing::may_create(&row, &request.owner)?;
        return Ok(Some(row));
    }
    require(token, &Action::Plan, &request.environment, &row.owner)?;
    check_prior(&row, request)?;
    Ok(None)
}

/// The files must be as the client read them: what a plan lists would be something else the next time.
fn check_files(
    reference: &ResourceRef,
    prior: Option<&Prior>,
    now: &str,
) -> Result<(), PlatformError> {
    match prior.and_then(|prior| prior.rendered_sha256.as_deref()) {
        Some(before) if before != now => Err(refuse(
            Reason::Conflict,
            format!(
                "somebody changed the files of {} in the repository since they were read; refresh and plan again",
                standing::title(reference)
            ),
        )),
        _ => Ok(()),
    }
}

async fn plan_change(
    app: &App,
    token: &Token,
    row: Option<ResourceRow>,
    request: &PlanRequest,
    scope: Scope<'_>,
    reference: &ResourceRef,
) -> Result<Plan, PlatformError> {
    let wrong = spec::check(&request.spec, &request.unknown);
    if !wrong.is_empty() {
        return Err(invalid(wrong));
    }
    let current = row.as_ref().and_then(|row| row.revision.as_ref());
    if !request.unknown.is_empty() {
        return plan_known(app, token, request, scope, current.map(|c| &c.golden_path)).await;
    }
    let asked: ServiceSpec = spec::parse(&request.spec)?;
    let observed = match current {
        Some(current) => Some(standing::observe(scope.place, reference, current).await?),
        None => None,
    };
    if let (Some(current), Some(observed)) = (current, &observed) {
        check_files(reference, request.prior.as_ref(), &current.observed_sha256(observed))?;
    }
    let draft = Draft {
        scope,
        reference,
        action: request.action,
        spec: &asked,
        image: image_to_run(&asked, current),
        selection: &request.golden_path,
        deletion_protection: false,
        caller: &token.name,
        current,
        observed: observed.as_ref(),
    };
    let Prepared { revision, verdicts, notices, cost } = prepare(app, draft).await?;
    let busy = row.as_ref().and_then(unfinished_notice);
    Ok(Plan {
        golden_path: Some(revision.golden_path),
        policy: verdicts,
        policy_sha256: app.platform.policy.sha256().to_owned(),
        changes: revision.changes,
        outputs: Some(revision.outputs),
        cost,
        notices: notices.into_iter().chain(busy).collect(),
        rendered_sha256: Some(revision.rendered_sha256),
        environment_revision: scope.place.revision.clone(),
    })
}

/// Checks what is known where something is not: no rendering, but every rule that can be applied is.
async fn plan_known(
    app: &App,
    token: &Token,
    request: &PlanRequest,
    scope: Scope<'_>,
    current: Option<&GoldenPathRef>,
) -> Result<Plan, PlatformError> {
    let word = |key: &str| request.spec.get(key).and_then(Value::as_str);
    let is_unknown = |pointer: &str| request.unknown.iter().any(|unknown| unknown == pointer);
    let selection_known =
        !request.unknown.iter().any(|unknown| unknown.starts_with("/golden_path"));
    let choice = match (word("template"), word("language")) {
        (Some(template), Some(language))
            if selection_known
                && !is_unknown("/spec/template")
                && !is_unknown("/spec/language") =>
        {
            Some(paths::select(app, template, language, &request.golden_path, current).await?)
        }
        _ => None,
    };
    let path = match &choice {
        Some(choice) => Some(paths::load(app, &choice.path).await?),
        None => None,
    };
    let reference = choice.as_ref().map(|choice| choice.path.clone());
    let (owner, facts) = (scope.owner.clone(), scope.place.facts.clone());
    let (policy, caller, request) =
        (app.platform.policy.clone(), token.name.clone(), request.clone());
    let golden_path = reference.clone();
    let verdicts = in_background(app, move || {
        if let Some(path) = &path {
            let errors = path.check(facts.tier, &request.spec, &request.unknown);
            if !errors.is_empty() {
                return Err(invalid(errors));
            }
        }
        let input = PolicyInput {
            action: request.action,
            kind: request.kind,
            name: &request.name,
            owner: &owner,
            environment: &facts,
            spec: &request.spec,
            unknown: &request.unknown,
            golden_path: reference.as_ref(),
            objects: Vec::new(),
            cost: None,
            caller: &caller,
        };
        let own = path.as_ref().and_then(|path| path.policy());
        Ok(judge(&policy, own, input)?)
    })
    .await?;
    Ok(Plan {
        golden_path,
        policy: verdicts,
        policy_sha256: app.platform.policy.sha256().to_owned(),
        changes: Vec::new(),
        outputs: None,
        cost: None,
        notices: choice.map(|choice| choice.notices).unwrap_or_default(),
        rendered_sha256: None,
        environment_revision: scope.place.revision.clone(),
    })
}

/// What a delete would remove. Whose it is says the row: who owns nothing any more may be gone from the configuration.
async fn plan_delete(
    app: &App,
    token: &Token,
    request: &PlanRequest,
    reference: &ResourceRef,
) -> Result<Plan, PlatformError> {
    let row = standing::find_visible(app, token, reference).await?;
    require(token, &Action::Plan, &request.environment, &row.owner)?;
    let place = place(app, reference)?;
    require_revision(app, place, request.environment_revision.as_deref()).await?;
    check_prior(&row, request)?;
    let mut verdicts = judge_removal(app, token, &row, place, &owner(app, &row)).await?;
    if row.revision.as_ref().is_some_and(|revision| revision.deletion_protection) {
        verdicts.insert(0, protected(&row));
    }
    let shown = row.shown();
    Ok(Plan {
        golden_path: Some(shown.golden_path.clone()),
        policy: verdicts,
        policy_sha256: app.platform.policy.sha256().to_owned(),
        changes: removals(shown),
        outputs: None,
        cost: None,
        notices: Vec::new(),
        rendered_sha256: None,
        environment_revision: place.revision.clone(),
    })
}

/// What deletion protection says of a delete, shown before anything is removed.
fn protected(row: &ResourceRow) -> Verdict {
    Verdict {
        rule: "deletion_protection".to_owned(),
        effect: Effect::Deny,
        message: protection_words(row),
        pointer: None,
        controls: Vec::new(),
    }
}

fn unfinished_notice(row: &ResourceRow) -> Option<Notice> {
    row.revision.is_none().then(|| Notice {
        level: Level::Warning,
        code: "continues_unfinished".to_owned(),
        summary: format!("{} was begun before and did not finish", standing::title(&row.reference)),
        detail: "Apply continues it. `idp resources abandon` rolls it back instead.".to_owned(),
    })
}
