//! Checking configurations.

use super::guard::{guard, succeeded};
use super::{Managed, Sourced};
use crate::data_source::ValidateDataSourceRequest;
use crate::diagnostics::{Diagnostics, Report as _};
use crate::path::AttributePath;
use crate::resource::ValidateRequest;
use crate::rules::strip_write_only;
use crate::value::Value;

impl Managed<'_> {
    /// Checks a resource's configuration.
    pub(crate) async fn validate(&self, config: Value) -> Diagnostics {
        let mut diagnostics = Diagnostics::default();
        self.refuse_write_only(&config, &mut diagnostics);
        let request = ValidateRequest { config, context: self.context.clone() };
        let result = guard(self.resource.validate(request, &mut diagnostics)).await;
        succeeded(result, &mut diagnostics, &format!("Validating {}", self.resource.type_name()));
        self.compiled.mend_paths(&mut diagnostics);
        diagnostics
    }

    /// An old client would store what must not be stored.
    fn refuse_write_only(&self, config: &Value, diagnostics: &mut Diagnostics) {
        if self.context.client.write_only_attributes_allowed {
            return;
        }
        if strip_write_only(&self.compiled.schema, config.clone()) == *config {
            return;
        }
        for (name, _) in self.compiled.schema.extras.iter().filter(|(_, extra)| extra.write_only) {
            let first = name.split('.').next().unwrap_or(name);
            if config.get(first).is_some_and(|value| !value.is_null()) {
                diagnostics.fail_at(
                    AttributePath::new(first.to_owned()),
                    "Write-only attributes need a newer client",
                    format!("`{name}` is never stored, which Terraform knows how to do since version 1.11."),
                );
            }
        }
    }
}

impl Sourced<'_> {
    /// Checks a data source's configuration.
    pub(crate) async fn validate(&self, config: Value) -> Diagnostics {
        let mut diagnostics = Diagnostics::default();
        let request = ValidateDataSourceRequest { config, context: self.context.clone() };
        let result = guard(self.source.validate(request, &mut diagnostics)).await;
        succeeded(result, &mut diagnostics, &format!("Validating {}", self.source.type_name()));
        self.compiled.mend_paths(&mut diagnostics);
        diagnostics
    }
}
