//! The transparency log: entries that never change and never go, and the tree over them.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use registry_trust::authority;
use registry_trust::digest::Sha256;
use registry_trust::log::merkle::{Frontier, NodeId, complete_root, leaf_hash};
use registry_trust::log::tile::{Place, hash_in_tile};
use registry_trust::statement::{SnapshotDocument, Statement};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::{Connection, StoreError};

/// How many hashes a tile has.
const TILE: u64 = 256;

/// An entry as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    /// Its position, from 0.
    pub position: u64,
    /// The signed statement in canonical JSON.
    pub leaf: String,
}

impl Logged {
    /// What it says.
    pub fn read(&self) -> Result<authority::Entry, StoreError> {
        authority::Entry::parse(self.position, self.leaf.as_bytes())
            .map_err(|error| StoreError::Corrupt { what: "log entry", value: error.to_string() })
    }
}

/// By what an entry is found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Columns {
    kind: &'static str,
    namespace: String,
    module: String,
    version: String,
    sequence: u64,
    key_id: String,
}

impl Columns {
    fn of(statement: &Statement) -> Self {
        match statement {
            Statement::Publish(publish) => Self {
                kind: "publish",
                namespace: publish.release.namespace().to_owned(),
                module: publish.release.module().path(),
                version: publish.release.version().to_string(),
                ..Self::default()
            },
            Statement::Status(status) => Self {
                kind: "status",
                namespace: status.module.namespace().to_owned(),
                module: status.module.path(),
                version: status.version.as_ref().map(|(v, _)| v.to_string()).unwrap_or_default(),
                sequence: status.sequence,
                ..Self::default()
            },
            Statement::Keys(keys) => Self {
                kind: "keys",
                namespace: keys.namespace.clone(),
                sequence: keys.sequence,
                ..Self::default()
            },
            Statement::CiKey(grant) => Self {
                kind: "ci_key",
                namespace: grant.namespace.clone(),
                key_id: grant.key.id().to_string(),
                ..Self::default()
            },
            Statement::Root(root) => {
                Self { kind: "root", sequence: root.version, ..Self::default() }
            }
        }
    }
}

/// Appends a statement and says where it stands. The caller owns the transaction, which orders writers.
pub async fn append(
    tx: &mut Connection,
    leaf: &str,
    statement: &Statement,
    now: i64,
) -> Result<u64, StoreError> {
    let mut frontier = frontier(tx).await?;
    let position = frontier.size();
    let columns = Columns::of(statement);
    sqlx::query(
        "INSERT INTO log_entry (position, leaf, kind, namespace, module, version, sequence, key_id, logged_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(column(position)?)
    .bind(leaf)
    .bind(columns.kind)
    .bind(columns.namespace)
    .bind(columns.module)
    .bind(columns.version)
    .bind(column(columns.sequence)?)
    .bind(columns.key_id)
    .bind(now)
    .execute(&mut *tx)
    .await?;
    let hash = leaf_hash(leaf.as_bytes());
    frontier.append(hash);
    append_hash(tx, position, hash).await?;
    let nodes: Vec<u8> = frontier.nodes().iter().flat_map(|node| *node.as_bytes()).collect();
    sqlx::query("UPDATE log_head SET size = $1, frontier = $2 WHERE id = 1")
        .bind(column(frontier.size())?)
        .bind(nodes)
        .execute(tx)
        .await?;
    Ok(position)
}

/// Adds a leaf's hash to its tile, and the root of each tile that it fills to the level above.
async fn append_hash(
    tx: &mut Connection,
    position: u64,
    mut hash: Sha256,
) -> Result<(), StoreError> {
    let mut place = position;
    for level in 0..8_i64 {
        let tile = place / TILE;
        let mut hashes = one_tile(tx, level, tile).await?.unwrap_or_default();
        hashes.extend_from_slice(hash.as_bytes());
        sqlx::query(
            "INSERT INTO log_tile (level, position, hashes) VALUES ($1, $2, $3)
             ON CONFLICT (level, position) DO UPDATE SET hashes = excluded.hashes",
        )
        .bind(level)
        .bind(column(tile)?)
        .bind(&hashes)
        .execute(&mut *tx)
        .await?;
        if !(place + 1).is_multiple_of(TILE) {
            break;
        }
        hash = tile_root(&hashes)?;
        place = tile;
    }
    Ok(())
}

fn tile_root(hashes: &[u8]) -> Result<Sha256, StoreError> {
    registry_trust::log::tile::hashes(hashes)
        .and_then(|hashes| complete_root(&hashes))
        .ok_or_else(|| corrupt("tile", &hashes.len()))
}

async fn one_tile(
    conn: &mut Connection,
    level: i64,
    position: u64,
) -> Result<Option<Vec<u8>>, StoreError> {
    let row = sqlx::query("SELECT hashes FROM log_tile WHERE level = $1 AND position = $2")
        .bind(level)
        .bind(column(position)?)
        .fetch_optional(conn)
        .await?;
    Ok(row.map(|row| row.try_get("hashes")).transpose()?)
}

/// The hashes of one tile, as many as there are by now.
pub async fn tile(
    conn: &mut Connection,
    level: u8,
    position: u64,
) -> Result<Option<Vec<u8>>, StoreError> {
    one_tile(conn, i64::from(level), position).await
}

/// Whether the database has a log: one that an older program made has none.
pub async fn is_there(conn: &mut Connection) -> Result<bool, StoreError> {
    let table = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'log_head'";
    Ok(sqlx::query(table).fetch_optional(conn).await?.is_some())
}

/// The tree as it ends now.
pub async fn frontier(conn: &mut Connection) -> Result<Frontier, StoreError> {
    let row =
        sqlx::query("SELECT size, frontier FROM log_head WHERE id = 1").fetch_one(conn).await?;
    let (size, bytes): (i64, Vec<u8>) = (row.try_get("size")?, row.try_get("frontier")?);
    let nodes = registry_trust::log::tile::hashes(&bytes).unwrap_or_default();
    u64::try_from(size)
        .ok()
        .and_then(|size| Frontier::from_nodes(size, nodes))
        .ok_or_else(|| corrupt("log head", &bytes.len()))
}

/// Hashes of complete subtrees, for proofs: each tile that has one of them is read once.
pub async fn nodes(
    conn: &mut Connection,
    wanted: &BTreeSet<NodeId>,
) -> Result<BTreeMap<NodeId, Sha256>, StoreError> {
    let mut tiles: BTreeMap<(u8, u64), Vec<u8>> = BTreeMap::new();
    let mut found = BTreeMap::new();
    for node in wanted {
        let place = Place::of(*node);
        let key = (place.level, place.index);
        let hashes = match tiles.entry(key) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                place.insert(tile(conn, key.0, key.1).await?.unwrap_or_default())
            }
        };
        let hash = hash_in_tile(hashes, *node).ok_or_else(|| corrupt("log tile", &hashes.len()))?;
        found.insert(*node, hash);
    }
    Ok(found)
}

/// Entries `from` to `until`, the latter not included.
pub async fn range(
    conn: &mut Connection,
    from: u64,
    until: u64,
) -> Result<Vec<Logged>, StoreError> {
    sqlx::query("SELECT position, leaf FROM log_entry WHERE position >= $1 AND position < $2 ORDER BY position")
        .bind(column(from)?)
        .bind(column(until)?)
        .fetch_all(conn)
        .await?
        .iter()
        .map(logged)
        .collect()
}

/// Every root and every key change, in the log's order.
pub async fn authorities(conn: &mut Connection) -> Result<Vec<Logged>, StoreError> {
    sqlx::query(
        "SELECT position, leaf FROM log_entry WHERE kind IN ('root', 'keys') ORDER BY position",
    )
    .fetch_all(conn)
    .await?
    .iter()
    .map(logged)
    .collect()
}

/// The position of the newest root or key change.
pub async fn newest_authority(conn: &mut Connection) -> Result<Option<u64>, StoreError> {
    let row = sqlx::query(
        "SELECT max(position) AS position FROM log_entry WHERE kind IN ('root', 'keys')",
    )
    .fetch_one(conn)
    .await?;
    let position: Option<i64> = row.try_get("position")?;
    position
        .map(|position| u64::try_from(position).map_err(|_| corrupt("position", &position)))
        .transpose()
}

/// What was said of how a module stands, in the log's order.
pub async fn statuses(conn: &mut Connection, module: &str) -> Result<Vec<Logged>, StoreError> {
    sqlx::query("SELECT position, leaf FROM log_entry WHERE kind = 'status' AND module = $1 ORDER BY position")
        .bind(module)
        .fetch_all(conn)
        .await?
        .iter()
        .map(logged)
        .collect()
}

/// A root statement.
pub async fn root(conn: &mut Connection, version: u64) -> Result<Option<Logged>, StoreError> {
    sqlx::query("SELECT position, leaf FROM log_entry WHERE kind = 'root' AND sequence = $1")
        .bind(column(version)?)
        .fetch_optional(conn)
        .await?
        .as_ref()
        .map(logged)
        .transpose()
}

/// The number of the newest status of a module; 0 where there is none.
pub async fn newest_status(conn: &mut Connection, module: &str) -> Result<u64, StoreError> {
    let row = sqlx::query(
        "SELECT max(sequence) AS newest FROM log_entry WHERE kind = 'status' AND module = $1",
    )
    .bind(module)
    .fetch_one(conn)
    .await?;
    let newest: Option<i64> = row.try_get("newest")?;
    u64::try_from(newest.unwrap_or(0)).map_err(|_| corrupt("sequence", &newest.unwrap_or(0)))
}

/// The entry that has exactly this leaf.
pub async fn same(
    conn: &mut Connection,
    leaf: &str,
    statement: &Statement,
) -> Result<Option<Logged>, StoreError> {
    let columns = Columns::of(statement);
    sqlx::query(
        "SELECT position, leaf FROM log_entry
         WHERE kind = $1 AND namespace = $2 AND module = $3 AND sequence = $4 AND leaf = $5",
    )
    .bind(columns.kind)
    .bind(columns.namespace)
    .bind(columns.module)
    .bind(column(columns.sequence)?)
    .bind(leaf)
    .fetch_optional(conn)
    .await?
    .as_ref()
    .map(logged)
    .transpose()
}

/// The statement of a release.
pub async fn release(
    conn: &mut Connection,
    module: &str,
    version: &str,
) -> Result<Option<Logged>, StoreError> {
    sqlx::query("SELECT position, leaf FROM log_entry WHERE kind = 'publish' AND module = $1 AND version = $2")
        .bind(module)
        .bind(version)
        .fetch_optional(conn)
        .await?
        .as_ref()
        .map(logged)
        .transpose()
}

/// The grant of a key to a CI job.
pub async fn ci_key(conn: &mut Connection, key_id: &str) -> Result<Option<Logged>, StoreError> {
    sqlx::query("SELECT position, leaf FROM log_entry WHERE kind = 'ci_key' AND key_id = $1")
        .bind(key_id)
        .fetch_optional(conn)
        .await?
        .as_ref()
        .map(logged)
        .transpose()
}

/// What is newest in a log of that size: the root, the statuses of each module, the key changes of each namespace.
pub async fn document(conn: &mut Connection, size: u64) -> Result<SnapshotDocument, StoreError> {
    let rows = sqlx::query(
        "SELECT kind, namespace, module, max(sequence) AS newest FROM log_entry
         WHERE kind IN ('status', 'keys', 'root') AND position < $1 GROUP BY kind, namespace, module",
    )
    .bind(column(size)?)
    .fetch_all(conn)
    .await?;
    let mut document = SnapshotDocument::default();
    for row in rows {
        let (kind, newest): (String, i64) = (row.try_get("kind")?, row.try_get("newest")?);
        let newest = u64::try_from(newest).map_err(|_| corrupt("sequence", &newest))?;
        match kind.as_str() {
            "status" => drop(document.modules.insert(row.try_get("module")?, newest)),
            "keys" => drop(document.namespaces.insert(row.try_get("namespace")?, newest)),
            _ => document.root = newest,
        }
    }
    Ok(document)
}

fn logged(row: &SqliteRow) -> Result<Logged, StoreError> {
    let position: i64 = row.try_get("position")?;
    let position = u64::try_from(position).map_err(|_| corrupt("position", &position))?;
    Ok(Logged { position, leaf: row.try_get("leaf")? })
}

fn column(number: u64) -> Result<i64, StoreError> {
    i64::try_from(number).map_err(|_| corrupt("number", &number))
}

fn corrupt(what: &'static str, value: &impl ToString) -> StoreError {
    StoreError::Corrupt { what, value: value.to_string() }
}

#[cfg(test)]
pub(super) mod tests {
    use registry_trust::key::{Algorithm, SigningKey};
    use registry_trust::statement::{KeyChange, NamespaceKeys, sign};

    use super::*;

    /// Appends a statement, which the numbers before it need not allow.
    pub(in crate::store) async fn append_one(tx: &mut Connection, number: u64) {
        // One key for all, from bytes that are written down: the same number is the same statement.
        let pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n\
                   -----END PRIVATE KEY-----\n";
        let key = SigningKey::from_pem(pem).unwrap();
        assert_eq!(key.verifying_key().algorithm(), Algorithm::Ed25519);
        let keys = NamespaceKeys {
            registry: "registry.test.example".to_owned(),
            namespace: "golden".to_owned(),
            sequence: number + 1,
            change: KeyChange::Add(Box::new(key.verifying_key())),
        };
        let leaf = sign(&keys, &key).unwrap().to_canonical_json();
        append(tx, &leaf, &Statement::Keys(keys), 0).await.unwrap();
    }
}
