//! Looking things up.

use super::guard::{guard, succeeded};
use super::{Sourced, blame};
use crate::data_source::{Found, ReadDataSourceRequest};
use crate::diagnostics::Diagnostics;
use crate::path::AttributePath;
use crate::rules::{Problem, conform};
use crate::value::Value;

impl Sourced<'_> {
    /// Reads a data source. Null if there are errors.
    pub(crate) async fn read(&self, config: Value) -> (Value, Diagnostics) {
        let mut found = Found { state: config.clone(), diagnostics: Diagnostics::default() };
        let request = ReadDataSourceRequest { config, context: self.context.clone() };
        let result = guard(self.source.read(request, &mut found)).await;
        let operation = format!("Reading {}", self.source.type_name());
        let success = succeeded(result, &mut found.diagnostics, &operation);
        let Found { state, mut diagnostics } = found;
        let state = match self.complete(state) {
            Ok(state) if success => state,
            Err(problem) if success => {
                blame(&mut diagnostics, format!("{operation} gave an invalid object"), problem);
                Value::Null
            }
            _ => Value::Null,
        };
        self.compiled.mend_paths(&mut diagnostics);
        (state, diagnostics)
    }

    fn complete(&self, state: Value) -> Result<Value, Problem> {
        let state = conform(state, &self.compiled.ty)?;
        if state.is_null() {
            let nothing =
                "a data source must give an object, or an error that says why there is none";
            return Err(Problem::new(&AttributePath::root(), nothing));
        }
        match state.first_unknown() {
            Some(path) => Err(Problem::new(&path, "is unknown, which a data source must not be")),
            None => Ok(state),
        }
    }
}
