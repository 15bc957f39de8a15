//! A small, whole provider: topics of a message queue, kept as files in a directory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use provider_framework::context::Context;
use provider_framework::data_source::{DataSource, Found, ReadDataSourceRequest};
use provider_framework::ephemeral_resource::{
    CloseRequest, EphemeralResource, OpenRequest, Opened, RenewRequest, Renewed,
};
use provider_framework::function::{Arguments, Function, FunctionError};
use provider_framework::plugin::{Invocation, run};
use provider_framework::provider::{ConfigureRequest, Configured, Provider};
use provider_framework::resource::{
    Applied, CreateRequest, DeleteRequest, ImportRequest, Imported, Plan, PlanRequest, Read,
    ReadRequest, Resource, UpdateRequest, ValidateRequest,
};
use provider_framework::schema::{
    AttributeExt as _, AttributeType, FunctionSchema, Parameter, ResourceSchema, Type, computed,
    map, object, optional, optional_computed, required,
};
use provider_framework::value::{Attr, IntoValue as _, Refinements, Value, from_json};
use provider_framework::{
    AttributePath, Diagnostics, Failed, Report as _, Timestamp, async_trait, model,
};

fn main() -> ExitCode {
    let invocation =
        Invocation::new("registry.example.com/acme/mq", std::env::args_os(), std::env::vars_os());
    run(Mq { store: Configured::new() }, &invocation)
}

struct Mq {
    store: Configured<Store>,
}

#[async_trait]
impl Provider for Mq {
    fn schema(&self) -> ResourceSchema {
        ResourceSchema::new(0, "Topics of a message queue.")
            .attribute("directory", required(AttributeType::String, "Where topics are kept."))
    }

    fn resources(&self) -> Vec<Arc<dyn Resource>> {
        vec![Arc::new(Topic { store: self.store.clone() })]
    }

    fn data_sources(&self) -> Vec<Arc<dyn DataSource>> {
        vec![Arc::new(TopicNames { store: self.store.clone() })]
    }

    fn ephemeral_resources(&self) -> Vec<Arc<dyn EphemeralResource>> {
        vec![Arc::new(Access { store: self.store.clone() })]
    }

    fn functions(&self) -> Vec<Arc<dyn Function>> {
        vec![Arc::new(TopicId)]
    }

    async fn configure(
        &self,
        request: ConfigureRequest,
        _: &mut Diagnostics,
    ) -> Result<(), Failed> {
        match request.config.get("directory").and_then(Value::as_str) {
            Some(directory) => self.store.set(Store { directory: PathBuf::from(directory) }),
            None => self.store.clear(),
        }
        Ok(())
    }
}

/// Where topics are kept.
#[derive(Debug)]
struct Store {
    directory: PathBuf,
}

impl Store {
    fn file(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{name}.json"))
    }

    async fn save(
        &self,
        topic: &TopicModel,
        password: Option<&str>,
        diagnostics: &mut Diagnostics,
    ) -> Result<(), Failed> {
        let name = topic.name.known().map_or("", String::as_str);
        let labels: BTreeMap<&str, &str> = (topic.labels.known().into_iter().flatten())
            .filter_map(|(key, label)| Some((key.as_str(), label.known()?.as_str())))
            .collect();
        let json = serde_json::json!({
            "name": name,
            "id": topic.id.known(),
            "partitions": topic.partitions.known(),
            "delay_seconds": topic.delay_seconds.known(),
            "labels": topic.labels.known().map(|_| labels),
            "retention": topic.retention.known().map(|retention| serde_json::json!({
                "hours": retention.hours.known(),
                "policy": retention.policy.known(),
            })),
            "secret": topic.secret.known(),
            "password": password,
            "password_version": topic.password_version.known(),
        });
        tokio::fs::write(self.file(name), json.to_string()).await.map_err(|error| {
            diagnostics.fail(format!("Topic {name} cannot be saved"), error.to_string())
        })
    }

    /// The password that a topic was given last.
    async fn password(
        &self,
        name: &str,
        diagnostics: &mut Diagnostics,
    ) -> Result<Option<String>, Failed> {
        let json = self.load(name, diagnostics).await?.unwrap_or_default();
        let topic: serde_json::Value = serde_json::from_slice(&json).unwrap_or_default();
        Ok(topic["password"].as_str().map(str::to_owned))
    }

    /// Writes down what happens to an access; gives the number of the line.
    async fn note(&self, what: &str, diagnostics: &mut Diagnostics) -> Result<usize, Failed> {
        let file = self.directory.join("access.log");
        let mut log = tokio::fs::read_to_string(&file).await.unwrap_or_default();
        log.push_str(what);
        log.push('\n');
        tokio::fs::write(&file, &log)
            .await
            .map_err(|error| diagnostics.fail("Access cannot be noted", error.to_string()))?;
        Ok(log.lines().count())
    }

    async fn load(
        &self,
        name: &str,
        diagnostics: &mut Diagnostics,
    ) -> Result<Option<Vec<u8>>, Failed> {
        match tokio::fs::read(self.file(name)).await {
            Ok(json) => Ok(Some(json)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => {
                Err(diagnostics.fail(format!("Topic {name} cannot be read"), error.to_string()))
            }
        }
    }
}

model! {
    /// A topic.
    struct TopicModel {
        name: Attr<String>,
        partitions: Attr<u32>,
        delay_seconds: Attr<u32>,
        labels: Attr<BTreeMap<String, Attr<String>>>,
        retention: Attr<RetentionModel>,
        id: Attr<String>,
        secret: Attr<String>,
        password: Attr<String>,
        password_version: Attr<u32>,
    }
}

model! {
    /// How long messages are kept.
    struct RetentionModel {
        hours: Attr<u32>,
        policy: Attr<String>,
    }
}

struct Topic {
    store: Configured<Store>,
}

impl Topic {
    /// Making a topic may take long; if Terraform is interrupted meanwhile, it is there but not ready.
    async fn wait_until_ready(
        topic: &TopicModel,
        context: &Context,
        diagnostics: &mut Diagnostics,
    ) -> Result<(), Failed> {
        let delay = Duration::from_secs(topic.delay_seconds.known().copied().unwrap_or(0).into());
        match context.cancellation.unless_cancelled(tokio::time::sleep(delay)).await {
            Some(()) => Ok(()),
            None => {
                Err(diagnostics
                    .fail("Topic is not ready", "Interrupted while waiting for the topic."))
            }
        }
    }
}

#[async_trait]
impl Resource for Topic {
    fn type_name(&self) -> &'static str {
        "mq_topic"
    }

    fn schema(&self) -> ResourceSchema {
        let retention = object([
            ("hours", required(AttributeType::Number, "For how long.")),
            ("policy", optional_computed(AttributeType::String, "What happens then.")),
        ]);
        ResourceSchema::new(0, "A topic.")
            .attribute("name", required(AttributeType::String, "What it is called."))
            .attribute(
                "partitions",
                optional_computed(AttributeType::Number, "How many parts it has; 1 if unset."),
            )
            .attribute(
                "delay_seconds",
                optional(AttributeType::Number, "How long it takes to make."),
            )
            .attribute("labels", optional(map(AttributeType::String), "What else is known of it."))
            .attribute("retention", optional(retention, "How long messages are kept."))
            .attribute("id", computed(AttributeType::String, "What it is called everywhere."))
            .attribute("secret", computed(AttributeType::String, "Grants access.").sensitive())
            .attribute(
                "password",
                optional(AttributeType::String, "Grants access, and is never stored.").sensitive(),
            )
            .write_only("password")
            .attribute(
                "password_version",
                optional(AttributeType::Number, "Changes whenever the password is to be set anew."),
            )
    }

    async fn validate(
        &self,
        request: ValidateRequest,
        diagnostics: &mut Diagnostics,
    ) -> Result<(), Failed> {
        let topic: TopicModel = request.config.to_model(diagnostics)?;
        if topic.name.known().is_some_and(|name| name.contains('/')) {
            return Err(diagnostics.fail_at(
                AttributePath::new("name"),
                "Topic name is not a file name",
                "Topics are kept as files: their names must not contain slashes.",
            ));
        }
        Ok(())
    }

    async fn plan(&self, request: PlanRequest, plan: &mut Plan) -> Result<(), Failed> {
        let config: TopicModel = request.config.to_model(&mut plan.diagnostics)?;
        let mut planned: TopicModel = plan.planned.to_model(&mut plan.diagnostics)?;
        planned.partitions = config.partitions.or(1);
        if let (Attr::Known(retention), Attr::Known(configured)) =
            (&mut planned.retention, config.retention)
        {
            retention.policy = configured.policy.or("delete".to_owned());
        }
        plan.set(planned);
        plan.keep_prior(&request, &["id", "secret"]);
        if plan.planned.get("id").is_some_and(Value::is_unknown) {
            // What begins it is known already: expressions that only look at that need not wait for apply.
            plan.planned.set_attribute("id", Value::refined(Refinements::prefix("topic/")));
        }
        plan.replace_if_changed(&request, &["name"]);
        Ok(())
    }

    async fn create(&self, request: CreateRequest, outcome: &mut Applied) -> Result<(), Failed> {
        let store = self.store.require(&mut outcome.diagnostics)?;
        let config: TopicModel = request.config.to_model(&mut outcome.diagnostics)?;
        let mut topic: TopicModel = request.planned.to_model(&mut outcome.diagnostics)?;
        topic.id = topic.name.clone().map(|name| format!("topic/{name}"));
        topic.secret = topic.name.clone().map(|name| format!("secret of {name}"));
        let password = config.password.known().map(String::as_str);
        store.save(&topic, password, &mut outcome.diagnostics).await?;
        outcome.set(topic.clone());
        tracing::info!(topic.name = topic.name.known(), "made a topic");
        Self::wait_until_ready(&topic, &request.context, &mut outcome.diagnostics).await
    }

    async fn update(&self, request: UpdateRequest, outcome: &mut Applied) -> Result<(), Failed> {
        let store = self.store.require(&mut outcome.diagnostics)?;
        let topic: TopicModel = request.planned.to_model(&mut outcome.diagnostics)?;
        let version = |value: &Value| value.get("password_version").cloned();
        let password = if version(&request.planned) == version(&request.prior) {
            let name = topic.name.known().map_or("", String::as_str);
            store.password(name, &mut outcome.diagnostics).await?
        } else {
            let config: TopicModel = request.config.to_model(&mut outcome.diagnostics)?;
            config.password.into_known()
        };
        store.save(&topic, password.as_deref(), &mut outcome.diagnostics).await?;
        outcome.set(topic);
        Ok(())
    }

    async fn delete(&self, request: DeleteRequest, outcome: &mut Applied) -> Result<(), Failed> {
        let store = self.store.require(&mut outcome.diagnostics)?;
        let topic: TopicModel = request.prior.to_model(&mut outcome.diagnostics)?;
        let name = topic.name.into_known().unwrap_or_default();
        match tokio::fs::remove_file(store.file(&name)).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(outcome
                .diagnostics
                .fail(format!("Topic {name} cannot be removed"), error.to_string())),
            _ => Ok(()),
        }
    }

    async fn read(&self, request: ReadRequest, outcome: &mut Read) -> Result<(), Failed> {
        let store = self.store.require(&mut outcome.diagnostics)?;
        let name = request.state.get("name").and_then(Value::as_str).unwrap_or_default();
        match store.load(name, &mut outcome.diagnostics).await? {
            Some(json) => {
                // The file holds the password too; the framework lets none of it into the state.
                let topic = from_json(&json, &self.schema().ty()).map_err(|error| {
                    outcome.diagnostics.fail(format!("Topic {name} is damaged"), error.to_string())
                })?;
                outcome.set(topic);
            }
            None => outcome.remove(),
        }
        Ok(())
    }

    async fn import(&self, request: ImportRequest, outcome: &mut Imported) -> Result<(), Failed> {
        outcome.set_attribute("name", request.id.as_str());
        Ok(())
    }
}

struct TopicNames {
    store: Configured<Store>,
}

#[async_trait]
impl DataSource for TopicNames {
    fn type_name(&self) -> &'static str {
        "mq_topic_names"
    }

    fn schema(&self) -> ResourceSchema {
        ResourceSchema::new(0, "The names of all topics.").attribute(
            "names",
            computed(AttributeType::Set(Box::new(AttributeType::String)), "The names."),
        )
    }

    async fn read(&self, _: ReadDataSourceRequest, found: &mut Found) -> Result<(), Failed> {
        let store = self.store.require(&mut found.diagnostics)?;
        let names = names(&store.directory).await.map_err(|error| {
            found.diagnostics.fail("Topics cannot be listed", error.to_string())
        })?;
        found.set(Value::object([("names", Value::set(names))]));
        Ok(())
    }
}

async fn names(directory: &Path) -> std::io::Result<Vec<String>> {
    let mut entries = tokio::fs::read_dir(directory).await?;
    let mut names = Vec::new();
    while let Some(entry) = entries.next_entry().await? {
        let name = entry.file_name().to_string_lossy().into_owned();
        names.extend(name.strip_suffix(".json").map(str::to_owned));
    }
    Ok(names)
}

/// A token that works as long as it is open.
struct Access {
    store: Configured<Store>,
}

#[async_trait]
impl EphemeralResource for Access {
    fn type_name(&self) -> &'static str {
        "mq_access"
    }

    fn schema(&self) -> ResourceSchema {
        ResourceSchema::new(0, "Access to a topic for as long as it is needed.")
            .attribute("topic", required(AttributeType::String, "Which topic."))
            .attribute(
                "renew_at",
                optional(AttributeType::String, "When to renew it, if that is needed."),
            )
            .attribute("token", computed(AttributeType::String, "Grants access.").sensitive())
    }

    async fn open(&self, request: OpenRequest, opened: &mut Opened) -> Result<(), Failed> {
        let store = self.store.require(&mut opened.diagnostics)?;
        if let Some(text) = request.config.get("renew_at").and_then(Value::as_str) {
            let time: Timestamp = text.parse().map_err(|error| {
                let path = AttributePath::new("renew_at");
                opened.diagnostics.fail_at(path, "Not a point in time", format!("{error}."))
            })?;
            opened.renew_at = Some(time);
        }
        let number = store.note("open", &mut opened.diagnostics).await?;
        opened.private.write(&number);
        let topic = request.config.get("topic").and_then(Value::as_str).unwrap_or_default();
        opened.result.set_attribute("token", format!("access {number} to {topic}"));
        Ok(())
    }

    async fn renew(&self, _: RenewRequest, renewed: &mut Renewed) -> Result<(), Failed> {
        let store = self.store.require(&mut renewed.diagnostics)?;
        store.note("renew", &mut renewed.diagnostics).await?;
        Ok(())
    }

    async fn close(
        &self,
        request: CloseRequest,
        diagnostics: &mut Diagnostics,
    ) -> Result<(), Failed> {
        let store = self.store.require(diagnostics)?;
        let number: usize = request.private.read().unwrap_or_default();
        store.note(&format!("close {number}"), diagnostics).await?;
        Ok(())
    }
}

struct TopicId;

impl Function for TopicId {
    fn name(&self) -> &'static str {
        "topic_id"
    }

    fn schema(&self) -> FunctionSchema {
        let name =
            Parameter { name: "name".to_owned(), param_type: Type::String, ..Parameter::default() };
        FunctionSchema {
            parameters: vec![name],
            return_type: Type::String,
            summary: "The id of a topic".to_owned(),
            description: "Says which id the topic of a name has.".into(),
            ..FunctionSchema::default()
        }
    }

    fn call(&self, arguments: Arguments) -> Result<Value, FunctionError> {
        let name: String = arguments.get(0)?;
        if name.is_empty() {
            return Err(FunctionError::argument(0, "a topic must have a name"));
        }
        Ok(format!("topic/{name}").into_value())
    }
}
