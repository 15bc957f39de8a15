//! Which version of a golden path a change uses.
//!
//! Pure: the versions are given, with how each stands. A named version must exist, meet the constraint, have the bytes
//! that the client remembers, and not be withheld; otherwise the highest release that the constraint allows is taken
//! of those that are offered.

mod notices;
mod problem;
#[cfg(test)]
mod tests;

use registry_api::platform::{GoldenPathRef, Notice, Selection};
use registry_api::{ModuleAddress, VersionConstraint};
use registry_trust::standing::Standing;
use registry_trust::statement::State;
use semver::Version;

use problem::Problem;
pub use problem::SelectionError;

/// A published version, and whether somebody new may have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The path.
    pub path: GoldenPathRef,
    /// How it stands.
    pub standing: Standing,
    /// Whether its sunset is over.
    pub is_past_sunset: bool,
    /// From when it can be chosen, for people, where it is too young.
    pub young_until: Option<String>,
}

impl Candidate {
    /// Whether a range may choose it.
    pub fn is_offered(&self) -> bool {
        self.standing.state <= State::Deprecated
            && !self.is_past_sunset
            && self.young_until.is_none()
    }
}

/// What was chosen, and what the reader should know about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The path to use.
    pub path: GoldenPathRef,
    /// Why only what uses it already may go on with it as it is; none where it may be used.
    pub sunset: Option<PastSunset>,
    /// `resolved_version`, `newer_version`, `deprecated`, `past_sunset`, `yanked`.
    pub notices: Vec<Notice>,
}

/// A version whose sunset is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastSunset(Box<Problem>);

impl PastSunset {
    /// Why nothing new or changed may use it.
    pub fn refusal(self) -> SelectionError {
        SelectionError::from(*self.0)
    }
}

/// Chooses among `published`, every version of one path, in any order.
///
/// `current` is the path in use; without a named version it stays while the constraint allows it.
pub fn choose(
    address: &ModuleAddress,
    published: &[Candidate],
    selection: &Selection,
    current: Option<&GoldenPathRef>,
) -> Result<Choice, SelectionError> {
    let question = Question { address, published, selection, current };
    let in_use = current
        .filter(|current| current.address == *address)
        .map(|current| &current.version)
        .filter(|version| allows(selection.constraint.as_ref(), version));
    let exact = selection.constraint.as_ref().and_then(VersionConstraint::exact);
    let (candidate, is_resolved) = match (selection.version.as_ref().or(in_use), exact) {
        (Some(version), _) => (question.named(version, "/golden_path/version")?, false),
        (None, Some(version)) => (question.named(version, "/golden_path/constraint")?, false),
        (None, None) => (question.highest()?, true),
    };
    question.require_same_bytes(candidate)?;
    let resolved = is_resolved.then(|| notices::resolved(&candidate.path, selection));
    let newer = notices::newer(&candidate.path, published, selection);
    let standing = notices::standing(candidate);
    let sunset = candidate.is_past_sunset.then(|| {
        PastSunset(Box::new(Problem::PastSunset {
            address: address.clone(),
            version: candidate.path.version.clone(),
            standing: candidate.standing.clone(),
            offered: offered(published),
        }))
    });
    let notices = resolved.into_iter().chain(newer).chain(standing).collect();
    Ok(Choice { path: candidate.path.clone(), sunset, notices })
}

struct Question<'a> {
    address: &'a ModuleAddress,
    published: &'a [Candidate],
    selection: &'a Selection,
    current: Option<&'a GoldenPathRef>,
}

impl<'a> Question<'a> {
    /// A version that somebody named, or uses already; `by` is the part of the selection that does.
    fn named(&self, version: &Version, by: &'static str) -> Result<&'a Candidate, SelectionError> {
        let address = self.address.clone();
        if let Some(constraint) = &self.selection.constraint
            && !constraint.matches(version)
        {
            let (version, constraint) = (version.clone(), constraint.to_string());
            return Err(Problem::Excluded { address, version, constraint }.into());
        }
        let found = self.published.iter().find(|candidate| candidate.path.version == *version);
        let offered = offered(self.published);
        let Some(found) = found else {
            let version = version.clone();
            return Err(Problem::Unknown { address, version, offered, named_by: by }.into());
        };
        if found.standing.is_revoked() {
            let (version, standing) = (version.clone(), found.standing.clone());
            return Err(
                Problem::Revoked { address, version, standing, offered, named_by: by }.into()
            );
        }
        match &found.young_until {
            // What is in use already is old enough.
            Some(from) if self.current != Some(&found.path) => {
                let (version, from) = (version.clone(), from.clone());
                Err(Problem::TooYoung { address, version, from, offered, named_by: by }.into())
            }
            _ => Ok(found),
        }
    }

    fn highest(&self) -> Result<&'a Candidate, SelectionError> {
        let constraint = self.selection.constraint.as_ref();
        let is_allowed = |version: &Version| match constraint {
            Some(constraint) => constraint.matches(version),
            None => version.pre.is_empty(),
        };
        let best = self
            .published
            .iter()
            .filter(|candidate| candidate.is_offered() && is_allowed(&candidate.path.version))
            .max_by(|left, right| left.path.version.cmp(&right.path.version));
        best.ok_or_else(|| {
            let withheld = self
                .published
                .iter()
                .filter(|candidate| !candidate.is_offered() && is_allowed(&candidate.path.version));
            Problem::NoneOffered {
                address: self.address.clone(),
                constraint: constraint.map(ToString::to_string),
                offered: offered(self.published),
                withheld: withheld.map(problem::withheld).collect(),
            }
            .into()
        })
    }

    fn require_same_bytes(&self, candidate: &Candidate) -> Result<(), SelectionError> {
        match &self.selection.sha256 {
            Some(remembered) if *remembered != candidate.path.sha256 => Err(Problem::OtherBytes {
                address: self.address.clone(),
                version: candidate.path.version.clone(),
                published: candidate.path.sha256.clone(),
                remembered: remembered.chars().take(64).collect(),
            }
            .into()),
            _ => Ok(()),
        }
    }
}

fn allows(constraint: Option<&VersionConstraint>, version: &Version) -> bool {
    constraint.is_none_or(|constraint| constraint.matches(version))
}

/// The versions that somebody new may have, highest first.
fn offered(published: &[Candidate]) -> Vec<Version> {
    let offered = published.iter().filter(|candidate| candidate.is_offered());
    let mut versions: Vec<Version> =
        offered.map(|candidate| candidate.path.version.clone()).collect();
    versions.sort_by(|left, right| right.cmp(left));
    versions
}
