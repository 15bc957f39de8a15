//! Looking at the real thing.

use provider_framework::Failed;
use provider_framework::resource::{Read, ReadRequest};
use provider_framework::value::{IntoValue as _, Value};
use registry_api::platform::{ResourcePhase, ResourceRef};

use super::GoldenResource;
use super::model::{Found, Golden, id};
use super::remembered::Remembered;
use crate::client::{Client, ClientError};
use crate::report;
use crate::settings::Platform;

/// What there is of a name.
enum Seen<R: GoldenResource> {
    Managed(Found<R>),
    /// The platform began to take it over, and has not finished.
    Begun(Found<R>),
    Unmanaged(Found<R>),
    Nothing,
}

/// Refreshes the state from the platform.
pub(super) async fn read<R: GoldenResource>(
    platform: Option<&Platform>,
    request: &ReadRequest,
    outcome: &mut Read,
) -> Result<(), Failed> {
    let before: Golden<R> = request.state.to_model(&mut outcome.diagnostics)?;
    let label = before.label();
    let Some(platform) = platform else {
        report::not_refreshed(&mut outcome.diagnostics, &label);
        return Ok(());
    };
    let Some(reference) = before.reference() else {
        return Err(report::damaged(&mut outcome.diagnostics, &label));
    };
    let remembered = Remembered::read(&request.private);
    let seen = look(&platform.client, &reference, &before, &remembered).await.map_err(|error| {
        report::client_error(&mut outcome.diagnostics, &label, "reading", &error)
    })?;
    match seen {
        Seen::Managed(found) => {
            outcome.set(refreshed(&found, &before, &remembered));
            outcome.private.write(&Remembered::of(&found.resource, id::<R>(&reference)));
        }
        // The next adoption continues it: until then it stays what was imported.
        Seen::Begun(found) => {
            outcome.private.write(&Remembered::of_unmanaged(&found.resource, id::<R>(&reference)));
        }
        Seen::Unmanaged(found) => {
            outcome.set(Golden::of_unmanaged(&found).in_words_of(&before));
            outcome.private.write(&Remembered::of_unmanaged(&found.resource, id::<R>(&reference)));
        }
        Seen::Nothing => {
            // An import holds only a name yet, and core itself says that nothing was found.
            if is_stored(&before) || remembered.unmanaged {
                report::gone(&mut outcome.diagnostics, &label, R::KIND.as_str());
            }
            outcome.remove();
        }
    }
    Ok(())
}

/// What the platform has, and for an import or what was imported before, what exists without it.
async fn look<R: GoldenResource>(
    client: &Client,
    reference: &ResourceRef,
    before: &Golden<R>,
    remembered: &Remembered,
) -> Result<Seen<R>, ClientError> {
    match Found::look(client, reference).await? {
        Some(found) if remembered.unmanaged && is_unfinished(&found) => {
            return Ok(Seen::Begun(found));
        }
        Some(found) => return Ok(Seen::Managed(found)),
        None => {}
    }
    if !R::ADOPTABLE || (is_stored(before) && !remembered.unmanaged) {
        return Ok(Seen::Nothing);
    }
    let unmanaged = Found::look_unmanaged(client, reference).await?;
    Ok(unmanaged.map_or(Seen::Nothing, Seen::Unmanaged))
}

fn is_unfinished<R: GoldenResource>(found: &Found<R>) -> bool {
    found.resource.phase == ResourcePhase::Unfinished
}

/// Whether the state is one that was read before: an import begins with a name only.
fn is_stored<R>(state: &Golden<R>) -> bool {
    state.common.rendered_sha256.known().is_some()
}

/// The state of a resource that was just looked at.
pub(super) fn refreshed<R: GoldenResource>(
    found: &Found<R>,
    before: &Golden<R>,
    remembered: &Remembered,
) -> Value {
    let mut now = Golden::observed(found, before);
    // As long as nobody asked for another change, the record of the last one stays as it was planned.
    let same = remembered.generation == Some(found.resource.generation);
    if same && before.common.changes.known().is_some() {
        now.set_attribute("changes", before.common.changes.clone().into_value());
    }
    now
}
