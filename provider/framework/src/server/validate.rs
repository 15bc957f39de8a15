//! Checking configurations.

use super::guard::{guard, succeeded};
use super::{Ephemeral, Managed, Sourced};
use crate::data_source::ValidateDataSourceRequest;
use crate::diagnostics::{Diagnostics, Report as _};
use crate::ephemeral_resource::ValidateEphemeralResourceRequest;
use crate::path::show;
use crate::resource::ValidateRequest;
use crate::rules::write_only_paths;
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
        for path in write_only_paths(&self.compiled.schema, config) {
            let detail = format!(
                "`{}` is write-only: its value is never stored, which Terraform and OpenTofu can do since version \
                 1.11. Use a newer version, or leave it out.",
                show(&path)
            );
            diagnostics.fail_at(path, "Write-only attributes need a newer client", detail);
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

impl Ephemeral<'_> {
    /// Checks an ephemeral resource's configuration.
    pub(crate) async fn validate(&self, config: Value) -> Diagnostics {
        let mut diagnostics = Diagnostics::default();
        let request = ValidateEphemeralResourceRequest { config, context: self.context.clone() };
        let result = guard(self.resource.validate(request, &mut diagnostics)).await;
        succeeded(result, &mut diagnostics, &format!("Validating {}", self.resource.type_name()));
        self.compiled.mend_paths(&mut diagnostics);
        diagnostics
    }
}
