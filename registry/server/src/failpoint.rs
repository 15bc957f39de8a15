//! Named points at which a test may kill the process, to prove that what follows a crash is right.
//!
//! `main` arms at most one point, from configuration; nothing else knows how. An unarmed point
//! costs one atomic load.

use std::sync::OnceLock;

/// Every point there is, so that tests can try them all.
pub const ALL: &[&str] = &[
    "blob.written",
    "blob.renamed",
    "publish.blobs_stored",
    "publish.rows_written",
    "publish.committed",
    "gitops.before_fetch",
    "gitops.after_fetch",
    "gitops.before_import",
    "gitops.after_import",
    "gitops.before_push",
    "gitops.after_push",
    "platform.accepting",
    "platform.accepted",
    "platform.claimed",
    "platform.rendered",
    "platform.committing",
    "platform.committed",
    "platform.recording",
    "platform.recorded",
];

static ARMED: OnceLock<String> = OnceLock::new();

/// Makes the process abort when it reaches the point `name`. Only the first call counts.
pub fn arm(name: impl Into<String>) {
    // A second arming is ignored on purpose: one run dies at one place.
    let _ = ARMED.set(name.into());
}

/// Aborts the process, without unwinding or flushing, if `name` is armed.
pub fn hit(name: &str) {
    debug_assert!(ALL.contains(&name), "{name} is not listed in failpoint::ALL");
    if ARMED.get().is_some_and(|armed| armed == name) {
        tracing::error!(failpoint.name = name, "stopping at a failpoint");
        std::process::abort();
    }
}
