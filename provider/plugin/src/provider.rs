//! The provider: what it offers, and what configuring it does.

use std::sync::Arc;

use provider_framework::data_source::DataSource;
use provider_framework::ephemeral_resource::EphemeralResource;
use provider_framework::provider::{
    ConfigureRequest, Configured, Provider, ValidateProviderRequest,
};
use provider_framework::resource::Resource;
use provider_framework::schema::ResourceSchema;
use provider_framework::{Diagnostics, Failed, Report as _, Timestamp, async_trait};

use crate::client::Patience;
use crate::data_sources::golden_path::GoldenPathSource;
use crate::data_sources::service::ServiceSource;
use crate::data_sources::verification::VerificationSource;
use crate::ephemeral_resources::database_credentials::DatabaseCredentials;
use crate::golden::Managed;
use crate::resources::database::Database;
use crate::resources::module_status::ModuleStatus;
use crate::resources::secret::Secret;
use crate::resources::service::Service;
use crate::settings::{self, Platform, ProcessEnvironment, Settings};
use crate::verification;

/// `terraform-provider-idp`.
#[derive(Debug)]
pub struct Idp {
    environment: ProcessEnvironment,
    patience: Patience,
    clock: fn() -> Timestamp,
    platform: Configured<Platform>,
}

impl Idp {
    /// A provider that is not configured yet.
    pub fn new(environment: ProcessEnvironment) -> Self {
        Self::with_patience(environment, Patience::default())
    }

    /// The same, with other limits on how long it waits for a platform that does not answer.
    pub fn with_patience(environment: ProcessEnvironment, patience: Patience) -> Self {
        Self { environment, patience, clock: now, platform: Configured::new() }
    }

    /// The same by another clock.
    #[must_use]
    pub fn with_clock(self, clock: fn() -> Timestamp) -> Self {
        Self { clock, ..self }
    }
}

#[async_trait]
impl Provider for Idp {
    fn schema(&self) -> ResourceSchema {
        settings::schema()
    }

    fn resources(&self) -> Vec<Arc<dyn Resource>> {
        vec![
            Arc::new(Managed::<Service>::new(self.platform.clone())),
            Arc::new(Managed::<Database>::new(self.platform.clone())),
            Arc::new(Secret::new(self.platform.clone())),
            Arc::new(ModuleStatus::new(self.platform.clone())),
        ]
    }

    fn data_sources(&self) -> Vec<Arc<dyn DataSource>> {
        vec![
            Arc::new(GoldenPathSource::new(self.platform.clone())),
            Arc::new(ServiceSource::new(self.platform.clone())),
            Arc::new(VerificationSource::new(self.platform.clone())),
        ]
    }

    fn ephemeral_resources(&self) -> Vec<Arc<dyn EphemeralResource>> {
        vec![Arc::new(DatabaseCredentials::new(self.platform.clone(), self.clock))]
    }

    async fn validate(
        &self,
        request: ValidateProviderRequest,
        diagnostics: &mut Diagnostics,
    ) -> Result<(), Failed> {
        let settings: Settings = request.config.to_model(diagnostics)?;
        settings::validate(&settings, diagnostics)
    }

    async fn configure(
        &self,
        request: ConfigureRequest,
        diagnostics: &mut Diagnostics,
    ) -> Result<(), Failed> {
        self.platform.clear();
        let settings: Settings = request.config.to_model(diagnostics)?;
        if settings::is_unknown(&settings) {
            return Ok(());
        }
        let platform =
            settings::configure(&settings, &self.environment, self.patience, diagnostics)?;
        let now = (self.clock)().as_millisecond();
        let work = verification::verify(&platform, &self.environment, now, diagnostics);
        let verification = request.context.cancellation.unless_cancelled(work).await;
        let verification = verification.unwrap_or_else(|| Err(stopped(diagnostics)))?;
        self.platform.set(Platform { verification, ..platform });
        Ok(())
    }
}

fn stopped(diagnostics: &mut Diagnostics) -> Failed {
    let detail = "Terraform asked the provider to stop before installed modules were verified.";
    diagnostics.fail("Provider was stopped", detail)
}

#[expect(clippy::disallowed_methods, reason = "the one clock of this provider")]
fn now() -> Timestamp {
    Timestamp::now()
}
