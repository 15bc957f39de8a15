//! Whom a configuration believes, and what the registry proves about modules.

use std::collections::BTreeSet;
use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use registry_api::platform::BASE_PATH;
use registry_trust::evidence::{self, Evidence, Now, Seen, Trusted};
use registry_trust::installed::DATA_DIR;
use registry_trust::policy::{self, Policy};
use registry_trust::release::ReleaseId;
use registry_trust::report::Unproven;
use serde_json::json;

use super::Context;
use super::client::Client;

/// Reads a trust policy; nothing where there is none.
pub(super) fn read_policy(path: &Path) -> anyhow::Result<Option<Policy>> {
    let Some(bytes) = read_file(path, policy::MAX_BYTES)? else { return Ok(None) };
    let text = String::from_utf8_lossy(&bytes);
    let policy = text.parse().with_context(|| format!("{} is no policy", path.display()))?;
    Ok(Some(policy))
}

/// Reads a file of at most so many bytes; nothing where there is none.
pub(super) fn read_file(path: &Path, most: usize) -> anyhow::Result<Option<Vec<u8>>> {
    let cannot = || format!("cannot read {}", path.display());
    let file = match fs::File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened.with_context(cannot)?,
    };
    let mut bytes = Vec::new();
    file.take(most as u64 + 1).read_to_end(&mut bytes).with_context(cannot)?;
    if bytes.len() > most {
        bail!("{} is larger than the {most} bytes allowed", path.display());
    }
    Ok(Some(bytes))
}

/// Replaces a file at once: whoever reads it sees all of it, old or new.
pub(super) fn replace_file(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    let cannot = || format!("cannot write {}", path.display());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut new =
        tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new("."))).with_context(cannot)?;
    new.write_all(content).with_context(cannot)?;
    new.as_file().sync_all().with_context(cannot)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // A temporary file is for its owner alone; these go into version control and caches.
        let everyone = fs::Permissions::from_mode(0o644);
        new.as_file().set_permissions(everyone).with_context(cannot)?;
    }
    new.persist(path).with_context(cannot)?;
    Ok(())
}

/// Terraform's data folder, seen from the configuration's.
pub(super) fn data_dir(context: &Context<'_>) -> PathBuf {
    context.variable("TF_DATA_DIR").map_or_else(|| PathBuf::from(DATA_DIR), PathBuf::from)
}

/// Asks what is to be known of some releases, and that the log has grown from what was seen.
pub(super) async fn fetch(
    client: &Client,
    releases: &BTreeSet<ReleaseId>,
    seen: Option<&Seen>,
) -> anyhow::Result<Vec<u8>> {
    let modules: Vec<_> = releases
        .iter()
        .map(|release| json!({ "address": release.module().path(), "version": release.version() }))
        .collect();
    let since = seen.map_or(0, |seen| seen.checkpoint.size);
    let question = json!({ "modules": modules, "since": since });
    client
        .post_for_bytes(&format!("{BASE_PATH}/evidence"), &question, evidence::MAX_BYTES)
        .await
        .context("cannot ask the registry for its proofs")
}

/// How old the registry's word may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Age {
    /// As the policy and the registry itself say.
    Recent,
    /// At most so many milliseconds, whatever they say.
    AtMost(i64),
    /// As old as it is.
    Any,
}

/// Judges evidence against a policy and what was seen of the log.
pub(super) fn verify(
    bytes: &[u8],
    policy: &Policy,
    seen: Option<&Seen>,
    age: Age,
    now: i64,
) -> Result<Trusted, Unproven> {
    let mut evidence = Evidence::parse(bytes).map_err(|error| Unproven::from(&error))?;
    // Evidence that was kept proves that the log grew to what has been seen since.
    if seen.is_some_and(|seen| Some(seen.checkpoint.size) == size(&evidence.checkpoint)) {
        evidence.consistency.clear();
    }
    let judged =
        evidence.verify(policy, seen, Now { millis: now, refuses_old: age == Age::Recent });
    let trusted = judged.map_err(|error| Unproven::from(&error))?;
    match age {
        Age::AtMost(age) if now.saturating_sub(trusted.issued_at.millis()) > age => Err(Unproven {
            code: "snapshot_stale",
            message: format!(
                "the registry's word on what is deprecated or revoked is of {}, older than --max-age allows",
                trusted.issued_at
            ),
        }),
        _ => Ok(trusted),
    }
}

/// The size that a checkpoint says it has; believed only after it was verified.
fn size(checkpoint: &str) -> Option<u64> {
    checkpoint.lines().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_there_is_nothing_and_a_large_one_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("idp.policy");

        assert!(read_policy(&path).unwrap().is_none());
        replace_file(&path, &[b'x'; 100]).unwrap();
        assert!(read_file(&path, 99).unwrap_err().to_string().contains("larger"));
        assert_eq!(read_file(&path, 100).unwrap().unwrap().len(), 100);
        let error = format!("{:#}", read_policy(&path).unwrap_err());
        assert!(error.contains("idp.policy is no policy: line 1"), "{error}");
    }

    #[test]
    fn what_is_no_evidence_proves_nothing_and_says_so() {
        let policy = "registry r.example\nroot 1 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n";

        let unproven = verify(b"{}", &policy.parse().unwrap(), None, Age::Recent, 0).unwrap_err();

        assert_eq!(unproven.code, "evidence_malformed");
    }
}
