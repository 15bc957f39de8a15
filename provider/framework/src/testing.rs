//! Drives a provider the way core does, in this process, through the entry that the RPCs use.
//!
//! Values are encoded and decoded as on the wire, proposals are made by core's rules, and core's checks run on every
//! answer: a resource that core would call buggy fails its test here. Failing checks panic; what a provider reports to
//! its user is returned.
//!
//! ```
//! # use std::sync::Arc;
//! # use provider_framework::{*, provider::*, resource::*, schema::*, testing::{TestProvider, object}, value::Value};
//! # struct Topics;
//! # #[async_trait] impl Provider for Topics {
//! #     fn schema(&self) -> ResourceSchema { ResourceSchema::new(0, "") }
//! #     fn resources(&self) -> Vec<Arc<dyn Resource>> { vec![Arc::new(Topic)] }
//! #     async fn configure(&self, _: ConfigureRequest, _: &mut Diagnostics) -> Result<(), Failed> { Ok(()) }
//! # }
//! # struct Topic;
//! # #[async_trait] impl Resource for Topic {
//! #     fn type_name(&self) -> &str { "mq_topic" }
//! #     fn schema(&self) -> ResourceSchema {
//! #         ResourceSchema::new(0, "").attribute("name", required(AttributeType::String, ""))
//! #     }
//! #     async fn create(&self, r: CreateRequest, o: &mut Applied) -> Result<(), Failed> { o.set(r.planned); Ok(()) }
//! #     async fn update(&self, r: UpdateRequest, o: &mut Applied) -> Result<(), Failed> { o.set(r.planned); Ok(()) }
//! #     async fn delete(&self, _: DeleteRequest, _: &mut Applied) -> Result<(), Failed> { Ok(()) }
//! #     async fn read(&self, _: ReadRequest, _: &mut Read) -> Result<(), Failed> { Ok(()) }
//! # }
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let provider = TestProvider::new(Topics);
//! provider.configure(object::<&str, Value>([])).await;
//! let topics = provider.resource("mq_topic");
//! let config = object([("name", "orders")]);
//!
//! let plan = topics.plan(None, &config).await;
//! let stored = topics.apply(&plan, &config).await;
//!
//! assert_eq!(stored.state.get("name"), Some(&Value::string("orders")));
//! assert!(topics.plan(Some(&stored), &config).await.is_empty());
//! # }
//! ```

mod ephemeral;
mod proposed;

use std::sync::Arc;

use crate::context::ClientCapabilities;
use crate::diagnostics::Diagnostics;
use crate::function::FunctionError;
use crate::grpc::in_process::{Answer, Change, InProcess};
use crate::grpc::msgpack;
use crate::path::{AttributePath, show};
use crate::provider::Provider;
use crate::rules::{self, path_exists};
use crate::schema::{FunctionSchema, ResourceSchema, Type};
use crate::value::{IntoValue, Value};

pub use ephemeral::{Held, TestEphemeralResource};
pub use proposed::proposed_new;

/// An object for a configuration; attributes that are left out are null.
pub fn object<K: Into<String>, V: IntoValue>(
    attributes: impl IntoIterator<Item = (K, V)>,
) -> Value {
    Value::object(attributes)
}

/// A provider under test.
pub struct TestProvider {
    provider: Arc<dyn Provider>,
    rpc: InProcess,
}

/// A resource type of a provider under test.
pub struct TestResource<'a> {
    rpc: &'a InProcess,
    type_name: String,
    schema: ResourceSchema,
    ty: Type,
}

/// A data source of a provider under test.
pub struct TestDataSource<'a> {
    rpc: &'a InProcess,
    type_name: String,
    ty: Type,
}

/// What a provider planned.
#[derive(Clone, Debug)]
pub struct Planned {
    /// The state that the plan starts from; null to create.
    pub prior: Value,
    /// The private bytes that came with it.
    pub prior_private: Vec<u8>,
    /// The configuration, complete.
    pub config: Value,
    /// The planned object; null to destroy.
    pub planned: Value,
    /// Changes that need a replacement.
    pub requires_replace: Vec<AttributePath>,
    /// Private bytes for apply.
    pub private: Vec<u8>,
    /// Reports to the user.
    pub diagnostics: Diagnostics,
}

/// What core stores.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The object; null if there is none.
    pub state: Value,
    /// The private bytes beside it.
    pub private: Vec<u8>,
    /// Reports to the user.
    pub diagnostics: Diagnostics,
}

impl Planned {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.diagnostics.errors.is_empty() && self.planned == self.prior
    }

    /// Whether core will replace the object: a change needs it, and happens.
    pub fn is_replacement(&self) -> bool {
        let changed = |path: &AttributePath| self.planned.at(path) != self.prior.at(path);
        !self.prior.is_null()
            && !self.planned.is_null()
            && self.requires_replace.iter().any(changed)
    }
}

impl TestProvider {
    /// Takes a provider under test.
    pub fn new(provider: impl Provider) -> Self {
        let provider: Arc<dyn Provider> = Arc::new(provider);
        Self { rpc: InProcess::new(Arc::clone(&provider)), provider }
    }

    /// Has it asked by a client of other capabilities. Without this, it is one like Terraform 1.11.
    #[must_use]
    pub fn with_client(mut self, client: ClientCapabilities) -> Self {
        self.rpc.client = client;
        self
    }

    /// What is wrong with the provider's schemas; nothing if they are sound.
    pub async fn check_schemas(&self) -> Diagnostics {
        self.rpc.get_provider_schema().await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Validates and configures the provider, as core does one after the other.
    pub async fn configure(&self, config: Value) -> Diagnostics {
        let ty = self.provider.schema().ty();
        let config = msgpack::encode(&complete(config, &ty), &ty);
        let diagnostics = answered(self.rpc.validate_provider(&config).await);
        if !diagnostics.errors.is_empty() {
            return diagnostics;
        }
        answered(self.rpc.configure(&config, "1.11.4").await)
    }

    /// Asks the provider to stop, as core does when its user interrupts it.
    pub async fn stop(&self) {
        let error = answered(self.rpc.stop().await);
        assert!(error.is_empty(), "{error}");
    }

    /// Ends the process, as core does at the end of a run, however that went.
    pub async fn shut_down(&self) {
        self.rpc.shut_down().await;
    }

    /// A resource type. Panics if there is none of the name.
    pub fn resource(&self, type_name: &str) -> TestResource<'_> {
        let resources = self.provider.resources();
        let found = resources.iter().find(|resource| resource.type_name() == type_name);
        let schema = found.unwrap_or_else(|| panic!("no resource type {type_name}")).schema();
        let ty = schema.ty();
        TestResource { rpc: &self.rpc, type_name: type_name.to_owned(), schema, ty }
    }

    /// A data source. Panics if there is none of the name.
    pub fn data_source(&self, type_name: &str) -> TestDataSource<'_> {
        let sources = self.provider.data_sources();
        let found = sources.iter().find(|source| source.type_name() == type_name);
        let ty = found.unwrap_or_else(|| panic!("no data source {type_name}")).schema().ty();
        TestDataSource { rpc: &self.rpc, type_name: type_name.to_owned(), ty }
    }

    /// A type of ephemeral resource. Panics if there is none of the name.
    pub fn ephemeral_resource(&self, type_name: &str) -> TestEphemeralResource<'_> {
        let resources = self.provider.ephemeral_resources();
        let found = resources.iter().find(|resource| resource.type_name() == type_name);
        let schema = found.unwrap_or_else(|| panic!("no ephemeral resource {type_name}")).schema();
        TestEphemeralResource::new(&self.rpc, type_name, schema)
    }

    /// Calls a function, twice: core refuses functions that change their mind.
    pub async fn call(&self, name: &str, arguments: Vec<Value>) -> Result<Value, FunctionError> {
        let functions = self.provider.functions();
        let found = functions.iter().find(|function| function.name() == name);
        let schema = found.unwrap_or_else(|| panic!("no function {name}")).schema();
        let encoded: Vec<Vec<u8>> = (arguments.into_iter().enumerate())
            .map(|(position, argument)| {
                let ty = argument_type(&schema, position);
                msgpack::encode(&complete(argument, &ty), &ty)
            })
            .collect();
        let first = answered(self.rpc.call(name, &encoded).await);
        let second = answered(self.rpc.call(name, &encoded).await);
        assert_eq!(first, second, "{name} is not pure: the same arguments gave another result");
        first.map(|result| decode(&result, &schema.return_type))
    }

    /// Asks for state of another provider's resource to be moved to a resource type of this one.
    pub async fn move_state(&self, source_type_name: &str, target_type_name: &str) -> Diagnostics {
        answered(self.rpc.move_state(source_type_name, target_type_name).await).diagnostics
    }
}

fn argument_type(schema: &FunctionSchema, position: usize) -> Type {
    let parameter = schema.parameters.get(position).or(schema.variadic.as_ref());
    parameter.map_or(Type::Any, |parameter| parameter.param_type.clone())
}

fn answered<T>(answer: Result<T, String>) -> T {
    answer.unwrap_or_else(|error| panic!("the RPC failed: {error}"))
}

fn decode(bytes: &[u8], ty: &Type) -> Value {
    if bytes.is_empty() {
        return Value::Null;
    }
    msgpack::decode(bytes, ty)
        .unwrap_or_else(|error| panic!("core cannot decode the answer: {error}"))
}

/// Adds the attributes that a test left out, and checks the rest.
fn complete(value: Value, ty: &Type) -> Value {
    let filled = fill(value, ty);
    rules::conform(filled, ty)
        .unwrap_or_else(|problem| panic!("the test's value does not fit the schema: {problem}"))
}

fn fill(value: Value, ty: &Type) -> Value {
    match (value, ty) {
        (Value::Map(mut entries), Type::Object(attributes)) => {
            for (name, ty) in attributes {
                let value = entries.remove(name).unwrap_or(Value::Null);
                entries.insert(name.clone(), fill(value, ty));
            }
            Value::Map(entries)
        }
        (Value::Map(entries), Type::Map(element)) => Value::Map(
            entries.into_iter().map(|(key, value)| (key, fill(value, element))).collect(),
        ),
        (Value::List(elements), Type::List(element) | Type::Set(element)) => {
            Value::List(elements.into_iter().map(|value| fill(value, element)).collect())
        }
        (Value::Set(set), Type::Set(element)) => {
            Value::Set(set.iter().map(|value| fill(value.clone(), element)).collect())
        }
        (value, _) => value,
    }
}

/// Fails the test with everything that core would find fault with.
fn assert_none(problems: &[rules::Problem], what: &str) {
    let shown: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert!(shown.is_empty(), "core would refuse {what}:\n{}", shown.join("\n"));
}

/// Fails the test with every value that core must not get back.
fn assert_not_stored(schema: &ResourceSchema, value: &Value) {
    let shown: Vec<String> = rules::write_only_paths(schema, value).iter().map(show).collect();
    assert!(shown.is_empty(), "core would refuse what is write-only: {}", shown.join(", "));
}

fn assert_paths(ty: &Type, diagnostics: &Diagnostics) {
    for report in diagnostics.errors.iter().chain(&diagnostics.warnings) {
        let path = &report.attribute;
        assert!(
            path_exists(ty, path),
            "a report points to {}, which does not exist: {report:?}",
            show(path)
        );
    }
}

impl TestResource<'_> {
    /// Validates a configuration.
    pub async fn validate(&self, config: &Value) -> Diagnostics {
        let config = self.encode(&complete(config.clone(), &self.ty));
        let diagnostics = answered(self.rpc.validate_resource(&self.type_name, &config).await);
        assert_paths(&self.ty, &diagnostics);
        diagnostics
    }

    /// Plans a change from what is stored, or a creation, to a configuration.
    pub async fn plan(&self, stored: Option<&Stored>, config: &Value) -> Planned {
        let config = complete(config.clone(), &self.ty);
        let (prior, private) = stored.map_or((Value::Null, Vec::new()), |stored| {
            (stored.state.clone(), stored.private.clone())
        });
        self.plan_change(prior, private, config).await
    }

    async fn plan_change(&self, prior: Value, prior_private: Vec<u8>, config: Value) -> Planned {
        let proposed = proposed_new(&self.schema, &prior, &config);
        let answer = self.ask_plan(&prior, &config, &proposed, &prior_private).await;
        let planned = decode(&answer.state, &self.ty);
        if answer.diagnostics.errors.is_empty() {
            assert_none(&rules::plan_valid(&self.schema, &prior, &config, &planned), "the plan");
        }
        self.planned(prior, prior_private, config, planned, answer)
    }

    /// Plans to destroy what is stored.
    pub async fn plan_destroy(&self, stored: &Stored) -> Planned {
        let prior = stored.state.clone();
        let answer = self.ask_plan(&prior, &Value::Null, &Value::Null, &stored.private).await;
        let planned = decode(&answer.state, &self.ty);
        assert!(planned.is_null(), "core would refuse the plan: it destroys nothing");
        self.planned(prior, stored.private.clone(), Value::Null, planned, answer)
    }

    async fn ask_plan(
        &self,
        prior: &Value,
        config: &Value,
        proposed: &Value,
        private: &[u8],
    ) -> Answer {
        let (prior, config, next) =
            (self.encode(prior), self.encode(config), self.encode(proposed));
        let change = Change { prior: &prior, config: &config, next: &next, private };
        answered(self.rpc.plan(&self.type_name, change).await)
    }

    fn planned(
        &self,
        prior: Value,
        prior_private: Vec<u8>,
        config: Value,
        planned: Value,
        answer: Answer,
    ) -> Planned {
        assert_paths(&self.ty, &answer.diagnostics);
        assert_not_stored(&self.schema, &planned);
        for path in &answer.requires_replace {
            assert!(
                path_exists(&self.ty, path),
                "replacement is required for {}, which does not exist",
                show(path)
            );
        }
        let Answer { private, requires_replace, diagnostics, .. } = answer;
        Planned { prior, prior_private, config, planned, requires_replace, private, diagnostics }
    }

    /// Applies a plan, as core does: plans again with the configuration as it is known by now, insists that nothing
    /// known has changed, and replaces where the plan asks for it.
    pub async fn apply(&self, plan: &Planned, config: &Value) -> Stored {
        assert!(
            plan.diagnostics.errors.is_empty(),
            "the plan has errors: {:?}",
            plan.diagnostics.errors
        );
        if plan.planned.is_null() {
            return self.ask_apply(&plan.prior, &Value::Null, &Value::Null, &plan.private).await;
        }
        let config = complete(config.clone(), &self.ty);
        if plan.is_replacement() {
            let prior = Stored {
                state: plan.prior.clone(),
                private: plan.prior_private.clone(),
                diagnostics: Diagnostics::default(),
            };
            let gone = self.destroy(&prior).await;
            if !gone.state.is_null() {
                return gone;
            }
            // Core plans the creation with the private bytes of the first plan.
            let creation =
                self.plan_change(Value::Null, plan.private.clone(), config.clone()).await;
            return self
                .ask_apply(&Value::Null, &config, &creation.planned, &creation.private)
                .await;
        }
        let again =
            self.plan_change(plan.prior.clone(), plan.prior_private.clone(), config.clone()).await;
        assert!(
            again.diagnostics.errors.is_empty(),
            "planning again failed: {:?}",
            again.diagnostics.errors
        );
        let changed = rules::object_compatible(&self.schema, &plan.planned, &again.planned);
        assert_none(&changed, "the second plan as inconsistent with the first");
        self.ask_apply(&plan.prior, &config, &again.planned, &again.private).await
    }

    async fn ask_apply(
        &self,
        prior: &Value,
        config: &Value,
        planned: &Value,
        private: &[u8],
    ) -> Stored {
        let encoded = (self.encode(prior), self.encode(config), self.encode(planned));
        let change = Change { prior: &encoded.0, config: &encoded.1, next: &encoded.2, private };
        let answer = answered(self.rpc.apply(&self.type_name, change).await);
        assert_paths(&self.ty, &answer.diagnostics);
        let stored = self.stored(answer);
        if stored.diagnostics.errors.is_empty() {
            assert_none(
                &rules::object_compatible(&self.schema, planned, &stored.state),
                "the result",
            );
        }
        stored
    }

    /// Reads what is stored.
    pub async fn read(&self, stored: &Stored) -> Stored {
        let state = self.encode(&stored.state);
        let answer = answered(self.rpc.read(&self.type_name, &state, &stored.private).await);
        assert_paths(&self.ty, &answer.diagnostics);
        self.stored(answer)
    }

    /// Plans and applies a creation. Panics if planning fails.
    pub async fn create(&self, config: &Value) -> Stored {
        let plan = self.plan(None, config).await;
        self.apply(&plan, config).await
    }

    /// Plans and applies a change. Panics if planning fails.
    pub async fn update(&self, stored: &Stored, config: &Value) -> Stored {
        let plan = self.plan(Some(stored), config).await;
        self.apply(&plan, config).await
    }

    /// Plans and applies a destruction. Panics if planning fails.
    pub async fn destroy(&self, stored: &Stored) -> Stored {
        let plan = self.plan_destroy(stored).await;
        assert!(
            plan.diagnostics.errors.is_empty(),
            "the plan has errors: {:?}",
            plan.diagnostics.errors
        );
        self.ask_apply(&plan.prior, &Value::Null, &Value::Null, &plan.private).await
    }

    /// Imports what an identifier stands for, and reads it, as core does.
    pub async fn import(&self, id: &str) -> Stored {
        let (imported, diagnostics) = answered(self.rpc.import(&self.type_name, id).await);
        assert_paths(&self.ty, &diagnostics);
        let Some(answer) = imported.into_iter().next() else {
            return Stored { state: Value::Null, private: Vec::new(), diagnostics };
        };
        let stored = self.stored(answer);
        assert!(!stored.state.is_null(), "core would refuse the import of nothing");
        self.read(&stored).await
    }

    /// Upgrades state that was stored with a version of the schema.
    pub async fn upgrade(&self, version: i64, json: &str) -> Stored {
        let answer = answered(self.rpc.upgrade(&self.type_name, version, json.as_bytes()).await);
        assert_paths(&self.ty, &answer.diagnostics);
        self.stored(answer)
    }

    fn stored(&self, answer: Answer) -> Stored {
        let state = decode(&answer.state, &self.ty);
        assert_not_stored(&self.schema, &state);
        let unknown = state.first_unknown().map(|path| show(&path));
        assert!(unknown.is_none(), "core would refuse the result: {unknown:?} is unknown");
        Stored { state, private: answer.private, diagnostics: answer.diagnostics }
    }

    fn encode(&self, value: &Value) -> Vec<u8> {
        msgpack::encode(value, &self.ty)
    }
}

impl TestDataSource<'_> {
    /// Validates a configuration.
    pub async fn validate(&self, config: &Value) -> Diagnostics {
        let config = msgpack::encode(&complete(config.clone(), &self.ty), &self.ty);
        let diagnostics = answered(self.rpc.validate_data_source(&self.type_name, &config).await);
        assert_paths(&self.ty, &diagnostics);
        diagnostics
    }

    /// Reads it.
    pub async fn read(&self, config: &Value) -> Stored {
        let config = msgpack::encode(&complete(config.clone(), &self.ty), &self.ty);
        let answer = answered(self.rpc.read_data_source(&self.type_name, &config).await);
        assert_paths(&self.ty, &answer.diagnostics);
        let state = decode(&answer.state, &self.ty);
        if answer.diagnostics.errors.is_empty() {
            assert!(!state.is_null() && state.is_wholly_known(), "core would refuse {state}");
        }
        Stored { state, private: Vec::new(), diagnostics: answer.diagnostics }
    }
}
