//! What the provider keeps beside the state, in private bytes that only it reads.

use provider_framework::context::Private;
use registry_api::platform::{Drift, Resource};
use serde::{Deserialize, Serialize};

/// What was last known of a resource besides its attributes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Remembered {
    /// Its generation: a write expects to find it still.
    pub(crate) generation: Option<u64>,
    /// Revision of the environment: both plans of one change see the same, or the second is refused.
    pub(crate) environment_revision: Option<String>,
    /// What someone else changed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) drift: Vec<Drift>,
    /// Its id: the second plan of a replacement has no prior state, and learns only from here what makes way.
    #[serde(alias = "replaces", skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<String>,
    /// Whether it exists without the platform, which is to take it over.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) unmanaged: bool,
}

impl Remembered {
    /// What to keep of a resource that was just looked at.
    pub(super) fn of(resource: &Resource, id: String) -> Self {
        Self {
            generation: Some(resource.generation),
            environment_revision: Some(resource.environment_revision.clone()),
            drift: resource.drift.clone(),
            id: Some(id),
            unmanaged: false,
        }
    }

    /// What to keep of one that exists without the platform.
    pub(super) fn of_unmanaged(resource: &Resource, id: String) -> Self {
        Self { generation: None, drift: Vec::new(), unmanaged: true, ..Self::of(resource, id) }
    }

    /// What was kept; nothing where there is nothing of ours.
    pub(super) fn read(private: &Private) -> Self {
        private.read().unwrap_or_default()
    }
}
