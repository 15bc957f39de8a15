//! A bare git repository, as a hosting service would keep it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{Run, clean};

/// The repository that rendered files go to.
#[derive(Debug)]
pub struct Repository {
    path: PathBuf,
}

/// One commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Its hash.
    pub id: String,
    /// Author as `Name <address>`.
    pub author: String,
    /// Subject, body and trailers.
    pub message: String,
}

impl Repository {
    /// Makes an empty one whose branch is `main`.
    pub fn create(path: &Path) -> Self {
        let repository = Self { path: path.to_owned() };
        fs::create_dir_all(path).expect("a folder for the repository");
        repository.git(&["init", "--quiet", "--bare", "--initial-branch=main", "."]);
        repository
    }

    /// One that is there.
    pub fn open(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Every file on `main`, with its bytes.
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        if !self.has_commits() {
            return BTreeMap::new();
        }
        let names = self.git(&["ls-tree", "-r", "-z", "--name-only", "main"]).stdout;
        let names = names.split('\0').filter(|name| !name.is_empty());
        names.map(|name| (name.to_owned(), self.file(name))).collect()
    }

    /// The names of the files on `main` under `folder`.
    pub fn names(&self, folder: &str) -> Vec<String> {
        self.files().into_keys().filter(|name| name.starts_with(folder)).collect()
    }

    /// One file on `main`.
    pub fn file(&self, name: &str) -> Vec<u8> {
        let mut command = self.command(&["show", &format!("main:{name}")]);
        let output = command.output().expect("git runs");
        assert!(output.status.success(), "main has no {name}");
        output.stdout
    }

    /// One file on `main`, as text.
    pub fn text(&self, name: &str) -> String {
        String::from_utf8(self.file(name)).expect("rendered files are text")
    }

    /// The commits on `main`, newest first.
    pub fn commits(&self) -> Vec<Commit> {
        if !self.has_commits() {
            return Vec::new();
        }
        let log = self.git(&["log", "-z", "--format=%H%n%an <%ae>%n%B", "main"]).stdout;
        let entries = log.split('\0').filter(|entry| !entry.is_empty());
        entries
            .map(|entry| {
                let mut parts = entry.splitn(3, '\n').map(str::to_owned);
                let mut next = || parts.next().unwrap_or_default();
                Commit { id: next(), author: next(), message: next().trim_end().to_owned() }
            })
            .collect()
    }

    /// How many commits `main` has.
    pub fn commit_count(&self) -> usize {
        self.commits().len()
    }

    /// The files that a commit touched.
    pub fn touched(&self, commit: &str) -> Vec<String> {
        let list = self.git(&["show", "--format=", "--name-only", commit]).stdout;
        list.lines().map(str::to_owned).collect()
    }

    /// Changes `main` as a person with a clone would: `edit` gets the clone's folder.
    pub fn edit(&self, message: &str, edit: impl FnOnce(&Path)) {
        let clone = tempfile::tempdir().expect("a temporary folder");
        let here = clone.path();
        let git = |arguments: &[&str]| {
            Run::of(git_command(here).args(arguments)).ok();
        };
        git(&["init", "--quiet", "--initial-branch=main", "."]);
        let origin = self.path.display().to_string();
        if self.has_commits() {
            git(&["pull", "--quiet", &origin, "main"]);
        }
        edit(here);
        git(&["add", "--all"]);
        git(&["commit", "--quiet", "--message", message]);
        git(&["push", "--quiet", &origin, "main"]);
    }

    /// Clones it, as a cluster's tools would.
    pub fn clone_to(&self, folder: &Path) {
        let folder = folder.display().to_string();
        Run::of(git_command(&self.path).args(["clone", "--quiet", ".", &folder])).ok();
    }

    /// From now on refuses pushes, saying `reason`.
    pub fn refuse_pushes(&self, reason: &str) {
        let hook = self.hook();
        fs::write(&hook, format!("#!/bin/sh\necho '{reason}' >&2\nexit 1\n")).expect("a hook");
        fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).expect("an executable hook");
    }

    /// Takes pushes again.
    pub fn accept_pushes(&self) {
        fs::remove_file(self.hook()).expect("the hook was there");
    }

    fn hook(&self) -> PathBuf {
        self.path.join("hooks/pre-receive")
    }

    fn has_commits(&self) -> bool {
        let mut command = self.command(&["rev-parse", "--verify", "--quiet", "main"]);
        command.output().expect("git runs").status.success()
    }

    fn git(&self, arguments: &[&str]) -> Run {
        Run::of(&mut self.command(arguments)).ok()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = git_command(&self.path);
        command.args(arguments);
        command
    }
}

/// `git` in `folder`, with a person's name and nobody's configuration.
fn git_command(folder: &Path) -> Command {
    let mut command = clean("git", folder);
    command
        .current_dir(folder)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_AUTHOR_NAME", "Some Person")
        .env("GIT_AUTHOR_EMAIL", "person@example.com")
        .env("GIT_COMMITTER_NAME", "Some Person")
        .env("GIT_COMMITTER_EMAIL", "person@example.com");
    command
}
