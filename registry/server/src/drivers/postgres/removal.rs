//! Dropping a database, or letting go of it.

use registry_api::platform::Access;
use serde::Deserialize;
use tokio_postgres::types::{ToSql, Type};

use super::PostgresServer;
use super::connection::{APPLICATION, Session};
use super::database::{Database, role_object};
use super::error::PostgresError;
use super::identifier::quote_name;
use super::login::login_object;
use super::logins::{END_LIMIT, LoginSeen};
use super::steps::{Action, Change, Step, Watch, Work};

/// Somebody who is connected to a database.
#[derive(Deserialize)]
struct Connected {
    ours: bool,
    words: String,
}

const CONNECTED: &str = "SELECT coalesce(json_agg(json_build_object(
       'ours', usename = ANY ($2) OR (usename = session_user AND application_name = $3),
       'words', format('%s (%s) from %s', usename, coalesce(nullif(application_name, ''), 'unnamed application'),
         coalesce(host(client_addr), 'an unknown address')))), '[]')::text
     FROM pg_stat_activity
     WHERE datname = $1 AND usename IS NOT NULL AND pid <> pg_backend_pid()";

const END: &str = "SELECT pg_terminate_backend(pid, $4) FROM pg_stat_activity
     WHERE datname = $1 AND pid <> pg_backend_pid()
       AND (usename = ANY ($2) OR (usename = session_user AND application_name = $3))";

/// Roles with a mark of ours that are members of a database's roles.
const MEMBERS: &str = "SELECT coalesce(json_agg(DISTINCT r.rolname), '[]')::text
     FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid JOIN pg_roles r ON r.oid = m.member
     WHERE g.rolname = ANY ($1) AND NOT r.rolname = ANY ($1)";

impl PostgresServer {
    /// Drops the database, its logins and its roles. Ends connections of our own logins only: where
    /// anybody else is connected, nothing is dropped.
    pub async fn drop_database(
        &self,
        database: &Database,
        watch: Watch<'_>,
    ) -> Result<Vec<Change>, PostgresError> {
        let name = database.name().as_str();
        let turn = self.connections.turn(name).await?;
        let session = &turn.session;
        let mut work = Work { object: database.object(), watch, done: Vec::new() };
        let outside = session.outside(database).await?;
        outside.check_ours(database, &self.mark(database.resource())?)?;
        let logins = self.logins_of(session, database).await?;
        if let Some(row) = &outside.database {
            // Also where it is closed already: an attempt before may have come no further.
            self.close(session, database, &logins, &mut work).await?;
            let sql = format!("DROP DATABASE {}", database.name().quoted());
            let step = Step::new(&database.object(), Action::Remove, &row.state().to_string(), sql);
            work.alone(session, step).await?;
        }
        self.drop_logins(session, &logins, &mut work).await?;
        let drops = database.roles().into_iter().rev().filter_map(|(role, _)| {
            let row = outside.role(&role)?;
            let sql = format!("DROP ROLE {}", quote_name(&role));
            Some(Step::new(
                &role_object(&role),
                Action::Remove,
                &row.state.to_state().to_string(),
                sql,
            ))
        });
        work.together(session, None, drops.collect()).await?;
        self.connections.end(turn).await?;
        Ok(work.done)
    }

    /// Lets go of the database: drops its logins and takes our marks away. Its data, its owner and
    /// its roles stay as they are, and it can be adopted again.
    pub async fn release_database(
        &self,
        database: &Database,
        watch: Watch<'_>,
    ) -> Result<Vec<Change>, PostgresError> {
        let turn = self.connections.turn(database.name().as_str()).await?;
        let session = &turn.session;
        let mut work = Work { object: database.object(), watch, done: Vec::new() };
        let outside = session.outside(database).await?;
        outside.check_ours(database, &self.mark(database.resource())?)?;
        let logins = self.logins_of(session, database).await?;
        self.drop_logins(session, &logins, &mut work).await?;
        // All in one: a database without a mark whose owner still has one would be ours.
        let mut steps = Vec::new();
        if outside.database.is_some() {
            let sql = format!("COMMENT ON DATABASE {} IS NULL", database.name().quoted());
            steps.push(Step::new(
                &database.object(),
                Action::Update,
                "released: data and owner stay",
                sql,
            ));
        }
        steps.extend(outside.roles.iter().map(|role| {
            let sql = format!("COMMENT ON ROLE {} IS NULL", quote_name(&role.name));
            Step::new(&role_object(&role.name), Action::Update, "released", sql)
        }));
        work.together(session, None, steps).await?;
        self.connections.end(turn).await?;
        Ok(work.done)
    }

    /// Keeps everybody out, then looks who is still in. Strangers stay, and get the door opened again.
    async fn close(
        &self,
        session: &Session,
        database: &Database,
        logins: &[LoginSeen],
        work: &mut Work<'_>,
    ) -> Result<(), PostgresError> {
        let quoted = database.name().quoted();
        work.pause("closing the database")?;
        session
            .run(
                "closing the database",
                &format!("ALTER DATABASE {quoted} ALLOW_CONNECTIONS false"),
            )
            .await?;
        let name = database.name().as_str();
        let mut users: Vec<String> = logins.iter().map(|login| login.name.clone()).collect();
        users.extend(database.roles().into_iter().map(|(role, _)| role));
        let arguments: [(&(dyn ToSql + Sync), Type); 4] = [
            (&name, Type::TEXT),
            (&users, Type::TEXT_ARRAY),
            (&APPLICATION, Type::TEXT),
            (&END_LIMIT, Type::INT8),
        ];
        let looking = "looking who is connected";
        let connected: Vec<Connected> = session.ask(looking, CONNECTED, &arguments[..3]).await?;
        let strangers: Vec<String> =
            connected.into_iter().filter(|who| !who.ours).map(|who| who.words).collect();
        if !strangers.is_empty() {
            session
                .run(
                    "opening the database",
                    &format!("ALTER DATABASE {quoted} ALLOW_CONNECTIONS true"),
                )
                .await?;
            return Err(PostgresError::InUse { database: name.to_owned(), connections: strangers });
        }
        work.pause("ending our connections")?;
        session.execute("ending our connections", END, &arguments).await
    }

    async fn logins_of(
        &self,
        session: &Session,
        database: &Database,
    ) -> Result<Vec<LoginSeen>, PostgresError> {
        let groups = [
            database.role(Access::Read),
            database.role(Access::Write),
            database.role(Access::Migrate),
        ];
        let owner = database.owner_role();
        let members: Vec<String> = session
            .ask("looking for logins", MEMBERS, &[(&groups.as_slice(), Type::TEXT_ARRAY)])
            .await?;
        let marked = self.marked(session, "").await?;
        let ours = |login: &LoginSeen| members.contains(&login.name) && login.name != owner;
        Ok(marked.into_iter().filter(ours).collect())
    }

    async fn drop_logins(
        &self,
        session: &Session,
        logins: &[LoginSeen],
        work: &mut Work<'_>,
    ) -> Result<(), PostgresError> {
        for login in logins {
            let object = login_object(&login.name);
            work.pause(&object)?;
            self.remove_login(session, &login.name).await?;
            let summary = login.resource.clone();
            work.done.push(Change { object, action: Action::Remove, summary });
        }
        Ok(())
    }
}
