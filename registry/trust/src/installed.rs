//! What `terraform init` installed: the packages of a configuration, each with its folder.
//!
//! Terraform writes `modules.json` and later loads every module from the folder that stands there, wherever it is. So
//! the file is read as hostile: a folder must be the one that Terraform would have chosen, and nothing may lead out of
//! a package. Comparing the files themselves is [`crate::tree`]'s, judging them [`crate::report`]'s.

mod manifest;
mod source;
#[cfg(test)]
mod tests;

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Component, Path, PathBuf},
};

use semver::Version;

pub use self::{
    manifest::{ManifestError, Record, parse},
    source::ModuleSource,
};
use crate::digest::shortened_to;

/// The largest `modules.json` that is read.
pub const MAX_BYTES: usize = 8 << 20;
/// The folder that Terraform works in where `TF_DATA_DIR` does not say otherwise.
pub const DATA_DIR: &str = ".terraform";

/// A package that a configuration calls, with every local module within it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Who calls it, such as `module.network.module.vpc`.
    pub call: String,
    /// Where it is from.
    pub source: ModuleSource,
    /// Which version, where the source has versions.
    pub version: Option<Version>,
    /// Its folder: everything in there belongs to it.
    pub directory: PathBuf,
    /// Why what lies there cannot be what the source says.
    pub problem: Option<PackageProblem>,
}

/// Why what lies in a package's folder cannot be what its source says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PackageProblem {
    /// A version of something that is no registry's module.
    #[error("it has a version, but its source is no address of a registry's module")]
    Source,
    /// No version, or none that a registry can have published.
    #[error("its version is {found:?}, which is none that a registry publishes")]
    Version {
        /// What it is, shortened.
        found: String,
    },
    /// The folder is not there.
    #[error("{directory} is not there")]
    Missing {
        /// The folder.
        directory: String,
    },
    /// The folder is a link.
    #[error("{directory} is a link: Terraform loads whatever it leads to")]
    Link {
        /// The folder.
        directory: String,
    },
    /// The folder is another than the one that Terraform chooses.
    #[error("{found} is loaded, where Terraform installs it to {expected}")]
    Elsewhere {
        /// As recorded.
        found: String,
        /// As it should be.
        expected: String,
    },
    /// A local module within it lies outside of it.
    #[error("its local module {call} is loaded from {directory}, outside of the package")]
    Escapes {
        /// Which module.
        call: String,
        /// Where it is.
        directory: String,
    },
}

impl PackageProblem {
    /// A stable name of the rule that was broken.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Source => "source_invalid",
            Self::Version { .. } => "version_invalid",
            Self::Missing { .. } => "module_missing",
            Self::Link { .. } => "module_is_link",
            Self::Elsewhere { .. } => "module_elsewhere",
            Self::Escapes { .. } => "module_escapes",
        }
    }
}

/// Why it cannot be said what is installed.
#[derive(Debug, thiserror::Error)]
pub enum InstalledError {
    /// The system refuses.
    #[error("{}: cannot be read", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Not what Terraform writes.
    #[error("{}: {problem}; run `terraform init` again", path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: ManifestError,
    },
    /// Written for another folder.
    #[error("{}: it is about the configuration in {found:?}; run `terraform init` again", path.display())]
    OtherRoot {
        /// The file.
        path: PathBuf,
        /// Where that is.
        found: String,
    },
}

/// Which packages are installed for the configuration in `root`, sorted by call. Nothing installed is no error.
///
/// `data_dir` is `TF_DATA_DIR`, or [`DATA_DIR`]; relative to `root`, as Terraform has it. What belongs to the
/// configuration itself, the root module and local modules within its folder, is no package.
pub fn read(root: &Path, data_dir: &Path) -> Result<Vec<Package>, InstalledError> {
    let modules = root.join(data_dir).join("modules");
    let path = modules.join("modules.json");
    let Some(bytes) = read_file(&path)? else { return Ok(Vec::new()) };
    let records = parse(&bytes)
        .map_err(|problem| InstalledError::Manifest { path: path.clone(), problem })?;
    let canonical = fs::canonicalize(root)
        .map_err(|source| InstalledError::Io { path: root.to_owned(), source })?;
    if let Some(found) = records.iter().find(|record| record.key.is_empty())
        && fs::canonicalize(root.join(&found.dir)).ok().as_ref() != Some(&canonical)
    {
        return Err(InstalledError::OtherRoot { path, found: shown(&found.dir) });
    }
    let reading = Reading { root, canonical, modules: clean(&modules), packages: Vec::new() };
    Ok(reading.packages(records))
}

fn read_file(path: &Path) -> Result<Option<Vec<u8>>, InstalledError> {
    let failed = |source| InstalledError::Io { path: path.to_owned(), source };
    let metadata = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(failed)?,
    };
    if !metadata.is_file() {
        return Err(failed(io::Error::other("it is not a file")));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    Ok(Some(bytes))
}

/// Whose folder a record lies in.
#[derive(Debug, Clone, Copy)]
enum Owner {
    /// The configuration's own.
    Configuration,
    /// A local module's, outside of the configuration's folder.
    Local(usize),
    /// A package's that was fetched from elsewhere.
    Fetched(usize),
}

/// A record that was read, for those below it.
struct Placed {
    key: String,
    call: String,
    dir: PathBuf,
    owner: Owner,
}

struct Reading<'a> {
    root: &'a Path,
    canonical: PathBuf,
    modules: PathBuf,
    packages: Vec<Package>,
}

impl Reading<'_> {
    fn packages(mut self, mut records: Vec<Record>) -> Vec<Package> {
        // Who calls comes before who is called.
        records.sort_by(|a, b| (a.key.len(), &a.key).cmp(&(b.key.len(), &b.key)));
        let mut placed = vec![Placed {
            key: String::new(),
            call: String::new(),
            dir: self.root.to_owned(),
            owner: Owner::Configuration,
        }];
        for record in records.iter().filter(|record| !record.key.is_empty()) {
            let parent = parent(&placed, &record.key);
            let call = call(parent, &record.key);
            let owner = match ModuleSource::read(&record.source) {
                ModuleSource::Local(path) => self.local(record, &call, parent, &path),
                source => self.fetched(record, &call, source),
            };
            let dir = self.root.join(&record.dir);
            placed.push(Placed { key: record.key.clone(), call, dir, owner });
        }
        self.packages.sort_by(|a, b| a.call.cmp(&b.call));
        self.packages
    }

    /// Terraform unpacks a package into a folder of the call's name, and loads the subfolder that the source names.
    fn fetched(&mut self, record: &Record, call: &str, source: ModuleSource) -> Owner {
        let directory = self.modules.join(&record.key);
        let found = clean(&self.root.join(&record.dir));
        let (version, mut problem) = version(&source, record.version.as_deref());
        let is_there = match &source {
            ModuleSource::Registry { subdir, .. } => {
                found == clean(&directory.join(subdir.as_deref().unwrap_or("")))
            }
            _ => found.starts_with(&directory),
        };
        if problem.is_none() && !is_there {
            let (found, expected) = (path_text(&found), path_text(&directory));
            problem = Some(PackageProblem::Elsewhere { found, expected });
        }
        problem = problem.or_else(|| check_folder(&directory)).or_else(|| missing(&found));
        let call = call.to_owned();
        self.packages.push(Package { call, source, version, directory, problem });
        Owner::Fetched(self.packages.len() - 1)
    }

    /// A local module lies where its caller says, seen from the caller's own folder.
    fn local(&mut self, record: &Record, call: &str, parent: &Placed, path: &str) -> Owner {
        let found = fs::canonicalize(self.root.join(&record.dir)).ok();
        let expected = fs::canonicalize(parent.dir.join(path)).ok();
        let problem = match &found {
            None => Some(PackageProblem::Missing { directory: shown(&record.dir) }),
            Some(_) if found == expected => None,
            Some(found) => Some(PackageProblem::Elsewhere {
                found: path_text(found),
                expected: path_text(&clean(&parent.dir.join(path))),
            }),
        };
        if let Owner::Fetched(index) = parent.owner {
            self.check_within(index, found.as_deref(), problem, call, &record.dir);
            return parent.owner;
        }
        let lies_in = |folder: &Path| found.as_ref().is_some_and(|found| found.starts_with(folder));
        let modules = fs::canonicalize(&self.modules).ok();
        let is_fetched = modules.is_some_and(|modules| lies_in(&modules));
        if problem.is_none() && lies_in(&self.canonical) && !is_fetched {
            return Owner::Configuration;
        }
        if let Owner::Local(index) = parent.owner
            && problem.is_none()
            && lies_in(&self.packages[index].directory)
        {
            return parent.owner;
        }
        self.packages.push(Package {
            call: call.to_owned(),
            source: ModuleSource::Local(path.to_owned()),
            version: None,
            directory: found.unwrap_or_else(|| clean(&self.root.join(&record.dir))),
            problem,
        });
        Owner::Local(self.packages.len() - 1)
    }

    /// Notes on the package `index` if a local module within it lies outside.
    fn check_within(
        &mut self,
        index: usize,
        found: Option<&Path>,
        problem: Option<PackageProblem>,
        call: &str,
        dir: &str,
    ) {
        let package = &mut self.packages[index];
        if package.problem.is_some() {
            return;
        }
        let folder = fs::canonicalize(&package.directory).ok();
        let is_within = found.zip(folder).is_some_and(|(found, folder)| found.starts_with(folder));
        package.problem = match problem {
            Some(PackageProblem::Missing { directory }) => {
                Some(PackageProblem::Missing { directory })
            }
            problem if is_within => problem,
            _ => {
                let (call, directory) = (call.to_owned(), shown(dir));
                Some(PackageProblem::Escapes { call, directory })
            }
        };
    }
}

/// The version that a registry's module must have, and no other source can.
fn version(
    source: &ModuleSource,
    recorded: Option<&str>,
) -> (Option<Version>, Option<PackageProblem>) {
    match (source, recorded) {
        (ModuleSource::Registry { .. }, recorded) => {
            let version = recorded.and_then(|text| text.parse().ok());
            let found = shown(recorded.unwrap_or_default());
            let problem = version.is_none().then_some(PackageProblem::Version { found });
            (version, problem)
        }
        (_, Some(_)) => (None, Some(PackageProblem::Source)),
        (_, None) => (None, None),
    }
}

fn check_folder(directory: &Path) -> Option<PackageProblem> {
    let shown = path_text(directory);
    match fs::symlink_metadata(directory) {
        Ok(metadata) if metadata.is_dir() => None,
        Ok(metadata) if metadata.is_symlink() => Some(PackageProblem::Link { directory: shown }),
        _ => Some(PackageProblem::Missing { directory: shown }),
    }
}

fn missing(directory: &Path) -> Option<PackageProblem> {
    let is_there = directory.is_dir();
    (!is_there).then(|| PackageProblem::Missing { directory: path_text(directory) })
}

/// The nearest record above: the longest key that is a beginning of `key` before a dot. The first is the root's.
fn parent<'a>(placed: &'a [Placed], key: &str) -> &'a Placed {
    let is_above =
        |above: &&Placed| key.strip_prefix(&above.key).is_some_and(|rest| rest.starts_with('.'));
    placed.iter().filter(is_above).max_by_key(|above| above.key.len()).unwrap_or(&placed[0])
}

/// `module.a.module.b`; what `terraform test` installs for its runs has no call of its own: `test.tests.a.setup`.
fn call(parent: &Placed, key: &str) -> String {
    let own = key.strip_prefix(&parent.key).unwrap_or(key);
    let own = own.strip_prefix('.').unwrap_or(own);
    let call = match (parent.call.as_str(), own.contains('.')) {
        ("", false) => format!("module.{own}"),
        ("", true) => own.to_owned(),
        (above, false) => format!("{above}.module.{own}"),
        (above, true) => format!("{above}.{own}"),
    };
    shortened_to(300, &call)
}

/// A path without `.` and `..`, by its text alone, as Terraform writes it.
fn clean(path: &Path) -> PathBuf {
    let mut cleaned = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => match cleaned.components().next_back() {
                Some(Component::Normal(_)) => {
                    cleaned.pop();
                }
                Some(Component::RootDir | Component::Prefix(_)) => {}
                _ => cleaned.push(".."),
            },
            part => cleaned.push(part),
        }
    }
    cleaned
}

fn path_text(path: &Path) -> String {
    shown(&path.to_string_lossy())
}

fn shown(text: &str) -> String {
    shortened_to(200, text)
}
