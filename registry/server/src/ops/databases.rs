//! What a resource has on database servers: wishes become the driver's words, and what is there is looked at.
//!
//! A consumer's two logins count as one object, named without their slot: a rotation is no change of the resource.

use std::collections::BTreeMap;

use registry_api::platform::{Kind, ResourceRef, SecretRef};
use registry_api::problem::FieldError;

use super::refusal::{PlatformError, Reason, invalid, refuse};
use crate::app::App;
use crate::drivers::postgres::{
    Database, Identifier, Login, MANAGED_SCHEMA, Options, PostgresError,
};
use crate::model::names::{DatabaseNames, Slot};
use crate::model::provision::{DatabaseWish, LoginWish, Provision};
use crate::model::provisioned::Provisioned;
use crate::model::revision::Revision;
use crate::ops::standing::subject;
use crate::platform::{Databases, Place};
use crate::store::logins::{self, LoginRow};

/// The databases of an environment, or the refusal that says that it has none.
pub fn databases(place: &Place) -> Result<&Databases, PlatformError> {
    place.databases.as_ref().ok_or_else(|| {
        refuse(
            Reason::EnvironmentMoved,
            format!(
                "environment {:?} has no database server any more; the platform team has to bring \
                 [environment.postgres] back",
                place.name().as_str()
            ),
        )
    })
}

/// How everything of a resource shall be, object by object.
pub fn wanted(
    reference: &ResourceRef,
    provision: &Provision,
) -> Result<Provisioned, PlatformError> {
    let mut objects = match &provision.database {
        Some(wish) => database(reference, wish)?.facts(),
        None => Provisioned::new(),
    };
    for wish in &provision.logins {
        objects.extend(without_slot(wish, Slot::A, login(wish, Slot::A)?.facts()));
    }
    Ok(objects)
}

/// How everything of a resource is now. `before` is what it had: what is wished no longer is shown as it was left.
pub async fn observe(
    app: &App,
    place: &Place,
    reference: &ResourceRef,
    provision: &Provision,
    before: &Provisioned,
    options: Options,
) -> Result<Provisioned, PlatformError> {
    if provision.is_empty() && before.is_empty() {
        return Ok(Provisioned::new());
    }
    let server = &databases(place)?.server;
    let mut objects = match &provision.database {
        Some(wish) => {
            let wish = database(reference, wish)?;
            server.observe(&wish, options).await.map_err(about_the_specification)?
        }
        None => Provisioned::new(),
    };
    let active = active_slots(app, &provision.logins).await?;
    let wishes: Vec<(&LoginWish, Slot)> = provision
        .logins
        .iter()
        .filter_map(|wish| Some((wish, *active.get(&wish.secret)?)))
        .collect();
    let asked: Vec<Login> =
        wishes.iter().map(|(wish, slot)| login(wish, *slot)).collect::<Result<_, _>>()?;
    if !asked.is_empty() {
        let found = server.observe_logins(&asked).await?;
        for (wish, slot) in wishes {
            objects.extend(without_slot(wish, slot, found.clone()));
        }
    }
    let left = before.iter().filter(|(object, _)| {
        object.starts_with(LOGIN) && provision.logins.iter().all(|wish| **object != object_of(wish))
    });
    objects.extend(left.map(|(object, how)| (object.clone(), how.clone())));
    Ok(objects)
}

/// Which login each consumer uses now; none where it has no credentials yet.
async fn active_slots(
    app: &App,
    wishes: &[LoginWish],
) -> Result<BTreeMap<SecretRef, Slot>, PlatformError> {
    let mut conn = app.store.read().await?;
    let mut slots = BTreeMap::new();
    for wish in wishes {
        let row = logins::login(&mut conn, &wish.secret).await?;
        let own = row.filter(|row| row.role == wish.role).and_then(|row| row.active);
        slots.extend(own.map(|slot| (wish.secret.clone(), slot)));
    }
    Ok(slots)
}

/// What the objects of logins are called before their name.
const LOGIN: &str = "Login/";

fn object_of(wish: &LoginWish) -> String {
    format!("{LOGIN}{}", wish.role)
}

/// The one login of these facts, named without its slot.
fn without_slot(wish: &LoginWish, slot: Slot, mut facts: Provisioned) -> Provisioned {
    let how = facts.remove(&format!("{LOGIN}{}", slot.of(&wish.role)));
    how.map(|how| (object_of(wish), how)).into_iter().collect()
}

/// A database in the driver's words.
pub fn database(reference: &ResourceRef, wish: &DatabaseWish) -> Result<Database, PlatformError> {
    let mut database = Database::new(&wish.name, &subject(reference))?
        .with_extensions(wish.extensions.iter().map(String::as_str));
    if let Some(schema) = &wish.schema {
        database = database.with_schema(schema)?;
    }
    if let Some(limit) = wish.connection_limit {
        database = database.with_connection_limit(limit);
    }
    for (name, value) in &wish.settings {
        database = database.with_setting(name, value)?;
    }
    Ok(database)
}

/// One login of a consumer in the driver's words.
pub fn login(wish: &LoginWish, slot: Slot) -> Result<Login, PostgresError> {
    let database = Identifier::new(&wish.database_name)?;
    Login::new(&slot.of(&wish.role), &database, wish.access, &wish.secret.to_string())
}

/// Where the objects of a database stand that is taken over: in the schema that a managed one works in, or in the one
/// that has most of them.
pub async fn schema_to_adopt(
    place: &Place,
    provision: &Provision,
) -> Result<Option<String>, PlatformError> {
    let Some(wish) = &provision.database else { return Ok(None) };
    let found = databases(place)?.server.observe_unmanaged(&wish.name).await;
    let found = found.map_err(about_the_specification)?;
    let schemas = found.map(|found| found.schemas).unwrap_or_default();
    let is_used = |(_, relations): &&(String, i64)| *relations > 0;
    if schemas.iter().filter(is_used).any(|(name, _)| name == MANAGED_SCHEMA) {
        return Ok(None);
    }
    let fullest =
        schemas.into_iter().filter(|schema| is_used(&schema)).max_by_key(|(_, count)| *count);
    Ok(fullest.map(|(name, _)| name))
}

/// Version of the server of a database; nothing for what is none.
pub async fn engine_version(
    place: &Place,
    revision: &Revision,
) -> Result<Option<String>, PlatformError> {
    if revision.provision.database.is_none() {
        return Ok(None);
    }
    Ok(Some(databases(place)?.server.version().await?))
}

/// The wish that a consumer's row came from.
pub fn consumer_wish(place: &Place, row: &LoginRow) -> Result<LoginWish, PlatformError> {
    let prefix = place.facts.postgres.as_ref().map_or("", |facts| facts.prefix.as_str());
    let names = DatabaseNames::new(prefix, &row.database)
        .map_err(|cause| refuse(Reason::EnvironmentMoved, cause.to_string()))?;
    Ok(LoginWish {
        secret: row.secret.clone(),
        database: row.database.clone(),
        server: databases(place)?.name.clone(),
        database_name: names.database,
        role: row.role.clone(),
        access: row.access,
    })
}

/// The driver knows no specifications; what of its refusals is the specification's fault says here where.
fn about_the_specification(error: PostgresError) -> PlatformError {
    match error {
        PostgresError::Extension { extension, problem, .. } => invalid(vec![FieldError::new(
            "/spec/extensions",
            "extension_not_available",
            format!("extension {extension:?} cannot be had on the database server: {problem}"),
            "leave it out, or have the platform team install it on the server",
        )]),
        PostgresError::NotOurs { .. } => refuse(Reason::NameTaken, error.to_string()),
        other => other.into(),
    }
}

/// The resource of a database.
pub fn reference(environment: &registry_api::Name, name: &registry_api::Name) -> ResourceRef {
    ResourceRef { kind: Kind::Database, environment: environment.clone(), name: name.clone() }
}
