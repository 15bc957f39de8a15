//! The GitOps driver: keeps files in a git repository as the platform wants them.
//!
//! Give it a [`Repository`] and a folder of its own, and it commits [`Change`]s and tells what is
//! there. It runs the `git` executable on a private bare mirror, never with a work tree, never with
//! anybody's configuration or hooks. It knows nothing of resources, operations or the database:
//! callers map theirs to plain structs.
//!
//! - `repository`, `change`, `path`: what callers say, checked before git hears of it
//! - `edits`, `drift`: pure decisions; foreign files are safe because of `edits` alone
//! - `git`, `objects`, `mirror`: running git, reading objects, the mirror's life
//! - `history`, `writer`: finding operations again; batches, commits, pushes, races
//!
//! What callers may rely on:
//! - one commit per change, one push per batch of concurrent changes; the same operation again
//!   finds its commit instead of making another
//! - an answer of [`GitOps::commit`] is given after the remote has the commit
//! - [`GitOps::observe`] shows the remote at a moment after the call began
//! - a process killed at any of the `gitops.` failpoints leaves the remote with all of a push or nothing

mod change;
mod drift;
mod edits;
mod error;
mod git;
mod history;
mod mirror;
mod objects;
mod path;
mod repository;
mod writer;

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, VecDeque},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::oneshot;

use self::{
    change::CheckedChange,
    mirror::Mirror,
    objects::Head,
    path::path_problem,
    writer::{Answer, Writer},
};
pub use self::{
    change::{Change, Committed, OPERATION_TRAILER},
    drift::{Drift, DriftKind, drift},
    error::GitOpsError,
    repository::{Credentials, GitProgram, Identity, Limits, Repository, Secret},
};

/// One branch of one repository. Clones share the mirror and its writer; environments on the same
/// branch should share a clone, so that their changes share pushes.
#[derive(Clone)]
pub struct GitOps {
    shared: Arc<Shared>,
}

struct Shared {
    mirror: Arc<Mirror>,
    queue: Mutex<Queue>,
    writer: tokio::sync::Mutex<Writer>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    /// A task is taking from the queue.
    served: bool,
}

struct Waiting {
    change: CheckedChange,
    reply: oneshot::Sender<Answer>,
}

/// What a repository holds under some paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// The branch's head; None while the branch does not exist.
    pub commit: Option<String>,
    /// path → SHA-256 in hex. A symbolic link or submodule has a sum that no file has.
    pub files: BTreeMap<String, String>,
}

/// What a check of the connection found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// The branch's head; None if the first change will create the branch.
    pub head: Option<String>,
}

impl GitOps {
    /// `mirror_directory` belongs to this branch in this process alone; it is made when first
    /// needed. Nothing is run yet.
    pub fn new(repository: Repository, mirror_directory: impl Into<PathBuf>) -> Self {
        let mirror = Arc::new(Mirror::new(Arc::new(repository), mirror_directory.into()));
        let writer = tokio::sync::Mutex::new(Writer::new(Arc::clone(&mirror)));
        Self { shared: Arc::new(Shared { mirror, queue: Mutex::default(), writer }) }
    }

    pub fn repository(&self) -> &Repository {
        self.shared.mirror.repository()
    }

    /// Whether git is usable, the remote answers, and (if the branch exists) would take a push.
    pub async fn check(&self) -> Result<Reached, GitOpsError> {
        let head = self.fetch().await?;
        if let Some(head) = &head {
            self.shared.mirror.try_push(&head.commit).await?;
        }
        Ok(Reached { head: head.map(|head| head.commit.as_str().to_owned()) })
    }

    /// Makes a change true on the remote. Concurrent calls share a push.
    ///
    /// Once called, the change is carried out even if the caller stops waiting.
    pub async fn commit(&self, change: Change) -> Result<Committed, GitOpsError> {
        let change = CheckedChange::new(change)?;
        let (reply, answer) = oneshot::channel();
        let start = {
            let mut queue = self.shared.queue();
            queue.waiting.push_back(Waiting { change, reply });
            !std::mem::replace(&mut queue.served, true)
        };
        if start {
            tokio::spawn(Arc::clone(&self.shared).serve());
        }
        answer.await.unwrap_or_else(|_| Err(self.stopped()))
    }

    /// The files at or under the given paths, as the remote has them after this call began.
    /// Concurrent calls share a fetch.
    pub async fn observe<P: AsRef<str>>(&self, paths: &[P]) -> Result<Observed, GitOpsError> {
        for path in paths {
            if let Some(problem) = path_problem(path.as_ref()) {
                return Err(GitOpsError::InvalidChange {
                    operation: "observe".to_owned(),
                    problem: format!("path {:?}: {problem}", path.as_ref()),
                });
            }
        }
        let mirror = &self.shared.mirror;
        let head = self.fetch().await?;
        let files = mirror.files(head.as_ref(), paths.iter().map(AsRef::as_ref)).await?;
        Ok(Observed { commit: head.map(|head| head.commit.as_str().to_owned()), files })
    }

    /// In a task of its own: a first fetch may outlast the patience of everyone who asks for it,
    /// and would never end if each of them took it along when leaving.
    async fn fetch(&self) -> Result<Option<Head>, GitOpsError> {
        let mirror = Arc::clone(&self.shared.mirror);
        let fetching = tokio::spawn(async move { mirror.fetch().await });
        fetching.await.unwrap_or_else(|_| Err(self.stopped()))
    }

    fn stopped(&self) -> GitOpsError {
        GitOpsError::Stopped { repository: self.repository().name().to_owned() }
    }
}

impl Shared {
    fn queue(&self) -> std::sync::MutexGuard<'_, Queue> {
        // The queue is never left half-changed, so a panic elsewhere does not spoil it.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes batches until the queue is empty.
    async fn serve(self: Arc<Self>) {
        let served = Served(&self);
        let mut writer = self.writer.lock().await;
        tokio::time::sleep(self.mirror.repository().limits.linger).await;
        while let Some((changes, replies)) = self.next_batch() {
            let answers = writer.write(&changes).await;
            for (reply, answer) in replies.into_iter().zip(answers) {
                // The caller may have stopped waiting; the change is carried out all the same.
                let _ = reply.send(answer);
            }
        }
        std::mem::forget(served); // `next_batch` has signed off under the queue's lock
    }

    fn next_batch(&self) -> Option<(Vec<CheckedChange>, Vec<oneshot::Sender<Answer>>)> {
        let limits = &self.mirror.repository().limits;
        let mut queue = self.queue();
        let mut batch = (Vec::new(), Vec::new());
        let mut bytes = 0;
        while batch.0.len() < limits.batch_changes.max(1) {
            let Some(next) = queue.waiting.pop_front_if(|next| {
                bytes += next.change.bytes;
                bytes <= limits.batch_bytes || batch.0.is_empty()
            }) else {
                break;
            };
            batch.0.push(next.change);
            batch.1.push(next.reply);
        }
        queue.served = !batch.0.is_empty();
        queue.served.then_some(batch)
    }
}

/// Signs the serving task off if it ends in a panic, so that the next change starts another.
struct Served<'a>(&'a Shared);

impl Drop for Served<'_> {
    fn drop(&mut self) {
        let mut queue = self.0.queue();
        queue.served = false;
        // Their callers are told that the writer stopped.
        queue.waiting.clear();
    }
}
