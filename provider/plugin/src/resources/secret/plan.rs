//! What a plan of a secret promises. It asks nobody: everything that a change does follows from the configuration.

use provider_framework::resource::{Plan, PlanRequest};
use provider_framework::value::Attr;
use provider_framework::{AttributePath, Diagnostics, Failed, Report as _};

use super::model::{Remembered, Secret};
use crate::report;
use crate::settings::{Notices, Platform};

/// Plans a create, an update, or either half of a replacement.
pub(super) fn plan(
    platform: Option<&Platform>,
    request: &PlanRequest,
    plan: &mut Plan,
) -> Result<(), Failed> {
    let config: Secret = request.config.to_model(&mut plan.diagnostics)?;
    let label = config.label();
    let remembered: Remembered = request.private.read().unwrap_or_default();
    let mut planned = config.with_defaults();
    let id = planned.reference().map(|reference| reference.to_string());
    planned.id = id.clone().map_or(Attr::Unknown, Attr::Known);
    planned.secret_ref = planned.id.clone();
    planned.version = Attr::Unknown;
    if request.is_create() {
        plan.set(planned);
        return refuse_bypass(&remembered, id.as_deref(), &label, &mut plan.diagnostics);
    }
    let prior: Secret = request.prior.to_model(&mut plan.diagnostics)?;
    if planned.has_value_of(&prior) {
        planned.version.clone_from(&prior.version);
    }
    let replaced = replaced(&prior, &planned);
    plan.set(planned);
    plan.private.write(&Remembered {
        id: prior.id.known().cloned(),
        protected: prior.deletion_protection == Attr::Known(true),
        ..remembered
    });
    if !replaced.is_empty() {
        plan.requires_replace = replaced.into_iter().map(AttributePath::new).collect();
        refuse_protected(&prior, "replaced", &mut plan.diagnostics)?;
        if platform.is_none_or(|platform| platform.notices >= Notices::Warnings) {
            plan.diagnostics.warn(format!("{label}: it will be replaced"), REPLACED);
        }
    }
    Ok(())
}

const REPLACED: &str = "A secret cannot be renamed or moved. It is removed with every version of its value, and what reads it \
    finds nothing until it reads the new one.";

fn replaced(prior: &Secret, planned: &Secret) -> Vec<&'static str> {
    let pairs = [
        ("name", &prior.name, &planned.name),
        ("environment", &prior.environment, &planned.environment),
    ];
    let changed = pairs.into_iter().filter(|(_, before, after)| before != after);
    changed.map(|(attribute, _, _)| attribute).collect()
}

/// A replacement that only core wants has no prior state in its second plan: what was kept beside it tells of it.
fn refuse_bypass(
    remembered: &Remembered,
    id: Option<&str>,
    label: &str,
    diagnostics: &mut Diagnostics,
) -> Result<(), Failed> {
    let makes_way = id.is_some() && remembered.id.as_deref() == id;
    if makes_way && remembered.protected {
        return Err(report::protected(diagnostics, label, "replaced"));
    }
    Ok(())
}

/// Refuses a plan that would remove a protected secret.
pub(super) fn refuse_protected(
    prior: &Secret,
    fate: &str,
    diagnostics: &mut Diagnostics,
) -> Result<(), Failed> {
    if prior.deletion_protection == Attr::Known(true) {
        return Err(report::protected(diagnostics, &prior.label(), fate));
    }
    Ok(())
}
