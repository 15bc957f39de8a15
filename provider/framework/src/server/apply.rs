//! Doing what was planned.

use super::guard::{guard, succeeded};
use super::{Managed, StateOutput, blame};
use crate::context::Private;
use crate::diagnostics::Diagnostics;
use crate::resource::{Applied, CreateRequest, DeleteRequest, UpdateRequest};
use crate::rules::{Problem, conform, forget_unknowns, object_compatible, strip_write_only};
use crate::value::Value;

/// A change to make, as core asks for it.
#[derive(Debug)]
pub(crate) struct ApplyInput {
    pub(crate) prior: Value,
    pub(crate) planned: Value,
    pub(crate) config: Value,
    pub(crate) private: Private,
}

impl Managed<'_> {
    /// Makes a change. Whatever happens, the best that is known of the object is in the answer.
    pub(crate) async fn apply(&self, input: ApplyInput) -> StateOutput {
        let ApplyInput { prior, planned, config, private } = input;
        let mut outcome = Applied {
            state: prior.clone(),
            private: private.clone(),
            diagnostics: Diagnostics::default(),
        };
        let context = self.context.clone();
        let type_name = self.resource.type_name();
        let success = if planned.is_null() {
            let request = DeleteRequest { prior: prior.clone(), private, context };
            let result = guard(self.resource.delete(request, &mut outcome)).await;
            succeeded(result, &mut outcome.diagnostics, &format!("Destroying {type_name}"))
        } else if prior.is_null() {
            let request = CreateRequest { config, planned: planned.clone(), private, context };
            let result = guard(self.resource.create(request, &mut outcome)).await;
            succeeded(result, &mut outcome.diagnostics, &format!("Creating {type_name}"))
        } else {
            let request = UpdateRequest {
                config,
                prior: prior.clone(),
                planned: planned.clone(),
                private,
                context,
            };
            let result = guard(self.resource.update(request, &mut outcome)).await;
            succeeded(result, &mut outcome.diagnostics, &format!("Updating {type_name}"))
        };
        self.checked_outcome(&prior, &planned, outcome, success)
    }

    fn checked_outcome(
        &self,
        prior: &Value,
        planned: &Value,
        outcome: Applied,
        success: bool,
    ) -> StateOutput {
        let Applied { state, private, mut diagnostics } = outcome;
        let summary = || {
            format!("Provider produced an inconsistent result for {}", self.resource.type_name())
        };
        // A successful delete that left the outcome alone means that the object is gone.
        let state =
            if success && planned.is_null() && state == *prior { Value::Null } else { state };
        let state = match conform(state, &self.compiled.ty) {
            Ok(state) => strip_write_only(&self.compiled.schema, state),
            Err(problem) => {
                blame(&mut diagnostics, summary(), problem);
                // Something was done to a real object that must not be forgotten.
                if prior.is_null() { planned.clone() } else { prior.clone() }
            }
        };
        if success && diagnostics.errors.is_empty() {
            if let Some(path) = state.first_unknown() {
                blame(
                    &mut diagnostics,
                    summary(),
                    Problem::new(&path, "is still unknown after apply"),
                );
            }
            for problem in
                object_compatible(&self.compiled.schema, planned, &forget_unknowns(state.clone()))
            {
                blame(&mut diagnostics, summary(), problem);
            }
        }
        // After a failure, what was planned but not yet known is simply not there.
        self.output(forget_unknowns(state), private, diagnostics)
    }
}
