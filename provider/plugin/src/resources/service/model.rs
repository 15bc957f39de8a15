//! `idp_service` as configuration, plan and state hold it, and its conversions from and to the platform's types.

use std::collections::BTreeMap;

use provider_framework::model;
use provider_framework::value::{Attr, IntoValue as _, Number, Value};
use registry_api::Name;
use registry_api::platform::{
    Change, ChangeAction, GoldenPathRef, ImageSource, Kind, Outputs, Resource, ResourceRef,
    ServiceSpec,
};
use serde_json::{Map, Value as Json};

use crate::json::{Written, to_dynamic};

/// Attributes that make up the specification; each is also a field of [`ServiceSpec`].
const SPECIFICATION: [&str; 10] = [
    "template",
    "language",
    "image",
    "image_source",
    "port",
    "size",
    "replicas",
    "env",
    "slo",
    "parameters",
];

model! {
    /// The whole resource.
    pub(super) struct Service {
        pub(super) name: Attr<String>,
        pub(super) environment: Attr<String>,
        pub(super) owner: Attr<String>,
        pub(super) template: Attr<String>,
        pub(super) language: Attr<String>,
        pub(super) image: Attr<String>,
        pub(super) image_source: Attr<String>,
        pub(super) port: Attr<Number>,
        pub(super) size: Attr<String>,
        pub(super) replicas: Attr<ReplicaBounds>,
        pub(super) env: Attr<BTreeMap<String, Attr<String>>>,
        pub(super) slo: Attr<Objectives>,
        pub(super) parameters: Value,
        pub(super) golden_path_version: Attr<String>,
        pub(super) wait_for: Attr<String>,
        pub(super) deletion_protection: Attr<bool>,
        pub(super) timeouts: Attr<Timeouts>,
        pub(super) id: Attr<String>,
        pub(super) golden_path: Attr<GoldenPath>,
        pub(super) url: Attr<String>,
        pub(super) changes: Attr<Vec<ChangedObject>>,
        pub(super) rendered_sha256: Attr<String>,
        pub(super) running_image: Attr<String>,
        pub(super) catalog_ref: Attr<String>,
        pub(super) gitops: Attr<GitOps>,
    }
}

model! {
    /// Bounds of the autoscaler.
    pub(super) struct ReplicaBounds {
        pub(super) min: Attr<Number>,
        pub(super) max: Attr<Number>,
    }
}

model! {
    /// Service level objectives.
    pub(super) struct Objectives {
        pub(super) availability: Attr<Number>,
        pub(super) latency: Attr<LatencyObjective>,
    }
}

model! {
    /// A latency objective.
    pub(super) struct LatencyObjective {
        pub(super) threshold: Attr<String>,
        pub(super) target: Attr<Number>,
    }
}

model! {
    /// How long an apply waits.
    pub(super) struct Timeouts {
        pub(super) create: Attr<String>,
        pub(super) update: Attr<String>,
        pub(super) delete: Attr<String>,
    }
}

model! {
    /// The golden path in use.
    pub(super) struct GoldenPath {
        pub(super) address: Attr<String>,
        pub(super) version: Attr<String>,
        pub(super) sha256: Attr<String>,
        pub(super) publisher: Attr<String>,
    }
}

model! {
    /// What was done to one object.
    pub(super) struct ChangedObject {
        pub(super) action: Attr<String>,
        pub(super) object: Attr<String>,
        pub(super) summary: Attr<String>,
        pub(super) target: Attr<String>,
    }
}

model! {
    /// Where the files are.
    pub(super) struct GitOps {
        pub(super) repository: Attr<String>,
        pub(super) commit: Attr<String>,
        pub(super) path: Attr<String>,
    }
}

impl Service {
    /// Fills in what the configuration may leave out.
    pub(super) fn with_defaults(mut self) -> Self {
        self.image_source = self.image_source.or("terraform".to_owned());
        self.size = self.size.or("small".to_owned());
        self.wait_for = self.wait_for.or("committed".to_owned());
        self.deletion_protection = self.deletion_protection.or(false);
        self
    }

    /// Which resource this is, once its name and environment are known and valid.
    pub(super) fn reference(&self) -> Option<ResourceRef> {
        let name = |attribute: &Attr<String>| attribute.known()?.parse::<Name>().ok();
        Some(ResourceRef {
            kind: Kind::Service,
            environment: name(&self.environment)?,
            name: name(&self.name)?,
        })
    }

    /// How messages name it.
    pub(super) fn label(&self) -> String {
        let part = |attribute: &Attr<String>| match attribute.known() {
            Some(text) => text.chars().take(80).collect(),
            None => "(unknown)".to_owned(),
        };
        format!("idp_service {}/{}", part(&self.environment), part(&self.name))
    }

    /// The specification as the platform reads it.
    pub(super) fn specification(&self) -> (Json, Written) {
        let mut written = Written::default();
        let mut spec = Map::new();
        let object = self.clone().into_value();
        for name in SPECIFICATION {
            let value = object.get(name).unwrap_or(&Value::Null);
            if let Some(json) = written.write(&format!("/spec/{name}"), value) {
                spec.insert(name.to_owned(), json);
            }
        }
        (Json::Object(spec), written)
    }

    /// Whether a pipeline moves the image.
    pub(super) fn is_moved_by_pipeline(&self) -> bool {
        self.image_source.known().is_some_and(|source| source == "pipeline")
    }

    /// The same without what only this side knows: how an apply waits.
    pub(super) fn without_handling(&self) -> Self {
        Self { wait_for: Attr::Null, timeouts: Attr::Null, ..self.clone() }
    }

    /// A resource as the platform describes it, in the words of `before` where they mean the same.
    ///
    /// `1` and `1.0`, null and `{}`, a list and a tuple: the platform does not tell such things apart, and a change
    /// that it cannot see must not show in a plan.
    pub(super) fn observed(resource: &Resource, before: &Self) -> Self {
        let mut now = Self::of(resource);
        now.timeouts.clone_from(&before.timeouts);
        now.wait_for = before.wait_for.clone().or("committed".to_owned());
        if now.is_moved_by_pipeline() && before.image.known().is_some() {
            now.image.clone_from(&before.image);
        }
        let (was, _) = before.specification();
        let (is, _) = now.specification();
        let same = |name: &str| {
            let written =
                |spec: &Json| spec.get(name).filter(|value| !is_empty_object(value)).cloned();
            written(&was) == written(&is)
        };
        if same("env") {
            now.env.clone_from(&before.env);
        }
        if same("slo") {
            now.slo.clone_from(&before.slo);
        }
        if same("parameters") {
            now.parameters.clone_from(&before.parameters);
        }
        now
    }

    /// A resource as the platform describes it.
    pub(super) fn of(resource: &Resource) -> Self {
        let spec = &resource.spec;
        let text = |text: &str| Attr::Known(text.to_owned());
        Self {
            name: text(resource.reference.name.as_str()),
            environment: text(resource.reference.environment.as_str()),
            owner: text(resource.owner.as_str()),
            template: text(&spec.template),
            language: text(&spec.language),
            image: text(&spec.image),
            image_source: text(match spec.image_source {
                ImageSource::Terraform => "terraform",
                ImageSource::Pipeline => "pipeline",
            }),
            port: Attr::Known(spec.port.into()),
            size: text(&spec.size),
            replicas: replicas(spec),
            env: environment_variables(spec),
            slo: objectives(spec),
            parameters: parameters(spec),
            golden_path_version: resource
                .golden_path_version
                .as_ref()
                .map(|constraint| constraint.as_str().to_owned())
                .into(),
            wait_for: Attr::Null,
            deletion_protection: Attr::Known(resource.deletion_protection),
            timeouts: Attr::Null,
            id: Attr::Known(id(&resource.reference)),
            golden_path: Attr::Known(GoldenPath::of(&resource.golden_path)),
            url: resource.outputs.url.clone().into(),
            changes: Attr::Known(changed_objects(&resource.changes)),
            rendered_sha256: text(&resource.rendered_sha256),
            running_image: text(&resource.running_image),
            catalog_ref: text(&resource.outputs.catalog_ref),
            gitops: Attr::Known(GitOps::of(&resource.outputs)),
        }
    }
}

impl GoldenPath {
    /// A path as the platform names it.
    pub(super) fn of(path: &GoldenPathRef) -> Self {
        Self {
            address: Attr::Known(path.address.to_string()),
            version: Attr::Known(path.version.to_string()),
            sha256: Attr::Known(path.sha256.clone()),
            publisher: Attr::Known(path.publisher.clone()),
        }
    }
}

impl GitOps {
    /// Where files are or will be.
    pub(super) fn of(outputs: &Outputs) -> Self {
        Self {
            repository: Attr::Known(outputs.gitops.repository.clone()),
            commit: outputs.gitops.commit.clone().into(),
            path: Attr::Known(outputs.gitops.path.clone()),
        }
    }
}

/// The id of a service, which is also its import id.
pub(super) fn id(reference: &ResourceRef) -> String {
    format!("{}/{}", reference.environment, reference.name)
}

/// Changes as the platform lists them.
pub(super) fn changed_objects(changes: &[Change]) -> Vec<ChangedObject> {
    let text = |text: &str| Attr::Known(text.to_owned());
    changes
        .iter()
        .map(|change| ChangedObject {
            action: text(action(change.action)),
            object: text(&change.object),
            summary: text(&change.summary),
            target: text(&change.target),
        })
        .collect()
}

/// The word for an action.
pub(super) fn action(action: ChangeAction) -> &'static str {
    match action {
        ChangeAction::Create => "create",
        ChangeAction::Update => "update",
        ChangeAction::Delete => "delete",
    }
}

fn is_empty_object(json: &Json) -> bool {
    json.as_object().is_some_and(Map::is_empty)
}

/// The nearest decimal; JSON holds no infinities that could fail here.
fn decimal(number: f64) -> Attr<Number> {
    Number::try_from(number).ok().into()
}

fn replicas(spec: &ServiceSpec) -> Attr<ReplicaBounds> {
    let bounds = spec.replicas.map(|bounds| ReplicaBounds {
        min: Attr::Known(bounds.min.into()),
        max: Attr::Known(bounds.max.into()),
    });
    bounds.into()
}

fn environment_variables(spec: &ServiceSpec) -> Attr<BTreeMap<String, Attr<String>>> {
    if spec.env.is_empty() {
        return Attr::Null;
    }
    let known = |(name, value): (&String, &String)| (name.clone(), Attr::Known(value.clone()));
    Attr::Known(spec.env.iter().map(known).collect())
}

fn objectives(spec: &ServiceSpec) -> Attr<Objectives> {
    let slo = spec.slo.as_ref().map(|slo| Objectives {
        availability: slo.availability.map_or(Attr::Null, decimal),
        latency: slo
            .latency
            .as_ref()
            .map(|latency| LatencyObjective {
                threshold: Attr::Known(latency.threshold.clone()),
                target: decimal(latency.target),
            })
            .into(),
    });
    slo.into()
}

fn parameters(spec: &ServiceSpec) -> Value {
    if spec.parameters.is_empty() {
        return Value::Null;
    }
    let object = spec.parameters.iter().map(|(name, value)| (name.clone(), value.clone()));
    to_dynamic(&Json::Object(object.collect()))
}
