//! The last dump of a database that is deleted: a file of `pg_dump` on this server.

use std::path::PathBuf;
use std::time::Duration;

use super::databases::{database, databases};
use super::refusal::PlatformError;
use crate::app::App;
use crate::drivers::postgres::Dump;
use crate::model::provision::DatabaseWish;
use crate::platform::Place;
use crate::store::operations::OperationRow;

/// Longest that a dump may take.
const LIMIT: Duration = Duration::from_hours(6);
/// How many bytes lie between two lines of the log.
const LOG_EVERY: u64 = 1 << 30;

/// Writes the dump of an operation, unless it is written already, and says where it is.
pub async fn write(
    app: &App,
    place: &Place,
    row: &OperationRow,
    wish: &DatabaseWish,
) -> Result<PathBuf, PlatformError> {
    let file = path(app, row);
    if tokio::fs::try_exists(&file).await.unwrap_or(false) {
        return Ok(file);
    }
    if let Some(folder) = file.parent() {
        tokio::fs::create_dir_all(folder).await.map_err(|error| {
            crate::drivers::postgres::PostgresError::DumpFile {
                path: folder.display().to_string(),
                words: error.to_string(),
            }
        })?;
    }
    let told = std::sync::atomic::AtomicU64::new(0);
    let progress = |bytes: u64| {
        let step = bytes / LOG_EVERY;
        if told.swap(step, std::sync::atomic::Ordering::Relaxed) != step {
            tracing::info!(database = %wish.name, size_bytes = bytes, "dumping");
        }
    };
    let dumped = databases(place)?
        .server
        .dump(Dump {
            database: &database(&row.resource, wish)?,
            file: &file,
            limit: LIMIT,
            now: app.clock.now(),
            progress: &progress,
        })
        .await?;
    tracing::info!(database = %wish.name, file = %file.display(), size_bytes = dumped.bytes, "dumped");
    Ok(file)
}

/// Where the dump of an operation is.
fn path(app: &App, row: &OperationRow) -> PathBuf {
    let reference = &row.resource;
    let name = format!("{}-{}-{}.dump", reference.environment, reference.name, row.id);
    app.config.server.data_dir.join("dumps").join(name)
}
