//! Where a change goes and for whom: names from a request become configured environments and owners, or an
//! error that lists those the caller may see.

use registry_api::Name;
use registry_api::platform::ResourceRef;
use registry_api::problem::FieldError;

use super::refusal::{PlatformError, Reason, invalid, refuse};
use super::standing::title;
use crate::app::App;
use crate::auth::Token;
use crate::model::environment::OwnerFacts;
use crate::model::facts::what_moved;
use crate::model::right::Action;
use crate::platform::Place;
use crate::store::environments;

/// A configured environment and owner.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// Where.
    pub place: &'a Place,
    /// For whom.
    pub owner: &'a OwnerFacts,
}

/// Finds environment and owner by name.
pub fn scope<'a>(
    app: &'a App,
    token: &Token,
    environment: &Name,
    owner: &Name,
) -> Result<Scope<'a>, PlatformError> {
    let place = app.platform.environments.get(environment);
    let known_owner = app.platform.owners.get(owner);
    if let (Some(place), Some(owner)) = (place, known_owner) {
        return Ok(Scope { place, owner });
    }
    let wrong: Vec<FieldError> = [
        place.is_none().then(|| {
            unknown("/environment", "environment", environment, &visible_environments(app, token))
        }),
        known_owner
            .is_none()
            .then(|| unknown("/owner", "owner", owner, &visible_owners(app, token))),
    ]
    .into_iter()
    .flatten()
    .collect();
    Err(invalid(wrong))
}

/// Where a resource is that is there.
pub fn place<'a>(app: &'a App, reference: &ResourceRef) -> Result<&'a Place, PlatformError> {
    app.platform.environments.get(&reference.environment).ok_or_else(|| {
        refuse(
            // Not "not found": a client would forget what is still there.
            Reason::EnvironmentMoved,
            format!(
                "{} lives in an environment that is not configured any more; the platform team has to bring \
                 [[environment]] {:?} back to remove it",
                title(reference),
                reference.environment.as_str()
            ),
        )
    })
}

/// The environments in which the token may do anything at all.
pub fn visible_environments(app: &App, token: &Token) -> Vec<Name> {
    let owners = &app.platform.owners;
    let seen = |environment: &Name| owners.keys().any(|owner| may_see(token, environment, owner));
    app.platform.environments.keys().filter(|name| seen(name)).cloned().collect()
}

/// The owners for which the token may do anything at all.
pub fn visible_owners(app: &App, token: &Token) -> Vec<Name> {
    let environments = &app.platform.environments;
    let seen = |owner: &Name| environments.keys().any(|name| may_see(token, name, owner));
    app.platform.owners.keys().filter(|name| seen(name)).cloned().collect()
}

/// Whether the token has any right on resources of `owner` in `environment`.
pub fn may_see(token: &Token, environment: &Name, owner: &Name) -> bool {
    // `plan` is part of apply, deploy and destroy.
    [Action::Plan, Action::Approve]
        .iter()
        .any(|action| token.rights.allows(action, environment.as_str(), owner.as_str()))
}

/// Refuses a token that may not do `action`.
pub fn require(
    token: &Token,
    action: &Action,
    environment: &Name,
    owner: &Name,
) -> Result<(), PlatformError> {
    if token.rights.allows(action, environment.as_str(), owner.as_str()) {
        return Ok(());
    }
    Err(lacks(token, &format!("{action}:{environment}:{owner}")))
}

/// The refusal of a token that lacks a right.
pub fn lacks(token: &Token, right: &str) -> PlatformError {
    let has =
        if token.rights.is_empty() { "none".to_owned() } else { token.rights.texts().join(", ") };
    refuse(
        Reason::Forbidden,
        format!("token {:?} lacks the right {right}; it has: {has}", token.name),
    )
}

/// Refuses a request that was made for an environment as it no longer is.
pub async fn require_revision(
    app: &App,
    place: &Place,
    sent: Option<&str>,
) -> Result<(), PlatformError> {
    let Some(sent) = sent.filter(|sent| *sent != place.revision) else { return Ok(()) };
    let mut conn = app.store.read().await?;
    let before = environments::facts(&mut conn, place.name().as_str(), sent).await?;
    let moved = match before {
        Some(before) => what_moved(&before, &place.remembered),
        None => {
            "this server does not know the configuration that the plan was made with".to_owned()
        }
    };
    Err(refuse(
        Reason::EnvironmentMoved,
        format!(
            "the configuration of environment {:?} moved since the plan: {moved}; plan again",
            place.name().as_str()
        ),
    ))
}

fn unknown(pointer: &str, what: &str, given: &Name, visible: &[Name]) -> FieldError {
    let names: Vec<&str> = visible.iter().map(Name::as_str).collect();
    let listed = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    FieldError::new(
        pointer,
        format!("unknown_{what}"),
        format!("there is no {what} {:?}; this token may use: {listed}", given.as_str()),
        format!("use one of them, or ask the platform team to configure the {what}"),
    )
}
