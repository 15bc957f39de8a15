//! What every resource on a golden path has, and its conversions from and to the platform's types.

use provider_framework::model;
use provider_framework::value::{Attr, ConversionError, FromValue, IntoValue, Value};
use registry_api::Name;
use registry_api::platform::{Change, ChangeAction, GoldenPathRef, Outputs, Resource, ResourceRef};
use serde_json::{Map, Value as Json};

use super::GoldenResource;
use crate::client::{Client, ClientError};
use crate::json::{Written, to_dynamic};
use crate::report;

/// A resource as configuration, plan and state hold it: what every kind has, and what only this one has.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Golden<R> {
    pub(crate) common: Common,
    pub(crate) own: R,
}

model! {
    /// The attributes of every kind.
    pub(crate) struct Common {
        pub(crate) name: Attr<String>,
        pub(crate) environment: Attr<String>,
        pub(crate) owner: Attr<String>,
        pub(crate) size: Attr<String>,
        pub(crate) parameters: Value,
        pub(crate) golden_path_version: Attr<String>,
        pub(crate) wait_for: Attr<String>,
        pub(crate) deletion_protection: Attr<bool>,
        pub(crate) timeouts: Attr<Timeouts>,
        pub(crate) id: Attr<String>,
        pub(crate) golden_path: Attr<GoldenPath>,
        pub(crate) changes: Attr<Vec<ChangedObject>>,
        pub(crate) rendered_sha256: Attr<String>,
        pub(crate) provisioned_sha256: Attr<String>,
        pub(crate) catalog_ref: Attr<String>,
        pub(crate) gitops: Attr<GitOps>,
    }
}

model! {
    /// How long an apply waits.
    pub(crate) struct Timeouts {
        pub(crate) create: Attr<String>,
        pub(crate) update: Attr<String>,
        pub(crate) delete: Attr<String>,
    }
}

model! {
    /// The golden path in use.
    pub(crate) struct GoldenPath {
        pub(crate) address: Attr<String>,
        pub(crate) version: Attr<String>,
        pub(crate) sha256: Attr<String>,
        pub(crate) publisher: Attr<String>,
    }
}

model! {
    /// What was done to one object.
    pub(crate) struct ChangedObject {
        pub(crate) action: Attr<String>,
        pub(crate) object: Attr<String>,
        pub(crate) summary: Attr<String>,
        pub(crate) target: Attr<String>,
    }
}

model! {
    /// Where the files are.
    pub(crate) struct GitOps {
        pub(crate) repository: Attr<String>,
        pub(crate) commit: Attr<String>,
        pub(crate) path: Attr<String>,
    }
}

impl<R: FromValue> FromValue for Golden<R> {
    fn from_value(value: &Value) -> Result<Self, ConversionError> {
        Ok(Self { common: Common::from_value(value)?, own: R::from_value(value)? })
    }
}

impl<R: IntoValue> IntoValue for Golden<R> {
    fn into_value(self) -> Value {
        let mut value = self.common.into_value();
        for (name, entry) in self.own.into_value().as_map().into_iter().flatten() {
            value.set_attribute(name, entry);
        }
        value
    }
}

/// A resource as the platform describes it, with the specification of its kind.
#[derive(Debug)]
pub(crate) struct Found<R: GoldenResource> {
    pub(crate) resource: Resource,
    pub(crate) spec: R::Spec,
    /// The specification with every default in it.
    complete: Json,
}

impl<R: GoldenResource> Found<R> {
    /// Reads what the platform says about the kind.
    pub(crate) fn read(resource: Resource) -> Result<Self, ClientError> {
        let read = |json| {
            let spec: R::Spec = serde_json::from_value(json)?;
            let complete = serde_json::to_value(&spec)?;
            Ok((spec, complete))
        };
        match read(resource.spec.clone()) {
            Ok((spec, complete)) => Ok(Self { resource, spec, complete }),
            Err(error) => Err(ClientError::not_understood(&resource.reference, &error)),
        }
    }

    /// Looks at a resource; `None` where the platform has none.
    pub(crate) async fn look(
        client: &Client,
        reference: &ResourceRef,
    ) -> Result<Option<Self>, ClientError> {
        client.resource(reference).await?.map(Self::read).transpose()
    }

    /// Looks at one that exists without the platform; `None` where there is none.
    pub(crate) async fn look_unmanaged(
        client: &Client,
        reference: &ResourceRef,
    ) -> Result<Option<Self>, ClientError> {
        client.unmanaged(reference).await?.map(Self::read).transpose()
    }
}

impl<R: GoldenResource> Golden<R> {
    /// Fills in what the configuration may leave out.
    pub(crate) fn with_defaults(mut self) -> Self {
        let common = &mut self.common;
        common.size = std::mem::take(&mut common.size).or("small".to_owned());
        common.wait_for = std::mem::take(&mut common.wait_for).or("committed".to_owned());
        common.deletion_protection = common.deletion_protection.or(R::PROTECTED);
        self.own = self.own.with_defaults();
        self
    }

    /// Which resource this is, once its name and environment are known and valid.
    pub(crate) fn reference(&self) -> Option<ResourceRef> {
        let name = |attribute: &Attr<String>| attribute.known()?.parse::<Name>().ok();
        Some(ResourceRef {
            kind: R::KIND,
            environment: name(&self.common.environment)?,
            name: name(&self.common.name)?,
        })
    }

    /// How messages name it.
    pub(crate) fn label(&self) -> String {
        report::label(R::TYPE_NAME, &self.common.environment, &self.common.name)
    }

    /// The specification as the platform reads it.
    pub(crate) fn specification(&self) -> (Json, Written) {
        let mut written = Written::default();
        let mut spec = Map::new();
        let object = self.clone().into_value();
        for name in R::SPECIFICATION {
            let value = object.get(name).unwrap_or(&Value::Null);
            if let Some(json) = written.write(&format!("/spec/{name}"), value) {
                spec.insert((*name).to_owned(), json);
            }
        }
        (Json::Object(spec), written)
    }

    /// The same without what only this side knows: how an apply waits.
    pub(crate) fn without_handling(&self) -> Self {
        let mut bare = self.clone();
        (bare.common.wait_for, bare.common.timeouts) = (Attr::Null, Attr::Null);
        bare
    }

    /// A resource as the platform describes it, in the words of `before` where they mean the same.
    pub(crate) fn observed(found: &Found<R>, before: &Self) -> Value {
        let mut now = Self::of(found);
        now.common.wait_for = before.common.wait_for.clone().or("committed".to_owned());
        now.common.timeouts.clone_from(&before.common.timeouts);
        now.own.leave_to_others(&before.own);
        now.in_words_of(before)
    }

    /// `1` and `1.0`, null and `{}`, a list and a tuple: the platform does not tell such things apart, and a change
    /// that it cannot see must not show in a plan.
    pub(crate) fn in_words_of(self, before: &Self) -> Value {
        let (was, _) = before.specification();
        let (is, _) = self.specification();
        let written = |spec: &Json, name| spec.get(name).filter(|value| !is_empty(value)).cloned();
        let before = before.clone().into_value();
        let mut value = self.into_value();
        for name in R::SPECIFICATION {
            if let (true, Some(before)) =
                (written(&was, name) == written(&is, name), before.get(name))
            {
                value.set_attribute(name, before);
            }
        }
        value
    }

    /// A resource as the platform describes it.
    pub(crate) fn of(found: &Found<R>) -> Self {
        let resource = &found.resource;
        let text = |text: &str| Attr::Known(text.to_owned());
        let constraint = resource.golden_path_version.as_ref();
        let common = Common {
            owner: text(resource.owner.as_str()),
            size: found.complete.get("size").and_then(Json::as_str).map(str::to_owned).into(),
            parameters: parameters(&found.complete),
            golden_path_version: constraint.map(|constraint| constraint.as_str().to_owned()).into(),
            deletion_protection: Attr::Known(resource.deletion_protection),
            golden_path: Attr::Known(GoldenPath::of(&resource.golden_path)),
            changes: Attr::Known(changed_objects(&resource.changes)),
            rendered_sha256: text(&resource.rendered_sha256),
            provisioned_sha256: resource.provisioned_sha256.clone().into(),
            catalog_ref: text(&resource.outputs.catalog_ref),
            gitops: Attr::Known(GitOps::of(&resource.outputs)),
            ..Common::named(&resource.reference, id::<R>(&resource.reference))
        };
        Self { common, own: R::of(found) }
    }

    /// One that exists without the platform: nobody owns it, and nothing was rendered for it.
    pub(crate) fn of_unmanaged(found: &Found<R>) -> Self {
        let reference = &found.resource.reference;
        let common = Common::named(reference, id::<R>(reference));
        Self { common, own: R::of_unmanaged(found) }
    }
}

impl Common {
    /// Nothing but which resource it is.
    fn named(reference: &ResourceRef, id: String) -> Self {
        Self {
            name: Attr::Known(reference.name.to_string()),
            environment: Attr::Known(reference.environment.to_string()),
            owner: Attr::Null,
            size: Attr::Null,
            parameters: Value::Null,
            golden_path_version: Attr::Null,
            wait_for: Attr::Null,
            deletion_protection: Attr::Null,
            timeouts: Attr::Null,
            id: Attr::Known(id),
            golden_path: Attr::Null,
            changes: Attr::Null,
            rendered_sha256: Attr::Null,
            provisioned_sha256: Attr::Null,
            catalog_ref: Attr::Null,
            gitops: Attr::Null,
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

/// The id of a resource, which is also its import id.
pub(crate) fn id<R: GoldenResource>(reference: &ResourceRef) -> String {
    let ResourceRef { kind, environment, name } = reference;
    if R::QUALIFIED {
        format!("{kind}/{environment}/{name}")
    } else {
        format!("{environment}/{name}")
    }
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

/// What was promised, and where nothing was, what is.
pub(super) fn settle(planned: Value, now: &Value) -> Value {
    match (planned, now) {
        (Value::Unknown(_), now) => now.clone(),
        (Value::Map(entries), now @ Value::Map(_)) => {
            let settled = entries.into_iter().map(|(name, planned)| {
                let now = now.get(&name).unwrap_or(&Value::Null);
                (name, settle(planned, now))
            });
            Value::Map(settled.collect())
        }
        (planned, _) => planned,
    }
}

fn is_empty(json: &Json) -> bool {
    json.as_object().is_some_and(Map::is_empty) || json.as_array().is_some_and(Vec::is_empty)
}

fn parameters(spec: &Json) -> Value {
    spec.get("parameters")
        .filter(|parameters| !is_empty(parameters))
        .map_or(Value::Null, to_dynamic)
}
