//! `/whoami`, `/environments`, `/owners`: what the caller may do and where.

use axum::extract::State;
use registry_api::platform::{Environment, EnvironmentList, Owner, OwnerList, Whoami};

use crate::app::App;
use crate::clock::rfc3339;
use crate::error::ApiError;
use crate::extract::{Caller, Json};
use crate::ops::places::{visible_environments, visible_owners};

/// Says what the presented token may do.
pub async fn whoami(caller: Caller) -> Result<Json<Whoami>, ApiError> {
    let token = caller.token()?;
    Ok(Json(Whoami {
        name: token.name.clone(),
        rights: token.rights.texts(),
        expires_at: token.expires_at.map(rfc3339),
        server_version: env!("CARGO_PKG_VERSION").to_owned(),
    }))
}

/// Lists the environments in which the caller may do something.
pub async fn list_environments(
    State(app): State<App>,
    caller: Caller,
) -> Result<Json<EnvironmentList>, ApiError> {
    let visible = visible_environments(&app, caller.token()?);
    let places = visible.iter().filter_map(|name| app.platform.environments.get(name));
    let environments = places
        .map(|place| Environment {
            name: place.facts.name.clone(),
            tier: place.facts.tier.to_string(),
            domain: place.facts.domain.clone(),
            gitops_repository: place.facts.gitops.repository.clone(),
            revision: place.revision.clone(),
        })
        .collect();
    Ok(Json(EnvironmentList { environments }))
}

/// Lists the owners for whom the caller may do something.
pub async fn list_owners(
    State(app): State<App>,
    caller: Caller,
) -> Result<Json<OwnerList>, ApiError> {
    let visible = visible_owners(&app, caller.token()?);
    let owners = visible.iter().filter_map(|name| app.platform.owners.get(name));
    let owners = owners
        .map(|owner| Owner {
            name: owner.name.clone(),
            title: owner.title.clone(),
            contact: owner.contact.clone(),
        })
        .collect();
    Ok(Json(OwnerList { owners }))
}
