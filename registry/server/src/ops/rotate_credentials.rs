//! Making the credentials of one consumer of a database anew, when somebody asks.

use registry_api::platform::SecretRef;

use super::databases::{self, consumer_wish};
use super::logins::{self, Cause};
use super::places::{lacks, may_see, place, require};
use super::refusal::{PlatformError, Reason, refuse};
use crate::app::App;
use crate::auth::Token;
use crate::model::right::Action;
use crate::store;
use crate::store::secrets::{self, SecretRow};

/// Gives the consumer that reads `path` new credentials.
pub async fn rotate(
    app: &App,
    token: &Token,
    path: &SecretRef,
) -> Result<SecretRow, PlatformError> {
    let mut conn = app.store.read().await?;
    let row = store::logins::login(&mut conn, path).await?;
    drop(conn);
    let environment = path.environment();
    let row = match row {
        Some(row) if may_see(token, environment, &row.owner) => row,
        Some(_) => return Err(lacks(token, &format!("apply:{environment}:OWNER of {path}"))),
        None => return Err(not_there(path)),
    };
    require(token, &Action::Apply, environment, &row.owner)?;
    let place = place(app, &databases::reference(&row.environment, &row.database))?;
    let wish = consumer_wish(place, &row)?;
    let cause = Cause { owner: &row.owner, rotation: None, actor: &token.name };
    logins::rotate(app, place, &wish, cause).await?;
    let mut conn = app.store.read().await?;
    secrets::secret(&mut conn, path).await?.ok_or_else(|| not_there(path))
}

fn not_there(path: &SecretRef) -> PlatformError {
    refuse(Reason::NotFound, format!("nobody has credentials at {path}"))
}
