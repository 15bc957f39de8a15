//! `idp_service` as a data source: everything that can be read of a service, whoever manages it.

use std::collections::HashMap;

use provider_framework::data_source::{
    DataSource, Found, ReadDataSourceRequest, ValidateDataSourceRequest,
};
use provider_framework::provider::Configured;
use provider_framework::schema::{
    Attribute, AttributeConstraint, AttributeType, ResourceSchema, computed, list_of_objects,
};
use provider_framework::value::Attr;
use provider_framework::value::{IntoValue as _, Value};
use provider_framework::{AttributePath, Diagnostics, Failed, Report as _, async_trait, model};
use registry_api::Name;
use registry_api::platform::{DriftKind, Kind, Resource, ResourcePhase, ResourceRef};

use crate::client::ClientError;
use crate::report;
use crate::resources::service;
use crate::settings::Platform;

const DESCRIPTION: &str = "A service on the platform, whoever manages it: what was asked for, what it gives, and \
    where it stands.";

/// Attributes of the resource that only say how an apply waits.
const HANDLING: [&str; 2] = ["timeouts", "wait_for"];

/// The data source.
#[derive(Debug)]
pub struct ServiceSource {
    platform: Configured<Platform>,
}

impl ServiceSource {
    /// Works with whatever platform the provider is configured for.
    pub fn new(platform: Configured<Platform>) -> Self {
        Self { platform }
    }
}

model! {
    struct Question {
        environment: Attr<String>,
        name: Attr<String>,
    }
}

model! {
    struct DriftModel {
        path: Attr<String>,
        kind: Attr<String>,
    }
}

#[async_trait]
impl DataSource for ServiceSource {
    fn type_name(&self) -> &'static str {
        "idp_service"
    }

    fn schema(&self) -> ResourceSchema {
        let mut schema = ResourceSchema::new(0, DESCRIPTION);
        for (name, attribute) in service::schema().schema.block.attributes {
            if !HANDLING.contains(&name.as_str()) {
                schema = schema.attribute(&name, read_only(attribute));
            }
        }
        for name in ["environment", "name"] {
            if let Some(attribute) = schema.schema.block.attributes.get_mut(name) {
                attribute.constraint = AttributeConstraint::Required;
            }
        }
        schema.attribute("phase", computed(AttributeType::String, PHASE)).attribute(
            "drift",
            computed(
                drift(),
                "What someone else changed in the repository or on database servers.",
            ),
        )
    }

    async fn validate(
        &self,
        request: ValidateDataSourceRequest,
        diagnostics: &mut Diagnostics,
    ) -> Result<(), Failed> {
        let question: Question = request.config.to_model(diagnostics)?;
        for (attribute, given) in [("environment", &question.environment), ("name", &question.name)]
        {
            if given.known().is_some() {
                // What is wrong is recorded.
                let _ = name(attribute, given, diagnostics);
            }
        }
        diagnostics.so_far()
    }

    async fn read(&self, request: ReadDataSourceRequest, found: &mut Found) -> Result<(), Failed> {
        let platform = self.platform.require(&mut found.diagnostics)?;
        let question: Question = request.config.to_model(&mut found.diagnostics)?;
        let reference = ResourceRef {
            kind: Kind::Service,
            environment: name("environment", &question.environment, &mut found.diagnostics)?,
            name: name("name", &question.name, &mut found.diagnostics)?,
        };
        let label = format!("data idp_service {}/{}", reference.environment, reference.name);
        let answer = platform.client.resource(&reference).await.map_err(|error| {
            report::client_error(&mut found.diagnostics, &label, "reading", &error)
        })?;
        let Some(resource) = answer else {
            let detail = "The platform has no service of that name in that environment. `idp resources` lists those \
                          that there are.";
            return Err(found.diagnostics.fail(format!("{label}: it does not exist"), detail));
        };
        let described = describe(resource).map_err(|error| {
            report::client_error(&mut found.diagnostics, &label, "reading", &error)
        })?;
        found.set(described);
        Ok(())
    }
}

const PHASE: &str = "Where it stands: `unfinished`, `ready`, `changing`, `failed` (the last change failed, the one \
    before it stands) or `deleting`.";

fn drift() -> AttributeType {
    list_of_objects([
        (
            "path",
            computed(
                AttributeType::String,
                "Which file, or which object of a database server: `postgres:Role/orders_read`.",
            ),
        ),
        ("kind", computed(AttributeType::String, "`missing`, `modified` or `unexpected`.")),
    ])
}

/// The same attribute, and everything in it, for reading only.
fn read_only(attribute: Attribute) -> Attribute {
    let inside = |inner: HashMap<String, Attribute>| {
        inner.into_iter().map(|(name, attribute)| (name, read_only(attribute))).collect()
    };
    let attr_type = match attribute.attr_type {
        AttributeType::AttributeSingle(inner) => AttributeType::AttributeSingle(inside(inner)),
        AttributeType::AttributeList(inner) => AttributeType::AttributeList(inside(inner)),
        AttributeType::AttributeMap(inner) => AttributeType::AttributeMap(inside(inner)),
        AttributeType::AttributeSet(inner) => AttributeType::AttributeSet(inside(inner)),
        other => other,
    };
    Attribute { attr_type, constraint: AttributeConstraint::Computed, ..attribute }
}

fn name(
    attribute: &'static str,
    given: &Attr<String>,
    diagnostics: &mut Diagnostics,
) -> Result<Name, Failed> {
    let text = given.known().map_or("", String::as_str);
    text.parse().map_err(|error| {
        let summary = format!("data idp_service: `{attribute}` is not valid");
        diagnostics.fail_at(AttributePath::new(attribute), summary, format!("{error}."))
    })
}

fn describe(resource: Resource) -> Result<Value, ClientError> {
    let phase = phase(resource.phase);
    let drift = resource.drift.clone();
    let mut value = service::describe(resource)?;
    if let Value::Map(entries) = &mut value {
        entries.retain(|name, _| !HANDLING.contains(&name.as_str()));
        entries.insert("phase".to_owned(), Value::string(phase));
        let drift = drift.into_iter().map(|drift| DriftModel {
            path: Attr::Known(drift.path),
            kind: Attr::from(match drift.kind {
                DriftKind::Missing => "missing",
                DriftKind::Modified => "modified",
                DriftKind::Unexpected => "unexpected",
            }),
        });
        entries.insert("drift".to_owned(), drift.collect::<Vec<_>>().into_value());
    }
    Ok(value)
}

fn phase(phase: ResourcePhase) -> &'static str {
    match phase {
        ResourcePhase::Unfinished => "unfinished",
        ResourcePhase::Ready => "ready",
        ResourcePhase::Changing => "changing",
        ResourcePhase::Failed => "failed",
        ResourcePhase::Deleting => "deleting",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_it_can_be_set_but_which_service_it_is() {
        fn settable(
            prefix: &str,
            attributes: &HashMap<String, Attribute>,
            found: &mut Vec<String>,
        ) {
            for (name, attribute) in attributes {
                if attribute.constraint != AttributeConstraint::Computed {
                    found.push(format!("{prefix}{name}"));
                }
                if let AttributeType::AttributeSingle(inner)
                | AttributeType::AttributeList(inner)
                | AttributeType::AttributeMap(inner)
                | AttributeType::AttributeSet(inner) = &attribute.attr_type
                {
                    settable(&format!("{prefix}{name}."), inner, found);
                }
            }
        }
        let schema = ServiceSource::new(Configured::new()).schema();

        let mut found = Vec::new();
        settable("", &schema.schema.block.attributes, &mut found);

        found.sort();
        assert_eq!(found, ["environment", "name"]);
    }
}
