//! Planning a removal: refusing it where the resource is protected, and showing what goes.

use provider_framework::resource::{PlanDestroy, PlanDestroyRequest};
use provider_framework::{Diagnostics, Failed, Report as _};
use registry_api::platform::{self as api, Effect, PlanAction, Prior, Selection};

use super::GoldenResource;
use super::model::Golden;
use super::remarks::{add_notices, listed_changes};
use super::remembered::Remembered;
use crate::report;
use crate::settings::{Notices, Platform};

/// Plans a destroy.
pub(super) async fn plan_destroy<R: GoldenResource>(
    platform: Option<&Platform>,
    request: &PlanDestroyRequest,
    plan: &mut PlanDestroy,
) -> Result<(), Failed> {
    let prior: Golden<R> = request.prior.to_model(&mut plan.diagnostics)?;
    let label = prior.label();
    let remembered = Remembered::read(&request.private);
    if remembered.unmanaged {
        let detail = "It was imported and never taken over, so it does not belong to the platform. It leaves the state, \
                      and stays as it is.";
        plan.diagnostics.warn(format!("{label}: it is only forgotten"), detail);
        return Ok(());
    }
    refuse_protected(&prior, "destroyed", &mut plan.diagnostics)?;
    let (Some(platform), Some(question)) = (platform, removal(&prior, &remembered)) else {
        return Ok(());
    };
    let answer = match platform.client.plan(&question).await {
        Ok(answer) => answer,
        // Somebody was faster: the delete will find nothing, which is what it wants.
        Err(error) if error.is_not_found() => return Ok(()),
        Err(error) => {
            let doing = "planning the removal";
            return Err(report::client_error(&mut plan.diagnostics, &label, doing, &error));
        }
    };
    tell(&prior, answer, &label, platform.notices, &mut plan.diagnostics)
}

fn tell<R: GoldenResource>(
    prior: &Golden<R>,
    answer: api::Plan,
    label: &str,
    notices: Notices,
    diagnostics: &mut Diagnostics,
) -> Result<(), Failed> {
    // A rule that merely warns has nothing left to warn of.
    let verdicts: Vec<_> =
        answer.policy.into_iter().filter(|verdict| verdict.effect != Effect::Warn).collect();
    report::verdicts(diagnostics, label, &verdicts, notices)?;
    if let (Some((what, detail)), true) =
        (prior.own.before_destroying(), notices >= Notices::Warnings)
    {
        diagnostics.warn(format!("{label}: {what}"), detail);
    }
    let others = report::warnings(diagnostics, label, &answer.notices, notices);
    if notices == Notices::All {
        let mut text = listed_changes(&answer.changes);
        add_notices(&mut text, &others);
        if !text.is_empty() {
            diagnostics.warn(format!("{label}: what destroying it removes"), text);
        }
    }
    Ok(())
}

fn removal<R: GoldenResource>(
    prior: &Golden<R>,
    remembered: &Remembered,
) -> Option<api::PlanRequest> {
    let reference = prior.reference()?;
    Some(api::PlanRequest {
        kind: reference.kind,
        environment: reference.environment,
        name: reference.name,
        owner: prior.common.owner.known()?.parse().ok()?,
        action: PlanAction::Delete,
        spec: prior.specification().0,
        unknown: Vec::new(),
        golden_path: Selection::default(),
        adopt: false,
        prior: remembered.generation.map(|generation| Prior {
            generation,
            rendered_sha256: None,
            provisioned_sha256: None,
        }),
        environment_revision: None,
    })
}

/// Refuses a plan that would remove a protected resource.
pub(super) fn refuse_protected<R: GoldenResource>(
    prior: &Golden<R>,
    fate: &str,
    diagnostics: &mut Diagnostics,
) -> Result<(), Failed> {
    if prior.common.deletion_protection.known() != Some(&true) {
        return Ok(());
    }
    Err(report::protected(diagnostics, &prior.label(), fate))
}
