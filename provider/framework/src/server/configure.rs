//! The provider's own configuration.

use super::Server;
use super::guard::{guard, succeeded};
use crate::context::{CancellationSource, ClientCapabilities};
use crate::diagnostics::Diagnostics;
use crate::provider::{ConfigureRequest, ValidateProviderRequest};
use crate::value::Value;

impl Server {
    /// Checks it.
    pub(crate) async fn validate_provider(&self, config: Value) -> Diagnostics {
        let mut diagnostics = Diagnostics::default();
        let request = ValidateProviderRequest { config, context: self.context(None) };
        let result = guard(self.provider.validate(request, &mut diagnostics)).await;
        succeeded(result, &mut diagnostics, "Validating the provider's configuration");
        self.mend_provider_paths(&mut diagnostics);
        diagnostics
    }

    /// Uses it. A process that serves several runs one after the other is asked to stop at the end of each: the next
    /// configuration is a new start.
    pub(crate) async fn configure(
        &self,
        config: Value,
        terraform_version: String,
        client: ClientCapabilities,
    ) -> Diagnostics {
        {
            let mut session = self.session();
            session.client = client;
            if session.cancellation.token().is_cancelled() {
                session.cancellation = CancellationSource::new();
            }
        }
        let mut diagnostics = Diagnostics::default();
        let request =
            ConfigureRequest { config, terraform_version, context: self.context(Some(client)) };
        let result = guard(self.provider.configure(request, &mut diagnostics)).await;
        succeeded(result, &mut diagnostics, "Configuring the provider");
        self.mend_provider_paths(&mut diagnostics);
        diagnostics
    }

    fn mend_provider_paths(&self, diagnostics: &mut Diagnostics) {
        if let Ok(compiled) = self.provider_schema() {
            compiled.mend_paths(diagnostics);
        }
    }
}
