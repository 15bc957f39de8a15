//! Whether what a service uses is there, and whose it is.

use std::collections::BTreeSet;

use registry_api::Name;
use registry_api::platform::{ResourcePhase, ResourceRef, SecretRef, ServiceSpec};
use registry_api::problem::FieldError;

use super::prepare::Draft;
use super::refusal::{PlatformError, invalid};
use super::standing::title;
use crate::app::App;
use crate::model::uses::{Used, used};
use crate::store::{resources, secrets};

/// What came of looking.
#[derive(Debug, Default)]
pub(super) struct Checked {
    /// What is not there.
    pub(super) missing: Vec<FieldError>,
    /// Other owners of what is used and was not before: the caller needs a right there.
    pub(super) lenders: BTreeSet<Name>,
}

/// Looks for what the drafted service uses.
pub(super) async fn check(app: &App, draft: &Draft<'_>) -> Result<Checked, PlatformError> {
    let Some(service) = draft.spec.service().filter(|service| !service.uses.is_empty()) else {
        return Ok(Checked::default());
    };
    let before = draft.current.and_then(|current| current.spec.service());
    let moved = service.uses.iter().filter(|(alias, wanted)| {
        let had = before.and_then(|before| before.uses.get(*alias));
        had.is_some_and(|had| had.resource != wanted.resource)
    });
    let moved: Vec<FieldError> = moved.map(|(alias, _)| other_resource(alias)).collect();
    if !moved.is_empty() {
        return Err(invalid(moved));
    }
    let place = draft.scope.place;
    let uses = used(&draft.reference.name, &place.facts, &service.uses).map_err(invalid)?;
    let mut checked = Checked::default();
    for used in &uses {
        let owner = match used.database_reference(place.name()) {
            Some(reference) => database_owner(app, &reference).await?,
            None => secret_owner(app, used, place.name()).await?,
        };
        match owner {
            Some(owner) if owner == draft.scope.owner.name => {}
            Some(_) if is_kept(before, service, &used.alias) => {}
            Some(owner) => {
                checked.lenders.insert(owner);
            }
            None => checked.missing.push(not_there(used, place.name())),
        }
    }
    Ok(checked)
}

/// Whether the service uses the same already: what was granted once stays.
fn is_kept(before: Option<&ServiceSpec>, now: &ServiceSpec, alias: &str) -> bool {
    before.is_some_and(|before| before.uses.get(alias) == now.uses.get(alias))
}

/// Pods that run would read the credentials of the other one before they are replaced.
fn other_resource(alias: &str) -> FieldError {
    FieldError::new(
        format!("/spec/uses/{alias}/resource"),
        "uses_moved",
        format!("{alias:?} is another resource already, whose credentials are in use"),
        "choose another name for the new one, and remove this one when nothing uses it any more",
    )
}

/// Whose a database is that is there to stay.
async fn database_owner(app: &App, reference: &ResourceRef) -> Result<Option<Name>, PlatformError> {
    let mut conn = app.store.read().await?;
    let row = resources::resource(&mut conn, reference).await?;
    let stands = row.filter(|row| row.revision.is_some() && row.phase != ResourcePhase::Deleting);
    Ok(stands.map(|row| row.owner))
}

async fn secret_owner(
    app: &App,
    used: &Used,
    environment: &Name,
) -> Result<Option<Name>, PlatformError> {
    let path = SecretRef::Secret { environment: environment.clone(), name: used.name.clone() };
    let mut conn = app.store.read().await?;
    Ok(secrets::secret(&mut conn, &path).await?.map(|row| row.owner))
}

fn not_there(used: &Used, environment: &Name) -> FieldError {
    let what = match used.database_reference(environment) {
        Some(reference) => title(&reference),
        None => format!("secret {environment}/{}", used.name),
    };
    FieldError::new(
        format!("/spec/uses/{}/resource", used.alias),
        "uses_missing",
        format!("there is no {what}, which this uses as {:?}", used.alias),
        "create it first: refer to the id of its resource, and Terraform does so",
    )
}
