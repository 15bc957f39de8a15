//! `idp_secret`: a value that the platform keeps and Terraform never does.
//!
//! What it is lies in `model` and `schema`; what a plan promises in `plan`, which asks nobody; `apply` and `read` talk to
//! the platform.

mod apply;
mod model;
mod plan;
mod read;
mod schema;
mod validate;

use provider_framework::provider::Configured;
use provider_framework::resource::{
    Applied, CreateRequest, DeleteRequest, ImportRequest, Imported, Plan, PlanDestroy,
    PlanDestroyRequest, PlanRequest, Read, ReadRequest, Resource, UpdateRequest, ValidateRequest,
};
use provider_framework::schema::ResourceSchema;
use provider_framework::{Diagnostics, Failed, async_trait};
use registry_api::platform::SecretRef;

use crate::import::IdForm;
use crate::settings::Platform;

const TYPE_NAME: &str = "idp_secret";

/// The resource type.
#[derive(Debug)]
pub(crate) struct Secret {
    platform: Configured<Platform>,
}

impl Secret {
    /// Works with whatever platform the provider is configured for.
    pub(crate) fn new(platform: Configured<Platform>) -> Self {
        Self { platform }
    }
}

#[async_trait]
impl Resource for Secret {
    fn type_name(&self) -> &'static str {
        TYPE_NAME
    }

    fn schema(&self) -> ResourceSchema {
        schema::schema()
    }

    async fn validate(
        &self,
        request: ValidateRequest,
        diagnostics: &mut Diagnostics,
    ) -> Result<(), Failed> {
        validate::validate(&request.config.to_model(diagnostics)?, diagnostics)
    }

    async fn plan(&self, request: PlanRequest, plan: &mut Plan) -> Result<(), Failed> {
        plan::plan(self.platform.get().as_deref(), &request, plan)
    }

    async fn plan_destroy(
        &self,
        request: PlanDestroyRequest,
        plan: &mut PlanDestroy,
    ) -> Result<(), Failed> {
        let prior: model::Secret = request.prior.to_model(&mut plan.diagnostics)?;
        plan::refuse_protected(&prior, "destroyed", &mut plan.diagnostics)
    }

    async fn create(&self, request: CreateRequest, outcome: &mut Applied) -> Result<(), Failed> {
        let platform = self.platform.require(&mut outcome.diagnostics)?;
        apply::create(&platform.client, &request, outcome).await
    }

    async fn update(&self, request: UpdateRequest, outcome: &mut Applied) -> Result<(), Failed> {
        let platform = self.platform.require(&mut outcome.diagnostics)?;
        apply::update(&platform.client, &request, outcome).await
    }

    async fn delete(&self, request: DeleteRequest, outcome: &mut Applied) -> Result<(), Failed> {
        let platform = self.platform.require(&mut outcome.diagnostics)?;
        apply::delete(&platform.client, &request, outcome).await
    }

    async fn read(&self, request: ReadRequest, outcome: &mut Read) -> Result<(), Failed> {
        read::read(self.platform.get().as_deref(), &request, outcome).await
    }

    async fn import(&self, request: ImportRequest, outcome: &mut Imported) -> Result<(), Failed> {
        let form = IdForm { type_name: TYPE_NAME, kind: Some("secret"), example: "staging/stripe" };
        let (environment, name) = form.read(&request, outcome)?;
        outcome.set_attribute("id", SecretRef::Secret { environment, name }.to_string());
        Ok(())
    }
}
