//! What the provider does, operation by operation, without a word of the protocol that asks for it.
//!
//! `grpc` decodes, calls this, and encodes. Everything that core would find fault with is found here first.

mod apply;
mod call;
mod configure;
mod data_source;
mod default_plan;
mod guard;
mod import;
mod move_state;
mod plan;
mod read;
mod schemas;
mod upgrade;
mod validate;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

pub(crate) use apply::ApplyInput;
pub(crate) use plan::PlanInput;

use crate::context::{CancellationSource, ClientCapabilities, Context, Private};
use crate::data_source::DataSource;
use crate::diagnostics::{Diagnostics, Report as _};
use crate::function::Function;
use crate::path::show;
use crate::provider::Provider;
use crate::resource::Resource;
use crate::rules::{Problem, mend_path};
use crate::schema::{FunctionSchema, ResourceSchema, Type};
use crate::value::Value;

/// A provider and everything it offers, ready to answer.
pub(crate) struct Server {
    provider: Arc<dyn Provider>,
    provider_schema: OnceLock<Result<Compiled, Unusable>>,
    resources: BTreeMap<String, Entry<dyn Resource>>,
    data_sources: BTreeMap<String, Entry<dyn DataSource>>,
    functions: BTreeMap<String, FunctionEntry>,
    /// Names that two things of one kind claim.
    repeated_names: Vec<String>,
    session: Mutex<Session>,
}

/// What lasts from one configuration of the provider to the next.
struct Session {
    cancellation: CancellationSource,
    /// What the client announced when it configured the provider: not every call says it again.
    client: ClientCapabilities,
}

struct Entry<T: ?Sized> {
    offered: Arc<T>,
    schema: OnceLock<Result<Compiled, Unusable>>,
}

struct FunctionEntry {
    function: Arc<dyn Function>,
    schema: OnceLock<Result<FunctionSchema, Unusable>>,
}

/// A schema and the type that follows from it.
pub(crate) struct Compiled {
    pub(crate) schema: ResourceSchema,
    pub(crate) ty: Type,
}

/// Why something of the provider cannot be used.
#[derive(Clone, Debug)]
pub(crate) struct Unusable(String);

/// A resource type, ready for one call.
pub(crate) struct Managed<'a> {
    resource: &'a dyn Resource,
    pub(crate) compiled: &'a Compiled,
    context: Context,
}

/// A data source, ready for one call.
pub(crate) struct Sourced<'a> {
    source: &'a dyn DataSource,
    pub(crate) compiled: &'a Compiled,
    context: Context,
}

/// An object to store, and what there is to say about it.
#[derive(Debug)]
pub(crate) struct StateOutput {
    pub(crate) state: Value,
    pub(crate) private: Private,
    pub(crate) diagnostics: Diagnostics,
}

impl Server {
    pub(crate) fn new(provider: Arc<dyn Provider>) -> Self {
        let mut repeated_names = Vec::new();
        let mut resources = BTreeMap::new();
        for offered in provider.resources() {
            let name = offered.type_name().to_owned();
            if resources.insert(name.clone(), Entry::new(offered)).is_some() {
                repeated_names.push(format!("two resources are named `{name}`"));
            }
        }
        let mut data_sources = BTreeMap::new();
        for offered in provider.data_sources() {
            let name = offered.type_name().to_owned();
            if data_sources.insert(name.clone(), Entry::new(offered)).is_some() {
                repeated_names.push(format!("two data sources are named `{name}`"));
            }
        }
        let mut functions = BTreeMap::new();
        for function in provider.functions() {
            let name = function.name().to_owned();
            let entry = FunctionEntry { function, schema: OnceLock::new() };
            if functions.insert(name.clone(), entry).is_some() {
                repeated_names.push(format!("two functions are named `{name}`"));
            }
        }
        let session = Mutex::new(Session {
            cancellation: CancellationSource::new(),
            client: ClientCapabilities::default(),
        });
        let provider_schema = OnceLock::new();
        Self {
            provider,
            provider_schema,
            resources,
            data_sources,
            functions,
            repeated_names,
            session,
        }
    }

    /// The provider's own schema.
    pub(crate) fn provider_schema(&self) -> Result<&Compiled, Diagnostics> {
        self.provider_schema
            .get_or_init(|| Compiled::new("the provider", || self.provider.schema()))
            .as_ref()
            .map_err(Unusable::report)
    }

    /// Finds a resource type.
    pub(crate) fn resource(
        &self,
        type_name: &str,
        client: Option<ClientCapabilities>,
    ) -> Result<Managed<'_>, Diagnostics> {
        let entry = self
            .resources
            .get(type_name)
            .ok_or_else(|| unknown_name("resource type", type_name))?;
        let compiled =
            entry.compiled(|| entry.offered.schema(), type_name).map_err(Unusable::report)?;
        Ok(Managed { resource: &*entry.offered, compiled, context: self.context(client) })
    }

    /// Finds a data source.
    pub(crate) fn data_source(
        &self,
        type_name: &str,
        client: Option<ClientCapabilities>,
    ) -> Result<Sourced<'_>, Diagnostics> {
        let entry = self
            .data_sources
            .get(type_name)
            .ok_or_else(|| unknown_name("data source", type_name))?;
        let compiled =
            entry.compiled(|| entry.offered.schema(), type_name).map_err(Unusable::report)?;
        Ok(Sourced { source: &*entry.offered, compiled, context: self.context(client) })
    }

    fn context(&self, client: Option<ClientCapabilities>) -> Context {
        let session = self.session();
        Context {
            cancellation: session.cancellation.token(),
            client: client.unwrap_or(session.client),
        }
    }

    fn session(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks every running call to come to an end, and those that start before the next configuration too.
    pub(crate) fn stop(&self) {
        self.session().cancellation.cancel();
    }
}

impl<T: ?Sized> Entry<T> {
    fn new(offered: Arc<T>) -> Self {
        Self { offered, schema: OnceLock::new() }
    }

    fn compiled(
        &self,
        schema: impl FnOnce() -> ResourceSchema,
        name: &str,
    ) -> Result<&Compiled, &Unusable> {
        self.schema.get_or_init(|| Compiled::new(name, schema)).as_ref()
    }
}

impl FunctionEntry {
    fn schema(&self) -> Result<&FunctionSchema, &Unusable> {
        self.schema
            .get_or_init(|| {
                guard::catch(|| self.function.schema()).map_err(|panic| {
                    Unusable(format!(
                        "the schema of function `{}` panicked: {panic}",
                        self.function.name()
                    ))
                })
            })
            .as_ref()
    }
}

impl Compiled {
    fn new(name: &str, schema: impl FnOnce() -> ResourceSchema) -> Result<Self, Unusable> {
        let schema = guard::catch(schema)
            .map_err(|panic| Unusable(format!("the schema of {name} panicked: {panic}")))?;
        let ty = schema.ty();
        Ok(Self { schema, ty })
    }

    /// Makes paths in reports ones that core can follow.
    fn mend_paths(&self, diagnostics: &mut Diagnostics) {
        for diagnostic in diagnostics.errors.iter_mut().chain(&mut diagnostics.warnings) {
            mend_path(&self.ty, &mut diagnostic.attribute);
        }
    }
}

impl Unusable {
    fn report(&self) -> Diagnostics {
        let mut diagnostics = Diagnostics::default();
        diagnostics.fail("Provider cannot be used", format!("{}. {BUG}", self.0));
        diagnostics
    }
}

/// Records that an answer of the provider is not one that core accepts.
fn blame(diagnostics: &mut Diagnostics, summary: String, problem: Problem) {
    let place =
        if problem.path.steps.is_empty() { "The object".to_owned() } else { show(&problem.path) };
    diagnostics.fail_at(problem.path, summary, format!("{place}: {}. {BUG}", problem.message));
}

/// What the user should make of a report that is not about the configuration.
const BUG: &str = "This is a bug in the provider, not in your configuration: please report it.";

fn unknown_name(kind: &str, name: &str) -> Diagnostics {
    let mut diagnostics = Diagnostics::default();
    diagnostics.fail(
        format!("No such {kind}"),
        format!("This version of the provider has no {kind} named `{name}`."),
    );
    diagnostics
}
