//! Taking over other resources.

use super::Server;
use crate::diagnostics::{Diagnostics, Report as _};

impl Server {
    /// No resource takes over another: says so, and what to do instead.
    pub(crate) fn refuse_move(
        &self,
        source: &str,
        source_provider: &str,
        target: &str,
    ) -> Diagnostics {
        let mut diagnostics = Diagnostics::default();
        if let Err(unknown) = self.resource(target, None) {
            return unknown;
        }
        diagnostics.fail(
            format!("{target} cannot take over other resources"),
            format!(
                "State of {source} from {source_provider} cannot be moved to {target}. Import the object instead, and \
                 remove the old resource from the state."
            ),
        );
        diagnostics
    }
}
