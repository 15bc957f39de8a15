//! Credentials of the consumers of databases: made, made anew, put right, taken back.
//!
//! A consumer has two logins in turn. While one is in use the other gets a new password, which first waits, sealed, as
//! the next version of the secret: a process that dies anywhere is followed by one that goes on with the same
//! password. Only when the server knows it does the secret become that version; the login before goes on working
//! until everybody has read the new one.

use std::fmt::Write as _;

use registry_api::Name;
use registry_api::platform::{ResourceRef, SecretRef};
use serde_json::json;
use zeroize::Zeroizing;

use super::databases::{self, login};
use super::refusal::{PlatformError, Reason, refuse};
use super::secrets::{forget_credentials, keep_credentials};
use crate::app::App;
use crate::clock::rfc3339;
use crate::drivers::postgres::{Identifier, new_password};
use crate::failpoint;
use crate::model::audit::Event;
use crate::model::names::Slot;
use crate::model::provision::LoginWish;
use crate::model::revision::Revision;
use crate::model::secret::SecretText;
use crate::model::secret_value::Fields;
use crate::platform::Place;
use crate::store::logins::{self, LoginRow};
use crate::store::{StoreError, Tx, audit, resources, secrets};

/// Why credentials are made, and for whom.
#[derive(Debug, Clone, Copy)]
pub struct Cause<'a> {
    /// Whose the consumer is.
    pub owner: &'a Name,
    /// The trigger that they are made for; another one than before makes them anew.
    pub rotation: Option<&'a str>,
    /// Who asked, for the audit log.
    pub actor: &'a str,
}

/// Refuses another trigger while a consumer's login before the last rotation still works: better before anything else is
/// done than halfway.
pub async fn require_drained(
    app: &App,
    reference: &ResourceRef,
    wanted: &Revision,
    standing: Option<&Revision>,
) -> Result<(), PlatformError> {
    let Some(trigger) = wanted.new_trigger(standing) else { return Ok(()) };
    let mut conn = app.store.read().await?;
    let consumers = logins::logins_of(&mut conn, &reference.environment, &reference.name).await?;
    let mut others = consumers.iter().filter(|row| row.rotation != trigger);
    match others.find_map(|row| Some((&row.secret, row.retire_at?))) {
        Some((secret, until)) => Err(still_draining(secret, until)),
        None => Ok(()),
    }
}

/// Makes a consumer's login true, and its credentials where it has none or where the trigger changed.
pub async fn ensure(
    app: &App,
    place: &Place,
    wish: &LoginWish,
    cause: Cause<'_>,
) -> Result<(), PlatformError> {
    // One moment: a rotation between two looks would pair one login with the password of the other.
    let mut snapshot = app.store.snapshot().await?;
    let row = logins::login(&mut snapshot, &wish.secret).await?;
    match row.filter(|row| row.role == wish.role) {
        Some(row) if !is_to_be_made(&row, cause) => {
            let kept = Kept::read(app, &mut snapshot, row).await?;
            drop(snapshot);
            put_right(app, place, wish, &kept, cause).await
        }
        found => {
            drop(snapshot);
            let begin = if found.is_some() { Begin::Anew } else { Begin::Wherever };
            make(app, place, wish, cause, begin).await
        }
    }
}

/// Which consumers get credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Begin {
    /// Those that have none yet as well.
    Wherever,
    /// Those that have some: a consumer that went meanwhile stays gone.
    Anew,
}

/// What there is of a consumer at one moment.
struct Kept {
    row: LoginRow,
    owner: Option<Name>,
    password: Option<SecretText>,
}

impl Kept {
    async fn read(app: &App, snapshot: &mut Tx, row: LoginRow) -> Result<Self, PlatformError> {
        let secret = secrets::secret(snapshot, &row.secret).await?;
        let version = secret.as_ref().map_or(0, |secret| secret.version);
        let value = app.secrets.get(snapshot, &row.secret, version).await?;
        let password = value.and_then(|mut fields| fields.remove(PASSWORD));
        Ok(Self { row, owner: secret.map(|secret| secret.owner), password })
    }
}

fn is_to_be_made(row: &LoginRow, cause: Cause<'_>) -> bool {
    row.active.is_none()
        || row.pending.is_some()
        || cause.rotation.is_some_and(|trigger| trigger != row.rotation)
}

/// Makes new credentials for a consumer that has some.
pub async fn rotate(
    app: &App,
    place: &Place,
    wish: &LoginWish,
    cause: Cause<'_>,
) -> Result<(), PlatformError> {
    make(app, place, wish, cause, Begin::Anew).await
}

/// Brings a login back to how it shall be, with the password that its consumer has.
async fn put_right(
    app: &App,
    place: &Place,
    wish: &LoginWish,
    kept: &Kept,
    cause: Cause<'_>,
) -> Result<(), PlatformError> {
    let Kept { row, owner, password } = kept;
    let Some(slot) = row.active else { return Ok(()) };
    let server = &databases::databases(place)?.server;
    server.put_login(&login(wish, slot)?, password.as_ref()).await?;
    if row.access == wish.access && row.owner == *cause.owner && owner.as_ref() == Some(cause.owner)
    {
        return Ok(());
    }
    let mut tx = app.store.write().await?;
    let Some(now) = logins::login(&mut tx, &wish.secret).await? else { return Ok(()) };
    let changed = LoginRow {
        access: wish.access,
        owner: cause.owner.clone(),
        updated_at: app.clock.now(),
        ..now
    };
    logins::put_login(&mut tx, &changed).await?;
    secrets::set_owner(&mut tx, &wish.secret, cause.owner).await?;
    Ok(tx.commit().await.map_err(StoreError::from)?)
}

async fn make(
    app: &App,
    place: &Place,
    wish: &LoginWish,
    cause: Cause<'_>,
    begin: Begin,
) -> Result<(), PlatformError> {
    let Some((row, password)) = prepare(app, wish, cause, begin).await? else { return Ok(()) };
    let Some(slot) = row.pending else { return Ok(()) };
    failpoint::hit("login.prepared");
    databases::databases(place)?.server.put_login(&login(wish, slot)?, Some(&password)).await?;
    failpoint::hit("login.made");
    publish(app, place, wish, &row, cause, &password).await
}

/// Chooses the login that is made new and seals its password, or takes up what was begun; nothing for a consumer that
/// went.
async fn prepare(
    app: &App,
    wish: &LoginWish,
    cause: Cause<'_>,
    begin: Begin,
) -> Result<Option<(LoginRow, SecretText)>, PlatformError> {
    let now = app.clock.now();
    let mut tx = app.store.write().await?;
    // A consumer that moved to another database begins anew there.
    let found = logins::login(&mut tx, &wish.secret).await?.filter(|row| row.role == wish.role);
    if found.is_none() && begin == Begin::Anew {
        return Ok(None);
    }
    let next = next_version(&mut tx, wish).await?;
    if let Some(row) = found.as_ref().filter(|row| row.pending.is_some())
        && let Some(staged) = app.secrets.get(&mut tx, &wish.secret, next).await?
        && let Some(password) = staged.get(PASSWORD)
    {
        return Ok(Some((row.clone(), password.clone())));
    }
    let active = found.as_ref().and_then(|row| row.active);
    // Even where that time has come: until the login is closed, closing it is under way.
    if let Some(until) = found.as_ref().and_then(|row| row.retire_at) {
        return Err(still_draining(&wish.secret, until));
    }
    let row = LoginRow {
        secret: wish.secret.clone(),
        environment: wish.secret.environment().clone(),
        database: wish.database.clone(),
        role: wish.role.clone(),
        access: wish.access,
        owner: cause.owner.clone(),
        active,
        pending: Some(active.map_or(Slot::A, Slot::other)),
        retire_at: None,
        rotation: match found {
            Some(row) => row.rotation,
            None => trigger(&mut tx, wish).await?,
        },
        updated_at: now,
    };
    let password = new_password();
    let staged = [(PASSWORD.to_owned(), password.clone())].into();
    app.secrets.stage(&mut tx, &wish.secret, next, &staged).await?;
    logins::put_login(&mut tx, &row).await?;
    tx.commit().await.map_err(StoreError::from)?;
    Ok(Some((row, password)))
}

/// The trigger of the database's last rotation: credentials that are made after it are as new as those it made.
async fn trigger(tx: &mut Tx, wish: &LoginWish) -> Result<String, StoreError> {
    let reference = databases::reference(wish.secret.environment(), &wish.database);
    let row = resources::resource(tx, &reference).await?;
    let database = row.as_ref().and_then(|row| row.revision.as_ref()?.spec.database());
    let rotation = database.and_then(|database| database.rotation.as_ref());
    Ok(rotation.map(|rotation| rotation.trigger.clone()).unwrap_or_default())
}

async fn next_version(tx: &mut Tx, wish: &LoginWish) -> Result<u64, StoreError> {
    Ok(secrets::secret(tx, &wish.secret).await?.map_or(1, |secret| secret.version + 1))
}

fn still_draining(secret: &SecretRef, until: i64) -> PlatformError {
    refuse(
        Reason::Draining,
        format!(
            "the credentials {secret} were made anew a moment ago, and those before them go on working until {}; they can be \
             made anew again when that login is closed",
            rfc3339(until)
        ),
    )
}

/// The new credentials become those that the consumer reads.
async fn publish(
    app: &App,
    place: &Place,
    wish: &LoginWish,
    row: &LoginRow,
    cause: Cause<'_>,
    password: &SecretText,
) -> Result<(), PlatformError> {
    let now = app.clock.now();
    let Some(slot) = row.pending else { return Ok(()) };
    let value = fields(place, wish, slot, password);
    let mut tx = app.store.write().await?;
    match logins::login(&mut tx, &wish.secret).await? {
        Some(current) if current == *row => {}
        // Somebody else went on with the same password and was faster.
        Some(_) => return Ok(()),
        // The consumer went meanwhile, and takes what was made for it along.
        None => {
            drop(tx);
            return drop_logins(place, wish).await;
        }
    }
    let drain = databases::databases(place)?.drain_millis;
    let settled = LoginRow {
        active: Some(slot),
        pending: None,
        retire_at: row.active.map(|_| now + drain),
        rotation: cause.rotation.map_or_else(|| row.rotation.clone(), str::to_owned),
        updated_at: now,
        ..row.clone()
    };
    let version =
        keep_credentials(&app.secrets, &mut tx, &wish.secret, cause.owner, &value, now).await?;
    logins::put_login(&mut tx, &settled).await?;
    let action = if row.active.is_some() { "credentials.rotate" } else { "credentials.create" };
    let detail = json!({ "version": version, "role": slot.of(&wish.role), "access": wish.access });
    audit::append(&mut tx, event(action, &wish.secret.to_string(), cause.actor, detail, now))
        .await?;
    failpoint::hit("login.publishing");
    tx.commit().await.map_err(StoreError::from)?;
    failpoint::hit("login.published");
    Ok(())
}

/// How long one process may take to close a login.
const CLOSING_MILLIS: i64 = 10 * 60 * 1000;

/// Closes the login that a rotation left behind. While one process does so no rotation makes that login new.
pub async fn retire(app: &App, row: &LoginRow) -> Result<(), PlatformError> {
    let Some(active) = row.active else { return Ok(()) };
    let until = Some(app.clock.now() + CLOSING_MILLIS);
    let mut tx = app.store.write().await?;
    let is_mine = logins::move_retirement(&mut tx, row, until).await?;
    tx.commit().await.map_err(StoreError::from)?;
    if !is_mine {
        return Ok(());
    }
    let reference = databases::reference(&row.environment, &row.database);
    let place = super::places::place(app, &reference)?;
    let name = Identifier::new(&active.other().of(&row.role))?;
    databases::databases(place)?.server.retire_login(&name, &row.secret.to_string()).await?;
    failpoint::hit("login.retired");
    let now = app.clock.now();
    let claimed = LoginRow { retire_at: until, ..row.clone() };
    let mut tx = app.store.write().await?;
    logins::move_retirement(&mut tx, &claimed, None).await?;
    let detail = json!({ "role": name.as_str() });
    let secret = row.secret.to_string();
    audit::append(&mut tx, event("credentials.retire", &secret, "platform", detail, now)).await?;
    Ok(tx.commit().await.map_err(StoreError::from)?)
}

/// Takes a consumer's credentials back: both logins, and what the secret store has of them.
pub async fn release(
    app: &App,
    place: &Place,
    wish: &LoginWish,
    actor: &str,
) -> Result<(), PlatformError> {
    let now = app.clock.now();
    let mut tx = app.store.write().await?;
    let row = logins::login(&mut tx, &wish.secret).await?;
    // Forgotten first: a rotation that is under way finds nothing to go on with.
    if row.is_some_and(|row| row.role == wish.role) {
        forget(app, &mut tx, &wish.secret).await?;
        let secret = wish.secret.to_string();
        audit::append(&mut tx, event("credentials.delete", &secret, actor, json!({}), now)).await?;
    }
    tx.commit().await.map_err(StoreError::from)?;
    failpoint::hit("login.forgotten");
    drop_logins(place, wish).await
}

async fn drop_logins(place: &Place, wish: &LoginWish) -> Result<(), PlatformError> {
    let server = &databases::databases(place)?.server;
    for slot in [Slot::A, Slot::B] {
        let name = Identifier::new(&slot.of(&wish.role))?;
        server.drop_login(&name, &wish.secret.to_string()).await?;
    }
    Ok(())
}

/// Forgets a consumer's credentials in the transaction that records that their database is gone.
pub async fn forget(app: &App, tx: &mut Tx, secret: &SecretRef) -> Result<(), PlatformError> {
    forget_credentials(&app.secrets, tx, secret).await?;
    Ok(logins::delete_login(tx, secret).await?)
}

/// The field of the password.
const PASSWORD: &str = "password";

/// What a consumer reads.
fn fields(place: &Place, wish: &LoginWish, slot: Slot, password: &SecretText) -> Fields {
    let postgres = place.facts.postgres.as_ref();
    let host = postgres.map(|facts| facts.host.clone()).unwrap_or_default();
    let port = postgres.map(|facts| facts.port.to_string()).unwrap_or_default();
    let username = slot.of(&wish.role);
    // Every part but the host is of letters that a URL takes as they are.
    // Room for all of it, so that no part is left behind in a smaller buffer.
    let mut url = Zeroizing::new(String::with_capacity(1024));
    let shown = if host.contains(':') { format!("[{host}]") } else { host.clone() };
    let _ = write!(
        url,
        "postgresql://{username}:{}@{shown}:{port}/{}",
        password.expose(),
        wish.database_name
    );
    [
        ("host", SecretText::new(host)),
        ("port", SecretText::new(port)),
        ("database", SecretText::new(wish.database_name.as_str())),
        ("username", SecretText::new(username)),
        (PASSWORD, password.clone()),
        ("url", SecretText::new(url.as_str())),
    ]
    .into_iter()
    .map(|(name, text)| (name.to_owned(), text))
    .collect()
}

fn event(action: &str, subject: &str, actor: &str, detail: serde_json::Value, at: i64) -> Event {
    Event {
        at,
        actor: actor.to_owned(),
        action: action.to_owned(),
        subject: subject.to_owned(),
        detail,
        request_id: None,
    }
}
