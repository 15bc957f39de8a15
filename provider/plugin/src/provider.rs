//! The provider: what it offers, and what configuring it does.

use std::sync::Arc;

use provider_framework::data_source::DataSource;
use provider_framework::ephemeral_resource::EphemeralResource;
use provider_framework::provider::{
    ConfigureRequest, Configured, Provider, ValidateProviderRequest,
};
use provider_framework::resource::Resource;
use provider_framework::schema::ResourceSchema;
use provider_framework::{Diagnostics, Failed, Timestamp, async_trait};

use crate::client::Patience;
use crate::data_sources::golden_path::GoldenPathSource;
use crate::data_sources::service::ServiceSource;
use crate::ephemeral_resources::database_credentials::DatabaseCredentials;
use crate::golden::Managed;
use crate::resources::database::Database;
use crate::resources::secret::Secret;
use crate::resources::service::Service;
use crate::settings::{self, Platform, ProcessEnvironment, Settings};

/// `terraform-provider-idp`.
#[derive(Debug)]
pub struct Idp {
    environment: ProcessEnvironment,
    patience: Patience,
    platform: Configured<Platform>,
}

impl Idp {
    /// A provider that is not configured yet.
    pub fn new(environment: ProcessEnvironment) -> Self {
        Self::with_patience(environment, Patience::default())
    }

    /// The same, with other limits on how long it waits for a platform that does not answer.
    pub fn with_patience(environment: ProcessEnvironment, patience: Patience) -> Self {
        Self { environment, patience, platform: Configured::new() }
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
        ]
    }

    fn data_sources(&self) -> Vec<Arc<dyn DataSource>> {
        vec![
            Arc::new(GoldenPathSource::new(self.platform.clone())),
            Arc::new(ServiceSource::new(self.platform.clone())),
        ]
    }

    fn ephemeral_resources(&self) -> Vec<Arc<dyn EphemeralResource>> {
        vec![Arc::new(DatabaseCredentials::new(self.platform.clone(), now))]
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
        if !settings::is_unknown(&settings) {
            let platform =
                settings::configure(&settings, &self.environment, self.patience, diagnostics)?;
            self.platform.set(platform);
        }
        Ok(())
    }
}

#[expect(clippy::disallowed_methods, reason = "the one clock of this provider")]
fn now() -> Timestamp {
    Timestamp::now()
}
