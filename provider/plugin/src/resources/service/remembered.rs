//! What the provider keeps beside the state, in private bytes that only it reads.

use provider_framework::context::Private;
use registry_api::platform::{Drift, Resource};
use serde::{Deserialize, Serialize};

/// What was last known of a service besides its attributes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Remembered {
    /// Its generation: a write expects to find it still.
    pub(super) generation: Option<u64>,
    /// Revision of the environment: both plans of one change see the same, or the second is refused.
    pub(super) environment_revision: Option<String>,
    /// What someone else changed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) drift: Vec<Drift>,
    /// The id of the service that is planned to go, when this is the second plan of a replacement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) replaces: Option<String>,
}

impl Remembered {
    /// What to keep of a resource that was just looked at.
    pub(super) fn of(resource: &Resource) -> Self {
        Self {
            generation: Some(resource.generation),
            environment_revision: Some(resource.environment_revision.clone()),
            drift: resource.drift.clone(),
            replaces: None,
        }
    }

    /// What was kept; nothing where there is nothing of ours.
    pub(super) fn read(private: &Private) -> Self {
        private.read().unwrap_or_default()
    }
}
