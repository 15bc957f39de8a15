//! Ephemeral credentials: a login to a database for a run, which ends by itself where nobody closes it.
//!
//! The row comes before the login and goes after it, so a process that dies leaves nothing that the sweeper does not
//! find. The password is told once and kept nowhere.

use registry_api::platform::{Credential, CredentialLease, CredentialRequest, Kind, ResourcePhase};
use registry_api::problem::FieldError;
use serde_json::json;

use super::databases::{databases, reference};
use super::places::{place, require};
use super::refusal::{PlatformError, Reason, invalid, refuse};
use super::standing::{subject, title};
use crate::app::App;
use crate::auth::Token;
use crate::clock::rfc3339;
use crate::drivers::postgres::{Identifier, Login, PostgresError, new_password};
use crate::model::audit::Event;
use crate::model::names::ephemeral_login;
use crate::model::right::Action;
use crate::platform::Place;
use crate::store::leases::{self, LeaseRow};
use crate::store::resources::{self, ResourceRow};
use crate::store::{StoreError, audit};
use crate::{failpoint, id, request_id};

/// What the resources of ephemeral logins are called in their marks, before their id.
const MARK: &str = "credentials/";

/// How long a login works unless it is renewed, in seconds: the shortest, the usual, the longest.
const TTL: (u32, u32, u32) = (60, 900, 3600);
/// No renewal prolongs a login beyond this.
const LONGEST_MILLIS: i64 = 12 * 3600 * 1000;

/// Makes a login to the database whose connection id is `connection`.
pub async fn open(
    app: &App,
    token: &Token,
    connection: &str,
    request: &CredentialRequest,
) -> Result<Credential, PlatformError> {
    let row = find(app, token, connection).await?;
    let right = Action::Credentials(request.privilege.to_string());
    require(token, &right, &row.reference.environment, &row.owner)?;
    require_standing(&row)?;
    let ttl = ttl(request)?;
    let place = place(app, &row.reference)?;
    let now = app.clock.now();
    let lease = lease(token, &row, request, ttl, now)?;
    record(app, &lease, token, now).await?;
    failpoint::hit("credentials.recorded");
    let password = new_password();
    let wish = login(place, &lease)?.with_valid_until(lease.expires_at);
    if let Err(error) = databases(place)?.server.put_login(&wish, Some(&password)).await {
        // Nobody knows its password; the sweeper removes what there may be of it.
        end(app, &lease.id, now).await?;
        return Err(error.into());
    }
    failpoint::hit("credentials.made");
    let postgres = place.facts.postgres.as_ref();
    Ok(Credential {
        username: lease.role.clone(),
        password: password.expose().to_owned(),
        host: postgres.map(|facts| facts.host.clone()).unwrap_or_default(),
        port: postgres.map(|facts| facts.port).unwrap_or_default(),
        database: database_name(&row)?.to_owned(),
        lease: to_wire(&lease),
    })
}

/// Prolongs a login by as long as it was first asked for.
pub async fn renew(
    app: &App,
    token: &Token,
    lease_id: &str,
) -> Result<CredentialLease, PlatformError> {
    let lease = visible(app, token, lease_id).await?;
    let right = Action::Credentials(lease.privilege.to_string());
    require(token, &right, &lease.environment, &lease.owner)?;
    let place = place_of(app, &lease)?;
    let now = app.clock.now();
    let longest = lease.created_at + LONGEST_MILLIS;
    let expires_at = (now + lease.ttl_seconds * 1000).min(longest);
    let renewed = LeaseRow { expires_at, ..lease };
    let mut tx = app.store.write().await?;
    if !leases::prolong(&mut tx, lease_id, expires_at, now).await? {
        return Err(ended(lease_id));
    }
    tx.commit().await.map_err(StoreError::from)?;
    let wish = login(place, &renewed)?.with_valid_until(expires_at);
    match databases(place)?.server.put_login(&wish, None).await {
        // The sweeper was faster.
        Err(PostgresError::NoLogin { .. }) => Err(ended(lease_id)),
        renewed_there => Ok(renewed_there.map(|()| to_wire(&renewed))?),
    }
}

/// Ends a login; one that ended already is what was wanted.
pub async fn close(app: &App, token: &Token, lease_id: &str) -> Result<(), PlatformError> {
    match visible(app, token, lease_id).await {
        Ok(lease) => drop_login(app, &lease, &token.name).await,
        Err(PlatformError::Refused(refusal)) if refusal.reason == Reason::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Removes a login from its server, then from the store.
pub async fn drop_login(app: &App, lease: &LeaseRow, actor: &str) -> Result<(), PlatformError> {
    let place = place_of(app, lease)?;
    let name = Identifier::new(&lease.role)?;
    databases(place)?.server.drop_login(&name, &mark(lease)).await?;
    failpoint::hit("credentials.dropped");
    let now = app.clock.now();
    let mut tx = app.store.write().await?;
    if leases::delete_lease(&mut tx, &lease.id).await? {
        audit::append(&mut tx, event("credentials.close", lease, actor, now)).await?;
    }
    Ok(tx.commit().await.map_err(StoreError::from)?)
}

/// The database of that connection id. Who may see nothing of it is told the same as for one that is not there.
async fn find(app: &App, token: &Token, connection: &str) -> Result<ResourceRow, PlatformError> {
    let mut conn = app.store.read().await?;
    let row = resources::resource_by_id(&mut conn, connection).await?;
    let row = row.filter(|row| row.reference.kind == Kind::Database && may_know(token, row));
    row.ok_or_else(|| {
        refuse(
            Reason::NotFound,
            "there is no database with that connection_id, or none that this token may know of; take connection_id \
             from the idp_database resource",
        )
    })
}

fn may_know(token: &Token, row: &ResourceRow) -> bool {
    let (environment, owner) = (row.reference.environment.as_str(), row.owner.as_str());
    let credentials =
        registry_api::platform::Access::ALL.map(|access| Action::Credentials(access.to_string()));
    token.rights.allows(&Action::Plan, environment, owner)
        || credentials.iter().any(|right| token.rights.allows(right, environment, owner))
}

fn require_standing(row: &ResourceRow) -> Result<(), PlatformError> {
    if row.revision.is_some() && row.phase != ResourcePhase::Deleting {
        return Ok(());
    }
    Err(refuse(
        Reason::InProgress,
        format!("{} is being made or removed; try again when that ended", title(&row.reference)),
    ))
}

fn ttl(request: &CredentialRequest) -> Result<u32, PlatformError> {
    let (least, usual, most) = TTL;
    let given = request.ttl_seconds.unwrap_or(usual);
    if (least..=most).contains(&given) {
        return Ok(given);
    }
    let wrong: FieldError = FieldError::new(
        "/ttl_seconds",
        "range",
        format!("{given} seconds is not between {least} and {most}"),
        "ask for less, and renew: Terraform does that by itself",
    );
    Err(invalid(vec![wrong]))
}

fn lease(
    token: &Token,
    row: &ResourceRow,
    request: &CredentialRequest,
    ttl: u32,
    now: i64,
) -> Result<LeaseRow, PlatformError> {
    let id = id::new(now);
    Ok(LeaseRow {
        role: ephemeral_login(database_name(row)?, &id),
        id,
        environment: row.reference.environment.clone(),
        database: row.reference.name.clone(),
        owner: row.owner.clone(),
        privilege: request.privilege,
        token_id: token.id.clone(),
        created_at: now,
        ttl_seconds: i64::from(ttl),
        expires_at: now + i64::from(ttl) * 1000,
    })
}

fn database_name(row: &ResourceRow) -> Result<&str, PlatformError> {
    let database = row.shown().provision.database.as_ref();
    database.map(|database| database.name.as_str()).ok_or_else(|| {
        refuse(Reason::NotFound, format!("{} has no database", title(&row.reference)))
    })
}

async fn record(app: &App, lease: &LeaseRow, token: &Token, now: i64) -> Result<(), PlatformError> {
    let mut tx = app.store.write().await?;
    leases::insert_lease(&mut tx, lease).await?;
    audit::append(&mut tx, event("credentials.open", lease, &token.name, now)).await?;
    Ok(tx.commit().await.map_err(StoreError::from)?)
}

/// Leaves a login to the sweeper.
async fn end(app: &App, lease_id: &str, now: i64) -> Result<(), PlatformError> {
    let mut tx = app.store.write().await?;
    leases::end(&mut tx, lease_id, now, now).await?;
    Ok(tx.commit().await.map_err(StoreError::from)?)
}

/// The login, where the token that asked for it asks again.
async fn visible(app: &App, token: &Token, lease_id: &str) -> Result<LeaseRow, PlatformError> {
    let mut conn = app.store.read().await?;
    let lease = leases::lease(&mut conn, lease_id).await?;
    lease.filter(|lease| lease.token_id == token.id).ok_or_else(|| ended(lease_id))
}

fn ended(lease_id: &str) -> PlatformError {
    let shown: String = lease_id.chars().take(60).collect();
    refuse(
        Reason::NotFound,
        format!("the credentials {shown} have ended, or are another token's; open new ones"),
    )
}

fn place_of<'a>(app: &'a App, lease: &LeaseRow) -> Result<&'a Place, PlatformError> {
    place(app, &reference(&lease.environment, &lease.database))
}

fn login(place: &Place, lease: &LeaseRow) -> Result<Login, PlatformError> {
    let prefix = place.facts.postgres.as_ref().map_or("", |facts| facts.prefix.as_str());
    let names = crate::model::names::DatabaseNames::new(prefix, &lease.database)
        .map_err(|cause| refuse(Reason::Invalid, cause.to_string()))?;
    let database = Identifier::new(&names.database)?;
    Ok(Login::new(&lease.role, &database, lease.privilege, &mark(lease))?)
}

fn mark(lease: &LeaseRow) -> String {
    format!("{MARK}{}", lease.id)
}

fn to_wire(lease: &LeaseRow) -> CredentialLease {
    let half = u32::try_from(lease.ttl_seconds / 2).unwrap_or(u32::MAX);
    CredentialLease {
        id: lease.id.clone(),
        expires_at: rfc3339(lease.expires_at),
        renew_in_seconds: half,
    }
}

fn event(action: &str, lease: &LeaseRow, actor: &str, at: i64) -> Event {
    Event {
        at,
        actor: actor.to_owned(),
        action: action.to_owned(),
        subject: subject(&reference(&lease.environment, &lease.database)),
        detail: json!({
            "credentials": lease.id,
            "role": lease.role,
            "privilege": lease.privilege,
            "owner": lease.owner,
        }),
        request_id: request_id::current(),
    }
}
