//! Looking at the real thing.

use super::guard::{guard, succeeded};
use super::{Managed, StateOutput, blame};
use crate::context::Private;
use crate::diagnostics::Diagnostics;
use crate::resource::{Read, ReadRequest};
use crate::rules::{Problem, conform, forget_unknowns};
use crate::value::Value;

impl Managed<'_> {
    /// Reads an object. After a failure the stored state stays, unless something better was learnt.
    pub(crate) async fn read(&self, state: Value, private: Private) -> StateOutput {
        let mut outcome = Read {
            state: state.clone(),
            private: private.clone(),
            diagnostics: Diagnostics::default(),
        };
        let request = ReadRequest { state: state.clone(), private, context: self.context.clone() };
        let result = guard(self.resource.read(request, &mut outcome)).await;
        let operation = format!("Reading {}", self.resource.type_name());
        let success = succeeded(result, &mut outcome.diagnostics, &operation);
        let Read { state: found, private, mut diagnostics } = outcome;
        let state = match self.storable(found, success) {
            Ok(found) => found,
            Err(problem) => {
                blame(&mut diagnostics, format!("{operation} gave an invalid object"), problem);
                state
            }
        };
        self.output(state, private, diagnostics)
    }

    /// The value as core will store it. What is unknown cannot be stored; after a failure it is simply not there.
    pub(super) fn storable(&self, value: Value, success: bool) -> Result<Value, Problem> {
        let value = conform(value, &self.compiled.ty)?;
        match value.first_unknown() {
            Some(path) if success => Err(Problem::new(&path, "is unknown, which cannot be stored")),
            _ => Ok(forget_unknowns(value)),
        }
    }
}
