//! `idp lock`: which version of each golden path and module a configuration uses, written down beside it.

mod calls;
mod configuration;
mod files;
mod modules;
mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::Args;
use registry_api::ModuleAddress;
use registry_api::platform::{BASE_PATH, GoldenPath};
use registry_trust::evidence::Seen;
use registry_trust::installed;
use registry_trust::lock::{
    FILE_NAME, Lock as LockFile, LockError, LockedPath, MAX_BYTES, Resolved,
};
use registry_trust::policy::{self, Policy};
use serde_json::Value;

use super::Context;
use super::client::{Client, Remote};
use super::evidence;
use crate::clock::Clock;
use calls::Calls;
use configuration::{Found, Use};
use modules::{Resolution, Resolver};
use text::{Done, Moved};

/// The most bytes of a plan that are read.
const MOST_PLAN_BYTES: usize = 512 << 20;

/// Lock the golden path and module versions of a configuration.
///
/// Reads the services and module calls of a folder and writes to .idp.lock.json, which belongs into version control,
/// which version of each is meant. A service's first plan then shows every value, and everybody gets the same versions
/// until the file moves. `idp verify` compares what terraform installed with it.
///
/// A module stays at the version that is installed, where its constraint allows that. With an idp.policy beside the
/// configuration only what is proven by it is locked.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  idp lock                                  what is not locked yet, or no longer allowed; drops what nothing uses
  idp lock --upgrade                        the highest allowed version of everything, and what that changes
  terraform plan -out p && terraform show -json p > p.json && idp lock --plan p.json
                                            also what variables and modules decide

After a merge that left a conflict in .idp.lock.json, `idp lock` takes both sides together.")]
pub(super) struct Lock {
    #[command(flatten)]
    remote: Remote,
    /// Folder of the configuration
    #[arg(default_value = ".")]
    directory: PathBuf,
    /// Move what is locked to the highest version that is allowed
    #[arg(long)]
    upgrade: bool,
    /// Read a plan instead of the files, as `terraform show -json` prints it
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// Trust policy [default: idp.policy in the folder, where it exists]
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
}

/// What a configuration uses.
struct Uses {
    paths: Found,
    calls: Calls,
    /// Whether there can be no golden paths besides these.
    all_paths: bool,
    /// Whether there can be no modules besides these.
    all_modules: bool,
}

impl Lock {
    pub(super) async fn run(self, context: &Context<'_>) -> anyhow::Result<()> {
        let uses = self.find(context)?;
        let policy = self.read_policy()?;
        let file = self.directory.join(FILE_NAME);
        let (before, earlier, is_conflict) = read(&file)?;
        let client = match &policy {
            Some(policy) => self.remote.client_for(&policy.registry, context)?,
            None => self.remote.client(context)?,
        };
        let mut lock = before.clone();
        let mut changes = Vec::new();
        for (address, uses) in by_address(&uses.paths.uses) {
            if self.upgrade || !is_satisfied(&lock, &address, &uses) {
                let entry = resolve(&client, &address, &uses).await?;
                changes.extend(lock.insert(&address.to_string(), entry)?);
            }
        }
        let hostname = match &policy {
            Some(policy) => policy.registry.clone(),
            None if uses.calls.modules.is_empty() && before.modules().len() == 0 => String::new(),
            None => client.info().await?.hostname,
        };
        let ours = |call: &&calls::Call| call.module.registry() == hostname;
        let calls = uses.calls.modules.iter().filter(ours).cloned().collect();
        let resolver = Resolver {
            client: &client,
            policy: policy.as_ref(),
            lock: &before,
            earlier: earlier.as_ref(),
            upgrade: self.upgrade,
            now: Clock::system().now(),
        };
        let resolution = resolver.resolve(calls).await?;
        warn(context, policy.as_ref(), &resolution, earlier.as_ref());
        for (release, entry) in &resolution.entries {
            lock.insert_module(release, *entry)?;
        }
        if let Some(seen) = &resolution.seen {
            lock.remember(seen.clone())?;
        }
        let (dropped, unused) = tidy(&mut lock, &uses, &resolution, &hostname);
        let moved = with_changes(context, &client, text::moved(&before, &resolution)).await;
        let is_written = lock != before || is_conflict;
        if is_written {
            evidence::replace_file(&file, lock.to_json().as_bytes())?;
        }
        let unclear = [uses.paths.unclear, uses.calls.unclear].concat();
        let done = Done {
            file: &file,
            lock: &lock,
            is_written,
            paths: &changes,
            modules: &moved,
            dropped: &dropped,
            unused: &unused,
            unclear: &unclear,
            hints: &text::hints(&resolution),
        };
        context.output.answer(&done.json(), done.text())
    }

    fn read_policy(&self) -> anyhow::Result<Option<Policy>> {
        let path = self.policy.clone().unwrap_or_else(|| self.directory.join(policy::FILE_NAME));
        let policy = evidence::read_policy(&path)?;
        if policy.is_none() && self.policy.is_some() {
            return Err(anyhow!("there is no trust policy at {}", path.display()));
        }
        Ok(policy)
    }

    fn find(&self, context: &Context<'_>) -> anyhow::Result<Uses> {
        let packages = installed::read(&self.directory, &evidence::data_dir(context))?;
        let Some(plan) = &self.plan else {
            let (paths, mut calls) = files::read(&self.directory)?;
            calls.add_installed(&packages);
            let no_modules =
                calls.modules.is_empty() && calls.others.is_empty() && calls.locals.is_empty();
            let is_clear = paths.unclear.is_empty() && calls.unclear.is_empty();
            return Ok(Uses {
                all_paths: is_clear && no_modules,
                all_modules: is_clear && calls.is_installed(&packages),
                paths,
                calls,
            });
        };
        let shown = plan.display();
        let json = evidence::read_file(plan, MOST_PLAN_BYTES)?
            .ok_or_else(|| anyhow!("there is no plan at {shown}"))?;
        let (mut paths, mut calls) = (Found::default(), Calls::default());
        let cannot = || format!("cannot use {shown}");
        paths.read_plan(&json).with_context(cannot)?;
        let has_calls = calls.read_plan(&json).with_context(cannot)?;
        calls.add_installed(&packages);
        // With -target, a plan shows a part only, and says so.
        let whole = serde_json::from_slice::<Value>(&json)
            .is_ok_and(|plan| plan["complete"].as_bool().unwrap_or(false));
        let is_clear = paths.unclear.is_empty();
        Ok(Uses { paths, calls, all_paths: is_clear && whole, all_modules: has_calls && whole })
    }
}

/// Reads a lock file; where git left a conflict in it, both sides together. Says so, and which head of the log is the
/// earlier one.
fn read(file: &Path) -> anyhow::Result<(LockFile, Option<Seen>, bool)> {
    let Some(bytes) = evidence::read_file(file, MAX_BYTES)? else {
        return Ok((LockFile::default(), None, false));
    };
    match LockFile::parse(&bytes) {
        Err(LockError::MergeConflict { .. }) => {
            let Resolved { lock, earlier } = LockFile::resolve_conflict(&bytes)?;
            Ok((lock, earlier, true))
        }
        read => Ok((read?, None, false)),
    }
}

/// Removes what nothing uses, as far as that is known; says what was removed, and what may be unused.
fn tidy(
    lock: &mut LockFile,
    uses: &Uses,
    resolution: &Resolution,
    hostname: &str,
) -> (Vec<String>, Vec<String>) {
    let (mut dropped, mut unused) = (Vec::new(), Vec::new());
    let called: BTreeSet<String> =
        uses.paths.uses.iter().map(|found| found.address.to_string()).collect();
    let paths: Vec<String> = lock.golden_paths().map(|(address, _)| address.to_owned()).collect();
    for address in paths.into_iter().filter(|address| !called.contains(address)) {
        if uses.all_paths {
            lock.remove(&address);
            dropped.push(address);
        } else {
            unused.push(address);
        }
    }
    let releases: Vec<_> = lock.modules().map(|(release, _)| release.clone()).collect();
    for release in releases {
        if release.registry() != hostname || resolution.entries.contains_key(&release) {
            continue;
        }
        if uses.all_modules {
            lock.remove_module(&release);
            dropped.push(release.to_string());
        } else {
            unused.push(release.to_string());
        }
    }
    (dropped, unused)
}

fn warn(
    context: &Context<'_>,
    policy: Option<&Policy>,
    resolution: &Resolution,
    earlier: Option<&Seen>,
) {
    if policy.is_some() {
        return;
    }
    if !resolution.entries.is_empty() {
        context.output.progress(
            "there is no idp.policy, so modules are locked on the registry's word; `idp trust` prints one to pin",
        );
    }
    if earlier.is_some() {
        context.output.progress(
            "there is no idp.policy, so it is not checked that both branches saw one log of the registry",
        );
    }
}

/// Asks what each move brings. That it cannot be said stops nothing.
async fn with_changes(context: &Context<'_>, client: &Client, mut moved: Vec<Moved>) -> Vec<Moved> {
    for moved in &mut moved {
        let Moved { module, before: Some(before), after, .. } = &*moved else { continue };
        if before > after {
            continue;
        }
        let path = format!("{BASE_PATH}/modules/{}/changes", module.path());
        let query = [("from", before.to_string()), ("to", after.to_string())];
        let asked = async {
            let url = reqwest::Url::parse_with_params(&format!("http://server{path}"), query)?;
            client
                .get::<registry_api::interface::ModuleChanges>(&format!(
                    "{path}?{}",
                    url.query().unwrap_or_default()
                ))
                .await
        };
        match asked.await {
            Ok(changes) => moved.changes = Some(changes),
            Err(error) => context
                .output
                .progress(format!("cannot say what {module} {after} changes: {error:#}")),
        }
    }
    moved
}

fn by_address(uses: &[Use]) -> BTreeMap<ModuleAddress, Vec<&Use>> {
    let mut grouped: BTreeMap<ModuleAddress, Vec<&Use>> = BTreeMap::new();
    for found in uses {
        grouped.entry(found.address.clone()).or_default().push(found);
    }
    grouped
}

fn is_satisfied(lock: &LockFile, address: &ModuleAddress, uses: &[&Use]) -> bool {
    lock.golden_path(&address.to_string()).is_some_and(|locked| {
        uses.iter()
            .filter_map(|found| found.constraint.as_ref())
            .all(|constraint| constraint.matches(&locked.version))
    })
}

/// The highest version that every use allows.
async fn resolve(
    client: &Client,
    address: &ModuleAddress,
    uses: &[&Use],
) -> anyhow::Result<LockedPath> {
    let path: GoldenPath = client.get(&question(address, uses)?).await.map_err(|error| {
        let places: Vec<String> = uses.iter().map(|found| wish(found)).collect();
        error
            .context(format!("cannot lock {address}, which is used by:\n  {}", places.join("\n  ")))
    })?;
    Ok(LockedPath {
        version: path.selected.version,
        sha256: path.selected.sha256.parse()?,
        publisher: path.selected.publisher.parse()?,
    })
}

fn wish(found: &Use) -> String {
    match &found.constraint {
        Some(constraint) => format!("{} ({constraint})", found.place),
        None => format!("{} (any version)", found.place),
    }
}

fn question(address: &ModuleAddress, uses: &[&Use]) -> anyhow::Result<String> {
    let mut constraints: Vec<String> = uses
        .iter()
        .filter_map(|found| found.constraint.as_ref())
        .map(ToString::to_string)
        .collect();
    constraints.sort();
    constraints.dedup();
    let path = format!("{BASE_PATH}/golden-paths/{address}");
    if constraints.is_empty() {
        return Ok(path);
    }
    let query = [("constraint", constraints.join(", "))];
    let url = reqwest::Url::parse_with_params(&format!("http://server{path}"), query)
        .map_err(|error| anyhow!("{path}: {error}"))?;
    Ok(format!("{path}?{}", url.query().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(constraint: Option<&str>) -> Use {
        Use {
            address: "golden/api/nodejs".parse().unwrap(),
            constraint: constraint.map(|text| text.parse().unwrap()),
            place: "main.tf:1 idp_service.a".to_owned(),
        }
    }

    fn entry(version: &str) -> LockedPath {
        LockedPath {
            version: version.parse().unwrap(),
            sha256: "a".repeat(64).parse().unwrap(),
            publisher: "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".parse().unwrap(),
        }
    }

    #[test]
    fn every_constraint_on_a_path_is_asked_for_at_once() {
        let (one, other, any) = (used(Some("~> 1.2")), used(Some("< 1.9")), used(None));

        let question = question(&one.address, &[&one, &other, &one, &any]).unwrap();

        assert_eq!(
            question,
            "/api/v1/golden-paths/golden/api/nodejs?constraint=%3C+1.9%2C+%7E%3E+1.2"
        );
    }

    #[test]
    fn what_is_locked_stays_while_every_use_allows_it() {
        let mut lock = LockFile::default();
        lock.insert("golden/api/nodejs", entry("1.2.0")).unwrap();
        let satisfied = |uses: &[&Use]| is_satisfied(&lock, &uses[0].address, uses);

        assert!(satisfied(&[&used(Some("~> 1.0")), &used(None)]));
        assert!(!satisfied(&[&used(Some("~> 1.0")), &used(Some("2.0.0"))]));
    }

    #[test]
    fn the_file_is_replaced_as_a_whole_and_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(FILE_NAME);
        let mut lock = LockFile::default();
        lock.insert("golden/api/nodejs", entry("1.2.0")).unwrap();

        evidence::replace_file(&file, lock.to_json().as_bytes()).unwrap();

        assert_eq!(read(&file).unwrap(), (lock, None, false));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn both_sides_of_a_merge_are_read_together() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(FILE_NAME);
        let side = |address: &str| {
            let mut lock = LockFile::default();
            lock.insert(address, entry("1.2.0")).unwrap();
            lock.to_json().lines().nth(3).unwrap().to_owned()
        };
        let conflict = format!(
            "{{\n  \"version\": 2,\n  \"golden_paths\": {{\n<<<<<<< HEAD\n{}\n=======\n{}\n>>>>>>> b\n  }},\n  \
             \"modules\": {{}}\n}}\n",
            side("golden/api/go"),
            side("golden/api/nodejs")
        );
        std::fs::write(&file, conflict).unwrap();

        let (lock, earlier, is_conflict) = read(&file).unwrap();

        assert_eq!((lock.golden_paths().len(), earlier, is_conflict), (2, None, true));
    }

    #[test]
    fn what_nothing_uses_goes_only_where_everything_is_known() {
        let mut before = LockFile::default();
        before.insert("golden/api/nodejs", entry("1.2.0")).unwrap();
        before.insert("golden/api/go", entry("1.2.0")).unwrap();
        let module = registry_trust::lock::LockedModule {
            sha256: entry("1.0.0").sha256,
            h1: registry_trust::digest::DirHash1::from_sha256(entry("1.0.0").sha256),
            publisher: entry("1.0.0").publisher,
        };
        for release in ["r.example/acme/vpc/aws@1.0.0", "other.example/acme/vpc/aws@1.0.0"] {
            before.insert_module(&release.parse().unwrap(), module).unwrap();
        }
        let uses = |all: bool| Uses {
            paths: Found { uses: vec![used(None)], ..Found::default() },
            calls: Calls::default(),
            all_paths: all,
            all_modules: all,
        };
        let gone = ["golden/api/go", "r.example/acme/vpc/aws@1.0.0"].map(str::to_owned).to_vec();

        let (mut kept, mut tidied) = (before.clone(), before.clone());
        let known = tidy(&mut tidied, &uses(true), &Resolution::default(), "r.example");
        let unknown = tidy(&mut kept, &uses(false), &Resolution::default(), "r.example");

        assert_eq!((known, unknown), ((gone.clone(), vec![]), (vec![], gone)));
        assert_eq!((tidied.golden_paths().len(), tidied.modules().len()), (1, 1));
        assert_eq!(kept, before);
    }
}
