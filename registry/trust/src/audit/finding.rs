//! What an audit has to say.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::{
    authority::{EntryError, EntryProblem},
    statement::SnapshotDocument,
};

/// Something in a log, or about it, that should not be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The position of the entry; none where it is about the whole.
    pub index: Option<u64>,
    /// A stable name of the rule that was broken.
    pub code: &'static str,
    /// What is wrong, for people.
    pub problem: String,
}

impl Finding {
    /// One more, where somebody else found it.
    pub fn new(index: Option<u64>, code: &'static str, problem: String) -> Self {
        Self { index, code, problem }
    }

    pub(super) fn of_entry(error: &EntryError) -> Self {
        let code = match &error.problem {
            EntryProblem::Envelope(error) => error.code(),
            EntryProblem::Statement(error) => error.code(),
        };
        Self::new(Some(error.index), code, error.problem.to_string())
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.index {
            Some(index) => write!(f, "entry {index}: {} ({})", self.problem, self.code),
            None => write!(f, "{} ({})", self.problem, self.code),
        }
    }
}

/// An entry that was right when it was logged and that a later revocation took the force from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fallen {
    /// Its position.
    pub index: u64,
    /// What it says and why it does not count, for people.
    pub what: String,
}

impl std::fmt::Display for Fallen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "entry {}: {}", self.index, self.what)
    }
}

/// Where the registry says that something else is newest than is in the log.
pub(super) fn differences(logged: &SnapshotDocument, served: &SnapshotDocument) -> Vec<Finding> {
    let root = ("the root", logged.root, served.root);
    let modules = pairs(&logged.modules, &served.modules);
    let namespaces = pairs(&logged.namespaces, &served.namespaces);
    let modules = modules.map(|(name, was, is)| (format!("the statuses of {name}"), was, is));
    let namespaces =
        namespaces.map(|(name, was, is)| (format!("the key changes of {name}"), was, is));
    [(root.0.to_owned(), root.1, root.2)]
        .into_iter()
        .chain(modules)
        .chain(namespaces)
        .filter(|(_, logged, served)| logged != served)
        .map(|(what, logged, served)| {
            let problem = format!(
                "the registry says that number {served} is the newest of {what}, in its log it is number {logged}"
            );
            Finding::new(None, "snapshot_differs", problem)
        })
        .collect()
}

/// Each name of either, with both numbers.
fn pairs<'a>(
    left: &'a BTreeMap<String, u64>,
    right: &'a BTreeMap<String, u64>,
) -> impl Iterator<Item = (&'a String, u64, u64)> {
    let names: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
    let number = |map: &BTreeMap<String, u64>, name| map.get(name).copied().unwrap_or(0);
    names.into_iter().map(move |name| (name, number(left, name), number(right, name)))
}
