//! Turns a batch of changes into commits on top of the remote's branch and one push.
//!
//! Every attempt starts from a fresh fetch and nothing is answered before the push arrived, so an
//! attempt that fails leaves nothing to undo.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write as _,
    sync::Arc,
    time::Duration,
};

use super::{
    change::{CheckedChange, Committed},
    edits::{Edits, Files, below, edits},
    error::GitOpsError,
    history::{History, is_in_history, last_touched},
    mirror::{BATCH_REF, Mirror, PushError},
    objects::{Head, Oid},
    path::ancestors,
    repository::Repository,
};

/// Refusals in a row after which a remote is taken to refuse everything: enough to isolate one bad
/// change among the thousand of a batch.
const MAX_REFUSALS: u32 = 16;
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

pub(super) type Answer = Result<Committed, GitOpsError>;

pub(super) struct Writer {
    mirror: Arc<Mirror>,
    history: History,
}

/// What one change of a batch comes to, before the push.
enum Outcome {
    /// The commit with this number in the batch.
    New(usize, Edits),
    /// Nothing to do: an earlier commit of the same batch did it.
    Earlier(usize, Edits),
    /// Nothing to do: the branch is as wanted.
    Already(Option<Oid>, Edits),
    Failed(GitOpsError),
}

impl Writer {
    pub(super) fn new(mirror: Arc<Mirror>) -> Self {
        Self { mirror, history: History::default() }
    }

    /// Answers every change of a batch, in order.
    pub(super) async fn write(&mut self, batch: &[CheckedChange]) -> Vec<Answer> {
        let mut answers = Vec::with_capacity(batch.len());
        let mut refusals = 0;
        // The last part is next, so that the changes keep their order.
        let mut parts = vec![batch];
        while let Some(part) = parts.pop() {
            match self.publish(part).await {
                Ok(done) => {
                    refusals = 0;
                    answers.extend(done);
                }
                // One change may have offended a rule of the remote: the others must not suffer.
                Err(GitOpsError::Refused { .. }) if part.len() > 1 && refusals < MAX_REFUSALS => {
                    refusals += 1;
                    let (first, second) = part.split_at(part.len() / 2);
                    parts.push(second);
                    parts.push(first);
                }
                Err(error) => {
                    refusals += 1;
                    answers.extend(part.iter().map(|_| Err(error.clone())));
                }
            }
        }
        answers
    }

    /// Commits and pushes until it arrives, the remote refuses, or patience ends.
    async fn publish(&mut self, part: &[CheckedChange]) -> Result<Vec<Answer>, GitOpsError> {
        let attempts = self.mirror.repository().limits.attempts;
        let mut rebuilt = false;
        let mut pause = FIRST_PAUSE;
        let mut last = self.contended(attempts);
        for _ in 0..attempts {
            let head = self.mirror.fetch().await?;
            match self.attempt(part, head.as_ref()).await {
                Ok(answers) => return Ok(answers),
                Err(PushError::Failed(GitOpsError::Mirror { words, .. })) if !rebuilt => {
                    rebuilt = true;
                    self.mirror.rebuild_after(&words).await?;
                    continue;
                }
                // Whether it arrived is seen after the next fetch, by the operation's trailer.
                Err(PushError::Failed(
                    error @ (GitOpsError::Unreachable { .. } | GitOpsError::TimedOut { .. }),
                )) => {
                    if std::mem::replace(&mut last, error.clone()) == error {
                        return Err(error);
                    }
                }
                Err(PushError::Failed(error)) => return Err(error),
                Err(PushError::Refused(error)) => {
                    // Servers word a lost race in many ways; a moved branch tells it for sure.
                    if self.mirror.fetch().await? == head {
                        return Err(error);
                    }
                }
                Err(PushError::Moved) => last = self.contended(attempts),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        Err(last)
    }

    async fn attempt(
        &mut self,
        part: &[CheckedChange],
        head: Option<&Head>,
    ) -> Result<Vec<Answer>, PushError> {
        let failed = PushError::Failed;
        self.history.read_up_to(&self.mirror, head).await.map_err(failed)?;
        let (outcomes, count) = self.decide(part, head).await.map_err(failed)?;
        if count == 0 {
            return Ok(outcomes.into_iter().map(|outcome| outcome.answer(&[])).collect());
        }
        let stream = stream(self.mirror.repository(), head, part, &outcomes);
        let told = self.mirror.import(stream).await.map_err(failed)?;
        let commits: Vec<Oid> = told.lines().filter_map(Oid::parse).collect();
        let Some(tip) = commits.last().filter(|_| commits.len() == count) else {
            return Err(failed(self.strange("git fast-import did not name the new commits")));
        };
        self.mirror.push(head.map(|head| &head.commit), tip).await?;
        let new = part.iter().zip(&outcomes).filter_map(|(checked, outcome)| match outcome {
            Outcome::New(number, _) => {
                Some((checked.change.operation_id.clone(), commits.get(*number)?.clone()))
            }
            _ => None,
        });
        self.history.add(new, tip, self.mirror.repository().limits.history);
        Ok(outcomes.into_iter().map(|outcome| outcome.answer(&commits)).collect())
    }

    /// Decides every change on top of the ones before it; also gives the number of new commits.
    async fn decide(
        &self,
        part: &[CheckedChange],
        head: Option<&Head>,
    ) -> Result<(Vec<Outcome>, usize), GitOpsError> {
        let mut pending = Pending::default();
        let mut count = 0;
        let mut outcomes = Vec::with_capacity(part.len());
        for checked in part {
            let outcome = self.decide_one(checked, head, &pending, count).await?;
            if let Outcome::New(_, edits) = &outcome {
                pending.add(checked, edits, count);
                count += 1;
            }
            outcomes.push(outcome);
        }
        Ok((outcomes, count))
    }

    async fn decide_one(
        &self,
        checked: &CheckedChange,
        head: Option<&Head>,
        pending: &Pending<'_>,
        number: usize,
    ) -> Result<Outcome, GitOpsError> {
        if let Some(commit) = self.earlier_commit(checked, head).await? {
            return Ok(Outcome::Already(Some(commit), Edits::default()));
        }
        if let Some(earlier) = pending.twin(checked) {
            return Ok(Outcome::Earlier(earlier, Edits::default()));
        }
        let mut present = self.mirror.files(head, checked.scope()).await?;
        pending.apply(checked.scope(), &mut present);
        let edits = match edits(checked, &present) {
            Ok(edits) => edits,
            Err(paths) => return Ok(Outcome::Failed(self.not_owned(paths))),
        };
        if !edits.is_empty() {
            return Ok(Outcome::New(number, edits));
        }
        if let Some(earlier) = pending.last_commit(checked) {
            return Ok(Outcome::Earlier(earlier, edits));
        }
        let commit = match head {
            Some(head) => Some(last_touched(&self.mirror, head, checked.files()).await?),
            None => None,
        };
        Ok(Outcome::Already(commit, edits))
    }

    /// The commit that already carries this operation, if it really did what is wanted now: a
    /// trailer alone can be typed by anybody who may push.
    async fn earlier_commit(
        &self,
        checked: &CheckedChange,
        head: Option<&Head>,
    ) -> Result<Option<Oid>, GitOpsError> {
        let Some(head) = head else { return Ok(None) };
        for commit in self.history.commits_of(&checked.change.operation_id) {
            let Some(then) = self.mirror.head_of(commit).await? else { continue };
            let files = self.mirror.files(Some(&then), checked.scope()).await?;
            let done = edits(checked, &files).is_ok_and(|edits| edits.is_empty());
            if done && is_in_history(&self.mirror, commit, head).await? {
                return Ok(Some(then.commit));
            }
        }
        Ok(None)
    }

    fn not_owned(&self, paths: Vec<String>) -> GitOpsError {
        let Repository { name, branch, .. } = self.mirror.repository();
        GitOpsError::NotOwned { repository: name.clone(), branch: branch.clone(), paths }
    }

    fn contended(&self, attempts: u32) -> GitOpsError {
        let Repository { name, branch, .. } = self.mirror.repository();
        GitOpsError::Contended { repository: name.clone(), branch: branch.clone(), attempts }
    }

    fn strange(&self, words: &str) -> GitOpsError {
        GitOpsError::Mirror {
            repository: self.mirror.repository().name.clone(),
            doing: "import",
            words: words.to_owned(),
        }
    }
}

impl Outcome {
    /// The answer once `commits`, the new ones of the batch, are on the remote.
    fn answer(self, commits: &[Oid]) -> Answer {
        let (commit, already, edits) = match self {
            Self::Failed(error) => return Err(error),
            Self::New(number, edits) => (commits.get(number).cloned(), false, edits),
            Self::Earlier(number, edits) => (commits.get(number).cloned(), true, edits),
            Self::Already(commit, edits) => (commit, true, edits),
        };
        Ok(Committed {
            commit: commit.map(|oid| oid.as_str().to_owned()),
            already,
            written: edits.written,
            removed: edits.removed,
            mended: edits.mended,
            foreign: edits.foreign,
        })
    }
}

/// What the commits of this batch have done so far.
#[derive(Default)]
struct Pending<'a> {
    /// path → new SHA-256 (None: removed), and the number of the commit.
    files: BTreeMap<String, (Option<String>, usize)>,
    operations: HashMap<&'a str, (&'a CheckedChange, usize)>,
}

impl<'a> Pending<'a> {
    /// The commit of this batch that does the same operation.
    fn twin(&self, checked: &CheckedChange) -> Option<usize> {
        let (twin, number) = self.operations.get(checked.change.operation_id.as_str())?;
        (twin.wanted == checked.wanted).then_some(*number)
    }

    fn add(&mut self, checked: &'a CheckedChange, edits: &Edits, number: usize) {
        self.operations.insert(&checked.change.operation_id, (checked, number));
        for path in &edits.removed {
            self.files.insert(path.clone(), (None, number));
        }
        for path in &edits.written {
            self.files.insert(path.clone(), (checked.wanted.get(path).cloned(), number));
        }
    }

    /// Brings `present` up to date for everything at, above and below the paths of `scope`.
    fn apply<'s>(&self, scope: impl Iterator<Item = &'s str>, present: &mut Files) {
        if self.files.is_empty() {
            return;
        }
        let mut set = |path: &str, sum: &Option<String>| match sum {
            Some(sum) => drop(present.insert(path.to_owned(), sum.clone())),
            None => drop(present.remove(path)),
        };
        for path in scope {
            for name in ancestors(path).chain([path]) {
                if let Some((sum, _)) = self.files.get(name) {
                    set(name, sum);
                }
            }
            for (name, (sum, _)) in below(path, &self.files) {
                set(name, sum);
            }
        }
    }

    /// The latest commit of the batch that touched a file of this change.
    fn last_commit(&self, checked: &CheckedChange) -> Option<usize> {
        checked.files().filter_map(|path| self.files.get(path)).map(|(_, number)| *number).max()
    }
}

/// The input of `git fast-import`: one commit for every new outcome.
fn stream(
    repository: &Repository,
    head: Option<&Head>,
    part: &[CheckedChange],
    outcomes: &[Outcome],
) -> Vec<u8> {
    let mut out = format!("reset {BATCH_REF}\n").into_bytes();
    if let Some(head) = head {
        out.extend(format!("from {}\n\n", head.commit.as_str()).bytes());
    }
    for (checked, outcome) in part.iter().zip(outcomes) {
        if let Outcome::New(number, edits) = outcome {
            commit(&mut out, repository, checked, edits, number + 1);
        }
    }
    out.extend(b"done\n");
    out
}

fn commit(
    out: &mut Vec<u8>,
    repository: &Repository,
    checked: &CheckedChange,
    edits: &Edits,
    mark: usize,
) {
    let change = &checked.change;
    let author = change.author.as_ref().unwrap_or(&repository.committer).header();
    let committer = repository.committer.header();
    let time = change.committed_at_seconds;
    let mut text = format!(
        "commit {BATCH_REF}\nmark :{mark}\nauthor {author} {time} +0000\ncommitter {committer} {time} +0000\n"
    );
    // Writing to a String cannot fail.
    let _ = write!(text, "data {}\n{}\n", checked.message.len(), checked.message);
    // Removals first: a file may make room for a directory of its name.
    for path in &edits.removed {
        let _ = writeln!(text, "D {}", quoted(path));
    }
    out.extend(text.bytes());
    for path in &edits.written {
        let bytes = change.files.get(path).map_or(&[][..], Vec::as_slice);
        out.extend(format!("M 100644 inline {}\ndata {}\n", quoted(path), bytes.len()).bytes());
        out.extend(bytes);
        out.push(b'\n');
    }
    out.extend(format!("\nget-mark :{mark}\n").bytes());
}

/// Paths hold no control characters; quote and backslash are all that git's quoting needs.
fn quoted(path: &str) -> String {
    format!("\"{}\"", path.replace('\\', "\\\\").replace('"', "\\\""))
}
