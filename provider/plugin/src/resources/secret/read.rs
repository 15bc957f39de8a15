//! Looking at what is known of a secret; never at its value.

use provider_framework::Failed;
use provider_framework::resource::{Read, ReadRequest};

use super::model::{Remembered, Secret};
use crate::report;
use crate::settings::Platform;

/// Refreshes the state from the platform.
pub(super) async fn read(
    platform: Option<&Platform>,
    request: &ReadRequest,
    outcome: &mut Read,
) -> Result<(), Failed> {
    let before: Secret = request.state.to_model(&mut outcome.diagnostics)?;
    let label = before.label();
    let Some(platform) = platform else {
        report::not_refreshed(&mut outcome.diagnostics, &label);
        return Ok(());
    };
    let Some(reference) = before.reference() else {
        return Err(report::damaged(&mut outcome.diagnostics, &label));
    };
    let found = platform.client.secret(&reference).await.map_err(|error| {
        report::client_error(&mut outcome.diagnostics, &label, "reading", &error)
    })?;
    let Some(secret) = found else {
        // An import has no version yet, and core itself says that nothing was found.
        if before.version.known().is_some() {
            report::gone(&mut outcome.diagnostics, &label, "secret");
        }
        outcome.remove();
        return Ok(());
    };
    outcome.set(Secret::of(&secret, &before));
    outcome.private.write(&Remembered::of(&secret));
    Ok(())
}
