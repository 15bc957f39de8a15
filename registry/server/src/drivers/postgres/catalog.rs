//! Questions to the catalogs, each answered by one JSON text in one round trip.
//!
//! They are asked with `search_path = pg_catalog`, so that no name in them can mean an object that a
//! database's owner has made.

use std::collections::{BTreeMap, BTreeSet};

use registry_api::platform::Access;
use serde::Deserialize;
use tokio_postgres::types::Type;

use super::connection::Session;
use super::database::{
    Database, DatabaseState, EXTENSIONS_SCHEMA, PRIVILEGES, PUBLIC_SCHEMA, Piece,
};
use super::error::PostgresError;
use super::identifier::quote_name;
use super::mark::Mark;
use super::role::{RoleState, setting_name};

/// What a server says of itself, of some roles and of one database.
#[derive(Debug, Deserialize)]
pub(super) struct Outside {
    /// Such as 150018.
    pub(super) version: u32,
    pub(super) admin: Admin,
    pub(super) database: Option<DatabaseRow>,
    pub(super) roles: Vec<RoleRow>,
}

/// Whom we are connected as.
#[derive(Debug, Deserialize)]
pub(super) struct Admin {
    pub(super) name: String,
    pub(super) superuser: bool,
    pub(super) createdb: bool,
    pub(super) createrole: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct DatabaseRow {
    pub(super) owner: String,
    pub(super) connection_limit: i32,
    pub(super) accepts: bool,
    pub(super) comment: Option<String>,
    grants: Vec<Grant>,
    settings: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct RoleRow {
    pub(super) name: String,
    pub(super) comment: Option<String>,
    /// Whether the administrator has the role's rights and may act as it.
    pub(super) usable: bool,
    #[serde(flatten)]
    pub(super) state: RoleColumns,
}

/// [`RoleState`] as SQL can say it.
#[derive(Debug, Deserialize)]
pub(super) struct RoleColumns {
    login: bool,
    attributes: BTreeSet<String>,
    connection_limit: i32,
    valid_until: Option<i64>,
    member_of: BTreeSet<String>,
    settings: Vec<RoleSettings>,
}

#[derive(Debug, Deserialize)]
struct RoleSettings {
    database: String,
    settings: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Grant {
    /// Nothing for everybody.
    grantee: Option<String>,
    privileges: String,
}

/// What stands inside one database.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Inside {
    schemas: Vec<SchemaRow>,
    pub(super) extensions: Vec<ExtensionRow>,
    defaults: Vec<DefaultRow>,
    deviants: Vec<DeviantRow>,
}

#[derive(Debug, Deserialize)]
struct SchemaRow {
    name: String,
    owner: String,
    grants: Vec<Grant>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ExtensionRow {
    pub(super) name: String,
    pub(super) comment: Option<String>,
}

#[derive(Debug, Deserialize)]
struct DefaultRow {
    kind: String,
    grantee: String,
    privileges: String,
}

/// A relation on which a role's privileges are not what they shall be.
#[derive(Debug, Deserialize)]
struct DeviantRow {
    kind: String,
    role: String,
    relation: String,
    privileges: String,
}

/// An extension that a server could install.
#[derive(Debug, Deserialize)]
pub(super) struct Available {
    pub(super) name: String,
    pub(super) superuser: bool,
    pub(super) trusted: bool,
    pub(super) requires: Vec<String>,
    /// Where it must be, if it says so.
    pub(super) schema: Option<String>,
}

/// A role as JSON; its place in a query is after `FROM pg_roles r`.
macro_rules! role_columns {
    () => {
        "'name', r.rolname, 'comment', shobj_description(r.oid, 'pg_authid'),
         'usable', CASE WHEN (SELECT rolsuper FROM pg_roles WHERE rolname = session_user) THEN true
           WHEN current_setting('server_version_num')::int >= 160000
             THEN pg_has_role(session_user, r.oid, 'SET') AND pg_has_role(session_user, r.oid, 'USAGE')
           ELSE pg_has_role(session_user, r.oid, 'USAGE') END,
         'login', r.rolcanlogin,
         'attributes', to_json(array_remove(ARRAY[
           CASE WHEN r.rolsuper THEN 'superuser' END, CASE WHEN r.rolcreatedb THEN 'createdb' END,
           CASE WHEN r.rolcreaterole THEN 'createrole' END, CASE WHEN r.rolbypassrls THEN 'bypassrls' END,
           CASE WHEN r.rolreplication THEN 'replication' END], NULL)),
         'connection_limit', r.rolconnlimit,
         'valid_until', CASE WHEN isfinite(r.rolvaliduntil) THEN floor(extract(epoch FROM r.rolvaliduntil))::bigint END,
         'member_of', (SELECT coalesce(json_agg(DISTINCT g.rolname), '[]')
           FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid WHERE m.member = r.oid),
         'settings', (SELECT coalesce(json_agg(json_build_object(
             'database', coalesce(d.datname, ''), 'settings', to_json(s.setconfig))), '[]')
           FROM pg_db_role_setting s LEFT JOIN pg_database d ON d.oid = s.setdatabase WHERE s.setrole = r.oid)"
    };
}

/// Who has what by an access list, in alphabetical order.
macro_rules! grants {
    ($list:literal) => {
        concat!(
            "(SELECT coalesce(json_agg(json_build_object('grantee', grantee, 'privileges', privileges)), '[]') FROM (
               SELECT CASE WHEN a.grantee <> 0 THEN pg_get_userbyid(a.grantee) END AS grantee,
                 string_agg(a.privilege_type, ', ' ORDER BY a.privilege_type) AS privileges
               FROM aclexplode(", $list, ") a GROUP BY a.grantee) AS granted)"
        )
    };
}

const OUTSIDE: &str = concat!(
    "SELECT json_build_object(
       'version', current_setting('server_version_num')::int,
       'admin', (SELECT json_build_object('name', rolname, 'superuser', rolsuper,
           'createdb', rolcreatedb, 'createrole', rolcreaterole)
         FROM pg_roles WHERE rolname = session_user),
       'database', (SELECT json_build_object(
           'owner', pg_get_userbyid(d.datdba), 'connection_limit', d.datconnlimit, 'accepts', d.datallowconn,
           'comment', shobj_description(d.oid, 'pg_database'),
           'grants', ", grants!("coalesce(d.datacl, acldefault('d', d.datdba))"), ",
           'settings', coalesce((SELECT to_json(s.setconfig) FROM pg_db_role_setting s
             WHERE s.setdatabase = d.oid AND s.setrole = 0), '[]'))
         FROM pg_database d WHERE d.datname = $1),
       'roles', (SELECT coalesce(json_agg(json_build_object(", role_columns!(), ")), '[]')
         FROM pg_roles r WHERE r.rolname = ANY ($2)))::text"
);

const INSIDE: &str = concat!(
    "SELECT json_build_object(
       'schemas', (SELECT coalesce(json_agg(json_build_object(
           'name', n.nspname, 'owner', pg_get_userbyid(n.nspowner),
           'grants', ", grants!("coalesce(n.nspacl, acldefault('n', n.nspowner))"), ")), '[]')
         FROM pg_namespace n WHERE n.nspname = ANY ($1)),
       'extensions', (SELECT coalesce(json_agg(json_build_object(
           'name', extname, 'comment', obj_description(oid, 'pg_extension'))), '[]') FROM pg_extension),
       'defaults', (SELECT coalesce(json_agg(json_build_object(
           'kind', kind, 'grantee', grantee, 'privileges', privileges)), '[]') FROM (
         SELECT CASE d.defaclobjtype WHEN 'r' THEN 'tables' WHEN 'S' THEN 'sequences' END AS kind,
           pg_get_userbyid(a.grantee) AS grantee,
           string_agg(a.privilege_type, ', ' ORDER BY a.privilege_type) AS privileges
         FROM pg_default_acl d JOIN pg_namespace n ON n.oid = d.defaclnamespace, aclexplode(d.defaclacl) a
         WHERE n.nspname = $2 AND pg_get_userbyid(d.defaclrole) = $3 AND d.defaclobjtype IN ('r', 'S')
           AND a.grantee <> 0 AND a.grantee <> d.defaclrole
         GROUP BY 1, 2) AS defaults),
       'deviants', (SELECT coalesce(json_agg(json_build_object(
           'kind', kind, 'role', role, 'relation', relation, 'privileges', found)), '[]') FROM (
         SELECT w.kind, w.role, w.privileges, format('%I.%I', n.nspname, c.relname) AS relation,
           coalesce((SELECT string_agg(a.privilege_type, ', ' ORDER BY a.privilege_type)
             FROM aclexplode(c.relacl) a WHERE a.grantee = r.oid), '') AS found
         FROM unnest($4, $5, $6) AS w(kind, role, privileges)
           LEFT JOIN pg_roles r ON r.rolname = w.role
           JOIN pg_class c ON (c.relkind = 'S') = (w.kind = 'sequences')
           JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = $2 AND pg_get_userbyid(c.relowner) = $3 AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
           AND NOT EXISTS (SELECT FROM pg_depend e
             WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')
         ORDER BY 4) AS compared WHERE found <> privileges))::text"
);

const AVAILABLE: &str = "SELECT coalesce(json_agg(json_build_object(
       'name', e.name, 'superuser', v.superuser, 'trusted', v.trusted, 'schema', v.schema,
       'requires', coalesce(to_json(v.requires), '[]'))), '[]')::text
     FROM pg_available_extensions e
     JOIN pg_available_extension_versions v ON v.name = e.name AND v.version = e.default_version
     WHERE e.name = ANY ($1)";

impl Session {
    /// What the server says of a database and its roles, from any database.
    pub(super) async fn outside(&self, database: &Database) -> Result<Outside, PostgresError> {
        let roles: Vec<String> = database.roles().into_iter().map(|(name, _)| name).collect();
        self.outside_of(database.name().as_str(), &roles).await
    }

    pub(super) async fn outside_of(
        &self,
        database: &str,
        roles: &[String],
    ) -> Result<Outside, PostgresError> {
        let arguments: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 2] =
            [(&database, Type::TEXT), (&roles, Type::TEXT_ARRAY)];
        self.ask("looking at databases and roles", OUTSIDE, &arguments).await
    }

    /// What stands inside the database that this session is connected to.
    pub(super) async fn inside(&self, database: &Database) -> Result<Inside, PostgresError> {
        let schemas = [database.schema(), EXTENSIONS_SCHEMA, PUBLIC_SCHEMA];
        let kinds = PRIVILEGES.map(|(kind, _, _)| kind);
        let roles = PRIVILEGES.map(|(_, access, _)| database.role(access));
        let privileges = PRIVILEGES.map(|(_, _, privileges)| privileges);
        let arguments: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 6] = [
            (&schemas.as_slice(), Type::TEXT_ARRAY),
            (&database.schema(), Type::TEXT),
            (&database.role(Access::Migrate), Type::TEXT),
            (&kinds.as_slice(), Type::TEXT_ARRAY),
            (&roles.as_slice(), Type::TEXT_ARRAY),
            (&privileges.as_slice(), Type::TEXT_ARRAY),
        ];
        self.ask(&format!("looking into database {}", database.name()), INSIDE, &arguments).await
    }

    /// Which of these extensions the server could install.
    pub(super) async fn available(
        &self,
        names: &BTreeSet<String>,
    ) -> Result<Vec<Available>, PostgresError> {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        self.ask("looking for extensions", AVAILABLE, &[(&names, Type::TEXT_ARRAY)]).await
    }
}

impl Outside {
    pub(super) fn role(&self, name: &str) -> Option<&RoleRow> {
        self.roles.iter().find(|role| role.name == name)
    }

    /// What is said of the database as a whole, with the SQL that undoes each.
    pub(super) fn pieces(&self, database: &Database) -> Vec<Piece> {
        let Some(row) = &self.database else { return Vec::new() };
        let name = database.name();
        let ours =
            [Access::Read, Access::Write, Access::Migrate].map(|access| database.role(access));
        let grants = row.grants.iter().filter_map(|grant| {
            let grantee = grant.of_interest(&ours)?;
            Some(Piece {
                object: format!("Grant/{name}.{grantee}"),
                state: grant.privileges.clone(),
                sql: format!("REVOKE ALL ON DATABASE {} FROM {};", name.quoted(), grant.to_sql()),
            })
        });
        let settings = split(&row.settings).into_iter().map(|(setting, value)| Piece {
            object: format!("Setting/{name}.{setting}"),
            state: value,
            sql: format!("ALTER DATABASE {} RESET {};", name.quoted(), setting_name(&setting)),
        });
        grants.chain(settings).collect()
    }
}

impl DatabaseRow {
    pub(super) fn state(&self) -> DatabaseState {
        DatabaseState {
            owner: self.owner.clone(),
            connection_limit: self.connection_limit,
            accepts: self.accepts,
        }
    }
}

impl RoleRow {
    pub(super) fn mark(&self) -> Option<Mark> {
        self.comment.as_deref().and_then(Mark::parse)
    }
}

impl RoleColumns {
    pub(super) fn to_state(&self) -> RoleState {
        let settings = self.settings.iter().map(|row| (row.database.clone(), split(&row.settings)));
        RoleState {
            login: self.login,
            attributes: self.attributes.clone(),
            connection_limit: self.connection_limit,
            valid_until: self.valid_until,
            member_of: self.member_of.clone(),
            settings: settings.collect(),
        }
    }
}

impl Grant {
    /// Whom it is about, where that is everybody or one of ours: grants to others are theirs.
    fn of_interest(&self, ours: &[String]) -> Option<&str> {
        match &self.grantee {
            None => Some("PUBLIC"),
            Some(role) => ours.contains(role).then_some(role),
        }
    }

    fn to_sql(&self) -> String {
        self.grantee.as_deref().map_or_else(|| "PUBLIC".to_owned(), quote_name)
    }
}

impl Inside {
    /// What stands inside, with the SQL that undoes each.
    pub(super) fn pieces(&self, database: &Database, platform: &str) -> Vec<Piece> {
        let mut pieces = self.schema_pieces(database);
        pieces.extend(self.defaults.iter().map(|row| row.piece(database)));
        pieces.extend(PRIVILEGES.iter().map(|(kind, access, privileges)| {
            self.relations_piece(database, kind, *access, privileges)
        }));
        let name = database.name();
        let ours = |row: &&ExtensionRow| {
            let mark = row.comment.as_deref().and_then(Mark::parse);
            mark.is_some_and(|mark| mark.platform() == platform)
                || database.extensions().contains(&row.name)
        };
        pieces.extend(self.extensions.iter().filter(ours).map(|row| Piece {
            object: format!("Extension/{name}.{}", row.name),
            state: "installed".to_owned(),
            sql: format!("DROP EXTENSION {};", quote_name(&row.name)),
        }));
        pieces
    }

    fn schema_pieces(&self, database: &Database) -> Vec<Piece> {
        let ours =
            [Access::Read, Access::Write, Access::Migrate].map(|access| database.role(access));
        let name = database.name();
        let mut pieces = Vec::new();
        for schema in &self.schemas {
            let managed = schema.name == database.schema() || schema.name == EXTENSIONS_SCHEMA;
            if managed {
                pieces.push(Piece {
                    object: format!("Schema/{name}.{}", schema.name),
                    state: format!("owner {}", schema.owner),
                    sql: String::new(),
                });
            }
            for grant in
                schema.grants.iter().filter(|grant| grant.grantee.as_ref() != Some(&schema.owner))
            {
                let Some(grantee) = grant.of_interest(&ours) else { continue };
                pieces.push(Piece {
                    object: format!("Grant/{name}.{}.{grantee}", schema.name),
                    state: grant.privileges.clone(),
                    sql: format!(
                        "REVOKE ALL ON SCHEMA {} FROM {};",
                        quote_name(&schema.name),
                        grant.to_sql()
                    ),
                });
            }
        }
        pieces
    }

    /// All relations of a kind as one piece, mended at those where something is missing or too much.
    fn relations_piece(
        &self,
        database: &Database,
        kind: &str,
        access: Access,
        wish: &str,
    ) -> Piece {
        const SHOWN: usize = 3;
        let role = database.role(access);
        let deviants: Vec<&DeviantRow> =
            self.deviants.iter().filter(|row| row.kind == kind && row.role == role).collect();
        let object = database.relations_object(kind, access);
        if deviants.is_empty() {
            return Piece { object, state: wish.to_owned(), sql: String::new() };
        }
        let shown = deviants.iter().take(SHOWN).map(|row| {
            let privileges = if row.privileges.is_empty() { "nothing" } else { &row.privileges };
            format!("{privileges} on {}", row.relation)
        });
        let mut state = shown.collect::<Vec<_>>().join("; ");
        if deviants.len() > SHOWN {
            state = format!("{state}; and {} more", deviants.len() - SHOWN);
        }
        let relations =
            deviants.iter().map(|row| row.relation.as_str()).collect::<Vec<_>>().join(", ");
        let relations = if kind == "sequences" {
            format!("SEQUENCE {relations}")
        } else {
            format!("TABLE {relations}")
        };
        let role = quote_name(&role);
        let sql = format!(
            "REVOKE ALL ON {relations} FROM {role}; GRANT {wish} ON {relations} TO {role};"
        );
        Piece { object, state, sql }
    }
}

impl DefaultRow {
    /// Privileges on what is made later.
    fn piece(&self, database: &Database) -> Piece {
        Piece {
            object: format!(
                "Default/{}.{}.{}.{}",
                database.name(),
                database.schema(),
                self.kind,
                self.grantee
            ),
            state: self.privileges.clone(),
            sql: format!(
                "ALTER DEFAULT PRIVILEGES FOR ROLE {} IN SCHEMA {} REVOKE ALL ON {} FROM {};",
                quote_name(&database.role(Access::Migrate)),
                quote_name(database.schema()),
                self.kind.to_uppercase(),
                quote_name(&self.grantee),
            ),
        }
    }
}

/// `name=value` as the catalogs keep settings.
fn split(settings: &[String]) -> BTreeMap<String, String> {
    let pairs = settings.iter().filter_map(|setting| setting.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}
