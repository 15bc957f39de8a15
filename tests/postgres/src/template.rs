//! A data folder that was initialised once for each version, to be copied for each cluster.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::files::{Account, copy_tree, make_private};
use crate::installation::{Installation, file_name, lock, target};
use crate::{SUPERUSER, SUPERUSER_PASSWORD};

/// Nothing here outlives a test, so nothing need survive a loss of power.
const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
fsync = off
synchronous_commit = off
full_page_writes = off
autovacuum = off
jit = off
shared_buffers = '16MB'
max_connections = 60
password_encryption = 'scram-sha-256'
log_statement = 'all'
log_line_prefix = '%m [%p] %u@%d '
timezone = 'UTC'
log_timezone = 'UTC'
";

const ACCESS: &str = "
local all all scram-sha-256
host all all 127.0.0.1/32 scram-sha-256
";

/// The initialised data folder; makes it where it is missing.
pub(crate) fn folder(installation: &Installation, account: &Account) -> PathBuf {
    let parent = target().join("test-postgres");
    fs::create_dir_all(&parent).unwrap();
    let template = parent.join(file_name(installation.version()));
    let _lock = lock(&parent.join("lock"));
    if !template.is_dir() {
        let made = tempfile::tempdir().unwrap();
        account.own(made.path());
        initialise(installation, account, made.path());
        let partial = parent.join("partial");
        let _ = fs::remove_dir_all(&partial);
        copy_tree(&made.path().join("data"), &partial, &Account::Caller);
        fs::write(partial.join("pg_hba.conf"), ACCESS).unwrap();
        let settings = partial.join("postgresql.conf");
        let defaults = fs::read_to_string(&settings).unwrap();
        fs::write(settings, defaults + SETTINGS).unwrap();
        fs::rename(partial, &template).unwrap();
    }
    template
}

/// Where the account may write, because the template's own folder may be out of its reach.
fn initialise(installation: &Installation, account: &Account, folder: &Path) {
    let password = folder.join("password");
    fs::write(&password, SUPERUSER_PASSWORD).unwrap();
    make_private(&password);
    account.own(&password);
    let mut command = Command::new(installation.program("initdb"));
    command
        .arg("-D")
        .arg(folder.join("data"))
        .arg("--pwfile")
        .arg(password)
        .args(["-U", SUPERUSER, "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"])
        .args(["--no-sync", "--no-instructions", "--wal-segsize=1"])
        .current_dir(folder);
    let output = account.run_as(&mut command).output().unwrap();
    assert!(output.status.success(), "initdb: {}", String::from_utf8_lossy(&output.stderr));
}
