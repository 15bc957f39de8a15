//! Which version of a golden path a plan uses.

use registry_api::VersionConstraint;
use registry_api::platform::Selection;
use registry_trust::lock::Lock;
use semver::Version;

use crate::golden::GoldenResource;
use crate::golden::model::Golden;

/// Which version of the golden path will be used.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Choice {
    /// This one, whenever the question is asked.
    Settled { constraint: Option<VersionConstraint>, version: Version, sha256: Option<String> },
    /// Whatever is best when it is asked.
    Open { constraint: Option<VersionConstraint> },
    /// The constraint is not known yet.
    Unknown,
}

impl Choice {
    /// The lock file decides; then what is in use, while the constraint allows it; then an exact constraint.
    pub(super) fn of<R: GoldenResource>(
        wanted: &Golden<R>,
        prior: Option<&Golden<R>>,
        lock: &Lock,
    ) -> Self {
        let given = &wanted.common.golden_path_version;
        let constraint = given.known().and_then(|text| text.parse::<VersionConstraint>().ok());
        let Some(address) = wanted.own.golden_path() else { return Self::Unknown };
        if let Some(locked) = lock.golden_path(&address) {
            let sha256 = Some(locked.sha256.to_string());
            return Self::Settled { constraint, version: locked.version.clone(), sha256 };
        }
        if given.is_unknown() {
            return Self::Unknown;
        }
        let in_use = prior.and_then(|prior| version_in_use(prior, &address));
        let allowed = |version: &Version| {
            constraint.as_ref().is_none_or(|constraint| constraint.matches(version))
        };
        if let Some((version, sha256)) = in_use.filter(|(version, _)| allowed(version)) {
            return Self::Settled { constraint, version, sha256 };
        }
        match constraint.as_ref().and_then(VersionConstraint::exact).cloned() {
            Some(version) => Self::Settled { constraint, version, sha256: None },
            None => Self::Open { constraint },
        }
    }

    /// `None` where it is unknown.
    pub(super) fn selection(&self) -> Option<Selection> {
        match self.clone() {
            Self::Settled { constraint, version, sha256 } => {
                Some(Selection { constraint, version: Some(version), sha256 })
            }
            Self::Open { constraint } => {
                Some(Selection { constraint, version: None, sha256: None })
            }
            Self::Unknown => None,
        }
    }
}

fn version_in_use<R>(prior: &Golden<R>, address: &str) -> Option<(Version, Option<String>)> {
    let path = prior.common.golden_path.known()?;
    if path.address.known()? != address {
        return None;
    }
    let version = path.version.known()?.parse().ok()?;
    Some((version, path.sha256.known().cloned()))
}
