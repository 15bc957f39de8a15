//! `idp_module_status`: how a module, or a version of it, stands. The registry signs and logs what is said.
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
use provider_framework::{Diagnostics, Failed, Report as _, async_trait};

use self::model::Target;
use crate::settings::Platform;

const TYPE_NAME: &str = "idp_module_status";

/// The resource type.
#[derive(Debug)]
pub(crate) struct ModuleStatus {
    platform: Configured<Platform>,
}

impl ModuleStatus {
    /// Works with whatever platform the provider is configured for.
    pub(crate) fn new(platform: Configured<Platform>) -> Self {
        Self { platform }
    }
}

#[async_trait]
impl Resource for ModuleStatus {
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
        let prior = request.prior.to_model(&mut plan.diagnostics)?;
        plan::warn_restored(self.platform.get().as_deref(), &prior, &mut plan.diagnostics);
        Ok(())
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
        let target: Target = request.id.parse().map_err(|error| {
            let given: String = request.id.chars().take(100).collect();
            outcome.diagnostics.fail(
                format!("{given:?} is not the id of an {TYPE_NAME}"),
                format!(
                    "An id is <namespace>/<name>/<system>, or that and @<version>, such as golden/api/nodejs@1.0.0. In it, \
                     {error}."
                ),
            )
        })?;
        outcome.set_attribute("module", target.address.to_string());
        outcome.set_attribute("version", target.version.as_ref().map(ToString::to_string));
        outcome.set_attribute("id", target.to_string());
        Ok(())
    }
}
