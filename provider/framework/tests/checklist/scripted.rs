//! A provider whose every answer a test scripts.

use std::sync::Arc;

use provider_framework::data_source::{DataSource, Found, ReadDataSourceRequest};
use provider_framework::ephemeral_resource::{
    CloseRequest, EphemeralResource, OpenRequest, Opened, RenewRequest, Renewed,
    ValidateEphemeralResourceRequest,
};
use provider_framework::function::{Arguments, Function, FunctionError};
use provider_framework::path::show;
use provider_framework::provider::{ConfigureRequest, Provider};
use provider_framework::resource::{
    Applied, CreateRequest, DeleteRequest, ImportRequest, Imported, Plan, PlanDestroy,
    PlanDestroyRequest, PlanRequest, Read, ReadRequest, Resource, UpdateRequest, UpgradeRequest,
    Upgraded, ValidateRequest,
};
use provider_framework::schema::{
    AttributeType, Block, FunctionSchema, NestedBlock, ResourceSchema, computed, list_of_objects,
    map, map_of_objects, object as nested, optional, optional_computed, required, set,
    set_of_objects,
};
use provider_framework::testing::{TestProvider, TestResource};
use provider_framework::value::Value;
use provider_framework::{Diagnostics, Failed, Report as _, async_trait};

type Script<Request, Outcome> =
    Box<dyn Fn(Request, &mut Outcome) -> Result<(), Failed> + Send + Sync>;

/// A resource that does what it is told, and by default what it should.
pub(crate) struct Scripted {
    pub(crate) schema: ResourceSchema,
    pub(crate) validate: Script<ValidateRequest, Diagnostics>,
    pub(crate) plan: Script<PlanRequest, Plan>,
    pub(crate) plan_destroy: Script<PlanDestroyRequest, PlanDestroy>,
    pub(crate) create: Script<CreateRequest, Applied>,
    pub(crate) update: Script<UpdateRequest, Applied>,
    pub(crate) delete: Script<DeleteRequest, Applied>,
    pub(crate) read: Script<ReadRequest, Read>,
    pub(crate) import: Script<ImportRequest, Imported>,
    pub(crate) upgrade: Script<UpgradeRequest, Upgraded>,
}

impl Default for Scripted {
    fn default() -> Self {
        Self {
            schema: schema(),
            validate: Box::new(|_, _| Ok(())),
            plan: Box::new(|_, _| Ok(())),
            plan_destroy: Box::new(|_, _| Ok(())),
            create: Box::new(|request, outcome| {
                outcome.set(made(request.planned));
                Ok(())
            }),
            update: Box::new(|request, outcome| {
                outcome.set(made(request.planned));
                Ok(())
            }),
            delete: Box::new(|_, _| Ok(())),
            read: Box::new(|_, _| Ok(())),
            import: Box::new(|request, outcome| {
                outcome.set_attribute("name", request.id.as_str());
                Ok(())
            }),
            upgrade: Box::new(|_, outcome| {
                Err(outcome.diagnostics.fail("No upgrade", "There is none."))
            }),
        }
    }
}

/// The planned object with everything known.
pub(crate) fn made(planned: Value) -> Value {
    match planned {
        Value::Unknown(_) => Value::string("made"),
        Value::Map(entries) => {
            Value::object(entries.into_iter().map(|(name, value)| (name, made(value))))
        }
        Value::List(elements) => Value::list(elements.into_iter().map(made)),
        Value::Set(elements) => Value::set(elements.iter().cloned().map(made)),
        known => known,
    }
}

/// Attributes and blocks of every kind.
pub(crate) fn schema() -> ResourceSchema {
    let text = || AttributeType::String;
    let element = || [("host", optional(text(), "")), ("weight", optional_computed(text(), ""))];
    let block = |name: &str| {
        let attributes = [(name.to_owned(), optional(text(), ""))];
        Block { attributes: attributes.into_iter().collect(), ..Block::default() }
    };
    ResourceSchema::new(2, "")
        .attribute("name", required(text(), ""))
        .attribute("size", optional(text(), ""))
        .attribute("any", optional(AttributeType::Any, ""))
        .attribute("tags", optional(map(text()), ""))
        .attribute("zones", optional(set(text()), ""))
        .attribute("color", optional_computed(text(), ""))
        .attribute("id", computed(text(), ""))
        .attribute("one", optional(nested(element()), ""))
        .attribute("many", optional(list_of_objects(element()), ""))
        .attribute("named", optional(map_of_objects(element()), ""))
        .attribute("peers", optional(set_of_objects(element()), ""))
        .block("listener", NestedBlock::List(block("port")))
        .block("case", NestedBlock::Single(block("kind")))
}

#[async_trait]
impl Resource for Scripted {
    fn type_name(&self) -> &'static str {
        "test_thing"
    }

    fn schema(&self) -> ResourceSchema {
        self.schema.clone()
    }

    async fn validate(
        &self,
        request: ValidateRequest,
        diagnostics: &mut Diagnostics,
    ) -> Result<(), Failed> {
        (self.validate)(request, diagnostics)
    }

    async fn plan(&self, request: PlanRequest, plan: &mut Plan) -> Result<(), Failed> {
        (self.plan)(request, plan)
    }

    async fn plan_destroy(
        &self,
        request: PlanDestroyRequest,
        plan: &mut PlanDestroy,
    ) -> Result<(), Failed> {
        (self.plan_destroy)(request, plan)
    }

    async fn create(&self, request: CreateRequest, outcome: &mut Applied) -> Result<(), Failed> {
        (self.create)(request, outcome)
    }

    async fn update(&self, request: UpdateRequest, outcome: &mut Applied) -> Result<(), Failed> {
        (self.update)(request, outcome)
    }

    async fn delete(&self, request: DeleteRequest, outcome: &mut Applied) -> Result<(), Failed> {
        (self.delete)(request, outcome)
    }

    async fn read(&self, request: ReadRequest, outcome: &mut Read) -> Result<(), Failed> {
        (self.read)(request, outcome)
    }

    async fn import(&self, request: ImportRequest, outcome: &mut Imported) -> Result<(), Failed> {
        (self.import)(request, outcome)
    }

    async fn upgrade_state(
        &self,
        request: UpgradeRequest,
        outcome: &mut Upgraded,
    ) -> Result<(), Failed> {
        (self.upgrade)(request, outcome)
    }
}

/// A data source that does what it is told.
pub(crate) struct ScriptedSource {
    pub(crate) schema: ResourceSchema,
    pub(crate) read: Script<ReadDataSourceRequest, Found>,
}

#[async_trait]
impl DataSource for ScriptedSource {
    fn type_name(&self) -> &'static str {
        "test_lookup"
    }

    fn schema(&self) -> ResourceSchema {
        self.schema.clone()
    }

    async fn read(&self, request: ReadDataSourceRequest, found: &mut Found) -> Result<(), Failed> {
        (self.read)(request, found)
    }
}

/// An ephemeral resource that does what it is told, and by default what it should.
pub(crate) struct ScriptedTicket {
    pub(crate) schema: ResourceSchema,
    pub(crate) validate: Script<ValidateEphemeralResourceRequest, Diagnostics>,
    pub(crate) open: Script<OpenRequest, Opened>,
    pub(crate) renew: Script<RenewRequest, Renewed>,
    pub(crate) close: Script<CloseRequest, Diagnostics>,
}

impl Default for ScriptedTicket {
    fn default() -> Self {
        let text = || AttributeType::String;
        let grant = [("role", optional(text(), "")), ("hours", optional_computed(text(), ""))];
        let schema = ResourceSchema::new(0, "")
            .attribute("topic", required(text(), ""))
            .attribute("note", optional(text(), ""))
            .attribute("grant", optional(nested(grant), ""))
            .attribute("token", computed(text(), ""));
        Self {
            schema,
            validate: Box::new(|_, _| Ok(())),
            open: Box::new(|_, opened| {
                opened.result.set_attribute("token", "hunter2");
                Ok(())
            }),
            renew: Box::new(|_, _| Ok(())),
            close: Box::new(|_, _| Ok(())),
        }
    }
}

#[async_trait]
impl EphemeralResource for ScriptedTicket {
    fn type_name(&self) -> &'static str {
        "test_ticket"
    }

    fn schema(&self) -> ResourceSchema {
        self.schema.clone()
    }

    async fn validate(
        &self,
        request: ValidateEphemeralResourceRequest,
        diagnostics: &mut Diagnostics,
    ) -> Result<(), Failed> {
        (self.validate)(request, diagnostics)
    }

    async fn open(&self, request: OpenRequest, opened: &mut Opened) -> Result<(), Failed> {
        (self.open)(request, opened)
    }

    async fn renew(&self, request: RenewRequest, renewed: &mut Renewed) -> Result<(), Failed> {
        (self.renew)(request, renewed)
    }

    async fn close(
        &self,
        request: CloseRequest,
        diagnostics: &mut Diagnostics,
    ) -> Result<(), Failed> {
        (self.close)(request, diagnostics)
    }
}

type Computation = Box<dyn Fn(Arguments) -> Result<Value, FunctionError> + Send + Sync>;

/// A function that does what it is told.
pub(crate) struct ScriptedFunction {
    pub(crate) schema: FunctionSchema,
    pub(crate) call: Computation,
}

impl Function for ScriptedFunction {
    fn name(&self) -> &'static str {
        "compute"
    }

    fn schema(&self) -> FunctionSchema {
        self.schema.clone()
    }

    fn call(&self, arguments: Arguments) -> Result<Value, FunctionError> {
        (self.call)(arguments)
    }
}

/// A provider of scripted things.
pub(crate) struct ScriptedProvider {
    pub(crate) schema: ResourceSchema,
    pub(crate) resources: Vec<Arc<dyn Resource>>,
    pub(crate) data_sources: Vec<Arc<dyn DataSource>>,
    pub(crate) ephemeral_resources: Vec<Arc<dyn EphemeralResource>>,
    pub(crate) functions: Vec<Arc<dyn Function>>,
    pub(crate) configure: Option<Script<ConfigureRequest, Diagnostics>>,
}

impl Default for ScriptedProvider {
    fn default() -> Self {
        Self {
            schema: ResourceSchema::new(0, "")
                .attribute("url", optional(AttributeType::String, "")),
            resources: Vec::new(),
            data_sources: Vec::new(),
            ephemeral_resources: Vec::new(),
            functions: Vec::new(),
            configure: None,
        }
    }
}

#[async_trait]
impl Provider for ScriptedProvider {
    fn schema(&self) -> ResourceSchema {
        self.schema.clone()
    }

    fn resources(&self) -> Vec<Arc<dyn Resource>> {
        self.resources.clone()
    }

    fn data_sources(&self) -> Vec<Arc<dyn DataSource>> {
        self.data_sources.clone()
    }

    fn ephemeral_resources(&self) -> Vec<Arc<dyn EphemeralResource>> {
        self.ephemeral_resources.clone()
    }

    fn functions(&self) -> Vec<Arc<dyn Function>> {
        self.functions.clone()
    }

    async fn configure(
        &self,
        request: ConfigureRequest,
        diagnostics: &mut Diagnostics,
    ) -> Result<(), Failed> {
        self.configure.as_ref().map_or(Ok(()), |configure| configure(request, diagnostics))
    }
}

/// A provider of one scripted resource.
pub(crate) fn provider(resource: Scripted) -> TestProvider {
    let resources: Vec<Arc<dyn Resource>> = vec![Arc::new(resource)];
    TestProvider::new(ScriptedProvider { resources, ..ScriptedProvider::default() })
}

/// The scripted resource of a provider.
pub(crate) fn thing(provider: &TestProvider) -> TestResource<'_> {
    provider.resource("test_thing")
}

/// An object with blocks as core sends them where there are none.
pub(crate) fn config<const N: usize>(attributes: [(&str, Value); N]) -> Value {
    let listener = ("listener", Value::List(Vec::new()));
    Value::object([("name", Value::string("x")), listener].into_iter().chain(attributes))
}

/// Fails unless an error blames the attribute in these words.
#[track_caller]
pub(crate) fn assert_blamed(diagnostics: &Diagnostics, path: &str, words: &str) {
    let found = |error: &provider_framework::Diagnostic| {
        show(&error.attribute) == path && error.detail.contains(words)
    };
    assert!(
        diagnostics.errors.iter().any(found),
        "no error about {path:?} saying {words:?}: {diagnostics:#?}"
    );
}
