//! `idp_module_status` as configuration, plan and state hold it, and its conversions from and to the platform's types.

use std::fmt;
use std::str::FromStr;

use provider_framework::model;
use provider_framework::value::{Attr, Number};
use registry_api::ModuleAddress;
use registry_api::trust::{self as api, ModuleState, NewModuleStatus};
use semver::Version;

use super::TYPE_NAME;
use crate::check::shortened;

/// Every state with its word.
const STATES: [(&str, ModuleState); 4] = [
    ("active", ModuleState::Active),
    ("deprecated", ModuleState::Deprecated),
    ("yanked", ModuleState::Yanked),
    ("revoked", ModuleState::Revoked),
];

/// The words for the states.
pub(super) const WORDS: [&str; 4] = [STATES[0].0, STATES[1].0, STATES[2].0, STATES[3].0];

model! {
    /// The whole resource.
    pub(super) struct Status {
        pub(super) module: Attr<String>,
        pub(super) version: Attr<String>,
        pub(super) state: Attr<String>,
        pub(super) reason: Attr<String>,
        pub(super) replacement: Attr<String>,
        pub(super) contact: Attr<String>,
        pub(super) sunset: Attr<String>,
        pub(super) id: Attr<String>,
        pub(super) sequence: Attr<Number>,
        pub(super) log_index: Attr<Number>,
        pub(super) signed_by: Attr<String>,
    }
}

/// What a status is about: a version, or a module as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) address: ModuleAddress,
    pub(super) version: Option<Version>,
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (address, version) = match text.split_once('@') {
            Some((address, version)) => (address, Some(version)),
            None => (text, None),
        };
        let address = address.parse().map_err(|error| format!("{error}"))?;
        Ok(Self { address, version: version.map(parse_version).transpose()? })
    }
}

/// Reads a version as it is published.
pub(super) fn parse_version(text: &str) -> Result<Version, String> {
    text.parse()
        .map_err(|error| format!("{:?} is not a version such as 1.2.0: {error}", shortened(text)))
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.address)?;
        self.version.as_ref().map_or(Ok(()), |version| write!(f, "@{version}"))
    }
}

impl Target {
    /// What stands of it, if anything was ever said.
    pub(super) fn among(&self, list: api::ModuleStatusList) -> Option<api::ModuleStatus> {
        list.statuses.into_iter().find(|status| status.version == self.version)
    }
}

impl Status {
    /// What it is about, once that is known and valid.
    pub(super) fn target(&self) -> Option<Target> {
        let address = self.module.known()?.parse().ok()?;
        let version = match &self.version {
            Attr::Null => None,
            Attr::Unknown => return None,
            Attr::Known(text) => Some(parse_version(text).ok()?),
        };
        Some(Target { address, version })
    }

    /// How messages name it.
    pub(super) fn label(&self) -> String {
        let module = self.module.known().map_or("(unknown)", String::as_str);
        let version = match &self.version {
            Attr::Null => String::new(),
            Attr::Unknown => "@(unknown)".to_owned(),
            Attr::Known(version) => format!("@{}", shortened(version)),
        };
        format!("{TYPE_NAME} {}{version}", shortened(module))
    }

    /// Whether both say the same, of whatever it is.
    pub(super) fn says_what(&self, other: &Self) -> bool {
        let said = |status: &Self| {
            let Self { state, reason, replacement, contact, sunset, .. } = status.clone();
            (state, reason, replacement, contact, sunset)
        };
        said(self) == said(other)
    }

    /// Whether what it is about may be used without a word.
    pub(super) fn is_active(&self) -> bool {
        self.state.known().map(String::as_str) == Some("active")
    }

    /// What to ask the platform to say; nothing where the state is none.
    pub(super) fn to_wire(&self) -> Option<NewModuleStatus> {
        let word = self.state.known()?;
        let (_, state) = STATES.into_iter().find(|(known, _)| known == word)?;
        Some(NewModuleStatus {
            state,
            reason: self.reason.known().cloned(),
            replacement: self.replacement.known().cloned(),
            contact: self.contact.known().cloned(),
            sunset: self.sunset.known().cloned(),
        })
    }

    /// The same, with what only the platform could say.
    pub(super) fn settled(self, said: &api::ModuleStatus) -> Self {
        Self {
            sequence: Attr::Known(said.sequence.into()),
            log_index: said.index.map(Number::from).into(),
            signed_by: said.signed_by.clone().into(),
            ..self
        }
    }

    /// What was said, as the platform knows it.
    pub(super) fn of(target: &Target, said: &api::ModuleStatus) -> Self {
        let NewModuleStatus { state, reason, replacement, contact, sunset } = said.status.clone();
        let (word, _) = STATES.into_iter().find(|(_, known)| *known == state).unwrap_or(STATES[0]);
        let status = Self {
            module: Attr::Known(target.address.to_string()),
            version: target.version.as_ref().map(ToString::to_string).into(),
            state: word.into(),
            reason: reason.into(),
            replacement: replacement.into(),
            contact: contact.into(),
            sunset: sunset.into(),
            id: Attr::Known(target.to_string()),
            sequence: Attr::Null,
            log_index: Attr::Null,
            signed_by: Attr::Null,
        };
        status.settled(said)
    }
}
