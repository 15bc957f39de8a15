//! The driver against real repositories, served by the real git.

mod batches;
mod commits;
mod crashes;
mod failures;
mod observing;
mod transports;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use super::*;
use crate::drivers::gitops::change::sha256;

/// A bare repository that counts the pushes it gets, and a folder for mirrors beside it.
struct Remote {
    folder: tempfile::TempDir,
}

impl Remote {
    fn empty() -> Self {
        let remote = Self { folder: tempfile::tempdir().unwrap() };
        run_git(remote.path(), &["init", "--quiet", "--bare", "-b", "main", "remote.git"]);
        remote.hook("post-receive", "cat > /dev/null; echo pushed >> pushes.log");
        remote
    }

    /// A repository in which people already work.
    fn with_files(files: &[(&str, &str)]) -> Self {
        let remote = Self::empty();
        remote.edit(files);
        remote
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn bare(&self) -> PathBuf {
        self.path().join("remote.git")
    }

    fn git(&self, arguments: &[&str]) -> String {
        run_git(&self.bare(), arguments)
    }

    fn hook(&self, name: &str, text: &str) {
        script(&self.bare().join("hooks").join(name), text);
    }

    /// What a person with a clone does. Empty text deletes the file.
    fn edit(&self, files: &[(&str, &str)]) -> String {
        let clone = tempfile::tempdir_in(self.path()).unwrap();
        run_git(clone.path(), &["clone", "--quiet", "../remote.git", "work"]);
        let work = clone.path().join("work");
        for (path, text) in files {
            let file = work.join(path);
            if text.is_empty() {
                std::fs::remove_file(file).unwrap();
            } else {
                std::fs::create_dir_all(file.parent().unwrap()).unwrap();
                std::fs::write(file, text).unwrap();
            }
        }
        run_git(&work, &["add", "--all"]);
        run_git(&work, &["commit", "--quiet", "-m", "By hand"]);
        run_git(&work, &["push", "--quiet", "origin", "HEAD:main"]);
        self.git(&["rev-parse", "main"])
    }

    fn pushes(&self) -> usize {
        std::fs::read_to_string(self.bare().join("pushes.log")).unwrap_or_default().lines().count()
    }

    fn commits(&self) -> usize {
        self.git(&["rev-list", "--count", "--all"]).parse().unwrap()
    }

    fn file(&self, path: &str) -> String {
        self.git(&["show", &format!("main:{path}")])
    }

    fn tree(&self) -> Vec<String> {
        let tree = self.git(&["ls-tree", "-r", "--name-only", "main"]);
        tree.lines().map(str::to_owned).collect()
    }

    fn settings(&self) -> Repository {
        repository(self.bare().to_str().unwrap(), Credentials::None)
    }

    fn driver(&self) -> GitOps {
        self.driver_in("mirror")
    }

    /// Another server, with a data folder of its own.
    fn driver_in(&self, folder: &str) -> GitOps {
        GitOps::new(self.settings(), self.path().join(folder))
    }
}

/// Writes a program for a test to run in place of git or ssh.
fn script(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;

    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn repository(url: &str, credentials: Credentials) -> Repository {
    let committer = Identity::new("Platform", "platform@example.com");
    Repository::new("deployments", url, "main", credentials, committer).unwrap()
}

fn run_git(directory: &Path, arguments: &[&str]) -> String {
    let identity = ["user.name=Ann", "user.email=ann@example.com", "init.defaultBranch=main"];
    let mut command = Command::new("git");
    for setting in identity {
        command.args(["-c", setting]);
    }
    let output = command
        .args(arguments)
        .current_dir(directory)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "git {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The change by which `operation` puts `files` under `staging/service/<name>/`.
fn change(operation: &str, name: &str, files: &[(&str, &str)]) -> Change {
    let directory = format!("staging/service/{name}");
    Change {
        operation_id: operation.to_owned(),
        files: files
            .iter()
            .map(|(file, text)| (format!("{directory}/{file}"), text.as_bytes().to_vec()))
            .collect(),
        directories: vec![directory],
        owned: BTreeMap::new(),
        attempted: BTreeMap::new(),
        author: Some(Identity::new("Bea", "bea@example.com")),
        committed_at_seconds: 1_700_000_000,
        subject: format!("Create service staging/{name}"),
        body: String::new(),
        trailers: vec![
            ("Idp-Resource".into(), format!("service/staging/{name}")),
            ("Idp-Generation".into(), "1".into()),
        ],
    }
}

/// The next change of the resource that `before` wrote.
fn after(before: &Change, operation: &str, name: &str, files: &[(&str, &str)]) -> Change {
    let owned = before.files.iter().map(|(path, bytes)| (path.clone(), sha256(bytes))).collect();
    Change { owned, ..change(operation, name, files) }
}

fn quick() -> Limits {
    Limits {
        network: Duration::from_millis(800),
        first_fetch: Duration::from_millis(800),
        ..Limits::default()
    }
}
