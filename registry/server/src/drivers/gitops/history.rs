//! Which operations are already in the branch's history, and which commit last touched a file.

use std::collections::{HashMap, VecDeque};

use super::{
    change::operation_of,
    error::GitOpsError,
    mirror::Mirror,
    objects::{Head, Oid},
};

/// How many commits of one operation are looked at.
const MAX_NAMESAKES: usize = 8;

const DOING: &str = "search of the history";

/// operation id → commits that name it (more than one only if somebody forged or copied one), for the latest part of the history. Rebuilt from git at every start, so
/// a crash between push and the caller's own record loses nothing.
#[derive(Default)]
pub(super) struct History {
    read_to: Option<Oid>,
    commits: HashMap<String, Vec<Oid>>,
    oldest_first: VecDeque<String>,
}

impl History {
    /// Reads what was added since the last call, at most `limits.history` commits.
    pub(super) async fn read_up_to(
        &mut self,
        mirror: &Mirror,
        head: Option<&Head>,
    ) -> Result<(), GitOpsError> {
        let Some(head) = head else { return Ok(()) };
        if self.read_to.as_ref() == Some(&head.commit) {
            return Ok(());
        }
        // A commit that was rewritten away, or a new mirror, makes the known end useless.
        let known = match &self.read_to {
            Some(commit) => mirror.head_of(commit).await?.map(|head| head.commit),
            None => None,
        };
        let most = mirror.repository().limits.history;
        let count = format!("--max-count={most}");
        let range = match &known {
            Some(known) => format!("{}..{}", known.as_str(), head.commit.as_str()),
            None => head.commit.as_str().to_owned(),
        };
        let arguments = [
            "log",
            "-z",
            "--format=%H%n%B",
            "--no-color",
            &count,
            "--end-of-options",
            &range,
            "--",
        ];
        let log = mirror.read(DOING, &arguments, Vec::new()).await?;
        // git tells the newest first.
        let log = String::from_utf8_lossy(&log);
        for entry in log.split('\0').rev() {
            if let Some((oid, message)) = entry.split_once('\n')
                && let (Some(oid), Some(operation)) = (Oid::parse(oid), operation_of(message))
            {
                self.remember(operation.to_owned(), oid, most);
            }
        }
        self.read_to = Some(head.commit.clone());
        Ok(())
    }

    /// Adds what was just pushed on top of the part that was read, up to `tip`.
    pub(super) fn add(
        &mut self,
        pushed: impl Iterator<Item = (String, Oid)>,
        tip: &Oid,
        most: usize,
    ) {
        for (operation, commit) in pushed {
            self.remember(operation, commit, most);
        }
        self.read_to = Some(tip.clone());
    }

    pub(super) fn commits_of(&self, operation: &str) -> &[Oid] {
        self.commits.get(operation).map_or(&[], Vec::as_slice)
    }

    fn remember(&mut self, operation: String, commit: Oid, most: usize) {
        let known = self.commits.entry(operation.clone()).or_default();
        if known.is_empty() {
            self.oldest_first.push_back(operation);
        }
        if known.len() < MAX_NAMESAKES {
            known.push(commit);
        }
        while self.oldest_first.len() > most {
            if let Some(oldest) = self.oldest_first.pop_front() {
                self.commits.remove(&oldest);
            }
        }
    }
}

/// Whether the branch still has a commit, or somebody rewrote it away.
pub(super) async fn is_in_history(
    mirror: &Mirror,
    commit: &Oid,
    head: &Head,
) -> Result<bool, GitOpsError> {
    let beyond = format!("^{}", head.commit.as_str());
    let arguments = ["rev-list", "--max-count=1", commit.as_str(), &beyond, "--"];
    Ok(mirror.read(DOING, &arguments, Vec::new()).await?.is_empty())
}

/// The commit that last touched one of `paths`; the head itself if that cannot be told.
pub(super) async fn last_touched(
    mirror: &Mirror,
    head: &Head,
    paths: impl Iterator<Item = &str>,
) -> Result<Oid, GitOpsError> {
    let mut question = format!("{}\n--\n", head.commit.as_str());
    let start = question.len();
    for path in paths {
        question.push_str(path);
        question.push('\n');
    }
    if question.len() == start {
        return Ok(head.commit.clone());
    }
    let arguments = ["rev-list", "--max-count=1", "--stdin"];
    match mirror.read(DOING, &arguments, question.into_bytes()).await {
        Ok(answer) => {
            let found = Oid::parse(String::from_utf8_lossy(&answer).trim());
            Ok(found.unwrap_or_else(|| head.commit.clone()))
        }
        // A history too long to search in time is no reason to fail a change that needs nothing.
        Err(GitOpsError::TimedOut { .. }) => Ok(head.commit.clone()),
        Err(error) => Err(error),
    }
}
