//! Making a database true: looks first, then says only what is missing.
//!
//! In an order in which every statement may be the last: roles with their marks in one transaction,
//! then the database, whose owner's mark vouches for it until it has its own, then what is inside.

use std::collections::BTreeSet;

use registry_api::platform::Access;

use super::catalog::{Admin, Available, DatabaseRow, Inside, Outside, RoleRow};
use super::connection::{Session, Turn};
use super::database::{Database, EXTENSIONS_SCHEMA, Facts, PUBLIC_SCHEMA, role_object};
use super::error::PostgresError;
use super::identifier::quote_name;
use super::mark::Mark;
use super::steps::{Action, Change, Step, Watch, Work, between};
use super::{PostgresServer, unmanaged};

/// `pg_database.datconnlimit` of a database whose drop was interrupted.
const HALF_DROPPED: i32 = -2;

/// The oldest version that the statements here are made for.
const OLDEST: u32 = 14;
/// From this version on whoever owns a database has its schema `public` too.
const DATABASE_OWNER_HAS_PUBLIC: u32 = 15;

/// How to take what is found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// Take over a database and roles that nobody has marked.
    pub adopt: bool,
}

/// Whose a database is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Absent,
    Ours,
    Unmarked,
}

impl PostgresServer {
    /// How the database and its roles are. Refuses what is not ours, and extensions that the server
    /// could not install; changes nothing.
    pub async fn observe(
        &self,
        database: &Database,
        options: Options,
    ) -> Result<Facts, PostgresError> {
        let _permits = self.connections.permits(2).await?;
        let session = self.connections.maintenance().await?;
        let outside = session.outside(database).await?;
        let mark = self.mark(database.resource())?;
        outside.standing(database, &mark, options)?;
        let inside = self.look_inside(&session, &outside, database).await?;
        self.connections.keep(session);
        let mut facts = outside.facts(database);
        if let Some((_, inside)) = inside {
            let pieces = inside.pieces(database, self.platform());
            facts.extend(pieces.into_iter().map(|piece| (piece.object, piece.state)));
        }
        Ok(facts)
    }

    /// Makes the database as it shall be, and tells what that took: nothing where it was so already.
    pub async fn converge(
        &self,
        database: &Database,
        options: Options,
        watch: Watch<'_>,
    ) -> Result<Vec<Change>, PostgresError> {
        let turn = self.connections.turn(database.name().as_str()).await?;
        let mut work = Work { object: database.object(), watch, done: Vec::new() };
        self.converge_in_turn(&turn, database, options, &mut work).await?;
        self.connections.end(turn).await?;
        Ok(work.done)
    }

    async fn converge_in_turn(
        &self,
        turn: &Turn,
        database: &Database,
        options: Options,
        work: &mut Work<'_>,
    ) -> Result<(), PostgresError> {
        let session = &turn.session;
        let mark = self.mark(database.resource())?;
        let mut outside = session.outside(database).await?;
        outside.check_version(&self.connections.server())?;
        outside.admin.check(&self.connections.server())?;
        let standing = outside.standing(database, &mark, options)?;
        let mut looked = self.look_inside(session, &outside, database).await?;

        work.together(session, None, outside.role_steps(database, &mark)).await?;
        if outside.is_missing() {
            for step in outside.creation(database) {
                work.alone(session, step).await?;
            }
            outside = session.outside(database).await?;
        }
        if standing == Standing::Unmarked
            && let (Some((tenant, _)), Some(row)) = (&looked, &outside.database)
            && row.owner != database.owner_role()
        {
            self.take_over(tenant, database, &row.owner, work).await?;
            looked = None; // what stands inside has other owners now
        }
        work.together(session, None, outside.database_steps(database, &mark)).await?;

        let (tenant, inside) = if let Some(looked) = looked {
            looked
        } else {
            let tenant = self.connections.open(database.name().as_str()).await?;
            let inside = tenant.inside(database).await?;
            (tenant, inside)
        };
        let available = self.check_extensions(session, &outside, &inside, database).await?;
        let plan = inside.steps(database, &mark, &available);
        work.together(&tenant, None, plan.on_public).await?;
        work.together(&tenant, Some(&database.owner_role()), plan.as_owner).await?;
        work.together(&tenant, None, plan.as_admin).await
    }

    /// What stands in a database that is there and lets us in, once it is sure that its extensions
    /// can be had.
    async fn look_inside(
        &self,
        session: &Session,
        outside: &Outside,
        database: &Database,
    ) -> Result<Option<(Session, Inside)>, PostgresError> {
        if outside.is_missing() || outside.database.as_ref().is_some_and(|row| !row.accepts) {
            self.check_extensions(session, outside, &Inside::default(), database).await?;
            return Ok(None);
        }
        let tenant = self.connections.open(database.name().as_str()).await?;
        let inside = tenant.inside(database).await?;
        self.check_extensions(session, outside, &inside, database).await?;
        Ok(Some((tenant, inside)))
    }

    async fn check_extensions(
        &self,
        session: &Session,
        outside: &Outside,
        inside: &Inside,
        database: &Database,
    ) -> Result<Vec<Available>, PostgresError> {
        let installed: BTreeSet<&str> =
            inside.extensions.iter().map(|row| row.name.as_str()).collect();
        let wanted: BTreeSet<String> = database
            .extensions()
            .iter()
            .filter(|name| !installed.contains(name.as_str()))
            .cloned()
            .collect();
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let available = session.available(&wanted).await?;
        for name in &wanted {
            let found = available.iter().find(|extension| extension.name == *name);
            let problem = match found {
                None => Some(
                    "the server does not have its files; install them there, or leave it out"
                        .to_owned(),
                ),
                Some(extension) => extension.problem(&outside.admin, database, &installed),
            };
            if let Some(problem) = problem {
                let server = self.connections.server();
                return Err(PostgresError::Extension { server, extension: name.clone(), problem });
            }
        }
        Ok(available)
    }

    /// Gives what an unmarked database's owner has in it to the role for migrations.
    async fn take_over(
        &self,
        tenant: &Session,
        database: &Database,
        old_owner: &str,
        work: &mut Work<'_>,
    ) -> Result<(), PostgresError> {
        let migrate = database.role(Access::Migrate);
        let sql = unmanaged::new_owner_sql(tenant, old_owner, &migrate).await?;
        if sql.is_empty() {
            return Ok(());
        }
        let object = format!("Owner/{}", database.name());
        let summary = format!("objects of {old_owner} belong to {migrate}");
        let grant =
            format!("GRANT {} TO {}", quote_name(old_owner), quote_name(&self.settings().user));
        let step = Step::new(&object, Action::Update, &summary, sql).with_grant(grant);
        work.together(tenant, None, vec![step]).await
    }
}

impl Admin {
    fn check(&self, server: &str) -> Result<(), PostgresError> {
        if self.superuser || (self.createdb && self.createrole) {
            return Ok(());
        }
        Err(PostgresError::InsufficientRight {
            server: server.to_owned(),
            doing: "making databases and roles".to_owned(),
            words: format!("{} is no superuser and lacks CREATEDB or CREATEROLE", self.name),
            grant: format!("ALTER ROLE {} CREATEDB CREATEROLE", quote_name(&self.name)),
        })
    }
}

impl Available {
    fn problem(
        &self,
        admin: &Admin,
        database: &Database,
        installed: &BTreeSet<&str>,
    ) -> Option<String> {
        if self.superuser && !self.trusted && !admin.superuser {
            return Some(
                "only a superuser may install it, and the administrator is none".to_owned(),
            );
        }
        let there = |name: &&String| {
            database.extensions().contains(*name) || installed.contains(name.as_str())
        };
        let missing = self.requires.iter().find(|name| !there(name))?;
        Some(format!("it needs {missing:?}; ask for both"))
    }

    /// Installed as the administrator only where nobody else may.
    fn needs_admin(&self) -> bool {
        self.superuser && !self.trusted
    }
}

impl Outside {
    /// There is no database, or what an interrupted drop left of one.
    fn is_missing(&self) -> bool {
        self.database.as_ref().is_none_or(|row| row.connection_limit == HALF_DROPPED)
    }

    fn check_version(&self, server: &str) -> Result<(), PostgresError> {
        let found = self.version / 10_000;
        if found < OLDEST {
            let problem = format!("PostgreSQL {found} is too old; {OLDEST} or newer is needed");
            return Err(PostgresError::InvalidSettings { problem });
        }
        if found < DATABASE_OWNER_HAS_PUBLIC && !self.admin.superuser {
            return Err(PostgresError::InsufficientRight {
                server: server.to_owned(),
                doing: "closing the schema public".to_owned(),
                words: format!("on PostgreSQL {found} it belongs to a superuser"),
                grant: format!("ALTER ROLE {} SUPERUSER", quote_name(&self.admin.name)),
            });
        }
        Ok(())
    }

    fn standing(
        &self,
        database: &Database,
        mark: &Mark,
        options: Options,
    ) -> Result<Standing, PostgresError> {
        for role in &self.roles {
            check_role(role, mark, options)?;
        }
        let Some(row) = &self.database else { return Ok(Standing::Absent) };
        let object = database.object();
        match row.comment.as_deref().and_then(Mark::parse) {
            Some(found) if found == *mark => Ok(Standing::Ours),
            Some(found) => Err(not_ours(&object, &found)),
            None if self.vouched_for(row, database, mark) => Ok(Standing::Ours),
            None if options.adopt => Ok(Standing::Unmarked),
            None => Err(unmarked(&object, &row.owner)),
        }
    }

    /// Made by us and not yet marked: it belongs to a role that is.
    fn vouched_for(&self, row: &DatabaseRow, database: &Database, mark: &Mark) -> bool {
        let owner = database.owner_role();
        row.comment.is_none()
            && row.owner == owner
            && self.role(&owner).and_then(RoleRow::mark).as_ref() == Some(mark)
    }

    /// Refuses a database and roles that are not ours.
    pub(super) fn check_ours(&self, database: &Database, mark: &Mark) -> Result<(), PostgresError> {
        self.standing(database, mark, Options::default()).map(drop)
    }

    fn facts(&self, database: &Database) -> Facts {
        let roles = self
            .roles
            .iter()
            .map(|role| (role_object(&role.name), role.state.to_state().to_string()));
        let pieces = self.pieces(database).into_iter().map(|piece| (piece.object, piece.state));
        let itself = self.database.iter().filter(|_| !self.is_missing());
        let itself = itself.map(|row| (database.object(), row.state().to_string()));
        roles.chain(pieces).chain(itself).collect()
    }

    fn role_steps(&self, database: &Database, mark: &Mark) -> Vec<Step> {
        let mut steps = Vec::new();
        for (name, wish) in database.roles() {
            let comment = mark.sql(&format!("ROLE {}", quote_name(&name)));
            let grant = format!(
                "GRANT {} TO {} WITH ADMIN OPTION",
                quote_name(&name),
                quote_name(&self.admin.name)
            );
            let (action, summary, mut sql) = match self.role(&name) {
                None => (Action::Create, wish.to_string(), wish.create(&name, None) + &comment),
                Some(found) => {
                    let state = found.state.to_state();
                    let mut sql = wish.alter(&name, &state);
                    if found.mark().is_none() {
                        sql += &comment;
                    }
                    (Action::Update, format!("{wish} (was: {state})"), sql)
                }
            };
            let usable = self.admin.superuser || self.role(&name).is_some_and(|role| role.usable);
            if name == database.owner_role() && !usable {
                sql += &self.act_as(&name);
            }
            if !sql.is_empty() {
                steps.push(Step::new(&role_object(&name), action, &summary, sql).with_grant(grant));
            }
        }
        steps
    }

    /// Gives the administrator the rights of a role that it has made.
    pub(super) fn act_as(&self, role: &str) -> String {
        let with = if self.version >= 160_000 { " WITH INHERIT TRUE, SET TRUE" } else { "" };
        format!("GRANT {} TO {}{with};", quote_name(role), quote_name(&self.admin.name))
    }

    /// The statements that make a database; neither can be part of a transaction.
    fn creation(&self, database: &Database) -> Vec<Step> {
        let name = database.name().quoted();
        let object = database.object();
        let mut steps = Vec::new();
        if self.database.is_some() {
            let sql = format!("DROP DATABASE {name}");
            steps.push(Step::new(&object, Action::Remove, "half dropped", sql));
        }
        // Text sorts by code point: no update of a library can put an index out of order.
        let locale = if self.version >= 170_000 {
            "LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8'"
        } else {
            "LC_COLLATE 'C'"
        };
        let owner = quote_name(&database.owner_role());
        let sql = format!(
            "CREATE DATABASE {name} OWNER {owner} TEMPLATE template0 ENCODING 'UTF8' {locale}"
        );
        let grant = format!("ALTER ROLE {} CREATEDB", quote_name(&self.admin.name));
        let summary = database.itself().to_string();
        steps.push(Step::new(&object, Action::Create, &summary, sql).with_grant(grant));
        steps
    }

    /// Owner, mark, grants and settings of a database that is there.
    fn database_steps(&self, database: &Database, mark: &Mark) -> Vec<Step> {
        let Some(row) = &self.database else { return Vec::new() };
        let (wish, found) = (database.itself(), row.state());
        let mut sql = wish.alter(database.name(), &found);
        if row.comment.as_deref() != Some(&mark.to_string()) {
            sql.push_str(&mark.sql(&format!("DATABASE {}", database.name().quoted())));
        }
        let itself = (!sql.is_empty()).then(|| {
            let summary =
                if wish == found { "marked".to_owned() } else { format!("{wish} (was: {found})") };
            Step::new(&database.object(), Action::Update, &summary, sql)
        });
        let grant = format!("GRANT {} TO {}", quote_name(&row.owner), quote_name(&self.admin.name));
        let rest = between(database.outside(), &self.pieces(database));
        itself.into_iter().chain(rest).map(|step| step.with_grant(grant.clone())).collect()
    }
}

fn check_role(role: &RoleRow, mark: &Mark, options: Options) -> Result<(), PostgresError> {
    let object = role_object(&role.name);
    let state = role.state.to_state();
    match role.mark() {
        Some(found) if found == *mark => Ok(()),
        Some(found) => Err(not_ours(&object, &found)),
        None if options.adopt && !state.login && state.attributes.is_empty() => Ok(()),
        None => Err(unmarked(&object, "somebody who left no mark")),
    }
}

pub(super) fn not_ours(object: &str, found: &Mark) -> PostgresError {
    PostgresError::NotOurs {
        object: object.to_owned(),
        whose: format!("{} of the platform {} has it", found.resource(), found.platform()),
        way_out: "remove it there",
    }
}

pub(super) fn unmarked(object: &str, owner: &str) -> PostgresError {
    PostgresError::NotOurs {
        object: object.to_owned(),
        whose: format!("it carries no mark and belongs to {owner}"),
        way_out: "import the database, which adopts it",
    }
}

/// Steps inside a database, in order, by who takes them.
#[derive(Default)]
struct Plan {
    /// Before PostgreSQL 15 the schema `public` belongs to a superuser.
    on_public: Vec<Step>,
    as_owner: Vec<Step>,
    as_admin: Vec<Step>,
}

impl Inside {
    fn steps(&self, database: &Database, mark: &Mark, available: &[Available]) -> Plan {
        let seen = self.pieces(database, mark.platform());
        let name = database.name();
        let extensions = format!("Extension/{name}.");
        let on_public = [
            format!("Grant/{name}.{PUBLIC_SCHEMA}.PUBLIC"),
            format!("Grant/{name}.{PUBLIC_SCHEMA}.{}", database.role(Access::Migrate)),
            format!("Schema/{name}.{PUBLIC_SCHEMA}"),
        ];
        let mut plan = Plan::default();
        for mut step in between(database.inside(), &seen) {
            let object = step.change.object.as_str();
            if on_public.iter().any(|public| public == object) {
                plan.on_public.push(step);
                continue;
            }
            let Some(extension) = object.strip_prefix(&extensions) else {
                plan.as_owner.push(step);
                continue;
            };
            let found = available.iter().find(|available| available.name == extension);
            if let Some(found) = found {
                step.sql = installation(found, mark);
            }
            // What a superuser has installed only a superuser can remove.
            if found.is_some_and(|found| !found.needs_admin()) {
                plan.as_owner.push(step);
            } else {
                plan.as_admin.push(step);
            }
        }
        plan
    }
}

fn installation(extension: &Available, mark: &Mark) -> String {
    let name = quote_name(&extension.name);
    let schema = match extension.schema {
        Some(_) => String::new(), // it has a schema of its own
        None => format!(" SCHEMA {EXTENSIONS_SCHEMA}"),
    };
    // What it needs is wished for too, and is perhaps later in the list.
    let mark = mark.sql(&format!("EXTENSION {name}"));
    format!("CREATE EXTENSION IF NOT EXISTS {name}{schema} CASCADE; {mark}")
}
