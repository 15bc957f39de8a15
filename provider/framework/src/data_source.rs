//! Data sources: what can be looked up.

use async_trait::async_trait;

use crate::context::Context;
use crate::diagnostics::{Diagnostics, Failed};
use crate::schema::ResourceSchema;
use crate::value::{IntoValue, Value};

/// A data source.
#[async_trait]
pub trait DataSource: Send + Sync + 'static {
    /// The whole name: `idp_golden_path`.
    fn type_name(&self) -> &str;

    /// Its attributes.
    fn schema(&self) -> ResourceSchema;

    /// Checks a configuration. Parts of it may be unknown.
    async fn validate(
        &self,
        request: ValidateDataSourceRequest,
        diagnostics: &mut Diagnostics,
    ) -> Result<(), Failed> {
        let _ = (request, diagnostics);
        Ok(())
    }

    /// Looks it up.
    async fn read(&self, request: ReadDataSourceRequest, found: &mut Found) -> Result<(), Failed>;
}

/// A configuration to check.
#[derive(Clone, Debug)]
pub struct ValidateDataSourceRequest {
    /// The configuration.
    pub config: Value,
    /// What accompanies every call.
    pub context: Context,
}

/// What to look up. Nothing in it is unknown.
#[derive(Clone, Debug)]
pub struct ReadDataSourceRequest {
    /// The configuration.
    pub config: Value,
    /// What accompanies every call.
    pub context: Context,
}

/// What was found. Starts as the configuration; must become an object with everything known.
#[derive(Clone, Debug)]
pub struct Found {
    /// The object.
    pub state: Value,
    /// Reports to the user.
    pub diagnostics: Diagnostics,
}

impl Found {
    /// Sets the object.
    pub fn set(&mut self, state: impl IntoValue) {
        self.state = state.into_value();
    }
}
