//! Create, update and delete: each has the registry say something, if nobody else has spoken since.

use provider_framework::resource::{Applied, CreateRequest, DeleteRequest, UpdateRequest};
use provider_framework::value::{Attr, Number};
use provider_framework::{Diagnostics, Failed, Report as _};
use registry_api::trust::{self as api, ModuleState, NewModuleStatus};

use super::model::{Status, Target};
use crate::client::Client;
use crate::report;

const DESTROYED: &str = "its idp_module_status was destroyed";

/// Says it for the first time.
pub(super) async fn create(
    client: &Client,
    request: &CreateRequest,
    outcome: &mut Applied,
) -> Result<(), Failed> {
    let planned: Status = request.planned.to_model(&mut outcome.diagnostics)?;
    let (target, wanted) = addressed(&planned, &mut outcome.diagnostics)?;
    let before = client.module_statuses(&target.address).await.map_err(|error| {
        report::client_error(&mut outcome.diagnostics, &planned.label(), "looking it up", &error)
    })?;
    let expected = match before.and_then(|list| target.among(list)) {
        None => 0,
        Some(said) if said.status.state == ModuleState::Active || said.status == wanted => {
            said.sequence
        }
        Some(said) => {
            return Err(taken(&planned.label(), &target, &said, &mut outcome.diagnostics));
        }
    };
    let said = say(client, &planned.label(), &target, &wanted, expected, outcome).await?;
    outcome.set(planned.settled(&said));
    Ok(())
}

/// Says something else.
pub(super) async fn update(
    client: &Client,
    request: &UpdateRequest,
    outcome: &mut Applied,
) -> Result<(), Failed> {
    let prior: Status = request.prior.to_model(&mut outcome.diagnostics)?;
    let planned: Status = request.planned.to_model(&mut outcome.diagnostics)?;
    if planned == prior {
        return Ok(());
    }
    let (target, wanted) = addressed(&planned, &mut outcome.diagnostics)?;
    let expected = last(&prior);
    let said = say(client, &planned.label(), &target, &wanted, expected, outcome).await?;
    outcome.set(planned.settled(&said));
    Ok(())
}

/// Says that it may be used again. What is gone needs no word.
pub(super) async fn delete(
    client: &Client,
    request: &DeleteRequest,
    outcome: &mut Applied,
) -> Result<(), Failed> {
    let prior: Status = request.prior.to_model(&mut outcome.diagnostics)?;
    if prior.is_active() {
        return Ok(());
    }
    let (target, _) = addressed(&prior, &mut outcome.diagnostics)?;
    let active = NewModuleStatus {
        state: ModuleState::Active,
        reason: Some(DESTROYED.to_owned()),
        replacement: None,
        contact: None,
        sunset: None,
    };
    let version = target.version.as_ref();
    match client.put_module_status(&target.address, version, &active, last(&prior)).await {
        Ok(_) => Ok(()),
        Err(error) if matches!(error.code(), Some("module_not_found" | "version_not_found")) => {
            Ok(())
        }
        Err(error) => Err(report::client_error(
            &mut outcome.diagnostics,
            &prior.label(),
            "restoring it",
            &error,
        )),
    }
}

async fn say(
    client: &Client,
    label: &str,
    target: &Target,
    wanted: &NewModuleStatus,
    expected: u64,
    outcome: &mut Applied,
) -> Result<api::ModuleStatus, Failed> {
    let version = target.version.as_ref();
    client.put_module_status(&target.address, version, wanted, expected).await.map_err(|error| {
        report::client_error(&mut outcome.diagnostics, label, "setting it", &error)
    })
}

/// The number of what was last said, as the state knows it.
fn last(prior: &Status) -> u64 {
    prior.sequence.known().and_then(Number::as_u64).unwrap_or(0)
}

fn addressed(
    status: &Status,
    diagnostics: &mut Diagnostics,
) -> Result<(Target, NewModuleStatus), Failed> {
    status.target().zip(status.to_wire()).ok_or_else(|| {
        let detail = "Its module, version and state must be valid.";
        diagnostics.fail(format!("{}: it cannot be addressed", status.label()), detail)
    })
}

/// What somebody else said is not overwritten by who does not know of it.
fn taken(
    label: &str,
    target: &Target,
    said: &api::ModuleStatus,
    diagnostics: &mut Diagnostics,
) -> Failed {
    let stands = Status::of(target, said);
    let word = stands.state.known().map_or("", String::as_str);
    let reason = match &stands.reason {
        Attr::Known(reason) => format!(" ({reason:?})"),
        _ => String::new(),
    };
    let detail = format!(
        "It is {word}{reason} already, by what somebody else said. To manage that here, import it and apply again:\n\n\
         import {{\n  to = idp_module_status.NAME\n  id = \"{target}\"\n}}"
    );
    diagnostics.fail(format!("{label}: something was said of it already"), detail)
}
