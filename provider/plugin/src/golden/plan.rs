//! Planning: asking the platform what a change would do.

use std::fmt::Write as _;

use provider_framework::resource::{Plan, PlanRequest};
use provider_framework::{AttributePath, Diagnostics, Failed, Report as _};
use registry_api::platform as api;

use super::GoldenResource;
use super::destroy::refuse_protected;
use super::draft::{Draft, Replacement};
use super::model::Golden;
use super::remarks::tell;
use super::remembered::Remembered;
use crate::report;
use crate::settings::{Notices, Platform};

/// Plans a create, an update, an adoption, or either half of a replacement.
pub(super) async fn plan<R: GoldenResource>(
    platform: Option<&Platform>,
    request: &PlanRequest,
    plan: &mut Plan,
) -> Result<(), Failed> {
    let config: Golden<R> = request.config.to_model(&mut plan.diagnostics)?;
    let prior: Option<Golden<R>> = if request.is_create() {
        None
    } else {
        Some(request.prior.to_model(&mut plan.diagnostics)?)
    };
    let label = config.label();
    let remembered = remembered(request, prior.as_ref(), plan);
    let no_lock = registry_trust::lock::Lock::default();
    let lock = platform.and_then(|platform| platform.lock.as_ref()).unwrap_or(&no_lock);
    let draft = Draft::new(config.clone(), prior.clone(), remembered.clone(), lock);
    plan.set(draft.unasked());
    refuse_rounding(&draft, &label, &mut plan.diagnostics)?;

    let Some(platform) = platform else {
        warn_unconfigured(&label, &mut plan.diagnostics);
        return Ok(());
    };
    let replacements = draft.replacements();
    if let (true, Some(first)) = (draft.adopts(), replacements.first()) {
        return Err(refuse_other(&label, first, &mut plan.diagnostics));
    }
    if let (Some(prior), false) = (&prior, replacements.is_empty()) {
        replace(prior, &replacements, platform.notices, plan)?;
        // Core asks again, as for a create, but passes on only errors of that: the rest is said now.
        let anew = Draft::new(config, None, remembered, lock);
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
    let environment_revision = Some(answer.environment_revision.clone());
    plan.private.write(&Remembered { environment_revision, ..remembered });
    let changes = prior.as_ref() != Some(&planned);
    tell(&draft, &answer, &label, changes, platform.notices, &mut plan.diagnostics)
}

/// What is known besides the prior state, passed on with its id: where core replaces the resource, whether it says so or
/// the configuration does, the second plan has no prior state and finds here what makes way.
fn remembered<R: GoldenResource>(
    request: &PlanRequest,
    prior: Option<&Golden<R>>,
    plan: &mut Plan,
) -> Remembered {
    let mut remembered = Remembered::read(&request.private);
    if let Some(prior) = prior {
        remembered.id = prior.common.id.known().cloned();
        plan.private.write(&remembered);
    }
    remembered
}

/// What the platform says; nothing where too little is known to ask.
async fn ask<R: GoldenResource>(
    platform: &Platform,
    draft: &Draft<R>,
    label: &str,
    diagnostics: &mut Diagnostics,
) -> Result<Option<api::Plan>, Failed> {
    let Some(question) = draft.question() else { return Ok(None) };
    let error = match platform.client.plan(&question).await {
        Ok(answer) => return Ok(Some(answer)),
        Err(error) => error,
    };
    let failed = report::client_error(diagnostics, label, "planning", &error);
    let exists = draft.is_create() && error.code() == Some("already_exists");
    // The hint belongs to the error that was just recorded.
    if let (true, Some(error)) = (exists, diagnostics.errors.last_mut()) {
        error.detail = format!("{}\n\n{TAINTED}", error.detail).into();
    }
    Err(failed)
}

const TAINTED: &str = "If Terraform manages it already and replaces it because it is tainted: a provider is not told what \
    makes way then. Run `terraform untaint` for it, and plan with `-replace` instead.";

/// Says why a resource is replaced, or that it may not be.
fn replace<R: GoldenResource>(
    prior: &Golden<R>,
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
                R::reason(attribute)
            );
        }
        let _ = write!(
            text,
            "\n{} `create_before_destroy` works only where the name or the environment changes.",
            R::REPLACEMENT
        );
        plan.diagnostics.warn(format!("{}: it will be replaced", prior.label()), text);
    }
    Ok(())
}

/// What was imported and belongs to nobody is not removed to make room for another.
fn refuse_other(label: &str, change: &Replacement, diagnostics: &mut Diagnostics) -> Failed {
    let Replacement { attribute, before, .. } = change;
    let detail = format!(
        "What was imported has the {attribute} {before:?}, and does not belong to the platform yet. Taking it over leaves \
         that as it is: write `{attribute} = {before:?}`, or forget the import (`terraform state rm`, or without the \
         `import` block) and import what is meant."
    );
    let summary = format!("{label}: something else was imported");
    diagnostics.fail_at(AttributePath::new(*attribute), summary, detail)
}

fn refuse_rounding<R: GoldenResource>(
    draft: &Draft<R>,
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
