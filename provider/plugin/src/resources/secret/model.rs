//! `idp_secret` as configuration, plan and state hold it, and its conversions from and to the platform's types.

use provider_framework::model;
use provider_framework::value::{Attr, Number};
use registry_api::Name;
use registry_api::platform::{self as api, SecretRef};
use serde::{Deserialize, Serialize};

use super::TYPE_NAME;
use crate::hidden::Hidden;
use crate::report;

model! {
    /// The whole resource.
    #[expect(clippy::struct_field_names, reason = "fields are called what attributes are called")]
    pub(super) struct Secret {
        pub(super) name: Attr<String>,
        pub(super) environment: Attr<String>,
        pub(super) owner: Attr<String>,
        pub(super) value_wo: Attr<Hidden>,
        pub(super) value_wo_version: Attr<Number>,
        pub(super) generate: Attr<Generate>,
        pub(super) rotation: Attr<Rotation>,
        pub(super) deletion_protection: Attr<bool>,
        pub(super) id: Attr<String>,
        pub(super) secret_ref: Attr<String>,
        pub(super) version: Attr<Number>,
    }
}

model! {
    /// How the platform makes the value.
    pub(super) struct Generate {
        pub(super) length: Attr<Number>,
        pub(super) symbols: Attr<bool>,
    }
}

model! {
    /// When it makes the value anew.
    pub(super) struct Rotation {
        pub(super) trigger: Attr<String>,
    }
}

/// What is kept beside the state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Remembered {
    /// The generation that a write expects to find.
    pub(super) generation: Option<u64>,
    /// The secret that this is about: the second plan of a replacement has no prior state.
    pub(super) id: Option<String>,
    /// Whether it may not be deleted.
    pub(super) protected: bool,
}

impl Remembered {
    /// What to keep of a secret that was just looked at.
    pub(super) fn of(secret: &api::Secret) -> Self {
        Self {
            generation: Some(secret.generation),
            id: Some(secret.secret_ref.to_string()),
            protected: secret.deletion_protection,
        }
    }
}

impl Secret {
    /// Fills in what the configuration may leave out, and forgets the value.
    pub(super) fn with_defaults(mut self) -> Self {
        self.value_wo = Attr::Null;
        self.deletion_protection = self.deletion_protection.or(false);
        let Generate { length, symbols } = Generate::of(api::Generate::default());
        let complete = |generate: Generate| Generate {
            length: if generate.length.is_null() { length } else { generate.length },
            symbols: if generate.symbols.is_null() { symbols } else { generate.symbols },
        };
        self.generate = self.generate.map(complete);
        self
    }

    /// Which secret this is, once its name and environment are known and valid.
    pub(super) fn reference(&self) -> Option<SecretRef> {
        let name = |attribute: &Attr<String>| attribute.known()?.parse::<Name>().ok();
        Some(SecretRef::Secret { environment: name(&self.environment)?, name: name(&self.name)? })
    }

    /// How messages name it.
    pub(super) fn label(&self) -> String {
        report::label(TYPE_NAME, &self.environment, &self.name)
    }

    /// Whether both have the same value: it is another one exactly where its source says so.
    pub(super) fn has_value_of(&self, other: &Self) -> bool {
        self.value_wo_version == other.value_wo_version
            && self.generate == other.generate
            && self.rotation == other.rotation
    }

    /// A secret as the platform knows it.
    pub(super) fn of(secret: &api::Secret, reference: &Self) -> Self {
        let text = |text: &str| Attr::Known(text.to_owned());
        let rotation =
            |rotation: &api::SecretRotation| Rotation { trigger: text(&rotation.trigger) };
        Self {
            name: reference.name.clone(),
            environment: reference.environment.clone(),
            owner: text(secret.owner.as_str()),
            value_wo: Attr::Null,
            value_wo_version: secret.value_version.map(Number::from).into(),
            generate: secret.generate.map(Generate::of).into(),
            rotation: secret.rotation.as_ref().map(rotation).into(),
            deletion_protection: Attr::Known(secret.deletion_protection),
            id: Attr::Known(secret.secret_ref.to_string()),
            secret_ref: Attr::Known(secret.secret_ref.to_string()),
            version: Attr::Known(secret.version.into()),
        }
    }
}

impl Generate {
    fn of(generate: api::Generate) -> Self {
        Self { length: Attr::Known(generate.length.into()), symbols: Attr::Known(generate.symbols) }
    }

    /// As the platform reads it.
    pub(super) fn to_wire(&self) -> api::Generate {
        let default = api::Generate::default();
        let length = self.length.known().and_then(Number::as_u64);
        api::Generate {
            length: length.and_then(|length| length.try_into().ok()).unwrap_or(default.length),
            symbols: self.symbols.known().copied().unwrap_or(default.symbols),
        }
    }
}
