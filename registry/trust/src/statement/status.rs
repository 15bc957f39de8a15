//! How a version, or a whole module, stands.

use std::fmt;

use semver::Version;
use serde::{Deserialize, Serialize};

use super::{Claim, StatementError, Subject, check_text, expect_subjects};
use crate::{
    digest::Sha256,
    release::{ModuleId, check_version},
    time::Day,
};

/// How a version or a module stands, from the best to the worst.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Use it.
    #[default]
    Active,
    /// It works; move on, by the sunset at the latest.
    Deprecated,
    /// Nobody new gets it.
    Yanked,
    /// Nobody gets it.
    Revoked,
}

impl State {
    /// Every state, from the best to the worst.
    pub const ALL: [Self; 4] = [Self::Active, Self::Deprecated, Self::Yanked, Self::Revoked];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Deprecated => "deprecated",
            Self::Yanked => "yanked",
            Self::Revoked => "revoked",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The statement that a version, or every version, of a module stands so. Of two about the same, the one with the
/// higher sequence counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleStatus {
    /// Which module.
    pub module: ModuleId,
    /// Which version, with its archive's digest; every version where there is none.
    pub version: Option<(Version, Sha256)>,
    /// Counts the statuses of the module from 1.
    pub sequence: u64,
    /// How it stands.
    pub state: State,
    /// Why, for people; at most 500 characters. Only an active one may do without.
    pub reason: Option<String>,
    /// What to use instead, for people; at most 200 characters.
    pub replacement: Option<String>,
    /// Who to ask, for people; at most 200 characters.
    pub contact: Option<String>,
    /// From when on nothing new may use it. Only of a deprecated one.
    pub sunset: Option<Day>,
}

impl Claim for ModuleStatus {
    const PREDICATE_TYPE: &'static str = "https://idp.example/attestation/module-status/v1";
    type Predicate = Predicate;

    fn subjects(&self) -> Vec<Subject> {
        let module = self.module.to_string();
        vec![match &self.version {
            Some((version, sha256)) => Subject::new(format!("{module}@{version}"), *sha256),
            // A subject must have a digest; a module as a whole has only its name.
            None => Subject::new(module.clone(), Sha256::of(module.as_bytes())),
        }]
    }

    fn predicate(&self) -> Predicate {
        Predicate {
            registry: self.module.registry().to_owned(),
            namespace: self.module.namespace().to_owned(),
            name: self.module.name().to_owned(),
            system: self.module.system().to_owned(),
            version: self
                .version
                .as_ref()
                .map_or("*".to_owned(), |(version, _)| version.to_string()),
            sequence: self.sequence,
            state: self.state,
            reason: self.reason.clone(),
            replacement: self.replacement.clone(),
            contact: self.contact.clone(),
            sunset: self.sunset,
        }
    }

    fn read(subjects: Vec<Subject>, predicate: Predicate) -> Result<Self, StatementError> {
        let Predicate { registry, namespace, name, system, version, .. } = &predicate;
        let module = ModuleId::new(registry, namespace, name, system)?;
        let version = match (version.as_str(), subjects.as_slice()) {
            ("*", _) => None,
            (text, [subject]) => {
                let version: Version = text
                    .parse()
                    .map_err(|error| StatementError::malformed(&format!("version: {error}")))?;
                check_version(&version)?;
                Some((version, subject.digest.sha256))
            }
            (_, several) => return Err(StatementError::Subjects { count: several.len() }),
        };
        let status = Self {
            module,
            version,
            sequence: predicate.sequence,
            state: predicate.state,
            reason: predicate.reason,
            replacement: predicate.replacement,
            contact: predicate.contact,
            sunset: predicate.sunset,
        };
        status.check()?;
        expect_subjects(status, &subjects)
    }
}

impl ModuleStatus {
    fn check(&self) -> Result<(), StatementError> {
        if self.sequence == 0 {
            return Err(StatementError::malformed("sequence counts from 1"));
        }
        if self.state != State::Active && self.reason.is_none() {
            return Err(StatementError::malformed(&format!("{} needs a reason", self.state)));
        }
        if self.state != State::Deprecated && self.sunset.is_some() {
            return Err(StatementError::malformed("only what is deprecated has a sunset"));
        }
        let texts = [
            ("reason", &self.reason, 500),
            ("replacement", &self.replacement, 200),
            ("contact", &self.contact, 200),
        ];
        texts.into_iter().try_for_each(|(field, text, most)| match text {
            Some(text) => check_text(field, text, most),
            None => Ok(()),
        })
    }
}

/// The predicate on the wire.
#[doc(hidden)]
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Predicate {
    registry: String,
    namespace: String,
    name: String,
    system: String,
    version: String,
    sequence: u64,
    state: State,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    replacement: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    contact: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sunset: Option<Day>,
}
