//! Puts a backup in the place of the data folder: whole, or not at all.
//!
//! Everything is unpacked into a folder beside it and checked there; one rename then makes it the data folder. What
//! was there before is moved aside and never removed. While it works nobody else has either folder.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::backup::{
    self, BackupError, Checked, Manifest, Opened, Unpack, Watch, check_database, make_private,
    parent, sync_folder, with_suffix,
};
use crate::app::{Alone, LOCK, StartError};
use crate::blobs::Blobs;
use crate::clock::rfc3339;
use crate::config::Config;
use crate::failpoint;
use crate::secrets::check_fit;
use crate::store::{copy, log};
use crate::trust::check_guard;

/// What may be done that is otherwise refused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Allowed {
    /// Moving aside the data that is there.
    pub replace: bool,
    /// Taking over the data of a server of another name.
    pub other_hostname: bool,
    /// Restoring an audit log that does not verify.
    pub broken_audit_log: bool,
}

/// What keeps a backup from being restored. Nothing was changed then.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The backup.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// Its audit log.
    #[error(
        "the audit log in the backup does not verify: {problem}; --allow-broken-audit-log restores it as it is \
         (nothing was changed)"
    )]
    AuditLog {
        /// What is wrong with it.
        problem: String,
    },
    /// Another server's.
    #[error(
        "the backup is of {found:?}, this server is {configured:?}: what it has is signed for the other name; correct \
         server.hostname, or take it over with --allow-other-hostname (nothing was changed)"
    )]
    OtherHostname {
        /// As the backup says.
        found: String,
        /// As configured.
        configured: String,
    },
    /// A later version's.
    #[error(
        "the backup's schema is {found}, this idp knows {known}: use the idp that made it ({version}), or a newer one \
         (nothing was changed)"
    )]
    NewerSchema {
        /// What it has.
        found: i64,
        /// What we have.
        known: i64,
        /// Who made it.
        version: String,
    },
    /// There is a database.
    #[error(
        "the data folder {} has data already; --replace moves it aside and keeps it (nothing was changed)",
        path.display()
    )]
    HasData {
        /// Which.
        path: PathBuf,
    },
    /// A folder that cannot be renamed.
    #[error(
        "the data folder {} is a mount point, which cannot be replaced as a whole; name a folder within it in \
         server.data_dir (nothing was changed)",
        path.display()
    )]
    MountPoint {
        /// Which.
        path: PathBuf,
    },
    /// A server runs, or another restore.
    #[error("{what} (nothing was changed)")]
    InUse {
        /// Who has which folder.
        what: StartError,
    },
    /// A file or folder.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// With which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl RestoreError {
    fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { doing, path: path.to_owned(), source }
    }
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// What the data folder has now.
    pub manifest: Manifest,
    /// Where it is.
    pub folder: PathBuf,
    /// Where the data before it is now.
    pub moved_aside: Option<PathBuf>,
    /// What is wrong with its audit log, if anything.
    pub audit_problem: Option<String>,
    /// What is wrong with its log of statements, if anything.
    pub log_problem: Option<String>,
    /// Why the key file does not fit it, if it does not.
    pub key_problem: Option<String>,
    /// Why the server will not sign its log, if it will not: it is older than what was signed, or another one.
    pub guard_problem: Option<String>,
}

/// Makes the backup `file` the data of the server of `config`.
pub async fn restore(
    config: &Config,
    file: &Path,
    allowed: Allowed,
    now: i64,
    watch: &dyn Watch,
) -> Result<Restored, RestoreError> {
    let opened = backup::open(file).await?;
    require_ours(&opened.manifest, config, allowed)?;
    let target = Target::find(&config.server.data_dir, allowed)?;
    let mut stage = Stage::begin(&target)?;
    failpoint::hit("restore.began");
    let (manifest, checked) = stage.fill(opened, watch).await?;
    if let Some(problem) = checked.audit_problem.clone().filter(|_| !allowed.broken_audit_log) {
        return Err(RestoreError::AuditLog { problem });
    }
    let key_problem = key_problem(&stage.database(), &config.server.secret_key_file).await?;
    let guard_problem = guard_problem(&stage.database(), config).await?;
    stage.finish(&target)?;
    failpoint::hit("restore.checked");
    let moved_aside = stage.install(&target, now)?;
    Ok(Restored {
        manifest,
        folder: target.folder,
        moved_aside,
        audit_problem: checked.audit_problem,
        log_problem: checked.log_problem,
        key_problem,
        guard_problem,
    })
}

/// Refuses what can be refused before anything is unpacked.
fn require_ours(
    manifest: &Manifest,
    config: &Config,
    allowed: Allowed,
) -> Result<(), RestoreError> {
    let (found, known) = (manifest.contents.schema, copy::known_schema());
    if found > known {
        let version = manifest.server_version.clone();
        return Err(RestoreError::NewerSchema { found, known, version });
    }
    let configured = &config.server.hostname;
    if manifest.hostname != *configured && !allowed.other_hostname {
        return Err(RestoreError::OtherHostname {
            found: manifest.hostname.clone(),
            configured: configured.clone(),
        });
    }
    Ok(())
}

/// Whether the server would start with this key file.
async fn key_problem(database: &Path, file: &Path) -> Result<Option<String>, BackupError> {
    let mut conn = copy::open(database).await?;
    Ok(check_fit(&mut conn, file).await.err().map(|error| error.to_string()))
}

/// What keeps the server from signing the log in this database, if anything does.
async fn guard_problem(database: &Path, config: &Config) -> Result<Option<String>, BackupError> {
    let mut conn = copy::open(database).await?;
    if !log::is_there(&mut conn).await? {
        return Ok(None);
    }
    Ok(check_guard(config, &mut conn).await.err().map(|error| error.to_string()))
}

/// The data folder as it is before.
struct Target {
    /// Where it really is.
    folder: PathBuf,
    before: Option<Before>,
}

/// A folder that is there.
struct Before {
    _alone: Alone,
    metadata: fs::Metadata,
    is_empty: bool,
}

impl Target {
    fn find(folder: &Path, allowed: Allowed) -> Result<Self, RestoreError> {
        let failed = |source| RestoreError::io("read", folder, source);
        // A link stays a link.
        let folder = match fs::canonicalize(folder) {
            Ok(folder) => folder,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let folder = std::path::absolute(folder).map_err(failed)?;
                return Ok(Self { folder, before: None });
            }
            Err(error) => return Err(failed(error)),
        };
        let alone = Alone::hold(&folder).map_err(|what| RestoreError::InUse { what })?;
        let is_empty = entries(&folder).map_err(failed)?.is_empty();
        if !is_empty && !allowed.replace {
            return Err(RestoreError::HasData { path: folder });
        }
        let metadata = fs::metadata(&folder).map_err(failed)?;
        let around = fs::metadata(parent(&folder)).map_err(failed)?;
        if metadata.dev() != around.dev() {
            return Err(RestoreError::MountPoint { path: folder });
        }
        let before = Some(Before { _alone: alone, metadata, is_empty });
        Ok(Self { folder, before })
    }
}

/// What is in a folder, but for the lock.
fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path()));
    let entries: Vec<PathBuf> = entries.collect::<Result<_, _>>()?;
    Ok(entries.into_iter().filter(|path| path.file_name().is_none_or(|n| n != LOCK)).collect())
}

/// The folder beside the data folder in which everything is made ready; gone unless it is installed.
struct Stage {
    folder: PathBuf,
    is_installed: bool,
    /// Also keeps a server off the folder after it got its name, until all is said.
    _alone: Alone,
}

impl Drop for Stage {
    fn drop(&mut self) {
        if !self.is_installed {
            // A leftover is swept by the next restore.
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

impl Stage {
    fn begin(target: &Target) -> Result<Self, RestoreError> {
        let folder = with_suffix(&target.folder, ".restoring");
        let alone = Alone::hold(&folder).map_err(|what| RestoreError::InUse { what })?;
        let stage = Self { folder, is_installed: false, _alone: alone };
        stage.sweep().map_err(|source| RestoreError::io("write", &stage.folder, source))?;
        Ok(stage)
    }

    /// Removes what a killed restore left.
    fn sweep(&self) -> io::Result<()> {
        fs::set_permissions(&self.folder, fs::Permissions::from_mode(0o700))?;
        for path in entries(&self.folder)? {
            if path.is_dir() && !path.is_symlink() {
                fs::remove_dir_all(&path)?;
            } else {
                fs::remove_file(&path)?;
            }
        }
        Ok(())
    }

    fn database(&self) -> PathBuf {
        self.folder.join("idp.sqlite")
    }

    /// Unpacks and checks.
    async fn fill(
        &self,
        opened: Opened,
        watch: &dyn Watch,
    ) -> Result<(Manifest, Checked), BackupError> {
        let database = self.database();
        make_private(&database).map_err(|source| BackupError::io("write", &database, source))?;
        let blobs = Blobs::open(&self.folder.join("blobs")).await?;
        let unpack = Unpack { database: &database, blobs: Some(&blobs) };
        let manifest = opened.read_through(unpack, watch).await?;
        let checked = check_database(&database, &manifest).await?;
        Ok((manifest, checked))
    }

    /// Gives everything to the user whose the data folder is, and puts the names on the disk.
    fn finish(&self, target: &Target) -> Result<(), RestoreError> {
        let failed = |source| RestoreError::io("write", &self.folder, source);
        let made = fs::metadata(&self.folder).map_err(failed)?;
        if let Some(Before { metadata, .. }) = &target.before {
            let owner = (metadata.uid(), metadata.gid());
            if owner != (made.uid(), made.gid()) {
                give(&self.folder, owner).map_err(failed)?;
            }
            fs::set_permissions(&self.folder, metadata.permissions()).map_err(failed)?;
        }
        sync_folder(&self.folder.join("blobs")).map_err(failed)?;
        sync_folder(&self.folder).map_err(failed)
    }

    /// Makes it the data folder; where the one before is now.
    fn install(&mut self, target: &Target, now: i64) -> Result<Option<PathBuf>, RestoreError> {
        let failed = |source| RestoreError::io("replace", &target.folder, source);
        let aside = match &target.before {
            None => {
                // Refused by the system where somebody made the folder since, and put something in it.
                fs::rename(&self.folder, &target.folder).map_err(failed)?;
                None
            }
            Some(before) => {
                let aside = self.exchange(target, now).map_err(failed)?;
                if before.is_empty {
                    // Only the lock is in it.
                    let _ = fs::remove_file(aside.join(LOCK));
                    let _ = fs::remove_dir(&aside);
                    None
                } else {
                    Some(aside)
                }
            }
        };
        self.is_installed = true;
        failpoint::hit("restore.renamed");
        sync_folder(parent(&target.folder)).map_err(failed)?;
        Ok(aside)
    }

    /// Swaps the two folders in one step, so that at no moment there is no data folder, which a server would fill with
    /// an empty database. A kill before that leaves a whole copy under the name of what was there before: one folder
    /// too many, none too few.
    fn exchange(&self, target: &Target, now: i64) -> io::Result<PathBuf> {
        let aside = free_name(&target.folder, now);
        fs::rename(&self.folder, &aside)?;
        failpoint::hit("restore.staged");
        match renameat_with(CWD, &aside, CWD, &target.folder, RenameFlags::EXCHANGE) {
            Ok(()) => Ok(aside),
            // The file system cannot swap.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                fs::rename(&aside, &self.folder)?;
                fs::rename(&target.folder, &aside)?;
                fs::rename(&self.folder, &target.folder)?;
                Ok(aside)
            }
            Err(error) => {
                // Back, to be swept.
                fs::rename(&aside, &self.folder)?;
                Err(error.into())
            }
        }
    }
}

/// `data.before-20261122T100000Z`, or one with a number where that is taken.
fn free_name(folder: &Path, now: i64) -> PathBuf {
    let time = rfc3339(now).replace([':', '-'], "");
    let name = with_suffix(folder, &format!(".before-{time}"));
    let more = (2..).map(|number| with_suffix(&name, &format!("-{number}")));
    let mut names = std::iter::once(name.clone()).chain(more);
    names.find(|name| fs::symlink_metadata(name).is_err()).unwrap_or(name)
}

/// Gives a folder and all in it to a user and a group.
fn give(path: &Path, (user, group): (u32, u32)) -> io::Result<()> {
    chown(path, Some(user), Some(group))?;
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            give(&entry?.path(), (user, group))?;
        }
    }
    Ok(())
}
