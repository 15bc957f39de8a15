//! Databases that nobody has marked: what is known of them, and how their objects change hands.

use serde::Deserialize;
use tokio_postgres::types::Type;

use super::PostgresServer;
use super::connection::Session;
use super::error::PostgresError;
use super::mark::Mark;

/// A database that could be adopted.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Unmanaged {
    pub owner: String,
    pub encoding: String,
    pub collation: String,
    pub bytes: i64,
    /// A comment that adoption would replace.
    pub comment: Option<String>,
    #[serde(default)]
    pub extensions: Vec<String>,
    /// Schemas that people made, with how many relations each holds.
    #[serde(default)]
    pub schemas: Vec<(String, i64)>,
}

const OUTSIDE: &str = "SELECT coalesce((SELECT json_build_object(
       'owner', pg_get_userbyid(datdba), 'encoding', pg_encoding_to_char(encoding), 'collation', datcollate,
       'bytes', CASE WHEN has_database_privilege(session_user, oid, 'CONNECT') THEN pg_database_size(oid) ELSE -1 END,
       'comment', shobj_description(oid, 'pg_database'))
     FROM pg_database WHERE datname = $1), 'null')::text";

const INSIDE: &str = "SELECT json_build_array(
       (SELECT coalesce(json_agg(extname ORDER BY extname), '[]') FROM pg_extension WHERE extname <> 'plpgsql'),
       (SELECT coalesce(json_agg(json_build_array(n.nspname,
           (SELECT count(*) FROM pg_class c WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'p', 'v', 'm', 'f')))
           ORDER BY n.nspname), '[]')
         FROM pg_namespace n WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'))::text";

/// The right to own things in `public`, whose owner is whoever owns the database, and
/// `ALTER … OWNER TO` for everything that one role has in this database, and for nothing that the
/// server shares or an extension brought: `REASSIGN OWNED` would take the role's other databases too.
const NEW_OWNER: &str = "WITH old AS (SELECT oid FROM pg_roles WHERE rolname = $1),
     members AS (SELECT classid, objid FROM pg_depend WHERE deptype = 'e'),
     owned_sequences AS (SELECT objid FROM pg_depend
       WHERE classid = 'pg_class'::regclass AND refclassid = 'pg_class'::regclass AND deptype IN ('a', 'i'))
     SELECT to_json(coalesce(string_agg(statement, ' ' ORDER BY place), ''))::text FROM (
       SELECT 1 AS place, format('GRANT CREATE ON SCHEMA public TO %I;', $2) AS statement FROM pg_namespace n
         WHERE n.nspname = 'public' AND pg_get_userbyid(n.nspowner) = 'pg_database_owner'
       UNION ALL
       SELECT 2, format('ALTER SCHEMA %I OWNER TO %I;', n.nspname, $2) FROM pg_namespace n, old
         WHERE n.nspowner = old.oid AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
           AND ('pg_namespace'::regclass, n.oid) NOT IN (SELECT classid, objid FROM members)
       UNION ALL
       SELECT 3, format('ALTER %s %I.%I OWNER TO %I;', CASE c.relkind WHEN 'S' THEN 'SEQUENCE' WHEN 'v' THEN 'VIEW'
           WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'f' THEN 'FOREIGN TABLE' WHEN 'c' THEN 'TYPE' ELSE 'TABLE' END,
           n.nspname, c.relname, $2)
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, old
         WHERE c.relowner = old.oid AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c')
           AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
           AND NOT (c.relkind = 'S' AND c.oid IN (SELECT objid FROM owned_sequences))
           AND ('pg_class'::regclass, c.oid) NOT IN (SELECT classid, objid FROM members)
       UNION ALL
       SELECT 3, format('ALTER ROUTINE %s OWNER TO %I;', p.oid::regprocedure, $2)
         FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace, old
         WHERE p.proowner = old.oid AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
           AND ('pg_proc'::regclass, p.oid) NOT IN (SELECT classid, objid FROM members)
       UNION ALL
       SELECT 3, format('ALTER TYPE %I.%I OWNER TO %I;', n.nspname, t.typname, $2)
         FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace, old
         WHERE t.typowner = old.oid AND t.typtype IN ('d', 'e', 'r') AND n.nspname !~ '^pg_'
           AND n.nspname <> 'information_schema'
           AND ('pg_type'::regclass, t.oid) NOT IN (SELECT classid, objid FROM members)
     ) AS statements";

impl PostgresServer {
    /// What is known of a database that carries no mark; none where there is no such database.
    pub async fn observe_unmanaged(&self, name: &str) -> Result<Option<Unmanaged>, PostgresError> {
        let _permits = self.connections.permits(2).await?;
        let session = self.connections.maintenance().await?;
        let doing = format!("looking at database {name}");
        let found: Option<Unmanaged> = session.ask(&doing, OUTSIDE, &[(&name, Type::TEXT)]).await?;
        self.connections.keep(session);
        let Some(mut found) = found else { return Ok(None) };
        if let Some(mark) = found.comment.as_deref().and_then(Mark::parse) {
            return Err(super::converge::not_ours(&format!("Database/{name}"), &mark));
        }
        let tenant = self.connections.open(name).await?;
        (found.extensions, found.schemas) = tenant.ask(&doing, INSIDE, &[]).await?;
        Ok(Some(found))
    }
}

/// The statements that give what a role has in this database to another.
pub(super) async fn new_owner_sql(
    tenant: &Session,
    old: &str,
    new: &str,
) -> Result<String, PostgresError> {
    let arguments: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 2] =
        [(&old, Type::TEXT), (&new, Type::TEXT)];
    tenant.ask("looking for objects of the old owner", NEW_OWNER, &arguments).await
}
