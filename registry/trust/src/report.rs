//! What is to be thought of everything that `terraform init` installed: one finding a module, the worst first.
//!
//! For a module of the registry that the policy pins, a missing proof is a failure and never "unsigned": who can take
//! proofs away must gain nothing by it. The command line prints the report before a plan, the provider turns it into
//! diagnostics; both say the same because the words are here.

mod judge;
#[cfg(test)]
mod tests;
mod text;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
};

use semver::Version;
use serde::{Serialize, Serializer};

pub use self::judge::{Basis, Inspected, Unproven, inspect, judge};
use crate::{
    digest::{Sha256, shortened},
    key::KeyId,
    release::ReleaseId,
    statement::State,
    time::{Day, Moment},
    tree::Difference,
};

/// What is to be thought of a module, from the best to the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// It is what was published by a key that may, and it may be used.
    Verified,
    /// The same, and it is to be replaced.
    Deprecated,
    /// The same, and nobody new should use it.
    Yanked,
    /// The same, and its time is over.
    PastSunset,
    /// Of another registry than the one that the policy is about.
    UnknownRegistry,
    /// Of no registry: nobody signs it.
    Unsigned,
    /// It is what was published, and nobody may use it.
    Revoked,
    /// There is no proof of what it is.
    Failed,
    /// It is not what was published.
    Tampered,
}

impl Verdict {
    /// Every verdict, from the best to the worst.
    pub const ALL: [Self; 9] = [
        Self::Verified,
        Self::Deprecated,
        Self::Yanked,
        Self::PastSunset,
        Self::UnknownRegistry,
        Self::Unsigned,
        Self::Revoked,
        Self::Failed,
        Self::Tampered,
    ];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Deprecated => "deprecated",
            Self::Yanked => "yanked",
            Self::PastSunset => "past_sunset",
            Self::UnknownRegistry => "unknown_registry",
            Self::Unsigned => "unsigned",
            Self::Revoked => "revoked",
            Self::Failed => "failed",
            Self::Tampered => "tampered",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl Serialize for Verdict {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

/// What is refused besides what always is: [`Verdict::Revoked`], [`Verdict::Failed`] and [`Verdict::Tampered`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Denied {
    /// Modules of this verdict.
    Verdict(Verdict),
    /// Modules of the registry that the lock file does not have.
    NotLocked,
}

impl Denied {
    /// The words for everything that can be denied.
    pub const WORDS: [&'static str; 6] =
        ["deprecated", "not_locked", "past_sunset", "unknown_registry", "unsigned", "yanked"];
}

impl FromStr for Denied {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if !Self::WORDS.contains(&text) {
            let words = Self::WORDS.join(", ");
            return Err(format!("{:?} is none of {words}", shortened(text)));
        }
        let verdict = Verdict::ALL.into_iter().find(|verdict| verdict.word() == text);
        Ok(verdict.map_or(Self::NotLocked, Self::Verdict))
    }
}

/// Everything that is installed, and what is to be thought of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The registry that the policy is about.
    pub registry: String,
    /// The log's head that the proofs lead to; null where there are none.
    pub checkpoint: Option<Head>,
    /// When the registry last said how its modules stand; null where it was not believed.
    pub issued_at: Option<Moment>,
    /// The worst of all verdicts.
    pub worst: Verdict,
    /// How many packages there are of each verdict, and how many the lock file does not have.
    pub counts: BTreeMap<&'static str, usize>,
    /// How many packages are refused.
    pub refused: usize,
    /// Refused ones first, then from the worst to the best, then by source, version and caller.
    pub findings: Vec<Finding>,
    /// Releases whose files would explain a finding.
    #[serde(skip)]
    unexplained: BTreeSet<ReleaseId>,
}

/// The log's head.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Head {
    /// Which log.
    pub origin: String,
    /// How many entries it has.
    pub size: u64,
    /// The root of its tree.
    pub root: Sha256,
}

/// What is to be thought of one version of one module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The verdict.
    pub verdict: Verdict,
    /// Whether it is refused.
    pub refused: bool,
    /// Who calls it: each has a copy of its own, in which the same was found.
    pub calls: Vec<String>,
    /// Where it is from.
    pub source: String,
    /// Which version; null where the source has none.
    pub version: Option<Version>,
    /// The rule that was broken, where it failed or was tampered with.
    pub code: Option<&'static str>,
    /// What was found, in a sentence.
    pub message: String,
    /// What to do about it.
    pub fix: Option<String>,
    /// Who signed it, where that is known.
    pub publisher: Option<Publisher>,
    /// How it stands, where that is known.
    pub standing: Option<Stands>,
    /// Whether there is a lock file that does not have it.
    pub not_locked: bool,
    /// Which files differ, where that is known.
    pub files: Option<Difference>,
}

/// Who signed a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Publisher {
    /// With which key.
    pub key: KeyId,
    /// Who vouched for the CI job whose key it is; null where it is the namespace's own.
    pub issuer: Option<String>,
    /// The claims of that job.
    pub claims: BTreeMap<String, String>,
}

/// How a release stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stands {
    /// How.
    pub state: State,
    /// Why.
    pub reason: Option<String>,
    /// What to use instead.
    pub replacement: Option<String>,
    /// Who to ask.
    pub contact: Option<String>,
    /// From when on nothing new may use it.
    pub sunset: Option<Day>,
}

impl Report {
    /// Releases that were tampered with, whose list of files would tell in what: see [`Basis::lists`].
    pub fn unexplained(&self) -> impl ExactSizeIterator<Item = &ReleaseId> {
        self.unexplained.iter()
    }

    /// How many packages were looked at.
    pub fn packages(&self) -> usize {
        self.findings.iter().map(|finding| finding.calls.len()).sum()
    }
}
