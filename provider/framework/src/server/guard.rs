//! What a resource does wrong must not take the process down, nor go unreported.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use futures_util::FutureExt as _;

use super::BUG;
use crate::diagnostics::{Diagnostics, Failed, Report as _};

/// Runs code of the provider's author; a panic is an error with the panic's message.
pub(super) fn catch<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| message(&*panic))
}

/// The same for what takes time.
///
/// What the work wrote to before it panicked stays as it was then: outcomes hold plain data, each part of which is
/// replaced as a whole.
pub(super) async fn guard<T>(work: impl Future<Output = T>) -> Result<T, String> {
    AssertUnwindSafe(work).catch_unwind().await.map_err(|panic| message(&*panic))
}

fn message(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}

/// Whether the work succeeded, having recorded why not.
pub(super) fn succeeded(
    result: Result<Result<(), Failed>, String>,
    diagnostics: &mut Diagnostics,
    operation: &str,
) -> bool {
    match result {
        Ok(Err(Failed { .. })) if diagnostics.errors.is_empty() => {
            diagnostics.fail(
                format!("{operation} failed"),
                format!("The provider did not say why. {BUG}"),
            );
        }
        Ok(Ok(()) | Err(Failed { .. })) => {}
        Err(panic) => {
            diagnostics.fail(
                format!("{operation} crashed"),
                format!("The provider panicked: {panic}. {BUG}"),
            );
        }
    }
    diagnostics.errors.is_empty()
}
