//! `idp verify`: whether everything that `terraform init` installed is what was published, by whom, and may be used.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{anyhow, bail};
use clap::Args;
use registry_api::platform::BASE_PATH;
use registry_trust::archive::Limits;
use registry_trust::evidence::{self, Trusted};
use registry_trust::installed::{self, ModuleSource};
use registry_trust::lock::{FILE_NAME, Lock};
use registry_trust::policy::{self, Policy, parse_age};
use registry_trust::release::ReleaseId;
use registry_trust::report::{Basis, Denied, Inspected, Report, Unproven, inspect, judge};
use registry_trust::time::Moment;
use registry_trust::tree::FileList;
use serde::Serialize;

use super::Context;
use super::client::{Client, Remote};
use super::evidence::{self as proof, Age};
use crate::clock::Clock;

/// Check every installed module against the registry's log and the pinned policy.
///
/// Run it between `terraform init` and `terraform plan`. It hashes what lies in .terraform/modules (or TF_DATA_DIR) and
/// compares: with the publisher's signature, that signature with the registry's append-only log, the log with what the
/// lock file has seen of it, how each version stands, and the lock file. Nothing the registry says is believed that the
/// keys in idp.policy did not sign.
#[derive(Debug, Args)]
#[command(after_help = "\
Always refused: files that are not those published (tampered), a missing or wrong proof (failed), revoked versions.
Only told, unless --deny names them:
  deprecated, past_sunset, yanked    how the publisher says that a version stands
  unsigned                           from git, an archive or a folder outside: nobody signs it
  unknown_registry                   from another registry than the policy's
  not_locked                         there is a lock file, and it does not have the version

Exit codes:
  0  nothing is refused
  1  something is refused, or could not be checked; everything is printed, what is refused first
  2  the command itself is wrong

Examples:
  terraform init && idp verify && terraform plan
  idp verify --deny unsigned,unknown_registry,not_locked,past_sunset     for pipelines
  idp verify --offline --max-age 7d          with the proofs of the last run, if they are not older")]
pub(super) struct Verify {
    /// Folder of the configuration
    #[arg(default_value = ".")]
    directory: PathBuf,
    /// Trust policy [default: idp.policy in the folder]
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Lock file [default: .idp.lock.json in the folder, where it exists]
    #[arg(long, value_name = "FILE")]
    lock_file: Option<PathBuf>,
    /// Leave the lock file as it is, and fail where it would change
    #[arg(long)]
    locked: bool,
    /// Proofs in a file, instead of asking the registry
    #[arg(long, value_name = "FILE", conflicts_with = "offline")]
    evidence: Option<PathBuf>,
    /// Proofs of the last run, instead of asking the registry; their age is told, --max-age refuses
    #[arg(long)]
    offline: bool,
    /// How old the registry's word may be, such as 12h or 7d [default: as the policy says]
    #[arg(long, value_name = "TIME", value_parser = parse_age)]
    max_age: Option<i64>,
    /// What else is refused, joined by commas
    #[arg(long, value_name = "WORDS", value_delimiter = ',', value_parser = clap::value_parser!(Denied))]
    deny: Vec<Denied>,
    #[command(flatten)]
    remote: Remote,
}

/// The report, and how it came about.
#[derive(Debug, Serialize)]
struct Answer<'a> {
    #[serde(flatten)]
    report: &'a Report,
    /// Where the proofs are from: `registry`, `file`, or `none` where no module needs any.
    evidence: &'static str,
    /// How long ago the registry made them.
    age_seconds: Option<i64>,
    /// Whether the lock file remembers a later head of the log now.
    lock_moved: bool,
}

impl Verify {
    pub(super) async fn run(self, context: &Context<'_>) -> anyhow::Result<()> {
        let policy = self.read_policy()?;
        let (lock_path, lock) = self.read_lock()?;
        let data_dir = proof::data_dir(context);
        let packages = installed::read(&self.directory, &data_dir)?;
        let inspected = inspect(packages, &policy.registry, &Limits::default());
        let releases = releases(&inspected, &policy.registry);
        let now = Clock::system().now();

        let cache = self.directory.join(&data_dir).join("idp").join("evidence.json");
        let client = match &self.evidence {
            None if !self.offline && !releases.is_empty() => {
                Some(self.remote.client_for(&policy.registry, context)?)
            }
            _ => None,
        };
        let seen = lock.as_ref().and_then(Lock::log);
        let bytes = match &client {
            _ if releases.is_empty() => None,
            Some(client) => Some(proof::fetch(client, &releases, seen).await?),
            None => Some(self.read_evidence(&cache)?),
        };
        let proven = match &bytes {
            Some(bytes) => proof::verify(bytes, &policy, seen, self.age(), now),
            None => Err(Unproven { code: "evidence_unneeded", message: String::new() }),
        };
        if let (Some(_), Some(bytes), Ok(_)) = (&client, &bytes, &proven) {
            keep(&cache, bytes)?;
        }
        let denied = self.deny.iter().copied().collect();
        let basis = |lists| Basis {
            registry: &policy.registry,
            proof: proven.as_ref(),
            lock: lock.as_ref(),
            lists,
            denied: &denied,
            now,
        };
        let no_lists = BTreeMap::new();
        let mut report = judge(&inspected, &basis(&no_lists));
        if let (Some(client), Ok(trusted)) = (&client, &proven)
            && report.unexplained().len() > 0
        {
            let lists = fetch_lists(client, trusted, &report, context).await;
            report = judge(&inspected, &Basis { lists: &lists, ..basis(&no_lists) });
        }
        let moved = match (&lock, &proven) {
            (Some(lock), Ok(trusted)) if report.refused == 0 => moved(lock, trusted)?,
            _ => None,
        };
        self.answer(context, &report, moved.is_some(), now)?;
        if report.refused > 0 {
            let noun = if report.refused == 1 { "module is" } else { "modules are" };
            bail!("{} {noun} refused", report.refused);
        }
        self.move_lock(&lock_path, moved)
    }

    fn read_policy(&self) -> anyhow::Result<Policy> {
        let path = self.policy.clone().unwrap_or_else(|| self.directory.join(policy::FILE_NAME));
        proof::read_policy(&path)?.ok_or_else(|| {
            anyhow!(
                "there is no trust policy at {}; make one with `idp trust > {}`, compare the root key id in it with what \
                 the platform team announced, and commit it",
                path.display(),
                policy::FILE_NAME
            )
        })
    }

    fn read_lock(&self) -> anyhow::Result<(PathBuf, Option<Lock>)> {
        let path = self.lock_file.clone().unwrap_or_else(|| self.directory.join(FILE_NAME));
        let bytes = proof::read_file(&path, registry_trust::lock::MAX_BYTES)?;
        if bytes.is_none() && (self.lock_file.is_some() || self.locked) {
            bail!("there is no lock file at {}; `idp lock` writes one", path.display());
        }
        let lock = bytes.map(|bytes| Lock::parse(&bytes)).transpose()?;
        Ok((path, lock))
    }

    fn read_evidence(&self, cache: &Path) -> anyhow::Result<Vec<u8>> {
        let path = self.evidence.as_deref().unwrap_or(cache);
        proof::read_file(path, evidence::MAX_BYTES)?.ok_or_else(|| {
            anyhow!(
                "there are no proofs at {}; `idp verify` without --offline asks the registry and keeps them there",
                path.display()
            )
        })
    }

    fn age(&self) -> Age {
        match self.max_age {
            Some(age) => Age::AtMost(age),
            None if self.offline || self.evidence.is_some() => Age::Any,
            None => Age::Recent,
        }
    }

    fn answer(
        &self,
        context: &Context<'_>,
        report: &Report,
        lock_moved: bool,
        now: i64,
    ) -> anyhow::Result<()> {
        let is_kept = self.offline || self.evidence.is_some();
        let answer = Answer {
            evidence: match report.issued_at {
                None => "none",
                Some(_) if is_kept => "file",
                Some(_) => "registry",
            },
            age_seconds: report.issued_at.map(|issued| age_seconds(issued, now)),
            lock_moved: lock_moved && !self.locked,
            report,
        };
        let mut text = report.to_string();
        if let Some(issued) = report.issued_at.filter(|_| is_kept) {
            let age = age_text(age_seconds(issued, now));
            // Writing to a string cannot fail.
            let _ = write!(text, "\nby the registry's word of {issued}, {age} ago");
        }
        context.output.answer(&answer, text)
    }

    fn move_lock(&self, path: &Path, moved: Option<Lock>) -> anyhow::Result<()> {
        match moved {
            None => Ok(()),
            Some(_) if self.locked => bail!(
                "{} would remember a later head of the log; run `idp verify` without --locked and commit it",
                path.display()
            ),
            Some(lock) => proof::replace_file(path, lock.to_json().as_bytes()),
        }
    }
}

/// The releases of the registry that are installed.
fn releases(inspected: &[Inspected], registry: &str) -> BTreeSet<ReleaseId> {
    let release = |inspected: &Inspected| {
        let ModuleSource::Registry { module, .. } = &inspected.package.source else { return None };
        let version = inspected.package.version.clone()?;
        ReleaseId::of(module.clone(), version).ok().filter(|id| id.registry() == registry)
    };
    inspected.iter().filter_map(release).collect()
}

/// The lock file with the log's new head; nothing where it has it.
fn moved(lock: &Lock, trusted: &Trusted) -> anyhow::Result<Option<Lock>> {
    let mut moved = lock.clone();
    Ok(moved.remember(trusted.seen.clone())?.then_some(moved))
}

/// Keeps verified proofs for a run without the registry.
fn keep(cache: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    if let Some(folder) = cache.parent() {
        fs::create_dir_all(folder).map_err(|error| anyhow!("{}: {error}", folder.display()))?;
    }
    proof::replace_file(cache, bytes)
}

/// The lists of files that explain what was tampered with. Without one, that it was is told all the same.
async fn fetch_lists(
    client: &Client,
    trusted: &Trusted,
    report: &Report,
    context: &Context<'_>,
) -> BTreeMap<ReleaseId, FileList> {
    let mut lists = BTreeMap::new();
    for release in report.unexplained() {
        let path =
            format!("{BASE_PATH}/modules/{}/{}/files", release.module().path(), release.version());
        let fetched = async {
            let signed = trusted.release(release)?;
            let bytes = client.get_bytes(&path, FileList::MAX_BYTES).await?;
            anyhow::Ok(FileList::parse(&bytes, signed.archive.dir_hash1)?)
        };
        match fetched.await {
            Ok(list) => drop(lists.insert(release.clone(), list)),
            Err(error) => context
                .output
                .progress(format!("cannot say which files of {release} differ: {error:#}")),
        }
    }
    lists
}

fn age_seconds(issued: Moment, now: i64) -> i64 {
    now.saturating_sub(issued.millis()).max(0) / 1000
}

fn age_text(seconds: i64) -> String {
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_told_in_the_unit_that_fits() {
        for (seconds, expected) in
            [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (172_800, "2 d")]
        {
            assert_eq!(age_text(seconds), expected);
        }
    }
}
