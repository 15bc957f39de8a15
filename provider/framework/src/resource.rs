//! Managed resources: what is created, read, changed and destroyed.

use async_trait::async_trait;

use crate::context::{Context, Private};
use crate::diagnostics::{Diagnostics, Failed, Report as _};
use crate::path::AttributePath;
use crate::schema::ResourceSchema;
use crate::value::{ConversionError, FromValue, IntoValue, Value, from_json};

/// A type of managed resource.
///
/// Every call gets its request by value and an outcome to fill in. The outcome starts as the best that is known
/// already, and is used whatever happens: after an error, a cancellation or a panic, what was set last is what
/// Terraform stores. Set it as soon as something is known.
#[async_trait]
pub trait Resource: Send + Sync + 'static {
    /// The whole name: `idp_service`.
    fn type_name(&self) -> &str;

    /// Its attributes.
    fn schema(&self) -> ResourceSchema;

    /// Checks a configuration. Parts of it may be unknown. What the schema says was checked already.
    async fn validate(
        &self,
        request: ValidateRequest,
        diagnostics: &mut Diagnostics,
    ) -> Result<(), Failed> {
        let _ = (request, diagnostics);
        Ok(())
    }

    /// Predicts what create or update will do. The outcome starts as the default plan: the configuration; where it is
    /// silent and nothing changes, the prior state; where it is silent and something changes, unknown for computed
    /// attributes. Known values promised here must be kept by create and update, and by the second plan that core
    /// makes before it applies: depend on nothing but the request.
    async fn plan(&self, request: PlanRequest, plan: &mut Plan) -> Result<(), Failed> {
        let _ = (request, plan);
        Ok(())
    }

    /// Called before something is destroyed: the place to refuse or to warn.
    async fn plan_destroy(
        &self,
        request: PlanDestroyRequest,
        plan: &mut PlanDestroy,
    ) -> Result<(), Failed> {
        let _ = (request, plan);
        Ok(())
    }

    /// Makes what was planned. The outcome starts as null: nothing exists. If it fails and the state was set, core
    /// marks the object as tainted and replaces it next time; if it was not, core knows nothing of the object.
    async fn create(&self, request: CreateRequest, outcome: &mut Applied) -> Result<(), Failed>;

    /// Changes it as planned. The outcome starts as the prior state.
    async fn update(&self, request: UpdateRequest, outcome: &mut Applied) -> Result<(), Failed>;

    /// Destroys it. The outcome starts as the prior state, and is set to null if this succeeds.
    async fn delete(&self, request: DeleteRequest, outcome: &mut Applied) -> Result<(), Failed>;

    /// Looks at the real thing. The outcome starts as the state that is stored.
    async fn read(&self, request: ReadRequest, outcome: &mut Read) -> Result<(), Failed>;

    /// Finds what an identifier stands for. Core calls read right afterwards: setting the identifying attributes is
    /// enough.
    async fn import(&self, request: ImportRequest, outcome: &mut Imported) -> Result<(), Failed> {
        let _ = request;
        Err(outcome.diagnostics.fail(
            format!("{} cannot be imported", self.type_name()),
            "This type of resource does not support import.",
        ))
    }

    /// Brings state that was stored with an older version of the schema up to date. Not called for state of the
    /// current version, where attributes that were added since are null and those that were removed are dropped.
    async fn upgrade_state(
        &self,
        request: UpgradeRequest,
        outcome: &mut Upgraded,
    ) -> Result<(), Failed> {
        Err(outcome.diagnostics.fail(
            format!("State of {} is too old", self.type_name()),
            format!(
                "The state was stored with version {} of the schema, from which this version of the provider cannot \
                 upgrade. Apply once with a version of the provider in between.",
                request.version
            ),
        ))
    }
}

/// A configuration to check.
#[derive(Clone, Debug)]
pub struct ValidateRequest {
    /// The configuration.
    pub config: Value,
    /// What accompanies every call.
    pub context: Context,
}

/// A change to predict.
#[derive(Clone, Debug)]
pub struct PlanRequest {
    /// The configuration. Parts of it may be unknown.
    pub config: Value,
    /// The state as read last; null if the object is to be created.
    pub prior: Value,
    /// Core's proposal: the configuration, with prior values where it is silent and the attribute is computed.
    pub proposed: Value,
    /// The private bytes that came with the prior state, or with the first plan when this is the second one of a
    /// replacement.
    pub private: Private,
    /// What accompanies every call.
    pub context: Context,
}

impl PlanRequest {
    /// Whether the object is to be created.
    pub fn is_create(&self) -> bool {
        self.prior.is_null()
    }
}

/// What a change will do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The object as it will be, unknown where that remains to be seen.
    pub planned: Value,
    /// Changes that need another object in place of this one. Ignored on create, and where nothing changes.
    pub requires_replace: Vec<AttributePath>,
    /// Private bytes for apply. Starts as those of the request.
    pub private: Private,
    /// Reports to the user.
    pub diagnostics: Diagnostics,
}

impl Plan {
    /// Sets the planned object.
    pub fn set(&mut self, planned: impl IntoValue) {
        self.planned = planned.into_value();
    }

    /// Keeps the prior values of computed attributes that this change will not touch, where the configuration is
    /// silent about them.
    pub fn keep_prior(&mut self, request: &PlanRequest, names: &[&str]) {
        for name in names {
            let silent = request.config.get(name).is_none_or(Value::is_null);
            if let (true, Some(prior)) = (silent, request.prior.get(name)) {
                self.planned.set_attribute(name, prior);
            }
        }
    }

    /// Asks for replacement if any of these attributes changes, or may.
    pub fn replace_if_changed(&mut self, request: &PlanRequest, names: &[&str]) {
        for name in names {
            if !request.is_create() && self.planned.get(name) != request.prior.get(name) {
                self.requires_replace.push(AttributePath::new((*name).to_owned()));
            }
        }
    }

    /// Whether the plan differs from the prior state.
    pub fn changes(&self, request: &PlanRequest) -> bool {
        self.planned != request.prior
    }
}

/// Something that is about to be destroyed.
#[derive(Clone, Debug)]
pub struct PlanDestroyRequest {
    /// The state as read last.
    pub prior: Value,
    /// The private bytes that came with it.
    pub private: Private,
    /// What accompanies every call.
    pub context: Context,
}

/// What destroying will do.
#[derive(Clone, Debug)]
pub struct PlanDestroy {
    /// Private bytes for apply. Starts as those of the request.
    pub private: Private,
    /// Reports to the user.
    pub diagnostics: Diagnostics,
}

/// Something to make.
#[derive(Clone, Debug)]
pub struct CreateRequest {
    /// The configuration. Nothing in it is unknown. What is write-only is here and nowhere else.
    pub config: Value,
    /// What was planned.
    pub planned: Value,
    /// The private bytes of the plan.
    pub private: Private,
    /// What accompanies every call.
    pub context: Context,
}

/// Something to change.
#[derive(Clone, Debug)]
pub struct UpdateRequest {
    /// The configuration. Nothing in it is unknown. What is write-only is here and nowhere else.
    pub config: Value,
    /// The state as read last.
    pub prior: Value,
    /// What was planned.
    pub planned: Value,
    /// The private bytes of the plan.
    pub private: Private,
    /// What accompanies every call.
    pub context: Context,
}

/// Something to destroy.
#[derive(Clone, Debug)]
pub struct DeleteRequest {
    /// The state as read last.
    pub prior: Value,
    /// The private bytes of the plan.
    pub private: Private,
    /// What accompanies every call.
    pub context: Context,
}

/// The object after create, update or delete, or as far as they came.
#[derive(Clone, Debug)]
pub struct Applied {
    /// The object; null if there is none.
    pub state: Value,
    /// Private bytes to store beside it. Starts as those of the request.
    pub private: Private,
    /// Reports to the user.
    pub diagnostics: Diagnostics,
}

impl Applied {
    /// Sets the object.
    pub fn set(&mut self, state: impl IntoValue) {
        self.state = state.into_value();
    }
}

/// An object to look at.
#[derive(Clone, Debug)]
pub struct ReadRequest {
    /// The state that is stored.
    pub state: Value,
    /// The private bytes that are stored beside it.
    pub private: Private,
    /// What accompanies every call.
    pub context: Context,
}

/// The object as it is.
#[derive(Clone, Debug)]
pub struct Read {
    /// The object; null if it is gone.
    pub state: Value,
    /// Private bytes to store beside it. Starts as those of the request.
    pub private: Private,
    /// Reports to the user.
    pub diagnostics: Diagnostics,
}

impl Read {
    /// Sets the object.
    pub fn set(&mut self, state: impl IntoValue) {
        self.state = state.into_value();
    }

    /// Says that the object is gone: core will plan to create it again.
    pub fn remove(&mut self) {
        self.state = Value::Null;
    }
}

/// An identifier to resolve.
#[derive(Clone, Debug)]
pub struct ImportRequest {
    /// The identifier, as written on the command line or in an `import` block.
    pub id: String,
    /// The identity, from clients that give one instead.
    pub identity: Option<Value>,
    /// What accompanies every call.
    pub context: Context,
}

/// What an identifier stands for.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The object. Starts as an object of nulls; nothing in it may be unknown.
    pub state: Value,
    /// Private bytes to store beside it.
    pub private: Private,
    /// Reports to the user.
    pub diagnostics: Diagnostics,
}

impl Imported {
    /// Sets one attribute.
    pub fn set_attribute(&mut self, name: &str, value: impl IntoValue) {
        self.state.set_attribute(name, value);
    }
}

/// State of an older version.
#[derive(Clone, Debug)]
pub struct UpgradeRequest {
    /// The version of the schema that it was stored with.
    pub version: i64,
    /// The state.
    pub state: RawState,
    /// What accompanies every call.
    pub context: Context,
}

/// State as it was stored: JSON in the shape of a schema that only the provider remembers.
#[derive(Clone, Debug)]
pub struct RawState(pub(crate) Vec<u8>);

impl RawState {
    /// State from JSON, for tests of upgrades.
    pub fn from_json(json: impl Into<Vec<u8>>) -> Self {
        Self(json.into())
    }

    /// The JSON.
    pub fn as_json(&self) -> &[u8] {
        &self.0
    }

    /// Reads it with the schema that it was stored with.
    pub fn read(&self, schema: &ResourceSchema) -> Result<Value, ConversionError> {
        from_json(&self.0, &schema.ty())
    }

    /// Reads it, with the schema that it was stored with, into a model.
    pub fn read_model<T: FromValue>(&self, schema: &ResourceSchema) -> Result<T, ConversionError> {
        T::from_value(&self.read(schema)?)
    }
}

/// State in the shape of the current schema.
#[derive(Clone, Debug)]
pub struct Upgraded {
    /// The object. Starts as null, which core refuses unless the old state was null too.
    pub state: Value,
    /// Reports to the user.
    pub diagnostics: Diagnostics,
}

impl Upgraded {
    /// Sets the object.
    pub fn set(&mut self, state: impl IntoValue) {
        self.state = state.into_value();
    }
}
