//! Finding what an identifier stands for.

use super::guard::{guard, succeeded};
use super::{Managed, StateOutput, blame};
use crate::context::Private;
use crate::diagnostics::{Diagnostics, Report as _};
use crate::resource::{ImportRequest, Imported};
use crate::rules::empty_object;
use crate::value::Value;

impl Managed<'_> {
    /// Imports an object. Null if there are errors: core then has nothing to store.
    pub(crate) async fn import(&self, id: String) -> StateOutput {
        let mut outcome = Imported {
            state: empty_object(&self.compiled.ty),
            private: Private::default(),
            diagnostics: Diagnostics::default(),
        };
        let request =
            ImportRequest { id: id.clone(), identity: None, context: self.context.clone() };
        let result = guard(self.resource.import(request, &mut outcome)).await;
        let operation = format!("Importing {}", self.resource.type_name());
        let success = succeeded(result, &mut outcome.diagnostics, &operation);
        let Imported { state, private, mut diagnostics } = outcome;
        let state = if success {
            self.imported(state, &id, &operation, &mut diagnostics)
        } else {
            Value::Null
        };
        self.output(state, private, diagnostics)
    }

    fn imported(
        &self,
        state: Value,
        id: &str,
        operation: &str,
        diagnostics: &mut Diagnostics,
    ) -> Value {
        match self.storable(state, true) {
            Ok(Value::Null) => {
                let summary = format!("{operation} found nothing");
                diagnostics.fail(
                    summary,
                    format!(
                        "There is no {} with the identifier {id:?}.",
                        self.resource.type_name()
                    ),
                );
                Value::Null
            }
            Ok(state) => state,
            Err(problem) => {
                blame(diagnostics, format!("{operation} gave an invalid object"), problem);
                Value::Null
            }
        }
    }
}
