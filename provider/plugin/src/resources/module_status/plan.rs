//! What a change will do. Asks nobody.

use provider_framework::resource::{Plan, PlanRequest};
use provider_framework::value::Attr;
use provider_framework::{Diagnostics, Failed, Report as _};

use super::model::Status;
use crate::settings::{Notices, Platform};

/// Plans a create, an update, or either half of a replacement.
pub(super) fn plan(
    platform: Option<&Platform>,
    request: &PlanRequest,
    plan: &mut Plan,
) -> Result<(), Failed> {
    let config: Status = request.config.to_model(&mut plan.diagnostics)?;
    let id = config.target().map(|target| target.to_string());
    let mut planned = Status {
        id: id.map_or(Attr::Unknown, Attr::Known),
        sequence: Attr::Unknown,
        log_index: Attr::Unknown,
        signed_by: Attr::Unknown,
        ..config
    };
    if request.is_create() {
        plan.set(planned);
        return Ok(());
    }
    let prior: Status = request.prior.to_model(&mut plan.diagnostics)?;
    let is_same = planned.module == prior.module && planned.version == prior.version;
    if is_same && planned.says_what(&prior) {
        planned = prior.clone();
    }
    plan.set(planned);
    plan.replace_if_changed(request, &["module", "version"]);
    if !is_same {
        warn_restored(platform, &prior, &mut plan.diagnostics);
    }
    Ok(())
}

/// Tells what happens to what is let go.
pub(super) fn warn_restored(
    platform: Option<&Platform>,
    prior: &Status,
    diagnostics: &mut Diagnostics,
) {
    let is_wanted = platform.is_none_or(|platform| platform.notices >= Notices::Warnings);
    let state = prior.state.known().map_or("", String::as_str);
    if is_wanted && !prior.is_active() {
        let detail = format!(
            "It is {state}. The registry will say that it may be used, and what it refuses or warns of because of that, it \
             will not any more. To leave it {state}, run `terraform state rm` or use a `removed` block."
        );
        diagnostics.warn(format!("{}: it becomes active again", prior.label()), detail);
    }
}
