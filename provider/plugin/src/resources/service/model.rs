//! What only a service has, and its conversions from and to the platform's types.

use std::collections::BTreeMap;

use provider_framework::model;
use provider_framework::schema::ResourceSchema;
use provider_framework::value::{Attr, Number};
use registry_api::platform::{ImageSource, Kind, Outputs, ServiceSpec};

use super::{schema, validate};
use crate::check::Check;
use crate::golden::GoldenResource;
use crate::golden::model::Found;

model! {
    /// The attributes that only a service has.
    pub(crate) struct Service {
        pub(super) template: Attr<String>,
        pub(super) language: Attr<String>,
        pub(super) image: Attr<String>,
        pub(super) image_source: Attr<String>,
        pub(super) port: Attr<Number>,
        pub(super) replicas: Attr<ReplicaBounds>,
        pub(super) env: Attr<BTreeMap<String, Attr<String>>>,
        pub(super) slo: Attr<Objectives>,
        pub(super) uses: Attr<BTreeMap<String, Attr<Use>>>,
        pub(super) url: Attr<String>,
        pub(super) running_image: Attr<String>,
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
    /// A resource that the service uses.
    pub(super) struct Use {
        pub(super) resource: Attr<String>,
        pub(super) access: Attr<String>,
    }
}

impl GoldenResource for Service {
    type Spec = ServiceSpec;

    const KIND: Kind = Kind::Service;
    const TYPE_NAME: &'static str = "idp_service";
    const SPECIFICATION: &'static [&'static str] = &[
        "template",
        "language",
        "image",
        "image_source",
        "port",
        "size",
        "replicas",
        "env",
        "slo",
        "uses",
        "parameters",
    ];
    const EXAMPLE: &'static str = "staging/checkout";
    const PROTECTED: bool = false;
    const QUALIFIED: bool = false;
    const ADOPTABLE: bool = false;
    const REPLACEMENT: &'static str =
        "The service is removed first and made anew afterwards, so it is away in between.";

    fn schema() -> ResourceSchema {
        schema::schema()
    }

    fn validate(&self, check: &mut Check<'_>) {
        validate::validate(self, check);
    }

    fn with_defaults(mut self) -> Self {
        self.image_source = self.image_source.or("terraform".to_owned());
        self
    }

    fn golden_path(&self) -> Option<String> {
        Some(format!("golden/{}/{}", self.template.known()?, self.language.known()?))
    }

    fn replacing(&self) -> Vec<(&'static str, &Attr<String>)> {
        vec![("template", &self.template), ("language", &self.language)]
    }

    fn reason(attribute: &str) -> &'static str {
        match attribute {
            "name" => {
                "running objects, metrics and the address carry the name, and none of them can be renamed"
            }
            "environment" => {
                "a service cannot move to another environment, only be made anew there"
            }
            _ => "it chooses another golden path, whose objects cannot take over those of this one",
        }
    }

    /// Once a service runs, its image is the pipeline's: what the configuration says only seeded it.
    fn leave_to_others(&mut self, before: &Self) {
        if self.is_moved_by_pipeline() && before.image.known().is_some() {
            self.image.clone_from(&before.image);
        }
    }

    fn forget_results(&mut self) {
        self.url = Attr::Unknown;
        self.running_image = Attr::Unknown;
    }

    fn foresee(&mut self, prior: Option<&Self>) {
        self.running_image = match prior {
            Some(prior) if self.is_moved_by_pipeline() => prior.running_image.clone(),
            _ => self.image.clone(),
        };
    }

    fn promise(&mut self, outputs: &Outputs) {
        self.url = outputs.url.clone().into();
    }

    fn of(found: &Found<Self>) -> Self {
        let Found { resource, spec, .. } = found;
        let text = |text: &str| Attr::Known(text.to_owned());
        Self {
            template: text(&spec.template),
            language: text(&spec.language),
            image: text(&spec.image),
            image_source: text(match spec.image_source {
                ImageSource::Terraform => "terraform",
                ImageSource::Pipeline => "pipeline",
            }),
            port: Attr::Known(spec.port.into()),
            replicas: replicas(spec),
            env: environment_variables(spec),
            slo: objectives(spec),
            uses: uses(spec),
            url: resource.outputs.url.clone().into(),
            running_image: resource.running_image.clone().into(),
        }
    }
}

impl Service {
    fn is_moved_by_pipeline(&self) -> bool {
        self.image_source.known().is_some_and(|source| source == "pipeline")
    }
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

fn uses(spec: &ServiceSpec) -> Attr<BTreeMap<String, Attr<Use>>> {
    if spec.uses.is_empty() {
        return Attr::Null;
    }
    let uses = spec.uses.iter().map(|(alias, used)| {
        let access = used.access.map(|access| access.as_str().to_owned());
        let used = Use { resource: Attr::Known(used.resource.clone()), access: access.into() };
        (alias.clone(), Attr::Known(used))
    });
    Attr::Known(uses.collect())
}
