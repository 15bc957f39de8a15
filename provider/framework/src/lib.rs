//! A Terraform provider engine: plugin protocol 6, for Terraform and OpenTofu.
//!
//! What a provider's author implements:
//!
//! - [`Provider`](provider::Provider): the provider's own configuration, and lists of what it offers;
//! - [`Resource`](resource::Resource) for each type of managed resource: plan, create, update, delete, read, import,
//!   and upgrades of stored state;
//! - [`DataSource`](data_source::DataSource) for what can be looked up, [`Function`](function::Function) for what can
//!   be computed;
//! - [`EphemeralResource`](ephemeral_resource::EphemeralResource) for what lasts no longer than a run and is stored
//!   nowhere, such as credentials; [write-only attributes](schema::ResourceSchema::write_only) take them in;
//! - a `main` that calls [`plugin::run`].
//!
//! What the engine does: the handshake, mutual TLS and the RPCs; encoding without loss ([`value`]); a default plan; and
//! every check that core would make on an answer, before core makes it, so that a slip names the attribute and loses no
//! state. A panic is reported like any other error.
//!
//! How things are said: values are null, unknown or known ([`value::Attr`]); errors are recorded as diagnostics, and
//! the receipt ([`Failed`]) lets `?` stop; an outcome to fill in holds the best that is known at any time, because what
//! was made before an error must be stored too. [`testing`] drives a provider without Terraform, by core's rules.
//!
//! ```
//! use std::sync::Arc;
//!
//! use provider_framework::provider::{Configured, ConfigureRequest, Provider};
//! use provider_framework::resource::{
//!     Applied, CreateRequest, DeleteRequest, Plan, PlanRequest, Read, ReadRequest, Resource, UpdateRequest,
//! };
//! use provider_framework::schema::{AttributeType, ResourceSchema, computed, optional_computed, required};
//! use provider_framework::testing::{TestProvider, object};
//! use provider_framework::value::{Attr, Value};
//! use provider_framework::{AttributePath, Diagnostics, Failed, Report as _, async_trait, model};
//!
//! // The struct that models a resource: one field per attribute.
//! model! {
//!     struct TopicModel {
//!         name: Attr<String>,
//!         partitions: Attr<u32>,
//!         id: Attr<String>,
//!     }
//! }
//!
//! struct Mq {
//!     client: Configured<Client>,
//! }
//!
//! struct Client {
//!     prefix: String,
//! }
//!
//! #[async_trait]
//! impl Provider for Mq {
//!     fn schema(&self) -> ResourceSchema {
//!         ResourceSchema::new(0, "Message queues.")
//!             .attribute("prefix", required(AttributeType::String, "What all names begin with."))
//!     }
//!
//!     fn resources(&self) -> Vec<Arc<dyn Resource>> {
//!         vec![Arc::new(Topic { client: self.client.clone() })]
//!     }
//!
//!     async fn configure(&self, request: ConfigureRequest, _: &mut Diagnostics) -> Result<(), Failed> {
//!         if let Some(prefix) = request.config.get("prefix").and_then(Value::as_str) {
//!             self.client.set(Client { prefix: prefix.to_owned() });
//!         }
//!         Ok(())
//!     }
//! }
//!
//! struct Topic {
//!     client: Configured<Client>,
//! }
//!
//! #[async_trait]
//! impl Resource for Topic {
//!     fn type_name(&self) -> &str {
//!         "mq_topic"
//!     }
//!
//!     fn schema(&self) -> ResourceSchema {
//!         ResourceSchema::new(0, "A topic.")
//!             .attribute("name", required(AttributeType::String, "What it is called."))
//!             .attribute("partitions", optional_computed(AttributeType::Number, "How many parts it has; 1 if unset."))
//!             .attribute("id", computed(AttributeType::String, "What it is called everywhere."))
//!     }
//!
//!     async fn plan(&self, request: PlanRequest, plan: &mut Plan) -> Result<(), Failed> {
//!         let config: TopicModel = request.config.to_model(&mut plan.diagnostics)?;
//!         if config.partitions == Attr::Known(0) {
//!             return Err(plan.diagnostics.fail_at(
//!                 AttributePath::new("partitions"),
//!                 "Topic without partitions",
//!                 "A topic has at least one partition.",
//!             ));
//!         }
//!         let mut planned: TopicModel = plan.planned.to_model(&mut plan.diagnostics)?;
//!         planned.partitions = config.partitions.or(1);
//!         plan.set(planned);
//!         plan.keep_prior(&request, &["id"]);
//!         plan.replace_if_changed(&request, &["name"]);
//!         Ok(())
//!     }
//!
//!     async fn create(&self, request: CreateRequest, outcome: &mut Applied) -> Result<(), Failed> {
//!         let client = self.client.require(&mut outcome.diagnostics)?;
//!         let mut topic: TopicModel = request.planned.to_model(&mut outcome.diagnostics)?;
//!         topic.id = topic.name.clone().map(|name| format!("{}-{name}", client.prefix));
//!         outcome.set(topic);
//!         Ok(())
//!     }
//!
//!     async fn update(&self, request: UpdateRequest, outcome: &mut Applied) -> Result<(), Failed> {
//!         outcome.set(request.planned);
//!         Ok(())
//!     }
//!
//!     async fn delete(&self, _: DeleteRequest, _: &mut Applied) -> Result<(), Failed> {
//!         Ok(())
//!     }
//!
//!     async fn read(&self, _: ReadRequest, _: &mut Read) -> Result<(), Failed> {
//!         Ok(())
//!     }
//! }
//!
//! // In a provider's main:
//! //     provider_framework::plugin::run(
//! //         mq,
//! //         &Invocation::new("registry.example.com/acme/mq", std::env::args_os(), std::env::vars_os()),
//! //     )
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let provider = TestProvider::new(Mq { client: Configured::new() });
//! provider.configure(object([("prefix", "staging")])).await;
//! let topics = provider.resource("mq_topic");
//!
//! let topic = topics.create(&object([("name", "orders")])).await;
//!
//! assert_eq!(topic.state.get("id"), Some(&Value::string("staging-orders")));
//! assert!(topics.plan(Some(&topic), &object([("name", "orders")])).await.is_empty());
//! assert!(topics.plan(Some(&topic), &object([("name", "bills")])).await.is_replacement());
//! # }
//! ```

#![warn(missing_docs)]

pub mod context;
pub mod data_source;
pub mod diagnostics;
pub mod ephemeral_resource;
pub mod function;
mod grpc;
mod logging;
pub mod path;
pub mod plugin;
pub mod provider;
pub mod resource;
pub mod rules;
pub mod schema;
mod server;
pub mod testing;
pub mod value;

pub use async_trait::async_trait;
pub use jiff::Timestamp;

pub use crate::diagnostics::{Diagnostic, Diagnostics, Failed, Report};
pub use crate::grpc::msgpack;
pub use crate::path::{AttributePath, AttributePathStep};
