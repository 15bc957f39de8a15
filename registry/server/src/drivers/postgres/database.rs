//! A database as it shall be: the objects it is made of, and the SQL that makes each.
//!
//! Pure. Four roles that nobody logs in as stand for a database's people:
//!
//! - `orders_owner` owns the database. Only the platform acts as it, so that nobody who may change
//!   the schema can drop the database, move it, or rewrite the mark that says whose it is.
//! - `orders_migrate` owns the schema `app` and what is made in it. Logins for migrations act as it.
//! - `orders_write` and `orders_read` may use what stands there, now and later.
//!
//! Extensions live in the schema `extensions`, where no tenant may make objects that an extension's
//! script could mistake for its own.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use registry_api::platform::Access;

use super::error::PostgresError;
use super::identifier::{Identifier, quote_name, quote_text};
use super::mark::Mark;
use super::role::{RoleState, setting_name};
use crate::model::names::{access_role, owner_role};

/// Object → one line that says how it is.
pub use crate::model::provisioned::Provisioned as Facts;

pub(super) const EXTENSIONS_SCHEMA: &str = "extensions";
pub(super) const PUBLIC_SCHEMA: &str = "public";
/// The schema of databases that the platform made.
pub const MANAGED_SCHEMA: &str = "app";
/// Settings that callers cannot choose: they would undo what this driver relies on.
const OURS: [&str; 4] =
    ["role", "search_path", "session_authorization", "session_replication_role"];

/// Kind of relation, role → the privileges it shall have, in alphabetical order.
pub(super) const PRIVILEGES: [(&str, Access, &str); 4] = [
    ("tables", Access::Read, "SELECT"),
    ("sequences", Access::Read, "SELECT"),
    ("tables", Access::Write, "DELETE, INSERT, SELECT, UPDATE"),
    ("sequences", Access::Write, "SELECT, UPDATE, USAGE"),
];

/// One managed database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    name: Identifier,
    resource: String,
    schema: String,
    connection_limit: Option<u32>,
    extensions: BTreeSet<String>,
    settings: BTreeMap<String, String>,
}

/// Something that is or shall be, with the SQL that makes it so, or undoes what was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) object: String,
    pub(super) state: String,
    pub(super) sql: String,
}

impl Database {
    /// A database without extensions and with careful time limits. `resource` names it in the
    /// platform, such as `database/staging/orders`.
    pub fn new(name: &str, resource: &str) -> Result<Self, PostgresError> {
        let name = Identifier::new(name)?;
        Mark::new("platform", resource)?;
        // The longest of the names that are made of it.
        name.with_suffix(Access::Migrate.as_str())?;
        let limits = [
            ("statement_timeout", "30s"),
            ("lock_timeout", "5s"),
            ("idle_in_transaction_session_timeout", "60s"),
        ];
        Ok(Self {
            name,
            resource: resource.to_owned(),
            schema: MANAGED_SCHEMA.to_owned(),
            connection_limit: None,
            extensions: BTreeSet::new(),
            settings: limits
                .iter()
                .map(|(name, value)| ((*name).into(), (*value).into()))
                .collect(),
        })
    }

    /// The schema that logins work in, for an adopted database whose objects stand elsewhere than `app`.
    pub fn with_schema(mut self, schema: &str) -> Result<Self, PostgresError> {
        if schema != PUBLIC_SCHEMA {
            Identifier::new(schema)?;
        }
        schema.clone_into(&mut self.schema);
        Ok(self)
    }

    /// Most connections at once, all logins together.
    #[must_use]
    pub fn with_connection_limit(mut self, limit: u32) -> Self {
        self.connection_limit = Some(limit.min(i32::MAX.unsigned_abs()));
        self
    }

    /// Extensions by their names on the server, such as `uuid-ossp`.
    #[must_use]
    pub fn with_extensions<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.extensions.extend(names.into_iter().map(str::to_owned));
        self
    }

    /// A setting that holds for whoever connects to the database, such as `statement_timeout`.
    pub fn with_setting(mut self, name: &str, value: &str) -> Result<Self, PostgresError> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '.';
        let problem = if name.is_empty() || name.len() > 63 || !name.chars().all(plain) {
            "a setting is named with a-z, 0-9, underscores and dots"
        } else if OURS.contains(&name) {
            "this setting is the platform's own"
        } else if value.chars().any(char::is_control) {
            "its value holds a control character"
        } else {
            self.settings.insert(name.to_owned(), value.to_owned());
            return Ok(self);
        };
        Err(PostgresError::InvalidName { name: name.to_owned(), problem: problem.to_owned() })
    }

    pub fn name(&self) -> &Identifier {
        &self.name
    }

    pub fn resource(&self) -> &str {
        &self.resource
    }

    pub(super) fn schema(&self) -> &str {
        &self.schema
    }

    pub(super) fn extensions(&self) -> &BTreeSet<String> {
        &self.extensions
    }

    /// The role that owns the database; nobody logs in with it or acts as it but the platform.
    pub fn owner_role(&self) -> String {
        owner_role(self.name.as_str())
    }

    /// The role whose rights a login with this access has.
    pub fn role(&self, access: Access) -> String {
        access_role(self.name.as_str(), access)
    }

    /// How everything shall be.
    pub fn facts(&self) -> Facts {
        let roles =
            self.roles().into_iter().map(|(name, state)| (role_object(&name), state.to_string()));
        let pieces = self.outside().into_iter().chain(self.inside());
        let pieces = pieces.map(|piece| (piece.object, piece.state));
        let itself = (self.object(), self.itself().to_string());
        roles.chain(pieces).chain(std::iter::once(itself)).collect()
    }

    pub(super) fn object(&self) -> String {
        format!("Database/{}", self.name)
    }

    pub(super) fn itself(&self) -> DatabaseState {
        let connection_limit = self.connection_limit.and_then(|limit| i32::try_from(limit).ok());
        DatabaseState {
            owner: self.owner_role(),
            connection_limit: connection_limit.unwrap_or(-1),
            accepts: true,
        }
    }

    /// The roles, those first that others are members of.
    pub(super) fn roles(&self) -> Vec<(String, RoleState)> {
        let migrate = self.role(Access::Migrate);
        let owner = RoleState::group(&[&migrate]);
        let group = || RoleState::group(&[]);
        vec![
            (migrate, group()),
            (self.role(Access::Write), group()),
            (self.role(Access::Read), group()),
            (self.owner_role(), owner),
        ]
    }

    /// What is said of the database as a whole: who may connect, and its settings.
    pub(super) fn outside(&self) -> Vec<Piece> {
        let database = self.name.quoted();
        let grant = |access: Access, privileges: &str| {
            let role = self.role(access);
            Piece {
                object: format!("Grant/{}.{role}", self.name),
                state: privileges.to_owned(),
                sql: format!("GRANT {privileges} ON DATABASE {database} TO {};", quote_name(&role)),
            }
        };
        let path = [self.schema.as_str(), EXTENSIONS_SCHEMA];
        let search_path = Piece {
            object: format!("Setting/{}.search_path", self.name),
            state: path.join(", "),
            sql: format!(
                "ALTER DATABASE {database} SET search_path = {};",
                path.map(quote_name).join(", ")
            ),
        };
        let settings = self.settings.iter().map(|(name, value)| Piece {
            object: format!("Setting/{}.{name}", self.name),
            state: value.clone(),
            sql: format!(
                "ALTER DATABASE {database} SET {} = {};",
                setting_name(name),
                quote_text(value)
            ),
        });
        [
            grant(Access::Read, "CONNECT"),
            grant(Access::Write, "CONNECT, TEMPORARY"),
            grant(Access::Migrate, "CONNECT, TEMPORARY"),
            search_path,
        ]
        .into_iter()
        .chain(settings)
        .collect()
    }

    /// What stands inside the database.
    pub(super) fn inside(&self) -> Vec<Piece> {
        let mut pieces = vec![
            self.schema_piece(&self.schema, &self.role(Access::Migrate)),
            self.schema_piece(EXTENSIONS_SCHEMA, &self.owner_role()),
            self.usage(&self.schema, Access::Read),
            self.usage(&self.schema, Access::Write),
            self.usage(EXTENSIONS_SCHEMA, Access::Read),
            self.usage(EXTENSIONS_SCHEMA, Access::Write),
            self.usage(EXTENSIONS_SCHEMA, Access::Migrate),
        ];
        for (kind, access, privileges) in PRIVILEGES {
            pieces.push(self.default_piece(kind, access, privileges));
            pieces.push(Piece {
                object: self.relations_object(kind, access),
                state: privileges.to_owned(),
                sql: String::new(), // what is missing is known only by looking
            });
        }
        pieces.extend(self.extensions.iter().map(|name| Piece {
            object: format!("Extension/{}.{name}", self.name),
            state: "installed".to_owned(),
            sql: String::new(), // who may install it depends on the server
        }));
        pieces
    }

    pub(super) fn relations_object(&self, kind: &str, access: Access) -> String {
        format!("Grant/{}.{}.{kind}.{}", self.name, self.schema, self.role(access))
    }

    fn schema_piece(&self, schema: &str, owner: &str) -> Piece {
        let (name, role) = (quote_name(schema), quote_name(owner));
        Piece {
            object: format!("Schema/{}.{schema}", self.name),
            state: format!("owner {owner}"),
            sql: format!(
                "CREATE SCHEMA IF NOT EXISTS {name} AUTHORIZATION {role}; ALTER SCHEMA {name} OWNER TO {role};"
            ),
        }
    }

    fn usage(&self, schema: &str, access: Access) -> Piece {
        let role = self.role(access);
        Piece {
            object: format!("Grant/{}.{schema}.{role}", self.name),
            state: "USAGE".to_owned(),
            sql: format!("GRANT USAGE ON SCHEMA {} TO {};", quote_name(schema), quote_name(&role)),
        }
    }

    /// Privileges on what is made later.
    fn default_piece(&self, kind: &str, access: Access, privileges: &str) -> Piece {
        let role = self.role(access);
        Piece {
            object: format!("Default/{}.{}.{kind}.{role}", self.name, self.schema),
            state: privileges.to_owned(),
            sql: format!(
                "ALTER DEFAULT PRIVILEGES FOR ROLE {} IN SCHEMA {} GRANT {privileges} ON {} TO {};",
                quote_name(&self.role(Access::Migrate)),
                quote_name(&self.schema),
                kind.to_uppercase(),
                quote_name(&role),
            ),
        }
    }
}

pub(super) fn role_object(name: &str) -> String {
    format!("Role/{name}")
}

/// What `pg_database` says of a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DatabaseState {
    pub(super) owner: String,
    /// -1 for no limit.
    pub(super) connection_limit: i32,
    pub(super) accepts: bool,
}

impl DatabaseState {
    /// The statements that bring a database from another state to this one.
    pub(super) fn alter(&self, name: &Identifier, from: &Self) -> String {
        let name = name.quoted();
        let owner = quote_name(&self.owner);
        let limit = self.connection_limit;
        [
            (self.owner != from.owner).then(|| format!("ALTER DATABASE {name} OWNER TO {owner};")),
            (limit != from.connection_limit)
                .then(|| format!("ALTER DATABASE {name} CONNECTION LIMIT {limit};")),
            (self.accepts != from.accepts)
                .then(|| format!("ALTER DATABASE {name} ALLOW_CONNECTIONS {};", self.accepts)),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

impl fmt::Display for DatabaseState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "owner {}", self.owner)?;
        if self.connection_limit >= 0 {
            write!(f, ", at most {} connections", self.connection_limit)?;
        }
        f.write_str(if self.accepts { "" } else { ", closed to connections" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leaves_room_for_the_names_of_its_roles() {
        let longest = "a".repeat(55);

        assert!(Database::new(&longest, "database/staging/x").is_ok());
        let error = Database::new(&format!("{longest}a"), "database/staging/x").unwrap_err();
        assert!(matches!(error, PostgresError::InvalidName { .. }), "{error}");
    }

    #[test]
    fn the_facts_of_a_database_name_everything_it_is_made_of() {
        let database = Database::new("orders", "database/staging/orders")
            .unwrap()
            .with_connection_limit(20)
            .with_extensions(["pgcrypto"]);

        let facts = database.facts();

        let lines = facts.iter().map(|(object, state)| format!("{object}: {state}\n"));
        insta::assert_snapshot!(lines.collect::<String>(), @"
        Database/orders: owner orders_owner, at most 20 connections
        Default/orders.app.sequences.orders_read: SELECT
        Default/orders.app.sequences.orders_write: SELECT, UPDATE, USAGE
        Default/orders.app.tables.orders_read: SELECT
        Default/orders.app.tables.orders_write: DELETE, INSERT, SELECT, UPDATE
        Extension/orders.pgcrypto: installed
        Grant/orders.app.orders_read: USAGE
        Grant/orders.app.orders_write: USAGE
        Grant/orders.app.sequences.orders_read: SELECT
        Grant/orders.app.sequences.orders_write: SELECT, UPDATE, USAGE
        Grant/orders.app.tables.orders_read: SELECT
        Grant/orders.app.tables.orders_write: DELETE, INSERT, SELECT, UPDATE
        Grant/orders.extensions.orders_migrate: USAGE
        Grant/orders.extensions.orders_read: USAGE
        Grant/orders.extensions.orders_write: USAGE
        Grant/orders.orders_migrate: CONNECT, TEMPORARY
        Grant/orders.orders_read: CONNECT
        Grant/orders.orders_write: CONNECT, TEMPORARY
        Role/orders_migrate: no login
        Role/orders_owner: no login, member of orders_migrate
        Role/orders_read: no login
        Role/orders_write: no login
        Schema/orders.app: owner orders_migrate
        Schema/orders.extensions: owner orders_owner
        Setting/orders.idle_in_transaction_session_timeout: 60s
        Setting/orders.lock_timeout: 5s
        Setting/orders.search_path: app, extensions
        Setting/orders.statement_timeout: 30s
        ");
    }

    #[test]
    fn settings_that_would_undo_the_driver_are_refused() {
        let database = || Database::new("orders", "database/staging/orders").unwrap();

        for name in ["role", "search_path", "Role", "", "a b", "x;y", "work_mem\""] {
            assert!(database().with_setting(name, "1").is_err(), "{name}");
        }
        assert!(database().with_setting("work_mem", "4MB\0").is_err());
        assert!(database().with_setting("work_mem", "64MB").is_ok());
        assert!(database().with_setting("pg_trgm.similarity_threshold", "0.5").is_ok());
    }
}
