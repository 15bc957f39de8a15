//! Planning: asking the platform, and telling what it answers.

use std::fmt::Write as _;

use provider_framework::resource::{Plan, PlanDestroy, PlanDestroyRequest, PlanRequest};
use provider_framework::{AttributePath, Diagnostics, Failed, Report as _};
use registry_api::platform::{self as api, DriftKind, Effect, PlanAction, Prior, Selection};

use super::draft::{Draft, Replacement};
use super::model::{Service, action};
use super::remembered::Remembered;
use crate::report;
use crate::settings::{Notices, Platform};

/// Most objects that one message lists.
const LISTED: usize = 40;

/// Plans a create, an update, or either half of a replacement.
pub(super) async fn plan(
    platform: Option<&Platform>,
    request: &PlanRequest,
    plan: &mut Plan,
) -> Result<(), Failed> {
    let config: Service = request.config.to_model(&mut plan.diagnostics)?;
    let prior: Option<Service> = if request.is_create() {
        None
    } else {
        Some(request.prior.to_model(&mut plan.diagnostics)?)
    };
    let label = config.label();
    let remembered = Remembered::read(&request.private);
    let no_lock = registry_trust::lock::Lock::default();
    let lock = platform.map_or(&no_lock, |platform| &platform.lock);
    let draft = Draft::new(config.clone(), prior.clone(), remembered.clone(), lock);
    plan.set(draft.unasked());
    refuse_rounding(&draft, &label, &mut plan.diagnostics)?;

    let Some(platform) = platform else {
        warn_unconfigured(&label, &mut plan.diagnostics);
        return Ok(());
    };
    let replacements = draft.replacements();
    if let (Some(prior), false) = (&prior, replacements.is_empty()) {
        let replaced = Remembered { replaces: prior.id.known().cloned(), ..remembered };
        plan.private.write(&replaced);
        replace(prior, &replacements, platform.notices, plan)?;
        // Core asks again, as for a create, but passes on only errors of that: the rest is said now.
        let anew = Draft::new(config, None, replaced, lock);
        if let Some(answer) = ask(platform, &anew, &label, &mut plan.diagnostics).await? {
            tell(&anew, &answer, &label, true, platform.notices, &mut plan.diagnostics)?;
        }
        return Ok(());
    }
    let Some(answer) = ask(platform, &draft, &label, &mut plan.diagnostics).await? else {
        return Ok(());
    };
    let planned = draft.promise(&answer);
    plan.set(planned.clone());
    plan.private.write(&Remembered {
        environment_revision: Some(answer.environment_revision.clone()),
        replaces: prior.as_ref().and_then(|prior| prior.id.known().cloned()),
        ..remembered
    });
    let changes = prior.as_ref() != Some(&planned);
    tell(&draft, &answer, &label, changes, platform.notices, &mut plan.diagnostics)
}

/// What the platform says; nothing where too little is known to ask.
async fn ask(
    platform: &Platform,
    draft: &Draft,
    label: &str,
    diagnostics: &mut Diagnostics,
) -> Result<Option<api::Plan>, Failed> {
    let Some(question) = draft.question() else { return Ok(None) };
    let answer = platform.client.plan(&question).await;
    answer.map(Some).map_err(|error| report::client_error(diagnostics, label, "planning", &error))
}

/// Plans a destroy: refuses where the service is protected, and shows what goes.
pub(super) async fn plan_destroy(
    platform: Option<&Platform>,
    request: &PlanDestroyRequest,
    plan: &mut PlanDestroy,
) -> Result<(), Failed> {
    let prior: Service = request.prior.to_model(&mut plan.diagnostics)?;
    let label = prior.label();
    refuse_protected(&prior, "destroyed", &mut plan.diagnostics)?;
    let (Some(platform), Some(question)) = (platform, removal(&prior, request)) else {
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
    // A rule that merely warns has nothing left to warn of.
    let verdicts: Vec<_> =
        answer.policy.into_iter().filter(|verdict| verdict.effect != Effect::Warn).collect();
    report::verdicts(&mut plan.diagnostics, &label, &verdicts, platform.notices)?;
    let others = report::warnings(&mut plan.diagnostics, &label, &answer.notices, platform.notices);
    if platform.notices == Notices::All {
        let mut text = listed_changes(&answer.changes);
        add_notices(&mut text, &others);
        if !text.is_empty() {
            plan.diagnostics.warn(format!("{label}: what destroying it removes"), text);
        }
    }
    Ok(())
}

fn removal(prior: &Service, request: &PlanDestroyRequest) -> Option<api::PlanRequest> {
    let remembered = Remembered::read(&request.private);
    let reference = prior.reference()?;
    Some(api::PlanRequest {
        kind: reference.kind,
        environment: reference.environment,
        name: reference.name,
        owner: prior.owner.known()?.parse().ok()?,
        action: PlanAction::Delete,
        spec: prior.specification().0,
        unknown: Vec::new(),
        golden_path: Selection::default(),
        prior: remembered.generation.map(|generation| Prior { generation, rendered_sha256: None }),
        environment_revision: None,
    })
}

/// Says why a service is replaced, or that it may not be.
fn replace(
    prior: &Service,
    replacements: &[Replacement],
    notices: Notices,
    plan: &mut Plan,
) -> Result<(), Failed> {
    for replacement in replacements {
        plan.requires_replace.push(AttributePath::new(replacement.attribute));
    }
    refuse_protected(prior, "replaced", &mut plan.diagnostics)?;
    if notices >= Notices::Warnings {
        let mut text = String::new();
        for Replacement { attribute, before, after } in replacements {
            let after =
                after.as_ref().map_or("(known after apply)".to_owned(), |text| format!("{text:?}"));
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "`{attribute}` changes from {before:?} to {after}: {}.",
                reason(attribute)
            );
        }
        text.push_str(
            "\nThe service is removed first and made anew afterwards, so it is away in between. `create_before_destroy` \
             works only where the name or the environment changes.",
        );
        plan.diagnostics.warn(format!("{}: it will be replaced", prior.label()), text);
    }
    Ok(())
}

fn reason(attribute: &str) -> &'static str {
    match attribute {
        "name" => {
            "running objects, metrics and the address carry the name, and none of them can be renamed"
        }
        "environment" => "a service cannot move to another environment, only be made anew there",
        _ => "it chooses another golden path, whose objects cannot take over those of this one",
    }
}

fn refuse_protected(
    prior: &Service,
    fate: &str,
    diagnostics: &mut Diagnostics,
) -> Result<(), Failed> {
    if prior.deletion_protection.known() != Some(&true) {
        return Ok(());
    }
    let detail = format!(
        "This plan would have it {fate}. If that is intended, set `deletion_protection = false`, apply that alone, and \
         plan again."
    );
    let path = AttributePath::new("deletion_protection");
    Err(diagnostics.fail_at(
        path,
        format!("{}: it is protected from deletion", prior.label()),
        detail,
    ))
}

fn refuse_rounding(
    draft: &Draft,
    label: &str,
    diagnostics: &mut Diagnostics,
) -> Result<(), Failed> {
    for pointer in draft.rounded() {
        let name = report::attribute_name(pointer).unwrap_or_default();
        let detail = "The number has more digits than the platform can keep. Write it as a string, or shorter.";
        let summary = format!("{label}: `{name}` cannot be sent exactly");
        diagnostics.fail_at(report::line_of(report::attribute_path(pointer)), summary, detail);
    }
    diagnostics.so_far()
}

fn warn_unconfigured(label: &str, diagnostics: &mut Diagnostics) {
    diagnostics.warn(
        format!("{label}: planned without the platform"),
        "The provider's configuration is not known yet, so the platform was not asked: neither policy nor inputs are \
         checked, and every result is unknown. Apply what the provider's configuration depends on first, with -target, \
         to see a full plan.",
    );
}

/// Records what the platform says about a change.
fn tell(
    draft: &Draft,
    answer: &api::Plan,
    label: &str,
    changes: bool,
    notices: Notices,
    diagnostics: &mut Diagnostics,
) -> Result<(), Failed> {
    report::verdicts(diagnostics, label, &answer.policy, notices)?;
    let others = report::warnings(diagnostics, label, &answer.notices, notices);
    if draft.takes_over(answer) && notices >= Notices::Warnings {
        diagnostics.warn(
            format!("{label}: an earlier apply made it already"),
            "That apply ended before it could store the service in Terraform's state. This one takes the service over \
             and changes what differs. Where Terraform calls a plan that was saved before inconsistent now, plan \
             again.",
        );
    }
    // Where nothing changes there is nothing to decide: no remark is worth repeating with every plan.
    if changes && notices == Notices::All {
        let text = remarks(draft, answer, &others);
        if !text.is_empty() {
            let what = if draft.is_create() { "creating" } else { "changing" };
            diagnostics.warn(format!("{label}: what to know before {what} it"), text);
        }
    }
    Ok(())
}

fn remarks(draft: &Draft, answer: &api::Plan, others: &[&api::Notice]) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    if let Some(path) = &answer.golden_path {
        let _ = writeln!(
            text,
            "Golden path: {} {}, signed by {}.",
            path.address, path.version, path.publisher
        );
    }
    if let Some(cost) = &answer.cost {
        let _ = writeln!(text, "Cost: {}.", report::cost(cost));
    }
    if !draft.is_settled() && !answer.changes.is_empty() {
        text.push_str("With that version, an apply would:\n");
        text.push_str(&listed_changes(&answer.changes));
    }
    if !draft.drift().is_empty() {
        text.push_str("Since the last apply, someone else changed files in the repository:\n");
        for drift in draft.drift().iter().take(LISTED) {
            let what = match drift.kind {
                DriftKind::Missing => "was removed, and is put back",
                DriftKind::Modified => "was edited, and is put back",
                DriftKind::Unexpected => "was added, and is left alone",
            };
            let _ = writeln!(text, "  {} {what}", drift.path);
        }
    }
    add_notices(&mut text, others);
    text
}

fn add_notices(text: &mut String, notices: &[&api::Notice]) {
    for notice in notices {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{} {}",
            report::sentence(&notice.summary),
            report::sentence(&notice.detail)
        );
    }
}

fn listed_changes(changes: &[api::Change]) -> String {
    let mut text = String::new();
    for change in changes.iter().take(LISTED) {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {} {}", action(change.action), change.object);
    }
    if changes.len() > LISTED {
        let _ = writeln!(text, "  and {} more", changes.len() - LISTED);
    }
    text
}
