//! What the provider does, operation by operation, without a word of the protocol that asks for it.
//!
//! `grpc` decodes, calls this, and encodes. Everything that core would find fault with is found here first.

mod apply;
mod call;
mod configure;
mod data_source;
mod default_plan;
mod ephemeral;
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
use ephemeral::OpenResource;
pub(crate) use plan::PlanInput;

use crate::context::{CancellationSource, ClientCapabilities, Context, Private};
use crate::data_source::DataSource;
use crate::diagnostics::{Diagnostics, Report as _};
use crate::ephemeral_resource::EphemeralResource;
use crate::function::Function;
use crate::path::show;
use crate::provider::Provider;
use crate::resource::Resource;
use crate::rules::{Problem, mend_path, strip_write_only};
use crate::schema::{FunctionSchema, ResourceSchema, Type};
use crate::value::Value;

/// A provider and everything it offers, ready to answer.
pub(crate) struct Server {
    provider: Arc<dyn Provider>,
    provider_schema: OnceLock<Result<Compiled, Unusable>>,
    resources: BTreeMap<String, Entry<dyn Resource>>,
    data_sources: BTreeMap<String, Entry<dyn DataSource>>,
    ephemeral_resources: BTreeMap<String, Entry<dyn EphemeralResource>>,
    functions: BTreeMap<String, FunctionEntry>,
    /// What was opened and not closed yet.
    open_resources: Mutex<Vec<OpenResource>>,
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

/// One thing of a kind that has a schema.
struct Entry<T: ?Sized> {
    offered: Arc<T>,
    schema_of: fn(&T) -> ResourceSchema,
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

/// A type of ephemeral resource, ready for one call.
pub(crate) struct Ephemeral<'a> {
    resource: &'a dyn EphemeralResource,
    pub(crate) compiled: &'a Compiled,
    context: Context,
    open_resources: &'a Mutex<Vec<OpenResource>>,
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
        let resources = entries(
            "resources",
            provider.resources(),
            |resource| resource.type_name(),
            Resource::schema,
            &mut repeated_names,
        );
        let data_sources = entries(
            "data sources",
            provider.data_sources(),
            |source| source.type_name(),
            DataSource::schema,
            &mut repeated_names,
        );
        let ephemeral_resources = entries(
            "ephemeral resources",
            provider.ephemeral_resources(),
            |resource| resource.type_name(),
            EphemeralResource::schema,
            &mut repeated_names,
        );
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
            ephemeral_resources,
            functions,
            open_resources: Mutex::default(),
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
        let (resource, compiled) = find(&self.resources, "resource type", type_name)?;
        Ok(Managed { resource, compiled, context: self.context(client) })
    }

    /// Finds a data source.
    pub(crate) fn data_source(
        &self,
        type_name: &str,
        client: Option<ClientCapabilities>,
    ) -> Result<Sourced<'_>, Diagnostics> {
        let (source, compiled) = find(&self.data_sources, "data source", type_name)?;
        Ok(Sourced { source, compiled, context: self.context(client) })
    }

    /// Finds a type of ephemeral resource.
    pub(crate) fn ephemeral_resource(
        &self,
        type_name: &str,
        client: Option<ClientCapabilities>,
    ) -> Result<Ephemeral<'_>, Diagnostics> {
        let (resource, compiled) =
            find(&self.ephemeral_resources, "ephemeral resource type", type_name)?;
        let (context, open_resources) = (self.context(client), &self.open_resources);
        Ok(Ephemeral { resource, compiled, context, open_resources })
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
    fn compiled(&self, name: &str) -> Result<&Compiled, &Unusable> {
        self.schema.get_or_init(|| Compiled::new(name, || (self.schema_of)(&self.offered))).as_ref()
    }
}

/// What the provider offers of a kind, by name.
fn entries<T: ?Sized>(
    kind: &str,
    offered: Vec<Arc<T>>,
    name_of: impl Fn(&T) -> &str,
    schema_of: fn(&T) -> ResourceSchema,
    repeated_names: &mut Vec<String>,
) -> BTreeMap<String, Entry<T>> {
    let mut entries = BTreeMap::new();
    for offered in offered {
        let name = name_of(&offered).to_owned();
        let entry = Entry { offered, schema_of, schema: OnceLock::new() };
        if entries.insert(name.clone(), entry).is_some() {
            repeated_names.push(format!("two {kind} are named `{name}`"));
        }
    }
    entries
}

/// Finds one thing of a kind, and its schema.
fn find<'a, T: ?Sized>(
    entries: &'a BTreeMap<String, Entry<T>>,
    kind: &str,
    type_name: &str,
) -> Result<(&'a T, &'a Compiled), Diagnostics> {
    let entry = entries.get(type_name).ok_or_else(|| unknown_name(kind, type_name))?;
    let compiled = entry.compiled(type_name).map_err(Unusable::report)?;
    Ok((&*entry.offered, compiled))
}

impl Managed<'_> {
    /// What core gets: nothing that it must not store, and paths that it can follow.
    fn output(&self, state: Value, private: Private, mut diagnostics: Diagnostics) -> StateOutput {
        self.compiled.mend_paths(&mut diagnostics);
        StateOutput { state: strip_write_only(&self.compiled.schema, state), private, diagnostics }
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
