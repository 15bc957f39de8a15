//! Resources: what stands, what was asked for, and where it is in between.

use registry_api::Name;
use registry_api::platform::{Kind, ResourcePhase, ResourceRef};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::document::{document, enumerated, name, number, text, word};
use super::{Connection, StoreError};
use crate::model::revision::Revision;

/// One resource.
#[derive(Debug, Clone, PartialEq)]
pub struct ResourceRow {
    /// Id of the row.
    pub id: String,
    /// Which one.
    pub reference: ResourceRef,
    /// For whom, as things stand.
    pub owner: Name,
    /// Grows with every accepted change.
    pub generation: u64,
    /// Where it is.
    pub phase: ResourcePhase,
    /// What stands; absent until the first operation finished.
    pub revision: Option<Revision>,
    /// What the last accepted change asked for.
    pub requested: Revision,
    /// The last operation.
    pub operation_id: String,
    /// Whether a client was told that the create succeeded.
    pub acknowledged: bool,
    /// When it was first asked for.
    pub created_at: i64,
    /// When it last changed.
    pub updated_at: i64,
}

impl ResourceRow {
    /// What to show: what stands, or, for one that never stood, what was asked for.
    pub fn shown(&self) -> &Revision {
        self.revision.as_ref().unwrap_or(&self.requested)
    }

    /// Whether a delete of this database first writes a dump: of what never stood there is nothing to keep.
    pub fn leaves_dump(&self) -> bool {
        self.revision.as_ref().is_some_and(Revision::leaves_dump)
    }

    /// Whether it is to take over what exists, and has not yet: until it has, that is not ours.
    pub fn is_being_adopted(&self) -> bool {
        self.begun().is_some_and(|begun| begun.adopted)
    }

    /// What was asked for, of a resource that never stood.
    pub fn begun(&self) -> Option<&Revision> {
        self.revision.is_none().then_some(&self.requested)
    }
}

/// What a list shall hold; absent means all.
#[derive(Debug, Clone, Default)]
pub struct ResourceFilter {
    /// Only this kind.
    pub kind: Option<Kind>,
    /// Only this environment.
    pub environment: Option<Name>,
    /// Only this owner.
    pub owner: Option<Name>,
    /// Only those whose first operation never finished.
    pub unfinished: bool,
}

const ONE: &str = "SELECT id, kind, environment, name, owner, generation, phase, revision, requested, \
     operation_id, acknowledged, created_at, updated_at FROM resource \
     WHERE kind = $1 AND environment = $2 AND name = $3";

const BY_ID: &str = "SELECT id, kind, environment, name, owner, generation, phase, revision, requested, \
     operation_id, acknowledged, created_at, updated_at FROM resource WHERE id = $1";

const MANY: &str = "SELECT id, kind, environment, name, owner, generation, phase, revision, requested, \
     operation_id, acknowledged, created_at, updated_at FROM resource \
     WHERE ($1 IS NULL OR kind = $1) AND ($2 IS NULL OR environment = $2) AND ($3 IS NULL OR owner = $3) \
     AND ($4 = 0 OR revision IS NULL) ORDER BY kind, environment, name";

/// The resource of that kind, environment and name.
pub async fn resource(
    conn: &mut Connection,
    reference: &ResourceRef,
) -> Result<Option<ResourceRow>, StoreError> {
    let row = sqlx::query(ONE)
        .bind(reference.kind.as_str())
        .bind(reference.environment.as_str())
        .bind(reference.name.as_str())
        .fetch_optional(conn)
        .await?;
    row.as_ref().map(from_row).transpose()
}

/// The resource of that id.
pub async fn resource_by_id(
    conn: &mut Connection,
    id: &str,
) -> Result<Option<ResourceRow>, StoreError> {
    let row = sqlx::query(BY_ID).bind(id).fetch_optional(conn).await?;
    row.as_ref().map(from_row).transpose()
}

/// Resources by kind, environment and name.
pub async fn resources(
    conn: &mut Connection,
    filter: &ResourceFilter,
) -> Result<Vec<ResourceRow>, StoreError> {
    sqlx::query(MANY)
        .bind(filter.kind.map(Kind::as_str))
        .bind(filter.environment.as_ref().map(Name::as_str))
        .bind(filter.owner.as_ref().map(Name::as_str))
        .bind(i64::from(filter.unfinished))
        .fetch_all(conn)
        .await?
        .iter()
        .map(from_row)
        .collect()
}

/// Records a new resource; false where that name was taken meanwhile.
pub async fn insert_resource(tx: &mut Connection, row: &ResourceRow) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "INSERT INTO resource (id, kind, environment, name, owner, generation, phase, revision, requested,
             operation_id, acknowledged, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
         ON CONFLICT (kind, environment, name) DO NOTHING",
    )
    .bind(&row.id)
    .bind(row.reference.kind.as_str())
    .bind(row.reference.environment.as_str())
    .bind(row.reference.name.as_str())
    .bind(row.owner.as_str())
    .bind(number(row.generation))
    .bind(word(row.phase))
    .bind(row.revision.as_ref().map(text))
    .bind(text(&row.requested))
    .bind(&row.operation_id)
    .bind(i64::from(row.acknowledged))
    .bind(row.created_at)
    .bind(row.updated_at)
    .execute(tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Notes an accepted change of a resource that is still at `row.generation - 1`; false where it moved.
pub async fn accept_change(tx: &mut Connection, row: &ResourceRow) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "UPDATE resource SET generation = $2, phase = $3, requested = $4, operation_id = $5, acknowledged = $6,
             updated_at = $7
         WHERE id = $1 AND generation = $2 - 1",
    )
    .bind(&row.id)
    .bind(number(row.generation))
    .bind(word(row.phase))
    .bind(text(&row.requested))
    .bind(&row.operation_id)
    .bind(i64::from(row.acknowledged))
    .bind(row.updated_at)
    .execute(tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// What was asked for now stands.
pub async fn settle(
    tx: &mut Connection,
    id: &str,
    revision: &Revision,
    now: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE resource SET phase = $2, owner = $3, revision = $4, requested = $4, updated_at = $5 WHERE id = $1",
    )
    .bind(id)
    .bind(word(ResourcePhase::Ready))
    .bind(revision.owner.as_str())
    .bind(text(revision))
    .bind(now)
    .execute(tx)
    .await?;
    Ok(())
}

/// The change that was asked for failed; what stood still stands.
pub async fn fall_back(tx: &mut Connection, id: &str, now: i64) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE resource SET phase = CASE WHEN revision IS NULL THEN $2 ELSE $3 END, updated_at = $4
         WHERE id = $1",
    )
    .bind(id)
    .bind(word(ResourcePhase::Unfinished))
    .bind(word(ResourcePhase::Failed))
    .bind(now)
    .execute(tx)
    .await?;
    Ok(())
}

/// The resource is gone.
pub async fn delete_resource(tx: &mut Connection, id: &str) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM resource WHERE id = $1").bind(id).execute(tx).await?;
    Ok(())
}

/// A client knows that the create of this resource succeeded.
pub async fn acknowledge(tx: &mut Connection, id: &str) -> Result<(), StoreError> {
    sqlx::query("UPDATE resource SET acknowledged = 1 WHERE id = $1 AND revision IS NOT NULL")
        .bind(id)
        .execute(tx)
        .await?;
    Ok(())
}

/// Whether a client was told that the create succeeded; true as well for a resource that is gone.
pub async fn is_acknowledged(conn: &mut Connection, id: &str) -> Result<bool, StoreError> {
    let row = sqlx::query("SELECT acknowledged FROM resource WHERE id = $1")
        .bind(id)
        .fetch_optional(conn)
        .await?;
    row.map_or(Ok(true), |row| Ok(row.try_get::<i64, _>("acknowledged")? != 0))
}

fn from_row(row: &SqliteRow) -> Result<ResourceRow, StoreError> {
    let revision: Option<String> = row.try_get("revision")?;
    let generation: i64 = row.try_get("generation")?;
    Ok(ResourceRow {
        id: row.try_get("id")?,
        reference: ResourceRef {
            kind: enumerated("kind of resource", row.try_get("kind")?)?,
            environment: name(row.try_get("environment")?)?,
            name: name(row.try_get("name")?)?,
        },
        owner: name(row.try_get("owner")?)?,
        generation: u64::try_from(generation).unwrap_or_default(),
        phase: enumerated("phase of a resource", row.try_get("phase")?)?,
        revision: revision.map(|text| document("revision of a resource", text)).transpose()?,
        requested: document("requested revision of a resource", row.try_get("requested")?)?,
        operation_id: row.try_get("operation_id")?,
        acknowledged: row.try_get::<i64, _>("acknowledged")? != 0,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
    })
}
