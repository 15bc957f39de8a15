//! `idp_service`: a workload on a golden path.
//!
//! What it is lies in `model` and `schema`; what a plan promises in `draft`, which is pure; `plan`, `apply` and `read`
//! talk to the platform and to people.

mod apply;
mod draft;
mod failure;
mod model;
mod plan;
mod read;
mod remembered;
mod schema;
mod validate;
mod wait;

use provider_framework::provider::Configured;
use provider_framework::resource::{
    Applied, CreateRequest, DeleteRequest, ImportRequest, Imported, Plan, PlanDestroy,
    PlanDestroyRequest, PlanRequest, Read, ReadRequest, Resource, UpdateRequest, ValidateRequest,
};
use provider_framework::schema::ResourceSchema;
use provider_framework::value::{IntoValue as _, Value};
use provider_framework::{Diagnostics, Failed, async_trait};

use crate::settings::Platform;

/// The resource type.
#[derive(Debug)]
pub struct Service {
    platform: Configured<Platform>,
}

impl Service {
    /// Works with whatever platform the provider is configured for.
    pub fn new(platform: Configured<Platform>) -> Self {
        Self { platform }
    }
}

#[async_trait]
impl Resource for Service {
    fn type_name(&self) -> &'static str {
        "idp_service"
    }

    fn schema(&self) -> ResourceSchema {
        schema::schema()
    }

    async fn validate(
        &self,
        request: ValidateRequest,
        diagnostics: &mut Diagnostics,
    ) -> Result<(), Failed> {
        let config: model::Service = request.config.to_model(diagnostics)?;
        validate::validate(&config, diagnostics)
    }

    async fn plan(&self, request: PlanRequest, plan: &mut Plan) -> Result<(), Failed> {
        plan::plan(self.platform.get().as_deref(), &request, plan).await
    }

    async fn plan_destroy(
        &self,
        request: PlanDestroyRequest,
        plan: &mut PlanDestroy,
    ) -> Result<(), Failed> {
        plan::plan_destroy(self.platform.get().as_deref(), &request, plan).await
    }

    async fn create(&self, request: CreateRequest, outcome: &mut Applied) -> Result<(), Failed> {
        let platform = self.platform.require(&mut outcome.diagnostics)?;
        apply::create(&platform, &request, outcome).await
    }

    async fn update(&self, request: UpdateRequest, outcome: &mut Applied) -> Result<(), Failed> {
        let platform = self.platform.require(&mut outcome.diagnostics)?;
        apply::update(&platform, &request, outcome).await
    }

    async fn delete(&self, request: DeleteRequest, outcome: &mut Applied) -> Result<(), Failed> {
        let platform = self.platform.require(&mut outcome.diagnostics)?;
        apply::delete(&platform, &request, outcome).await
    }

    async fn read(&self, request: ReadRequest, outcome: &mut Read) -> Result<(), Failed> {
        read::read(self.platform.get().as_deref(), &request, outcome).await
    }

    async fn import(&self, request: ImportRequest, outcome: &mut Imported) -> Result<(), Failed> {
        read::import(&request, outcome)
    }
}

/// The attributes of the resource.
pub fn schema() -> ResourceSchema {
    schema::schema()
}

/// Every attribute of a resource that nobody here manages.
pub(crate) fn describe(resource: &registry_api::platform::Resource) -> Value {
    model::Service::of(resource).into_value()
}
