//! A private bare copy of one branch of the remote: fetched, added to, pushed from, and rebuilt
//! when it is damaged. Nothing in it is worth more than the time to fetch it again.

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::{Mutex, OnceCell};

use super::{
    edits::Files,
    error::GitOpsError,
    git::{Call, Git, Output, Reach, shown},
    objects::{Head, Objects, Oid},
    repository::Repository,
};
use crate::failpoint;

/// What the remote's branch was at the last fetch.
const REMOTE_REF: &str = "refs/idp/remote";
/// The commits being pushed; named so that git does not take them for garbage.
pub(super) const BATCH_REF: &str = "refs/idp/batch";
/// Loose files pile up slowly; git decides itself whether tidying is worth it.
const WRITES_BETWEEN_TIDYING: u64 = 256;

pub(super) struct Mirror {
    repository: Arc<Repository>,
    directory: PathBuf,
    git: Git,
    ready: OnceCell<Ready>,
    /// Held by whatever writes into the mirror.
    writing: Mutex<()>,
    /// A writing command was cut short and may have left lock files.
    untidy: AtomicBool,
    writes: AtomicU64,
    objects: Mutex<Objects>,
    fetches_started: AtomicU64,
    last_fetch: Mutex<Option<Fetched>>,
}

/// Keeps other processes out of the mirror as long as this one lives.
struct Ready {
    _lock: File,
}

#[derive(Clone)]
struct Fetched {
    number: u64,
    result: Result<Option<Head>, GitOpsError>,
}

/// Why a push did not arrive.
pub(super) enum PushError {
    /// The branch is no longer what the commits were built on.
    Moved,
    /// The remote said no to these commits.
    Refused(GitOpsError),
    /// It may or may not have arrived.
    Failed(GitOpsError),
}

impl Mirror {
    pub(super) fn new(repository: Arc<Repository>, directory: PathBuf) -> Self {
        let git = Git::new(Arc::clone(&repository), directory.join("mirror.git"));
        Self {
            directory,
            ready: OnceCell::new(),
            writing: Mutex::new(()),
            untidy: AtomicBool::new(true),
            writes: AtomicU64::new(0),
            objects: Mutex::new(Objects::new(git.clone())),
            fetches_started: AtomicU64::new(0),
            last_fetch: Mutex::new(None),
            repository,
            git,
        }
    }

    pub(super) fn repository(&self) -> &Repository {
        &self.repository
    }

    /// The remote branch at a moment after this call began; None while it has no commit.
    ///
    /// Callers who ask while a fetch is under way share the next one.
    pub(super) async fn fetch(&self) -> Result<Option<Head>, GitOpsError> {
        let asked_after = self.fetches_started.load(Ordering::SeqCst);
        let mut last = self.last_fetch.lock().await;
        if let Some(fetched) = last.as_ref().filter(|fetched| fetched.number > asked_after) {
            return fetched.result.clone();
        }
        let number = self.fetches_started.fetch_add(1, Ordering::SeqCst) + 1;
        let result = self.fetch_now().await;
        *last = Some(Fetched { number, result: result.clone() });
        result
    }

    async fn fetch_now(&self) -> Result<Option<Head>, GitOpsError> {
        let _writing = self.writing.lock().await;
        self.prepare().await?;
        failpoint::hit("gitops.before_fetch");
        self.untidy.store(true, Ordering::SeqCst);
        let fetched = match self.fetch_into(&self.git, self.repository.limits.network).await {
            Ok(()) => self.objects.lock().await.head(REMOTE_REF).await,
            Err(error) => Err(error),
        };
        let head = match fetched {
            Err(GitOpsError::Mirror { words, .. }) => {
                self.ask_remote().await?; // rebuilding would not help a remote that is down
                self.rebuild(&words).await?;
                self.objects.lock().await.head(REMOTE_REF).await?
            }
            other => other?,
        };
        self.untidy.store(false, Ordering::SeqCst);
        self.tidy_sometimes().await;
        failpoint::hit("gitops.after_fetch");
        Ok(head)
    }

    async fn fetch_into(&self, git: &Git, limit: Duration) -> Result<(), GitOpsError> {
        let refspec = format!("+refs/heads/{}:{REMOTE_REF}", self.repository.branch);
        let arguments = vec![
            "fetch",
            "--quiet",
            "--no-tags",
            "--no-write-fetch-head",
            "--no-auto-maintenance",
            "--no-recurse-submodules",
            "--refmap=",
            "--",
            self.repository.url(),
            &refspec,
        ];
        let output = self.network(git, "fetch", arguments, limit).await?;
        if output.success {
            return Ok(());
        }
        if output.stderr.contains("couldn't find remote ref") {
            return git
                .local("reset", &["update-ref", "-d", REMOTE_REF], Vec::new())
                .await
                .map(drop);
        }
        Err(git.remote_error("fetch", &output.stderr))
    }

    /// Whether the remote answers; its branches, one a line.
    pub(super) async fn ask_remote(&self) -> Result<String, GitOpsError> {
        let arguments = vec!["ls-remote", "--quiet", "--heads", "--", self.repository.url()];
        let limit = self.repository.limits.network;
        // Without a git directory, so that a damaged mirror is not taken for the remote's fault.
        let git = self.git.at(self.directory.join("none.git"));
        let output = self.network(&git, "question", arguments, limit).await?;
        if output.success {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(match git.remote_error("question", &output.stderr) {
            GitOpsError::Mirror { repository, words, .. } => {
                GitOpsError::Unreachable { repository, words }
            }
            other => other,
        })
    }

    async fn network(
        &self,
        git: &Git,
        doing: &'static str,
        arguments: Vec<&str>,
        limit: Duration,
    ) -> Result<Output, GitOpsError> {
        git.run(Call { arguments, stdin: Vec::new(), reach: Reach::Network(limit), doing }).await
    }

    /// The files of `scope` in a tree of the mirror.
    pub(super) async fn files(
        &self,
        head: Option<&Head>,
        scope: impl IntoIterator<Item = &str>,
    ) -> Result<Files, GitOpsError> {
        match head {
            Some(head) => self.objects.lock().await.files(&head.tree, scope).await,
            None => Ok(Files::new()),
        }
    }

    pub(super) async fn head_of(&self, commit: &Oid) -> Result<Option<Head>, GitOpsError> {
        self.objects.lock().await.head(commit.as_str()).await
    }

    /// Runs a command that only reads the mirror.
    pub(super) async fn read(
        &self,
        doing: &'static str,
        arguments: &[&str],
        stdin: Vec<u8>,
    ) -> Result<Vec<u8>, GitOpsError> {
        self.git.local(doing, arguments, stdin).await
    }

    /// Feeds a stream to `git fast-import`; gives what the stream asked to be told.
    pub(super) async fn import(&self, stream: Vec<u8>) -> Result<String, GitOpsError> {
        let _writing = self.writing.lock().await;
        self.prepare().await?;
        failpoint::hit("gitops.before_import");
        self.untidy.store(true, Ordering::SeqCst);
        let arguments = ["fast-import", "--quiet", "--force", "--done", "--date-format=raw"];
        let answer = self.git.local("import", &arguments, stream).await?;
        self.untidy.store(false, Ordering::SeqCst);
        failpoint::hit("gitops.after_import");
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    /// Moves the remote's branch from `base` to `tip`, if it still is at `base`.
    pub(super) async fn push(&self, base: Option<&Oid>, tip: &Oid) -> Result<(), PushError> {
        failpoint::hit("gitops.before_push");
        let branch = &self.repository.branch;
        let lease =
            format!("--force-with-lease=refs/heads/{branch}:{}", base.map_or("", Oid::as_str));
        let refspec = format!("{}:refs/heads/{branch}", tip.as_str());
        let output = self.push_command(&[&lease], &refspec).await.map_err(PushError::Failed)?;
        failpoint::hit("gitops.after_push");
        if output.success { Ok(()) } else { Err(self.push_error(&output)) }
    }

    /// Asks the remote whether a push would be let in, without pushing.
    pub(super) async fn try_push(&self, head: &Oid) -> Result<(), GitOpsError> {
        let refspec = format!("{}:refs/heads/{}", head.as_str(), self.repository.branch);
        let output = self.push_command(&["--dry-run"], &refspec).await?;
        if output.success {
            return Ok(());
        }
        match self.push_error(&output) {
            PushError::Moved => Ok(()), // somebody pushes; so can we
            PushError::Refused(error) | PushError::Failed(error) => Err(error),
        }
    }

    async fn push_command(&self, options: &[&str], refspec: &str) -> Result<Output, GitOpsError> {
        let mut arguments = vec![
            "push",
            "--porcelain",
            "--no-verify",
            "--no-signed",
            "--no-follow-tags",
            "--no-progress",
            "--recurse-submodules=no",
        ];
        arguments.extend_from_slice(options);
        arguments.extend(["--", self.repository.url(), refspec]);
        self.network(&self.git, "push", arguments, self.repository.limits.network).await
    }

    /// Reads `git push --porcelain`: `!<tab><from>:<to><tab>[rejected] (reason)`.
    fn push_error(&self, output: &Output) -> PushError {
        let stdout = self.git.scrub(&String::from_utf8_lossy(&output.stdout));
        let rejection = stdout.lines().find_map(|line| line.strip_prefix("!\t"));
        let summary = rejection.and_then(|line| line.split('\t').nth(1)).unwrap_or_default();
        if summary.starts_with("[rejected]") {
            return PushError::Moved;
        }
        if !summary.starts_with("[remote rejected]") {
            return PushError::Failed(self.git.remote_error("push", &output.stderr));
        }
        let remote_words = output
            .stderr
            .lines()
            .filter_map(|line| line.strip_prefix("remote:"))
            .collect::<Vec<_>>();
        let reason = summary.trim_start_matches("[remote rejected]").trim();
        let words = if remote_words.is_empty() {
            shown(reason)
        } else {
            format!("{} {reason}", shown(&remote_words.join("\n")))
        };
        PushError::Refused(GitOpsError::Refused {
            repository: self.repository.name.clone(),
            branch: self.repository.branch.clone(),
            words,
        })
    }

    /// Makes the mirror usable: once per process, and again after a command was cut short.
    async fn prepare(&self) -> Result<(), GitOpsError> {
        self.ready.get_or_try_init(|| self.open()).await?;
        if self.untidy.load(Ordering::SeqCst) {
            remove_leftovers(self.git.git_dir())
                .await
                .map_err(|error| self.io("tidying", &error))?;
            self.untidy.store(false, Ordering::SeqCst);
        }
        Ok(())
    }

    async fn open(&self) -> Result<Ready, GitOpsError> {
        self.git.check_version().await?;
        tokio::fs::create_dir_all(&self.directory)
            .await
            .map_err(|error| self.io("creation", &error))?;
        let path = self.directory.join("lock");
        let lock = File::create(&path).map_err(|error| self.io("locking", &error))?;
        if lock.try_lock().is_err() {
            return Err(GitOpsError::MirrorInUse {
                repository: self.repository.name.clone(),
                path: path.display().to_string(),
            });
        }
        if !tokio::fs::try_exists(self.git.git_dir().join("HEAD")).await.unwrap_or(false) {
            self.rebuild("it does not exist yet").await?;
        }
        Ok(Ready { _lock: lock })
    }

    /// Replaces the mirror by a fresh one, built beside it.
    pub(super) async fn rebuild_after(&self, words: &str) -> Result<(), GitOpsError> {
        let _writing = self.writing.lock().await;
        self.rebuild(words).await
    }

    async fn rebuild(&self, why: &str) -> Result<(), GitOpsError> {
        tracing::warn!(gitops.repository = %self.repository.name, reason = why, "fetching a new mirror");
        let branches = self.ask_remote().await?;
        // Ids of 64 digits are those of a SHA-256 repository; an empty one is taken for SHA-1.
        let id_length = branches.split('\t').next().map_or(40, |id| id.trim().len());
        let format = if id_length == 64 { "sha256" } else { "sha1" };

        let building = self.directory.join("building.git");
        remove_directory(&building).await.map_err(|error| self.io("rebuilding", &error))?;
        let git = self.git.at(building.clone());
        let template = ["init", "--quiet", "--bare", "--template=", "--object-format", format];
        git.local("creation", &template, Vec::new()).await?;
        self.fetch_into(&git, self.repository.limits.first_fetch).await?;

        let mut objects = self.objects.lock().await;
        objects.close();
        remove_directory(self.git.git_dir())
            .await
            .map_err(|error| self.io("rebuilding", &error))?;
        tokio::fs::rename(&building, self.git.git_dir())
            .await
            .map_err(|error| self.io("rebuilding", &error))
    }

    async fn tidy_sometimes(&self) {
        if self.writes.fetch_add(1, Ordering::Relaxed) % WRITES_BETWEEN_TIDYING
            != WRITES_BETWEEN_TIDYING - 1
        {
            return;
        }
        if let Err(error) =
            self.git.local("tidying", &["gc", "--auto", "--quiet"], Vec::new()).await
        {
            tracing::warn!(gitops.repository = %self.repository.name, %error, "the mirror was not tidied");
        }
    }

    fn io(&self, doing: &'static str, error: &std::io::Error) -> GitOpsError {
        let words = format!("{}: {error}", self.directory.display());
        self.git.broken(doing, &words)
    }
}

async fn remove_directory(path: &Path) -> std::io::Result<()> {
    match tokio::fs::remove_dir_all(path).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Removes what a killed git leaves: lock files, half-written packs, crash reports. Nobody else
/// writes into the mirror, so whatever is there now is a leftover.
async fn remove_leftovers(git_dir: &Path) -> std::io::Result<()> {
    let mut open = vec![git_dir.to_owned()];
    while let Some(directory) = open.pop() {
        let mut entries = match tokio::fs::read_dir(&directory).await {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            other => other?,
        };
        let in_pack = directory.ends_with("objects/pack");
        while let Some(entry) = entries.next_entry().await? {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if entry.file_type().await?.is_dir() {
                // The 256 folders of loose objects hold no locks.
                if name.len() > 2 {
                    open.push(entry.path());
                }
            } else if name.ends_with(".lock")
                || name.starts_with("fast_import_crash_")
                || (in_pack && name.starts_with("tmp_"))
            {
                tokio::fs::remove_file(entry.path()).await?;
            }
        }
    }
    Ok(())
}
