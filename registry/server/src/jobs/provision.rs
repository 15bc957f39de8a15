//! The steps on database servers: making true, taking back, dropping.

use std::fmt::Write as _;
use std::ops::ControlFlow;

use registry_api::platform::DeletionPolicy;

use super::operation::StepFailure;
use crate::app::App;
use crate::drivers::postgres::{Change, Options, PostgresError};
use crate::failpoint;
use crate::model::provision::{DatabaseWish, Provision};
use crate::model::revision::Revision;
use crate::ops::databases::{self, database};
use crate::ops::delete_resource::require_unused;
use crate::ops::dumps;
use crate::ops::logins::{self, Cause};
use crate::ops::places::place;
use crate::ops::refusal::PlatformError;
use crate::platform::Place;
use crate::store::operations::{self, OperationRow};
use crate::store::resources::{self, ResourceRow};
use crate::store::{self, StoreError, Tx, leases};

/// What a provision step came to.
pub(super) struct Provisioned {
    /// For people.
    pub(super) detail: String,
    /// Version of the database's server, where the target does not have it.
    pub(super) engine_version: Option<String>,
}

/// Makes true what `target` shall have: the database, then logins and their credentials.
pub(super) async fn provision(
    app: &App,
    row: &OperationRow,
    target: &Revision,
) -> Result<Provisioned, StepFailure> {
    let place = place(app, &row.resource)?;
    let wished = &target.provision;
    let mut provisioned = Provisioned { detail: String::new(), engine_version: None };
    if let Some(wish) = &wished.database {
        let server = &databases::databases(place)?.server;
        let options = Options { adopt: target.adopted };
        let done = server.converge(&database(&row.resource, wish)?, options, &watch).await?;
        let known = target.outputs.database.as_ref().is_some_and(|it| it.engine_version.is_some());
        provisioned.engine_version = if known { None } else { Some(server.version().await?) };
        provisioned.detail = told(wish, &done);
    }
    let trigger = new_trigger(app, row, target).await?;
    for wish in &wished.logins {
        let cause = Cause { owner: &target.owner, rotation: trigger.as_deref(), actor: &row.actor };
        logins::ensure(app, place, wish, cause).await?;
        let _ = write!(provisioned.detail, "; credentials {}", wish.secret);
    }
    if let Some(trigger) = &trigger {
        rotate_consumers(app, place, row, trigger).await?;
    }
    let detail = provisioned.detail.trim_start_matches("; ").to_owned();
    Ok(Provisioned { detail, ..provisioned })
}

/// The trigger of a database's rotation, where it is another than the one that stands.
async fn new_trigger(
    app: &App,
    row: &OperationRow,
    target: &Revision,
) -> Result<Option<String>, PlatformError> {
    let mut conn = app.store.read().await?;
    let resource = resources::resource(&mut conn, &row.resource).await?;
    let standing = resource.and_then(|resource| resource.revision);
    Ok(target.new_trigger(standing.as_ref()).map(str::to_owned))
}

/// Gives every consumer of the database new credentials that has none for this trigger.
async fn rotate_consumers(
    app: &App,
    place: &Place,
    row: &OperationRow,
    trigger: &str,
) -> Result<(), StepFailure> {
    let mut conn = app.store.read().await.map_err(PlatformError::from)?;
    let (environment, name) = (&row.resource.environment, &row.resource.name);
    let consumers = store::logins::logins_of(&mut conn, environment, name).await;
    drop(conn);
    let due = consumers.map_err(PlatformError::from)?.into_iter();
    for consumer in due.filter(|consumer| consumer.rotation != trigger) {
        let wish = databases::consumer_wish(place, &consumer)?;
        let cause = Cause { owner: &consumer.owner, rotation: Some(trigger), actor: &row.actor };
        logins::rotate(app, place, &wish, cause).await?;
    }
    Ok(())
}

/// Takes back the logins that the resource had and `target` has not; all of them where there is none.
pub(super) async fn release(
    app: &App,
    row: &OperationRow,
    target: Option<&Revision>,
) -> Result<String, StepFailure> {
    let place = place(app, &row.resource)?;
    let nothing = Provision::default();
    let wished = target.map_or(&nothing, |target| &target.provision);
    let mut detail = String::new();
    for had in made_before(app, row).await.map_err(PlatformError::from)? {
        for wish in had.logins_without(wished) {
            logins::release(app, place, wish, &row.actor).await?;
            let _ = write!(detail, "{}credentials {} ended", separator(&detail), wish.secret);
        }
    }
    Ok(if detail.is_empty() { "nothing to take back".to_owned() } else { detail })
}

/// What the resource has on database servers, or what failed attempts since may have left there.
async fn made_before(app: &App, row: &OperationRow) -> Result<Vec<Provision>, StoreError> {
    let mut conn = app.store.read().await?;
    let attempts = operations::targets_since_success(&mut conn, &row.resource_id).await?;
    let standing = resources::resource(&mut conn, &row.resource).await?;
    let standing = standing.and_then(|resource| resource.revision);
    Ok(standing.into_iter().chain(attempts).map(|revision| revision.provision).collect())
}

/// Drops the database of a resource after its last dump, or lets go of it, as its policy says.
pub(super) async fn drop_database(app: &App, row: &OperationRow) -> Result<String, StepFailure> {
    let place = place(app, &row.resource)?;
    let mut conn = app.store.read().await.map_err(PlatformError::from)?;
    let resource = resources::resource(&mut conn, &row.resource).await;
    drop(conn);
    let Some(resource) = resource.map_err(PlatformError::from)? else {
        return Ok("it is gone".to_owned());
    };
    require_unused(app, &row.resource).await?;
    let shown = resource.shown();
    let Some(wish) = &shown.provision.database else { return Ok("it has none".to_owned()) };
    let server = &databases::databases(place)?.server;
    if databases::databases(place)?.name != wish.server {
        let why = format!(
            "database {} is on server {:?}, which environment {:?} does not use any more; the platform team has to \
             bring environment.postgres.server back to remove it",
            wish.name,
            wish.server,
            row.resource.environment.as_str()
        );
        return Err(StepFailure::permanent("environment_moved", why));
    }
    let wished = database(&row.resource, wish)?;
    if is_kept(&resource) {
        return match server.release_database(&wished, &watch).await {
            Ok(_) => Ok(format!("database {} stays with its data", wish.name)),
            Err(error) => left_alone(&resource, wish, error),
        };
    }
    let mut detail = String::new();
    // An earlier attempt may have come further than its operation.
    let is_there = match server.observe(&wished, Options::default()).await {
        Ok(facts) => facts.contains_key(&format!("Database/{}", wish.name)),
        Err(error) => return left_alone(&resource, wish, error),
    };
    if is_there && resource.leaves_dump() {
        let file = dumps::write(app, place, row, wish).await?;
        failpoint::hit("platform.dumped");
        let _ = write!(detail, "dumped to {}; ", file.display());
    }
    let done = server.drop_database(&wished, &watch).await?;
    let what = if done.is_empty() { "was not there" } else { "dropped" };
    let _ = write!(detail, "database {} {what}", wish.name);
    Ok(detail)
}

/// What is not ours stays as it is: of a create that came no further, that is all there is to roll back.
fn left_alone(
    resource: &ResourceRow,
    wish: &DatabaseWish,
    error: PostgresError,
) -> Result<String, StepFailure> {
    match error {
        PostgresError::NotOurs { .. } if resource.revision.is_none() => {
            Ok(format!("database {} is not ours and was left alone", wish.name))
        }
        error => Err(error.into()),
    }
}

/// Whether the data outlives the resource: its policy says so, or it was there before a create that never finished.
fn is_kept(resource: &ResourceRow) -> bool {
    let shown = resource.shown();
    let policy = shown.spec.database().map(|spec| spec.deletion_policy);
    policy == Some(DeletionPolicy::Retain) || (resource.revision.is_none() && shown.adopted)
}

/// Forgets what the store had of a database that is gone.
pub(super) async fn forget(
    app: &App,
    tx: &mut Tx,
    row: &OperationRow,
) -> Result<(), PlatformError> {
    if row.resource.kind != registry_api::platform::Kind::Database {
        return Ok(());
    }
    let (environment, name) = (&row.resource.environment, &row.resource.name);
    for consumer in store::logins::logins_of(tx, environment, name).await? {
        logins::forget(app, tx, &consumer.secret).await?;
    }
    Ok(leases::delete_leases_of(tx, environment, name).await?)
}

/// Lets a test end the process before any statement.
fn watch(_: &str) -> ControlFlow<()> {
    failpoint::hit("postgres.statement");
    ControlFlow::Continue(())
}

fn told(wish: &DatabaseWish, done: &[Change]) -> String {
    match done.len() {
        0 => format!("database {} is as it shall be", wish.name),
        1 => format!("database {}: 1 change", wish.name),
        count => format!("database {}: {count} changes", wish.name),
    }
}

const fn separator(before: &str) -> &'static str {
    if before.is_empty() { "" } else { "; " }
}
