//! `idp lock`: which version of each golden path a configuration uses, written down beside it.

mod configuration;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use registry_api::ModuleAddress;
use registry_api::platform::{BASE_PATH, GoldenPath};
use registry_trust::lock::{Change, FILE_NAME, Lock as LockFile, LockedPath};
use serde_json::{Value, json};

use super::Context;
use super::client::{Client, Remote};
use configuration::{Found, Use};

/// Lock the golden path versions of a configuration.
///
/// Reads the services of a folder, asks the server which version of each path they mean today, and writes that to
/// .idp.lock.json, which belongs into version control. With it, the first plan of a service shows every value, and
/// everybody gets the same version until the file moves.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  idp lock                                  what is not locked yet, or no longer allowed
  idp lock --upgrade                        the highest allowed version of everything
  terraform plan -out p && terraform show -json p > p.json && idp lock --plan p.json
                                            also what variables and modules decide")]
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
}

impl Lock {
    pub(super) async fn run(self, context: &Context<'_>) -> anyhow::Result<()> {
        let found = self.find()?;
        let file = self.directory.join(FILE_NAME);
        let mut lock = read(&file)?;
        let client = self.remote.client(context)?;
        let mut changes = Vec::new();
        for (address, uses) in by_address(&found.uses) {
            if self.upgrade || !is_satisfied(&lock, &address, &uses) {
                let entry = resolve(&client, &address, &uses).await?;
                changes.extend(lock.insert(&address.to_string(), entry)?);
            }
        }
        if !changes.is_empty() {
            write(&self.directory, &file, &lock)?;
        }
        context.output.answer(&report(&found, &changes), describe(&file, &found, &lock, &changes))
    }

    fn find(&self) -> anyhow::Result<Found> {
        let mut found = Found::default();
        match &self.plan {
            Some(plan) => {
                let json =
                    fs::read(plan).with_context(|| format!("cannot read {}", plan.display()))?;
                found.read_plan(&json).with_context(|| format!("cannot use {}", plan.display()))?;
            }
            None => {
                for (name, text) in configuration_files(&self.directory)? {
                    found.read_file(&name, &text)?;
                }
            }
        }
        Ok(found)
    }
}

/// Every `*.tf` of the folder, by name.
fn configuration_files(directory: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let shown = directory.display();
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(directory).with_context(|| format!("cannot read {shown}"))? {
        let path = entry.with_context(|| format!("cannot read {shown}"))?.path();
        if path.extension().is_some_and(|extension| extension == "tf") && path.is_file() {
            let text = fs::read_to_string(&path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            files.insert(name, text);
        }
    }
    if files.is_empty() {
        bail!("{shown} holds no *.tf file; name the folder of the configuration");
    }
    Ok(files)
}

fn read(file: &Path) -> anyhow::Result<LockFile> {
    match fs::read(file) {
        Ok(bytes) => Ok(LockFile::parse(&bytes)?),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(LockFile::default()),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
    }
}

/// Replaces the file at once: whoever reads it sees all of it, old or new.
fn write(directory: &Path, file: &Path, lock: &LockFile) -> anyhow::Result<()> {
    let cannot = || format!("cannot write {}", file.display());
    let mut new = tempfile::NamedTempFile::new_in(directory).with_context(cannot)?;
    new.write_all(lock.to_json().as_bytes()).with_context(cannot)?;
    new.as_file().sync_all().with_context(cannot)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // A temporary file is for its owner alone; this one goes into version control.
        let everyone = fs::Permissions::from_mode(0o644);
        new.as_file().set_permissions(everyone).with_context(cannot)?;
    }
    new.persist(file).with_context(cannot)?;
    Ok(())
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

fn report(found: &Found, changes: &[Change]) -> Value {
    let changes: Vec<_> = changes
        .iter()
        .map(|change| {
            json!({
                "address": change.address,
                "before": change.before.as_ref().map(|before| &before.version),
                "after": change.after.version,
            })
        })
        .collect();
    json!({ "changes": changes, "unclear": found.unclear })
}

fn describe(file: &Path, found: &Found, lock: &LockFile, changes: &[Change]) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    for Change { address, before, after } in changes {
        let _ = match before {
            Some(before) => writeln!(text, "{address}: {} -> {}", before.version, after.version),
            None => writeln!(text, "{address}: {}", after.version),
        };
    }
    if changes.is_empty() {
        let _ = writeln!(
            text,
            "nothing changes: {} golden paths are locked",
            lock.golden_paths().len()
        );
    } else {
        let _ = writeln!(text, "wrote {}; commit it", file.display());
    }
    for place in &found.unclear {
        let _ = writeln!(text, "not locked: {place}; use --plan");
    }
    let used = by_address(&found.uses);
    for (address, _) in lock.golden_paths() {
        let is_used =
            address.parse().is_ok_and(|address: ModuleAddress| used.contains_key(&address));
        if !is_used && found.unclear.is_empty() {
            let _ = writeln!(text, "locked but not used here: {address}");
        }
    }
    text.truncate(text.trim_end().len());
    text
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

        write(folder.path(), &file, &lock).unwrap();

        assert_eq!(read(&file).unwrap(), lock);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_without_configuration_is_refused() {
        let folder = tempfile::tempdir().unwrap();

        let error = configuration_files(folder.path()).unwrap_err();

        assert!(error.to_string().contains("no *.tf file"), "{error}");
    }
}
