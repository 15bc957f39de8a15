//! Bringing stored state into the shape of the current schema.

use super::guard::{guard, succeeded};
use super::{Managed, StateOutput, blame};
use crate::context::Private;
use crate::diagnostics::{Diagnostics, Report as _};
use crate::path::show;
use crate::resource::{RawState, UpgradeRequest, Upgraded};
use crate::value::{Value, from_json};

impl Managed<'_> {
    /// Upgrades stored state. Core asks whenever it reads state, mostly of the current version.
    pub(crate) async fn upgrade(&self, version: i64, json: Vec<u8>) -> StateOutput {
        let current = self.compiled.schema.schema.version;
        let (state, diagnostics) = match version.cmp(&current) {
            std::cmp::Ordering::Equal => self.reread(&json),
            std::cmp::Ordering::Less => self.upgrade_older(version, json).await,
            std::cmp::Ordering::Greater => {
                let mut diagnostics = Diagnostics::default();
                diagnostics.fail(
                    format!("State of {} is too new", self.resource.type_name()),
                    format!(
                        "The state was stored with version {version} of the schema; this version of the provider \
                         knows version {current} at most. Use the version of the provider that stored it, or a newer \
                         one."
                    ),
                );
                (Value::Null, diagnostics)
            }
        };
        self.output(state, Private::default(), diagnostics)
    }

    fn reread(&self, json: &[u8]) -> (Value, Diagnostics) {
        let mut diagnostics = Diagnostics::default();
        let state = from_json(json, &self.compiled.ty).unwrap_or_else(|error| {
            let path = error.path();
            let place =
                if path.steps.is_empty() { String::new() } else { format!("{}: ", show(&path)) };
            diagnostics.fail_at(
                path,
                format!("State of {} cannot be read", self.resource.type_name()),
                format!(
                    "{place}{}. The state file may have been edited or be damaged.",
                    error.message()
                ),
            );
            Value::Null
        });
        (state, diagnostics)
    }

    async fn upgrade_older(&self, version: i64, json: Vec<u8>) -> (Value, Diagnostics) {
        let mut outcome = Upgraded { state: Value::Null, diagnostics: Diagnostics::default() };
        if json == b"null" {
            return (Value::Null, outcome.diagnostics);
        }
        let request =
            UpgradeRequest { version, state: RawState(json), context: self.context.clone() };
        let result = guard(self.resource.upgrade_state(request, &mut outcome)).await;
        let operation = format!("Upgrading state of {}", self.resource.type_name());
        let success = succeeded(result, &mut outcome.diagnostics, &operation);
        let Upgraded { state, mut diagnostics } = outcome;
        let state = match self.storable(state, true) {
            Ok(state) if success => state,
            Err(problem) if success => {
                blame(&mut diagnostics, format!("{operation} gave an invalid object"), problem);
                Value::Null
            }
            _ => Value::Null,
        };
        (state, diagnostics)
    }
}
