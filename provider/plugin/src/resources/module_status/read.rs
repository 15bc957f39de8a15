//! Looking at what stands.

use provider_framework::resource::{Read, ReadRequest};
use provider_framework::{Failed, Report as _};

use super::model::Status;
use crate::report;
use crate::settings::Platform;

/// Refreshes the state from the platform.
pub(super) async fn read(
    platform: Option<&Platform>,
    request: &ReadRequest,
    outcome: &mut Read,
) -> Result<(), Failed> {
    let before: Status = request.state.to_model(&mut outcome.diagnostics)?;
    let label = before.label();
    let Some(platform) = platform else {
        report::not_refreshed(&mut outcome.diagnostics, &label);
        return Ok(());
    };
    let Some(target) = before.target() else {
        let detail = "Its module or version is missing or not valid there. Remove it with `terraform state rm` and import \
                      it again.";
        return Err(outcome.diagnostics.fail(format!("{label}: the state is damaged"), detail));
    };
    let list = platform.client.module_statuses(&target.address).await.map_err(|error| {
        report::client_error(&mut outcome.diagnostics, &label, "reading", &error)
    })?;
    if let Some(said) = list.and_then(|list| target.among(list)) {
        outcome.set(Status::of(&target, &said));
        return Ok(());
    }
    // An import has no number yet, and core itself says that nothing was found.
    if before.sequence.known().is_some() {
        let detail = "Nothing that was said of it counts any more: the module is gone, or the key that signed was revoked. \
                      It leaves the state, and the next apply says it again if the configuration still does.";
        outcome.diagnostics.warn(format!("{label}: it is gone"), detail);
    }
    outcome.remove();
    Ok(())
}
