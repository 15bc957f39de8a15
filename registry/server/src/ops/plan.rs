//! Plans: what a change would do, computed by the engine that does it. Side-effect free.

use registry_api::platform::{
    DeletionPolicy, Effect, GoldenPathRef, Level, Notice, Plan, PlanAction, PlanRequest, Prior,
    ResourceRef, Verdict,
};
use registry_api::problem::FieldError;
use serde_json::Value;

use super::delete_resource::{judge_removal, owner, protection_words, require_unprotected, users};
use super::places::{Scope, place, require, require_revision, scope};
use super::prepare::{Draft, Prepared, in_background, judge, prepare};
use super::refusal::{PlatformError, Reason, invalid, refuse};
use super::{adopt, logins, paths, spec, standing};
use crate::app::App;
use crate::auth::Token;
use crate::model::provisioned;
use crate::model::revision::{Revision, image_to_run, removals};
use crate::model::right::Action;
use crate::model::spec::{Chosen, chosen};
use crate::platform::Place;
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

/// What a create goes on with. A resource that the client names goes first, so nothing of it is left by then; one that
/// is protected does not go.
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
    require_unprotected(&row)?;
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

/// The same of what is on database servers.
fn check_provisioned(
    reference: &ResourceRef,
    prior: Option<&Prior>,
    now: Option<&str>,
) -> Result<(), PlatformError> {
    match prior.and_then(|prior| prior.provisioned_sha256.as_deref()) {
        Some(before) if Some(before) != now => Err(refuse(
            Reason::Conflict,
            format!(
                "somebody changed what {} has on the database server since it was read; refresh and plan again",
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
    let wrong = spec::check(request.kind, &request.spec, &request.unknown);
    if !wrong.is_empty() {
        return Err(invalid(wrong));
    }
    let current = row.as_ref().and_then(|row| row.revision.as_ref());
    if !request.unknown.is_empty() {
        return plan_known(app, token, request, scope, current.map(|c| &c.golden_path)).await;
    }
    let asked = spec::parse(request.kind, &request.spec)?;
    let observed = match current {
        Some(current) => Some(standing::observe_files(scope.place, reference, current).await?),
        None => None,
    };
    if let (Some(current), Some(observed)) = (current, &observed) {
        check_files(reference, request.prior.as_ref(), &current.observed_sha256(observed))?;
    }
    let adopt = request.adopt || row.as_ref().is_some_and(ResourceRow::is_being_adopted);
    adopt::check(token, scope, reference, adopt)?;
    let draft = Draft {
        scope,
        reference,
        action: request.action,
        spec: &asked,
        image: image_to_run(&asked, current),
        selection: &request.golden_path,
        deletion_protection: false,
        token,
        current,
        begun: row.as_ref().and_then(ResourceRow::begun),
        observed: observed.as_ref(),
        adopt,
        anew: request.action == PlanAction::Create && request.prior.is_some(),
    };
    let Prepared { revision, verdicts, notices, cost, provisioned_now, missing, lenders } =
        prepare(app, draft).await?;
    for lender in &lenders {
        require(token, &Action::Plan, &request.environment, lender)?;
    }
    if current.is_some_and(|current| current.provision == revision.provision) {
        let now = provisioned::sha256(&provisioned_now);
        check_provisioned(reference, request.prior.as_ref(), now.as_deref())?;
    }
    check_dump_tool(&revision, scope.place).await?;
    logins::require_drained(app, reference, &revision, current).await?;
    let missing = missing.into_iter().map(missing_notice);
    let busy = row.as_ref().and_then(unfinished_notice);
    Ok(Plan {
        golden_path: Some(revision.golden_path),
        policy: verdicts,
        policy_sha256: app.platform.policy.sha256().to_owned(),
        changes: revision.changes,
        outputs: Some(revision.outputs),
        cost,
        notices: notices.into_iter().chain(missing).chain(busy).collect(),
        rendered_sha256: Some(revision.rendered_sha256),
        provisioned_sha256: provisioned::sha256(&revision.provisioned),
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
    let selection_known =
        !request.unknown.iter().any(|unknown| unknown.starts_with("/golden_path"));
    let choice = match known_path(request).filter(|_| selection_known) {
        Some((name, system)) => Some(
            paths::select(app, request.kind, name, system, &request.golden_path, current).await?,
        ),
        None => None,
    };
    // Whether what exists changes is not known yet; what does not exist is new.
    if let Some(sunset) = choice.as_ref().and_then(|choice| choice.sunset.clone())
        && current.is_none()
    {
        return Err(invalid(vec![sunset.refusal().field()]));
    }
    let path = match &choice {
        Some(choice) => Some(paths::load_for(app, request.kind, &choice.path).await?),
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
        provisioned_sha256: None,
        environment_revision: scope.place.revision.clone(),
    })
}

/// Name and system of the golden path, where both are known already.
fn known_path(request: &PlanRequest) -> Option<(&str, &str)> {
    let word = |chosen: Chosen| match chosen {
        Chosen::Fixed(word) => Some(word),
        Chosen::By(attribute) => {
            let pointer = format!("/spec/{attribute}");
            let known = !request.unknown.contains(&pointer);
            request.spec.get(attribute).and_then(Value::as_str).filter(|_| known)
        }
    };
    let (name, system) = chosen(request.kind);
    Some((word(name)?, word(system)?))
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
    verdicts.splice(0..0, undumpable(&row, place).await);
    let users = users(app, reference).await?;
    let notices = [used_notice(reference, &users), retained_notice(&row)];
    Ok(Plan {
        golden_path: Some(shown.golden_path.clone()),
        policy: verdicts,
        policy_sha256: app.platform.policy.sha256().to_owned(),
        changes: removals(shown),
        outputs: None,
        cost: None,
        notices: notices.into_iter().flatten().collect(),
        rendered_sha256: None,
        provisioned_sha256: None,
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

/// A last dump that this server could not write is better known before anything is removed.
async fn undumpable(row: &ResourceRow, place: &Place) -> Option<Verdict> {
    let server = place.databases.as_ref().filter(|_| row.leaves_dump())?;
    let error = server.server.check_dump_tool().await.err()?;
    Some(Verdict {
        rule: "final_dump".to_owned(),
        effect: Effect::Deny,
        message: error.to_string(),
        pointer: Some("/spec/final_dump".to_owned()),
        controls: Vec::new(),
    })
}

/// A wish for a last dump that this server could not write.
async fn check_dump_tool(revision: &Revision, place: &Place) -> Result<(), PlatformError> {
    let Some(databases) = place.databases.as_ref().filter(|_| revision.leaves_dump()) else {
        return Ok(());
    };
    match databases.server.check_dump_tool().await {
        Err(error) if !error.is_retryable() => Err(invalid(vec![FieldError::new(
            "/spec/final_dump",
            "dump_tool",
            error.to_string(),
            "leave final_dump out, or have the platform team install PostgreSQL's client programs",
        )])),
        checked => Ok(checked?),
    }
}

fn used_notice(reference: &ResourceRef, users: &[String]) -> Option<Notice> {
    (!users.is_empty()).then(|| Notice {
        level: Level::Warning,
        code: "in_use".to_owned(),
        summary: format!("{} is used by {}", standing::title(reference), users.join(", ")),
        detail: "They must go, or stop using it, before this can be applied.".to_owned(),
    })
}

fn retained_notice(row: &ResourceRow) -> Option<Notice> {
    let database = row.shown().spec.database()?;
    (database.deletion_policy == DeletionPolicy::Retain).then(|| Notice {
        level: Level::Warning,
        code: "data_retained".to_owned(),
        summary: format!("the data of {} stays on its server", standing::title(&row.reference)),
        detail: "deletion_policy is \"retain\": its logins end and the platform lets go of it; import it to manage \
                 it again."
            .to_owned(),
    })
}

/// What a service uses and is not there yet may be made by the same apply.
fn missing_notice(missing: FieldError) -> Notice {
    Notice {
        level: Level::Info,
        code: "uses_missing".to_owned(),
        summary: missing.detail,
        detail: "It must be there when this is applied: refer to the id of its resource, such as \
                 idp_database.orders.id, and Terraform makes it first."
            .to_owned(),
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
