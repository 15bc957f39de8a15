//! What an operation does, step by step.

use registry_api::platform::OperationKind;

/// Renders the files again, from the very path that was accepted.
pub const RENDER: &str = "render";
/// Commits them, or their removal.
pub const COMMIT: &str = "commit";
/// Makes the new state the resource's own and ends the operation.
pub const RECORD: &str = "record";

/// What an operation does, in order.
pub const fn steps(kind: OperationKind) -> &'static [&'static str] {
    match kind {
        OperationKind::Create | OperationKind::Update | OperationKind::Deploy => {
            &[RENDER, COMMIT, RECORD]
        }
        OperationKind::Delete => &[COMMIT, RECORD],
    }
}
