//! Looking at the real thing, and finding one to import.

use provider_framework::resource::{ImportRequest, Imported, Read, ReadRequest};
use provider_framework::value::Value;
use provider_framework::{Diagnostics, Failed, Report as _};
use registry_api::Name;
use registry_api::platform::Resource;

use super::model::Service;
use super::remembered::Remembered;
use crate::report;
use crate::settings::Platform;

/// Refreshes the state from the platform.
pub(super) async fn read(
    platform: Option<&Platform>,
    request: &ReadRequest,
    outcome: &mut Read,
) -> Result<(), Failed> {
    let before: Service = request.state.to_model(&mut outcome.diagnostics)?;
    let label = before.label();
    let Some(platform) = platform else {
        let detail = "The provider's configuration is not known yet. The state is used as it was last stored.";
        outcome.diagnostics.warn(format!("{label}: not refreshed"), detail);
        return Ok(());
    };
    let Some(reference) = before.reference() else {
        let detail = "Its environment or name is missing or not valid there. Remove it with `terraform state rm` and \
                      import it again.";
        return Err(outcome.diagnostics.fail(format!("{label}: the state is damaged"), detail));
    };
    let found = platform.client.resource(&reference).await.map_err(|error| {
        report::client_error(&mut outcome.diagnostics, &label, "reading", &error)
    })?;
    let Some(resource) = found else {
        warn_gone(&before, &label, &mut outcome.diagnostics);
        outcome.remove();
        return Ok(());
    };
    let remembered = Remembered::read(&request.private);
    outcome.set(refreshed(&resource, &before, &remembered));
    outcome.private.write(&Remembered::of(&resource));
    Ok(())
}

/// The state of a resource that was just looked at.
pub(super) fn refreshed(resource: &Resource, before: &Service, remembered: &Remembered) -> Service {
    let mut now = Service::observed(resource, before);
    // As long as nobody asked for another change, the record of the last one stays as it was planned.
    if remembered.generation == Some(resource.generation) && before.changes.known().is_some() {
        now.changes.clone_from(&before.changes);
    }
    now
}

/// An import has no id yet, and core itself says that nothing was found.
fn warn_gone(before: &Service, label: &str, diagnostics: &mut Diagnostics) {
    if before.rendered_sha256.known().is_some() {
        let detail = "The platform has no service of that name in that environment any more; someone else removed it. \
                      It leaves the state, and the next apply creates it again if the configuration still has it.";
        diagnostics.warn(format!("{label}: it is gone"), detail);
    }
}

/// Takes `environment/name` apart; core reads the rest.
pub(super) fn import(request: &ImportRequest, outcome: &mut Imported) -> Result<(), Failed> {
    let parts: Vec<_> = request.id.split('/').map(str::parse::<Name>).collect();
    let [Ok(environment), Ok(name)] = parts.as_slice() else {
        let given: String = request.id.chars().take(100).collect();
        let why = parts
            .into_iter()
            .find_map(Result::err)
            .map_or_else(String::new, |error| format!(" In it, {error}."));
        return Err(outcome.diagnostics.fail(
            format!("{given:?} is not the id of an idp_service"),
            format!("An id is <environment>/<name>, such as staging/checkout.{why}"),
        ));
    };
    outcome.set_attribute("environment", environment.as_str());
    outcome.set_attribute("name", name.as_str());
    outcome.set_attribute("id", Value::string(format!("{environment}/{name}")));
    Ok(())
}
