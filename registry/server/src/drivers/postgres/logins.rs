//! Opening, closing and finding logins.

use registry_api::platform::Access;
use serde::Deserialize;
use tokio_postgres::types::{ToSql, Type};

use super::PostgresServer;
use super::catalog::{Outside, RoleRow};
use super::connection::Session;
use super::converge::{not_ours, unmarked};
use super::database::Facts;
use super::error::PostgresError;
use super::identifier::{Identifier, quote_name, quote_text};
use super::login::{Login, login_object};
use super::mark::Mark;
use super::password::verifier;
use crate::model::names::access_role;
use crate::model::secret::SecretText;

/// Milliseconds that a connection may take to end.
pub(super) const END_LIMIT: i64 = 5000;

/// A login that was found by its mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginSeen {
    pub name: String,
    pub resource: String,
    pub can_login: bool,
    /// Milliseconds since 1970; none for ever.
    pub valid_until: Option<i64>,
}

#[derive(Deserialize)]
struct Row {
    name: String,
    comment: String,
    can_login: bool,
    valid_until: Option<i64>,
}

const MARKED: &str = "SELECT coalesce(json_agg(json_build_object(
       'name', r.rolname, 'comment', c.description, 'can_login', r.rolcanlogin,
       'valid_until', CASE WHEN isfinite(r.rolvaliduntil) THEN floor(extract(epoch FROM r.rolvaliduntil))::bigint END)
       ORDER BY r.rolname), '[]')::text
     FROM pg_roles r JOIN pg_shdescription c ON c.objoid = r.oid AND c.classoid = 'pg_authid'::regclass
     WHERE starts_with(c.description, $1)";

/// Where something belongs to a role, or is granted to it, inside databases of ours.
const PLACES: &str = "SELECT coalesce(json_agg(DISTINCT d.datname), '[]')::text
     FROM pg_shdepend s JOIN pg_database d ON d.oid = s.dbid
       JOIN pg_roles r ON r.oid = s.refobjid
       JOIN pg_roles m ON m.rolname = d.datname || '_migrate'
     WHERE s.refclassid = 'pg_authid'::regclass AND r.rolname = $1
       AND starts_with(shobj_description(m.oid, 'pg_authid'), $2)";

const END: &str = "SELECT pg_terminate_backend(pid, $2) FROM pg_stat_activity
     WHERE usename = $1 AND pid <> pg_backend_pid()";

impl PostgresServer {
    /// How these logins are. Refuses what is not ours.
    pub async fn observe_logins(&self, logins: &[Login]) -> Result<Facts, PostgresError> {
        let names: Vec<String> = logins.iter().map(|login| login.name().to_string()).collect();
        let _permit = self.connections.permits(1).await?;
        let session = self.connections.maintenance().await?;
        let outside = session.outside_of("", &names).await?;
        self.connections.keep(session);
        let mut facts = Facts::new();
        for login in logins {
            if let Some(row) = outside.role(login.name().as_str()) {
                self.check_login(row, login.resource())?;
                facts.insert(login.object(), row.state.to_state().to_string());
            }
        }
        Ok(facts)
    }

    /// Makes a login true, in one transaction. Without a password it keeps the one it has, and must be there.
    pub async fn put_login(
        &self,
        login: &Login,
        password: Option<&SecretText>,
    ) -> Result<(), PostgresError> {
        let _permit = self.connections.permits(1).await?;
        let session = self.connections.maintenance().await?;
        self.put_login_by(&session, login, password).await?;
        self.connections.keep(session);
        Ok(())
    }

    pub(super) async fn put_login_by(
        &self,
        session: &Session,
        login: &Login,
        password: Option<&SecretText>,
    ) -> Result<(), PostgresError> {
        let outside = session.outside_of("", &[login.name().to_string()]).await?;
        let sql = self.login_sql(login, password, &outside)?;
        let grant = format!("ALTER ROLE {} CREATEROLE", quote_name(&outside.admin.name));
        session.run_with_right(&login.object(), &grant, &sql).await
    }

    fn login_sql(
        &self,
        login: &Login,
        password: Option<&SecretText>,
        outside: &Outside,
    ) -> Result<String, PostgresError> {
        let (name, wish) = (login.name().as_str(), login.state());
        let verifier = password.map(verifier);
        if let Some(row) = outside.role(name) {
            self.check_login(row, login.resource())?;
            let password = verifier.map(|verifier| {
                format!("ALTER ROLE {} PASSWORD {};", quote_name(name), quote_text(&verifier))
            });
            return Ok(wish.alter(name, &row.state.to_state()) + &password.unwrap_or_default());
        }
        let Some(verifier) = verifier else {
            return Err(PostgresError::NoLogin { object: login.object() });
        };
        let mark = self.mark(login.resource())?.sql(&format!("ROLE {}", quote_name(name)));
        let mut sql = wish.create(name, Some(&verifier)) + &mark;
        if !outside.admin.superuser {
            // Who ends its connections must have its rights.
            sql.push_str(&outside.act_as(name));
        }
        Ok(sql)
    }

    /// Closes a login and ends its connections; what it made stays. Nothing where there is none.
    pub async fn retire_login(
        &self,
        name: &Identifier,
        resource: &str,
    ) -> Result<(), PostgresError> {
        let _permit = self.connections.permits(1).await?;
        let session = self.connections.maintenance().await?;
        if self.find_login(&session, name, resource).await? {
            close(&session, name.as_str()).await?;
        }
        self.connections.keep(session);
        Ok(())
    }

    /// Removes a login, ends its connections and leaves what it made to the role for migrations.
    /// Nothing where there is none.
    pub async fn drop_login(&self, name: &Identifier, resource: &str) -> Result<(), PostgresError> {
        let _permits = self.connections.permits(2).await?;
        let session = self.connections.maintenance().await?;
        if self.find_login(&session, name, resource).await? {
            self.remove_login(&session, name.as_str()).await?;
        }
        self.connections.keep(session);
        Ok(())
    }

    /// Logins of ours whose resource begins so, such as `credentials/`.
    pub async fn list_logins(&self, prefix: &str) -> Result<Vec<LoginSeen>, PostgresError> {
        let _permit = self.connections.permits(1).await?;
        let session = self.connections.maintenance().await?;
        let found = self.marked(&session, prefix).await?;
        self.connections.keep(session);
        Ok(found)
    }

    pub(super) async fn marked(
        &self,
        session: &Session,
        prefix: &str,
    ) -> Result<Vec<LoginSeen>, PostgresError> {
        // A mark of a resource without its name is the beginning of every longer one.
        let beginning = Mark::before(self.platform()) + prefix;
        let rows: Vec<Row> =
            session.ask("looking for logins", MARKED, &[(&beginning, Type::TEXT)]).await?;
        let seen = rows.into_iter().filter_map(|row| {
            let mark = Mark::parse(&row.comment)?;
            Some(LoginSeen {
                name: row.name,
                resource: mark.resource().to_owned(),
                can_login: row.can_login,
                valid_until: row.valid_until.map(|seconds| seconds * 1000),
            })
        });
        Ok(seen.collect())
    }

    async fn find_login(
        &self,
        session: &Session,
        name: &Identifier,
        resource: &str,
    ) -> Result<bool, PostgresError> {
        let outside = session.outside_of("", &[name.to_string()]).await?;
        outside
            .role(name.as_str())
            .map(|row| self.check_login(row, resource))
            .transpose()
            .map(|found| found.is_some())
    }

    fn check_login(&self, row: &RoleRow, resource: &str) -> Result<(), PostgresError> {
        match row.mark() {
            Some(mark) if mark == self.mark(resource)? => Ok(()),
            Some(mark) => Err(not_ours(&login_object(&row.name), &mark)),
            None => Err(unmarked(&login_object(&row.name), "somebody who left no mark")),
        }
    }

    /// Removes a role that is known to be ours.
    pub(super) async fn remove_login(
        &self,
        session: &Session,
        name: &str,
    ) -> Result<(), PostgresError> {
        close(session, name).await?;
        let beginning = Mark::before(self.platform());
        let arguments: [(&(dyn ToSql + Sync), Type); 2] =
            [(&name, Type::TEXT), (&beginning, Type::TEXT)];
        let places: Vec<String> =
            session.ask("looking for what a login has", PLACES, &arguments).await?;
        let role = quote_name(name);
        for database in places {
            let tenant = self.connections.open(&database).await?;
            let migrate = quote_name(&access_role(&database, Access::Migrate));
            let sql = format!("REASSIGN OWNED BY {role} TO {migrate}; DROP OWNED BY {role};");
            tenant.run(&format!("taking over what {name} has in {database}"), &sql).await?;
        }
        session.run(&login_object(name), &format!("DROP ROLE IF EXISTS {role}")).await
    }
}

/// Nobody logs in any more, and who is connected is disconnected.
async fn close(session: &Session, name: &str) -> Result<(), PostgresError> {
    let object = login_object(name);
    session.run(&object, &format!("ALTER ROLE {} NOLOGIN PASSWORD NULL", quote_name(name))).await?;
    let arguments: [(&(dyn ToSql + Sync), Type); 2] =
        [(&name, Type::TEXT), (&END_LIMIT, Type::INT8)];
    session.execute(&format!("ending connections of {name}"), END, &arguments).await
}
