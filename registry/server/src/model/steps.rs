//! What an operation does, step by step.

use registry_api::platform::{Kind, OperationKind};

/// Renders the files again, from the very path that was accepted.
pub const RENDER: &str = "render";
/// Makes true what the resource shall have on database servers.
pub const PROVISION: &str = "provision";
/// Commits the files, or their removal.
pub const COMMIT: &str = "commit";
/// Takes back what the resource has on database servers and shall have no longer.
pub const RELEASE: &str = "release";
/// Drops a database, or lets go of it.
pub const DROP: &str = "drop";
/// Makes the new state the resource's own and ends the operation.
pub const RECORD: &str = "record";

/// What an operation does, in order. Credentials are there before what reads them, and go after it.
pub const fn steps(
    operation: OperationKind,
    resource: Kind,
    uses_databases: bool,
) -> &'static [&'static str] {
    match (operation, resource, uses_databases) {
        (OperationKind::Delete, Kind::Database, _) => &[DROP, COMMIT, RECORD],
        (OperationKind::Delete, Kind::Service, true) => &[COMMIT, RELEASE, RECORD],
        (OperationKind::Delete, Kind::Service, false) => &[COMMIT, RECORD],
        (OperationKind::Deploy, _, true) => &[RENDER, COMMIT, RELEASE, RECORD],
        (OperationKind::Deploy, ..) | (_, Kind::Service, false) => &[RENDER, COMMIT, RECORD],
        (_, Kind::Service, true) => &[RENDER, PROVISION, COMMIT, RELEASE, RECORD],
        (_, Kind::Database, _) => &[RENDER, PROVISION, COMMIT, RECORD],
    }
}
