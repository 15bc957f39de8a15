//! Where PostgreSQL's programs are on this machine.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Version;
use crate::files::{Account, copy_tree};

/// Where package managers put the programs of a version; `*` stands for any folder name.
const FOLDERS: &[&str] = &[
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/libexec/postgresql*",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
];

/// The programs of one version.
#[derive(Debug, Clone)]
pub(crate) struct Installation {
    programs: PathBuf,
    /// Such as `postgres (PostgreSQL) 15.18`.
    version: String,
}

impl Installation {
    pub(crate) fn find(version: Version) -> Option<Self> {
        match version {
            Version::Default => search_path()
                .into_iter()
                .chain(FOLDERS.iter().flat_map(|pattern| folders(Path::new(pattern))))
                .find_map(|folder| Self::in_folder(&folder)),
            Version::Newest => folders(&target().join("tools/postgres-*/bin"))
                .into_iter()
                .find_map(|folder| Self::in_folder(&folder)),
        }
    }

    /// Follows a link such as `/usr/local/bin/postgres`: the other programs lie beside the real one.
    fn in_folder(folder: &Path) -> Option<Self> {
        let server = folder.join("postgres").canonicalize().ok()?;
        let programs = server.parent()?.to_owned();
        let output = Command::new(server).arg("--version").output().ok()?;
        let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        (programs.join("initdb").is_file() && output.status.success())
            .then_some(Self { programs, version })
    }

    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }

    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    pub(crate) fn major(&self) -> u32 {
        let number = self.version.rsplit(") ").next().unwrap_or_default();
        let digits = number.chars().take_while(char::is_ascii_digit).collect::<String>();
        digits.parse().unwrap_or_else(|_| panic!("{:?} has no major version", self.version))
    }

    /// This installation, or a copy of it where the account cannot get at a clone in root's home.
    pub(crate) fn reachable_for(self, account: &Account) -> Self {
        if account.reaches(&self.programs) {
            return self;
        }
        let root = self.programs.parent().expect("programs lie in bin").to_owned();
        let copy = std::env::temp_dir().join(format!("test-{}", file_name(&self.version)));
        let _lock = lock(&copy.with_extension("lock"));
        if !copy.is_dir() {
            let partial = copy.with_extension("partial");
            let _ = fs::remove_dir_all(&partial);
            copy_tree(&root, &partial, &Account::Caller);
            fs::rename(partial, &copy).unwrap();
        }
        Self { programs: copy.join("bin"), ..self }
    }
}

/// A client program: beside the default server's, or wherever the search path finds it.
pub(crate) fn client_program(name: &str) -> PathBuf {
    let beside = Installation::find(Version::Default).map(|found| found.program(name));
    beside.filter(|program| program.is_file()).unwrap_or_else(|| name.into())
}

/// The folder that builds go to; caches of tests lie there too.
pub(crate) fn target() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target")
}

/// A name for files of this version.
pub(crate) fn file_name(version: &str) -> String {
    version.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' }).collect()
}

/// Waits until no other process is at it; the lock ends with the value.
pub(crate) fn lock(path: &Path) -> File {
    let file = File::options().create(true).append(true).open(path).unwrap();
    file.lock().unwrap();
    file
}

#[expect(clippy::disallowed_methods, reason = "programs are where the caller's shell finds them")]
fn search_path() -> Vec<PathBuf> {
    std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default()
}

/// The folders that a pattern with one `*` names, highest number first.
fn folders(pattern: &Path) -> Vec<PathBuf> {
    let pattern = pattern.to_str().unwrap_or_default();
    let Some((before, after)) = pattern.split_once('*') else { return vec![pattern.into()] };
    let (parent, prefix) = before.rsplit_once('/').unwrap_or_default();
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let mut found: Vec<(u32, PathBuf)> = entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let number = name.strip_prefix(prefix)?.parse().unwrap_or(0);
            Some((number, PathBuf::from(format!("{parent}/{name}{after}"))))
        })
        .collect();
    found.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
    found.into_iter().map(|(_, folder)| folder).collect()
}
