//! The provider: its own configuration, and everything it offers.

use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;

use crate::context::Context;
use crate::data_source::DataSource;
use crate::diagnostics::{Diagnostics, Failed, Report as _};
use crate::ephemeral_resource::EphemeralResource;
use crate::function::Function;
use crate::resource::Resource;
use crate::schema::ResourceSchema;
use crate::value::Value;

/// A Terraform provider.
///
/// Terraform starts several processes of a provider in one command, most of which are asked for one thing only: keep
/// construction cheap. Schemas are built when they are first needed, and once.
#[async_trait]
pub trait Provider: Send + Sync + 'static {
    /// The provider's own configuration.
    fn schema(&self) -> ResourceSchema;

    /// The types of managed resources.
    fn resources(&self) -> Vec<Arc<dyn Resource>> {
        Vec::new()
    }

    /// The data sources.
    fn data_sources(&self) -> Vec<Arc<dyn DataSource>> {
        Vec::new()
    }

    /// The types of ephemeral resources.
    fn ephemeral_resources(&self) -> Vec<Arc<dyn EphemeralResource>> {
        Vec::new()
    }

    /// The functions.
    fn functions(&self) -> Vec<Arc<dyn Function>> {
        Vec::new()
    }

    /// Checks the provider's configuration without acting on it. Parts of it may be unknown.
    async fn validate(
        &self,
        request: ValidateProviderRequest,
        diagnostics: &mut Diagnostics,
    ) -> Result<(), Failed> {
        let _ = (request, diagnostics);
        Ok(())
    }

    /// Takes the provider's configuration to heart. Parts of it may be unknown while planning: go on without, and
    /// complain when it is needed. May be called again in the same process, with another configuration.
    async fn configure(
        &self,
        request: ConfigureRequest,
        diagnostics: &mut Diagnostics,
    ) -> Result<(), Failed>;
}

/// A provider configuration to check.
#[derive(Clone, Debug)]
pub struct ValidateProviderRequest {
    /// The configuration.
    pub config: Value,
    /// What accompanies every call.
    pub context: Context,
}

/// A provider configuration to use.
#[derive(Clone, Debug)]
pub struct ConfigureRequest {
    /// The configuration.
    pub config: Value,
    /// The version of the client, of Terraform or of OpenTofu.
    pub terraform_version: String,
    /// What accompanies every call.
    pub context: Context,
}

/// What [`Provider::configure`] makes and resources use: a client, typically.
///
/// Clones share one content.
#[derive(Debug)]
pub struct Configured<T>(Arc<RwLock<Option<Arc<T>>>>);

impl<T> Configured<T> {
    /// Not configured yet.
    pub fn new() -> Self {
        Self(Arc::default())
    }

    /// Replaces the content. Calls that run keep what they started with.
    pub fn set(&self, content: T) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(content));
    }

    /// Forgets the content.
    pub fn clear(&self) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The content, if there is any.
    pub fn get(&self) -> Option<Arc<T>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The content; records an error if there is none.
    pub fn require(&self, diagnostics: &mut Diagnostics) -> Result<Arc<T>, Failed> {
        self.get().ok_or_else(|| {
            diagnostics.fail(
                "Provider is not configured",
                "This needs the provider's configuration, which is missing or not known yet. If it depends on \
                 resources of the same configuration, apply those first with -target.",
            )
        })
    }
}

impl<T> Clone for Configured<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Default for Configured<T> {
    fn default() -> Self {
        Self::new()
    }
}
