//! What was asked for, in the shape of its kind.

use registry_api::platform::{DatabaseSpec, ImageSource, Kind, ServiceSpec};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A specification. As JSON it is the wire's, without a tag: no two kinds share a shape.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Spec {
    /// Of a service.
    Service(ServiceSpec),
    /// Of a database.
    Database(DatabaseSpec),
}

/// Name of the golden paths of databases; their system is the engine.
const DATABASE_PATHS: &str = "database";

impl Spec {
    /// Reads the specification of a `kind`.
    pub fn parse(kind: Kind, spec: Value) -> Result<Self, serde_json::Error> {
        match kind {
            Kind::Service => serde_json::from_value(spec).map(Self::Service),
            Kind::Database => serde_json::from_value(spec).map(Self::Database),
        }
    }

    /// As JSON.
    pub fn to_json(&self) -> Value {
        // Ours always serialize: string keys, finite numbers.
        serde_json::to_value(self).unwrap_or_default()
    }

    /// Name and system of its golden path.
    pub fn path(&self) -> (&str, &str) {
        match self {
            Self::Service(service) => (&service.template, &service.language),
            Self::Database(database) => (DATABASE_PATHS, &database.engine),
        }
    }

    /// The specification of a service.
    pub const fn service(&self) -> Option<&ServiceSpec> {
        match self {
            Self::Service(service) => Some(service),
            Self::Database(_) => None,
        }
    }

    /// The specification of a database.
    pub const fn database(&self) -> Option<&DatabaseSpec> {
        match self {
            Self::Service(_) => None,
            Self::Database(database) => Some(database),
        }
    }

    /// The image that the configuration names.
    pub fn image(&self) -> Option<&str> {
        self.service().map(|service| service.image.as_str())
    }

    /// Whether deployments move the image.
    pub fn is_moved_by_pipeline(&self) -> bool {
        self.service().is_some_and(|service| service.image_source == ImageSource::Pipeline)
    }

    /// The same with another image, where it has one.
    #[must_use]
    pub fn with_image(&self, image: Option<&str>) -> Self {
        match (self, image) {
            (Self::Service(service), Some(image)) => {
                Self::Service(ServiceSpec { image: image.to_owned(), ..service.clone() })
            }
            _ => self.clone(),
        }
    }
}

/// Where in a specification the name and the system of its golden path are chosen: names of required texts, or the
/// word that is fixed for the kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chosen {
    /// By this attribute.
    By(&'static str),
    /// Always this.
    Fixed(&'static str),
}

/// Where the golden path of a `kind` is chosen: its name, then its system.
pub const fn chosen(kind: Kind) -> (Chosen, Chosen) {
    match kind {
        Kind::Service => (Chosen::By("template"), Chosen::By("language")),
        Kind::Database => (Chosen::Fixed(DATABASE_PATHS), Chosen::By("engine")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_stored_specification_is_read_back_as_its_kind() {
        for (kind, spec) in [
            (
                Kind::Service,
                json!({"template": "api", "language": "nodejs", "image": "a:1", "port": 8080}),
            ),
            (Kind::Database, json!({"engine": "postgres"})),
        ] {
            let parsed = Spec::parse(kind, spec).unwrap();

            let read: Spec = serde_json::from_value(parsed.to_json()).unwrap();

            assert_eq!(read, parsed);
        }
    }
}
