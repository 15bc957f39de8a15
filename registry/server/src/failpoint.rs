//! Named points at which a test may kill the process, to prove that what follows a crash is right.
//!
//! `main` arms at most one point, from configuration; nothing else knows how. An unarmed point
//! costs one atomic load.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Every point there is, so that tests can try them all.
pub const ALL: &[&str] = &[
    "blob.written",
    "blob.renamed",
    "publish.blobs_stored",
    "publish.rows_written",
    "publish.logged",
    "publish.committed",
    "statement.logged",
    "oidc.granted",
    "oidc.exchanged",
    "log.persisted",
    "gitops.before_fetch",
    "gitops.after_fetch",
    "gitops.before_import",
    "gitops.after_import",
    "gitops.before_push",
    "gitops.after_push",
    "keys.made",
    "keys.written",
    "keys.registered",
    "keys.resealing",
    "keys.resealed",
    "keys.retired",
    "keys.dropped",
    "secrets.writing",
    "secrets.written",
    "platform.accepting",
    "platform.accepted",
    "platform.claimed",
    "platform.rendered",
    "platform.committing",
    "platform.committed",
    "platform.recording",
    "platform.recorded",
    "platform.provisioned",
    "platform.released",
    "platform.dumped",
    "platform.dropped",
    "postgres.statement",
    "login.prepared",
    "login.made",
    "login.publishing",
    "login.published",
    "login.forgotten",
    "login.retired",
    "credentials.recorded",
    "credentials.made",
    "credentials.dropped",
    "backup.database_copied",
    "backup.manifest_written",
    "backup.blob_written",
    "backup.written",
    "backup.renamed",
    "restore.began",
    "restore.database_written",
    "restore.blob_written",
    "restore.checked",
    "restore.staged",
    "restore.renamed",
    "monitor.files_written",
    "monitor.checkpoint_written",
];

/// Where the process dies, and how often it still passes there before.
struct Armed {
    name: String,
    passes: AtomicU32,
}

static ARMED: OnceLock<Armed> = OnceLock::new();

/// Makes the process abort when it reaches the point `name`, or, armed as `name@7`, when it does so for the seventh time.
/// Only the first call counts.
pub fn arm(point: impl Into<String>) {
    let point = point.into();
    let counted = point.split_once('@').and_then(|(name, count)| Some((name, count.parse().ok()?)));
    let (name, count) = counted.unwrap_or((&point, 1_u32));
    let armed = Armed { name: name.to_owned(), passes: AtomicU32::new(count.saturating_sub(1)) };
    // A second arming is ignored on purpose: one run dies at one place.
    let _ = ARMED.set(armed);
}

/// Aborts the process, without unwinding or flushing, if `name` is armed.
pub fn hit(name: &str) {
    debug_assert!(ALL.contains(&name), "{name} is not listed in failpoint::ALL");
    let Some(armed) = ARMED.get().filter(|armed| armed.name == name) else { return };
    let passed =
        armed.passes.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
    if passed.is_err() {
        tracing::error!(failpoint.name = name, "stopping at a failpoint");
        std::process::abort();
    }
}
