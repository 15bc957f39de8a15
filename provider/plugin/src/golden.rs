//! Resources on golden paths: what all of them do alike, whatever their kind.
//!
//! A kind says what it is by implementing [`GoldenResource`]; [`Managed`] makes a resource type of it. What a plan
//! promises lies in `draft`, which is pure; `plan`, `destroy`, `apply` and `read` talk to the platform and to people.
//! Knows no kind.

mod apply;
mod destroy;
pub(crate) mod draft;
mod failure;
pub(crate) mod model;
mod plan;
mod read;
mod remarks;
pub(crate) mod remembered;
pub(crate) mod schema;
mod validate;
mod wait;

use std::fmt::Debug;
use std::marker::PhantomData;

use provider_framework::provider::Configured;
use provider_framework::resource::{
    Applied, CreateRequest, DeleteRequest, ImportRequest, Imported, Plan, PlanDestroy,
    PlanDestroyRequest, PlanRequest, Read, ReadRequest, Resource, UpdateRequest, ValidateRequest,
};
use provider_framework::schema::ResourceSchema;
use provider_framework::value::{Attr, FromValue, IntoValue};
use provider_framework::{Diagnostics, Failed, async_trait};
use registry_api::platform::{Kind, Outputs, ResourceRef};
use serde::Serialize;
use serde::de::DeserializeOwned;

use self::model::{Found, Golden};
use crate::check::Check;
use crate::import::IdForm;
use crate::settings::Platform;

/// One kind of resource on golden paths: the attributes that only it has, and what they mean.
///
/// Those that every kind has are in [`model::Common`].
pub(crate) trait GoldenResource:
    FromValue + IntoValue + Clone + Debug + PartialEq + Send + Sync + 'static
{
    /// Its specification as the platform shows it.
    type Spec: DeserializeOwned + Serialize + Debug + Send + Sync;

    /// What the platform calls it.
    const KIND: Kind;
    /// What configurations call it: `idp_service`.
    const TYPE_NAME: &'static str;
    /// Attributes that make up the specification; each is also a field of [`Self::Spec`].
    const SPECIFICATION: &'static [&'static str];
    /// An `environment/name` that messages show.
    const EXAMPLE: &'static str;
    /// Whether the platform refuses to delete it unless the configuration says otherwise.
    const PROTECTED: bool;
    /// Whether its id begins with its kind, so that other resources can refer to it by that alone.
    const QUALIFIED: bool;
    /// Whether the platform can take over what exists without it.
    const ADOPTABLE: bool;
    /// What replacing it does to those who use it.
    const REPLACEMENT: &'static str;

    /// The attributes.
    fn schema() -> ResourceSchema;

    /// Records everything that is wrong with a configuration whatever the golden path.
    fn validate(&self, check: &mut Check<'_>);

    /// Fills in what the configuration may leave out.
    #[must_use]
    fn with_defaults(self) -> Self;

    /// The address of its golden path, once the attributes that choose it are known.
    fn golden_path(&self) -> Option<String>;

    /// Attributes besides the name and the environment that cannot change in place.
    fn replacing(&self) -> Vec<(&'static str, &Attr<String>)>;

    /// Why an attribute cannot change in place, as the end of a sentence.
    fn reason(attribute: &str) -> &'static str;

    /// Leaves inputs as they are that, once it exists, someone else than the configuration decides.
    fn leave_to_others(&mut self, before: &Self) {
        let _ = before;
    }

    /// Makes every result unknown.
    fn forget_results(&mut self);

    /// Promises the results that follow from the inputs and from what was before, whatever the platform answers.
    fn foresee(&mut self, prior: Option<&Self>);

    /// Promises the results that the platform foretells.
    fn promise(&mut self, outputs: &Outputs);

    /// Promises the results that follow from the name alone, where other inputs are unknown.
    fn keep(&mut self, prior: &Self) {
        let _ = prior;
    }

    /// A resource as the platform describes it.
    fn of(found: &Found<Self>) -> Self;

    /// The same of one that exists without the platform: only what is so, nothing that was chosen.
    fn of_unmanaged(found: &Found<Self>) -> Self {
        Self::of(found)
    }

    /// What someone who destroys it should know: the end of a summary, and the detail.
    fn before_destroying(&self) -> Option<(&'static str, &'static str)> {
        None
    }
}

/// The resource type of a kind.
#[derive(Debug)]
pub(crate) struct Managed<R> {
    platform: Configured<Platform>,
    kind: PhantomData<fn() -> R>,
}

impl<R: GoldenResource> Managed<R> {
    /// Works with whatever platform the provider is configured for.
    pub(crate) fn new(platform: Configured<Platform>) -> Self {
        Self { platform, kind: PhantomData }
    }
}

#[async_trait]
impl<R: GoldenResource> Resource for Managed<R> {
    fn type_name(&self) -> &'static str {
        R::TYPE_NAME
    }

    fn schema(&self) -> ResourceSchema {
        R::schema()
    }

    async fn validate(
        &self,
        request: ValidateRequest,
        diagnostics: &mut Diagnostics,
    ) -> Result<(), Failed> {
        let config: Golden<R> = request.config.to_model(diagnostics)?;
        validate::validate(&config, diagnostics)
    }

    async fn plan(&self, request: PlanRequest, plan: &mut Plan) -> Result<(), Failed> {
        plan::plan::<R>(self.platform.get().as_deref(), &request, plan).await
    }

    async fn plan_destroy(
        &self,
        request: PlanDestroyRequest,
        plan: &mut PlanDestroy,
    ) -> Result<(), Failed> {
        destroy::plan_destroy::<R>(self.platform.get().as_deref(), &request, plan).await
    }

    async fn create(&self, request: CreateRequest, outcome: &mut Applied) -> Result<(), Failed> {
        let platform = self.platform.require(&mut outcome.diagnostics)?;
        apply::create::<R>(&platform, &request, outcome).await
    }

    async fn update(&self, request: UpdateRequest, outcome: &mut Applied) -> Result<(), Failed> {
        let platform = self.platform.require(&mut outcome.diagnostics)?;
        apply::update::<R>(&platform, &request, outcome).await
    }

    async fn delete(&self, request: DeleteRequest, outcome: &mut Applied) -> Result<(), Failed> {
        let platform = self.platform.require(&mut outcome.diagnostics)?;
        apply::delete::<R>(&platform, &request, outcome).await
    }

    async fn read(&self, request: ReadRequest, outcome: &mut Read) -> Result<(), Failed> {
        read::read::<R>(self.platform.get().as_deref(), &request, outcome).await
    }

    async fn import(&self, request: ImportRequest, outcome: &mut Imported) -> Result<(), Failed> {
        let kind = R::QUALIFIED.then_some(R::KIND.as_str());
        let form = IdForm { type_name: R::TYPE_NAME, kind, example: R::EXAMPLE };
        let (environment, name) = form.read(&request, outcome)?;
        let reference = ResourceRef { kind: R::KIND, environment, name };
        outcome.set_attribute("id", model::id::<R>(&reference));
        Ok(())
    }
}
