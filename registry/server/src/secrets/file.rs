//! The key file on the disk: whole or not at all, readable by its owner only, changed by one process at a time.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, chown};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::SecretsError;
use super::keyring::{InvalidKeyring, Keyring};

/// Says so where others than the owner of the file may read it.
pub(super) fn warn_of_readers(file: &Path) {
    if fs::metadata(file).is_ok_and(|metadata| metadata.mode() & 0o077 != 0) {
        tracing::warn!(
            path = %file.display(),
            "the key file can be read by others than its owner; chmod 600 mends that"
        );
    }
}

/// Reads the file; nothing where there is none.
pub(super) fn read(file: &Path) -> Result<Option<Keyring>, SecretsError> {
    let bytes = match fs::read(file) {
        Ok(bytes) => Zeroizing::new(bytes),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("read", file, error)),
    };
    let text = std::str::from_utf8(&bytes).map_err(|_| InvalidKeyring::NotText);
    let keyring = text.and_then(Keyring::parse);
    keyring
        .map(Some)
        .map_err(|problem| SecretsError::FileInvalid { path: file.to_owned(), problem })
}

/// Keeps other processes from changing the file until the answer is dropped.
pub(super) fn lock(file: &Path) -> Result<File, SecretsError> {
    // The folder, because the file itself is replaced.
    let folder =
        File::open(folder(file)).map_err(|error| failed("open the folder of", file, error))?;
    match folder.try_lock() {
        Ok(()) => Ok(folder),
        Err(TryLockError::WouldBlock) => Err(SecretsError::Busy { path: file.to_owned() }),
        Err(TryLockError::Error(error)) => Err(failed("lock", file, error)),
    }
}

/// Writes the file, in the place of the one before where there is one. Only under [`lock`].
pub(super) fn write(file: &Path, keyring: &Keyring) -> Result<(), SecretsError> {
    replace(file, keyring.to_text().as_bytes()).map_err(|error| failed("write", file, error))
}

/// Under its own name only when whole and on the disk: a kill leaves the old file or the new one.
fn replace(file: &Path, content: &[u8]) -> io::Result<()> {
    // A link stays a link.
    let file = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let mut staged = file.clone().into_os_string();
    staged.push(".new");
    let staged = PathBuf::from(staged);
    // Left by a kill, perhaps with other permissions.
    match fs::remove_file(&staged) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&staged)?;
    if let Ok(before) = fs::metadata(&file) {
        keep_owner(&staged, &before, &out.metadata()?)?;
    }
    out.write_all(content)?;
    out.sync_all()?;
    fs::rename(&staged, &file)?;
    File::open(folder(&file))?.sync_all()
}

/// The server may run as another user than whoever rotates its keys.
fn keep_owner(staged: &Path, before: &fs::Metadata, now: &fs::Metadata) -> io::Result<()> {
    if (before.uid(), before.gid()) == (now.uid(), now.gid()) {
        return Ok(());
    }
    chown(staged, Some(before.uid()), Some(before.gid()))
}

fn folder(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn failed(doing: &'static str, file: &Path, source: io::Error) -> SecretsError {
    SecretsError::File { doing, path: file.to_owned(), source }
}
