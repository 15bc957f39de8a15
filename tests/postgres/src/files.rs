//! Files of another account: PostgreSQL refuses to run as root, so a root's test lends it an account.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

/// Who the server runs as.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Account {
    /// Whoever runs the test.
    Caller,
    Other {
        user: u32,
        group: u32,
    },
}

impl Account {
    /// The caller's, or for root the first of `postgres` and `nobody` that exists.
    pub(crate) fn unprivileged() -> Self {
        let own_user = fs::metadata("/proc/self").map(|process| process.uid());
        let user =
            own_user.unwrap_or_else(|_| tempfile::tempfile().unwrap().metadata().unwrap().uid());
        if user != 0 {
            return Self::Caller;
        }
        let accounts = fs::read_to_string("/etc/passwd").unwrap();
        let find = |name: &str| {
            let line = accounts.lines().find(|line| line.split(':').next() == Some(name))?;
            let mut numbers = line.split(':').skip(2).map(str::parse::<u32>);
            Some(Self::Other { user: numbers.next()?.ok()?, group: numbers.next()?.ok()? })
        };
        let found = find("postgres").or_else(|| find("nobody"));
        found.expect("PostgreSQL does not run as root, and there is no account `nobody`")
    }

    /// Gives a file or folder to the account.
    pub(crate) fn own(&self, path: &Path) {
        if let Self::Other { user, group } = *self {
            chown(path, Some(user), Some(group)).unwrap();
        }
    }

    /// Has a command run as the account.
    pub(crate) fn run_as<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        match *self {
            Self::Caller => command,
            Self::Other { user, group } => command.uid(user).gid(group),
        }
    }

    /// Whether the account gets through every folder above `path`.
    pub(crate) fn reaches(&self, path: &Path) -> bool {
        let passable = |folder: &Path| {
            fs::metadata(folder).is_ok_and(|folder| folder.permissions().mode() & 0o001 != 0)
        };
        matches!(self, Self::Caller) || path.ancestors().skip(1).all(passable)
    }
}

/// Copies a folder with its permissions and links, for the account to own.
pub(crate) fn copy_tree(from: &Path, to: &Path, account: &Account) {
    fs::create_dir(to).unwrap();
    fs::set_permissions(to, fs::metadata(from).unwrap().permissions()).unwrap();
    account.own(to);
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            copy_tree(&source, &target, account);
        } else if kind.is_symlink() {
            symlink(fs::read_link(source).unwrap(), target).unwrap();
        } else {
            fs::copy(source, &target).unwrap();
            account.own(&target);
        }
    }
}

/// Lets only the owner read a file.
pub(crate) fn make_private(file: &Path) {
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
}
