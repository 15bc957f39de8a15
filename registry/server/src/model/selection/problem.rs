//! Why no version could be chosen.

use registry_api::ModuleAddress;
use registry_api::problem::FieldError;
use registry_trust::standing::Standing;
use registry_trust::statement::State;
use semver::Version;

use super::Candidate;

/// How many versions an error lists.
const LISTED: usize = 20;

/// Why no version could be chosen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SelectionError(Box<Problem>);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Problem {
    #[error("{}", none_offered(address, constraint.as_deref(), offered, withheld))]
    NoneOffered {
        address: ModuleAddress,
        constraint: Option<String>,
        offered: Vec<Version>,
        /// What meets the constraint and is not offered, and why.
        withheld: Vec<String>,
    },

    #[error(
        "version {version} of {address} can be used from {from} on, when it has the minimum age of its namespace; \
         there are {}",
        list(offered)
    )]
    TooYoung {
        address: ModuleAddress,
        version: Version,
        from: String,
        offered: Vec<Version>,
        /// The part of the selection that names it.
        named_by: &'static str,
    },

    #[error("{address} has no version {version}; there are {}", list(offered))]
    Unknown {
        address: ModuleAddress,
        version: Version,
        offered: Vec<Version>,
        named_by: &'static str,
    },

    #[error(
        "version {version} of {address} was revoked and is used by nobody: {} There are {}",
        words(standing),
        list(offered)
    )]
    Revoked {
        address: ModuleAddress,
        version: Version,
        standing: Standing,
        offered: Vec<Version>,
        named_by: &'static str,
    },

    #[error(
        "version {version} of {address} is past its sunset{}, nothing new or changed may use it: {} There are {}",
        standing.sunset.map(|day| format!(" of {day}")).unwrap_or_default(), words(standing), list(offered)
    )]
    PastSunset {
        address: ModuleAddress,
        version: Version,
        standing: Standing,
        offered: Vec<Version>,
    },

    #[error("version {version} of {address} does not meet {constraint:?}")]
    Excluded { address: ModuleAddress, version: Version, constraint: String },

    #[error(
        "version {version} of {address} has SHA-256 {published} in this registry, but {remembered} was expected"
    )]
    OtherBytes { address: ModuleAddress, version: Version, published: String, remembered: String },
}

/// What was said of a version, in sentences.
pub(super) fn words(standing: &Standing) -> String {
    let Standing { reason, replacement, contact, .. } = standing;
    let mut sentences = vec![sentence("", reason.as_deref().unwrap_or("no reason was given"))];
    sentences.extend(replacement.as_ref().map(|replacement| sentence("Use ", replacement)));
    sentences.extend(contact.as_ref().map(|contact| sentence("Ask ", contact)));
    sentences.join(" ")
}

fn sentence(before: &str, text: &str) -> String {
    let end = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{before}{text}{end}")
}

/// A version that meets the constraint and is not offered.
pub(super) fn withheld(candidate: &Candidate) -> String {
    let version = &candidate.path.version;
    match (&candidate.young_until, candidate.standing.state) {
        (Some(from), _) => format!("{version} can be used from {from} on"),
        (None, State::Deprecated) => format!("{version} is past its sunset"),
        (None, state) => format!("{version} was {state}"),
    }
}

fn none_offered(
    address: &ModuleAddress,
    constraint: Option<&str>,
    offered: &[Version],
    withheld: &[String],
) -> String {
    let mut among = vec![list(offered)];
    among.extend(withheld.iter().take(LISTED).cloned());
    let among = among.join("; ");
    match constraint {
        Some(constraint) => {
            format!("no version of {address} meets {constraint:?}; there are {among}")
        }
        None => format!("{address} has no release to use; there are {among}"),
    }
}

fn list(versions: &[Version]) -> String {
    if versions.is_empty() {
        return "none".to_owned();
    }
    let mut text =
        versions.iter().take(LISTED).map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if versions.len() > LISTED {
        text.push_str(", …");
    }
    text
}

impl From<Problem> for SelectionError {
    fn from(problem: Problem) -> Self {
        Self(Box::new(problem))
    }
}

impl SelectionError {
    /// The part of a request that is wrong.
    pub fn field(&self) -> FieldError {
        let (pointer, rule, fix) = match &*self.0 {
            Problem::NoneOffered { .. } => (
                "/golden_path/constraint",
                "no_version_matches",
                "set golden_path_version to a constraint that one of the offered versions meets",
            ),
            Problem::Unknown { named_by, .. } => (
                *named_by,
                "unknown_version",
                "name a published version, or lock again with `idp lock`",
            ),
            Problem::TooYoung { named_by, .. } => {
                (*named_by, "too_young", "wait until then, or name an older version")
            }
            Problem::Revoked { named_by, .. } => (
                *named_by,
                "version_revoked",
                "set golden_path_version to one that is offered, or lock again with `idp lock --upgrade`",
            ),
            Problem::PastSunset { .. } => (
                "/golden_path/constraint",
                "past_sunset",
                "set golden_path_version to one that is offered, or lock again with `idp lock --upgrade`",
            ),
            Problem::Excluded { .. } => (
                "/golden_path/version",
                "version_excluded",
                "lock again with `idp lock`, or widen golden_path_version",
            ),
            Problem::OtherBytes { .. } => (
                "/golden_path/sha256",
                "other_bytes",
                "a published version never changes: check that this is the registry you locked against, \
                 and only then lock again",
            ),
        };
        FieldError::new(pointer, rule, self.to_string(), fix)
    }
}
