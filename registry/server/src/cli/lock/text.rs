//! What `idp lock` did, for people and for machines.

use std::fmt::Write as _;
use std::path::Path;

use registry_api::interface::ModuleChanges;
use registry_trust::lock::{Change, Lock as LockFile};
use registry_trust::release::{ModuleId, ReleaseId};
use registry_trust::standing::Standing;
use registry_trust::statement::State;
use semver::Version;
use serde_json::{Value, json};

use super::modules::Resolution;

/// A version of a module that is locked now and was not before.
#[derive(Debug)]
pub(super) struct Moved {
    pub(super) module: ModuleId,
    pub(super) before: Option<Version>,
    pub(super) after: Version,
    pub(super) standing: Option<Standing>,
    pub(super) changes: Option<ModuleChanges>,
}

/// Everything that there is to tell.
pub(super) struct Done<'a> {
    pub(super) file: &'a Path,
    pub(super) lock: &'a LockFile,
    pub(super) is_written: bool,
    pub(super) paths: &'a [Change],
    pub(super) modules: &'a [Moved],
    pub(super) dropped: &'a [String],
    pub(super) unused: &'a [String],
    pub(super) unclear: &'a [String],
    pub(super) hints: &'a [String],
}

/// Which versions are locked that were not, each with the one that it takes the place of.
pub(super) fn moved(before: &LockFile, resolution: &Resolution) -> Vec<Moved> {
    let new = resolution.entries.keys().filter(|release| before.module(release).is_none());
    let moved = |release: &ReleaseId| {
        let lower = |version: &&Version| *version < release.version();
        let old = before.versions(release.module());
        let old = old.rev().find(lower).or_else(|| before.versions(release.module()).next_back());
        Moved {
            module: release.module().clone(),
            before: old.cloned(),
            after: release.version().clone(),
            standing: resolution.standings.get(release).cloned(),
            changes: None,
        }
    };
    new.map(moved).collect()
}

/// What to write where another version is installed than the one that is locked.
pub(super) fn hints(resolution: &Resolution) -> Vec<String> {
    let differs = |chosen: &&super::modules::Chosen| {
        chosen
            .call
            .installed
            .as_ref()
            .is_some_and(|installed| installed != chosen.release.version())
    };
    let hint = |chosen: &super::modules::Chosen| {
        let installed = chosen.call.installed.as_ref().map(ToString::to_string).unwrap_or_default();
        let locked = chosen.release.version();
        format!(
            "{} has {installed} installed, {locked} is locked: write version = \"{locked}\" and run \
             `terraform init -upgrade`",
            chosen.call.place
        )
    };
    resolution.chosen.iter().filter(differs).map(hint).collect()
}

impl Done<'_> {
    pub(super) fn json(&self) -> Value {
        let paths: Vec<_> = self
            .paths
            .iter()
            .map(|change| {
                json!({
                    "address": change.address,
                    "before": change.before.as_ref().map(|before| &before.version),
                    "after": change.after.version,
                })
            })
            .collect();
        json!({
            "changes": paths,
            "modules": self.modules.iter().map(Moved::json).collect::<Vec<_>>(),
            "dropped": self.dropped,
            "unclear": self.unclear,
            "hints": self.hints,
            "written": self.is_written,
        })
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        for Change { address, before, after } in self.paths {
            let before = before.as_ref().map(|before| &before.version);
            let _ = writeln!(text, "{}", step(address, before, &after.version));
        }
        for moved in self.modules {
            moved.write(&mut text);
        }
        for dropped in self.dropped {
            let _ = writeln!(text, "dropped, nothing uses it: {dropped}");
        }
        if self.is_written {
            let _ = writeln!(text, "wrote {}; commit it", self.file.display());
        } else {
            let (paths, modules) = (self.lock.golden_paths().len(), self.lock.modules().len());
            let _ = writeln!(
                text,
                "nothing changes: {paths} golden paths and {modules} module versions are locked"
            );
        }
        for place in self.unclear {
            let _ = writeln!(text, "not locked: {place}; use --plan");
        }
        for unused in self.unused {
            let _ = writeln!(text, "locked but not seen here: {unused}");
        }
        for hint in self.hints {
            let _ = writeln!(text, "{hint}");
        }
        text.truncate(text.trim_end().len());
        text
    }
}

impl Moved {
    fn json(&self) -> Value {
        let changes = self.changes.as_ref();
        json!({
            "address": self.module.to_string(),
            "before": self.before,
            "after": self.after,
            "state": self.standing.as_ref().map(|standing| standing.state),
            "interface": changes.map(|changes| &changes.interface),
            "changelog": changes.map(|changes| &changes.changelog),
        })
    }

    fn write(&self, text: &mut String) {
        let module = self.module.to_string();
        let _ = writeln!(text, "{}", step(&module, self.before.as_ref(), &self.after));
        if let Some(standing) = self.standing.as_ref().filter(|s| s.state != State::Active) {
            let until = standing.sunset.map(|day| format!(" until {day}")).unwrap_or_default();
            let why = standing.reason.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
            let instead =
                standing.replacement.as_ref().map(|new| format!("; use {new}")).unwrap_or_default();
            let _ = writeln!(text, "  {}{until}{}", standing.state, plain(&(why + &instead)));
        }
        let Some(ModuleChanges { interface, changelog, .. }) = &self.changes else { return };
        for change in interface {
            let mark = if change.breaking { "breaking: " } else { "" };
            let _ = writeln!(text, "  {mark}{}", plain(&change.summary));
        }
        for line in changelog.trim().lines() {
            let _ = writeln!(text, "  | {}", plain(line));
        }
    }
}

fn step(address: &str, before: Option<&Version>, after: &Version) -> String {
    match before {
        Some(before) => format!("{address}: {before} -> {after}"),
        None => format!("{address}: {after}"),
    }
}

/// What somebody else wrote, without what plays tricks on a terminal.
fn plain(text: &str) -> String {
    let is_trick = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if is_trick(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use registry_trust::digest::{DirHash1, Sha256};
    use registry_trust::lock::LockedModule;

    use super::super::calls::Call;
    use super::super::modules::Chosen;
    use super::*;

    fn release(version: &str) -> ReleaseId {
        format!("r.example/acme/vpc/aws@{version}").parse().unwrap()
    }

    fn entry() -> LockedModule {
        LockedModule {
            sha256: Sha256::of(b"a"),
            h1: DirHash1::from_sha256(Sha256::of(b"t")),
            publisher: "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=".parse().unwrap(),
        }
    }

    fn resolution(installed: &str, version: &str) -> Resolution {
        let mut resolution = Resolution::default();
        let call = Call {
            address: "module.vpc".to_owned(),
            place: "main.tf:3 module.vpc".to_owned(),
            module: release(version).module().clone(),
            constraint: None,
            installed: installed.parse().ok(),
        };
        resolution.chosen.push(Chosen { call, release: release(version) });
        resolution.entries.insert(release(version), entry());
        resolution
    }

    #[test]
    fn a_newly_locked_version_takes_the_place_of_the_one_below() {
        let mut lock = LockFile::default();
        for version in ["1.0.0", "1.1.0", "3.0.0"] {
            lock.insert_module(&release(version), entry()).unwrap();
        }
        let before = |version: &str| {
            let moved = moved(&lock, &resolution("", version));
            moved.first().map(|moved| moved.before.clone().unwrap().to_string())
        };

        assert_eq!(before("2.0.0").as_deref(), Some("1.1.0"));
        assert_eq!(before("0.9.0").as_deref(), Some("3.0.0"));
        assert_eq!(before("1.1.0"), None);
        assert!(moved(&LockFile::default(), &resolution("", "1.0.0"))[0].before.is_none());
    }

    #[test]
    fn what_to_write_is_said_where_another_version_is_installed() {
        assert_eq!(
            hints(&resolution("1.0.0", "1.2.0")),
            [
                "main.tf:3 module.vpc has 1.0.0 installed, 1.2.0 is locked: write version = \"1.2.0\" and run \
              `terraform init -upgrade`"
            ]
        );
        assert!(hints(&resolution("1.2.0", "1.2.0")).is_empty());
        assert!(hints(&resolution("", "1.2.0")).is_empty());
    }

    #[test]
    fn a_move_shows_what_it_brings_and_nothing_that_fools_a_terminal() {
        let changes = serde_json::from_value(json!({
            "from": "1.0.0", "to": "2.0.0",
            "interface": [{"kind": "input_removed", "subject": "/inputs/x", "summary": "x is gone", "breaking": true}],
            "changelog": "## 2.0.0\n\n- \u{1b}[2Jx is gone\n",
        }));
        let mut moved = moved(&LockFile::default(), &resolution("", "2.0.0"));
        moved[0].before = Some(Version::new(1, 0, 0));
        moved[0].changes = Some(changes.unwrap());
        moved[0].standing = Some(Standing {
            state: State::Deprecated,
            reason: Some("old".to_owned()),
            replacement: Some("acme/new/aws".to_owned()),
            sunset: "2027-01-31".parse().ok(),
            ..Standing::default()
        });
        let done = Done {
            file: Path::new(".idp.lock.json"),
            lock: &LockFile::default(),
            is_written: true,
            paths: &[],
            modules: &moved,
            dropped: &["r.example/acme/old/aws@1.0.0".to_owned()],
            unused: &[],
            unclear: &[],
            hints: &[],
        };

        assert_eq!(
            done.text(),
            "r.example/acme/vpc/aws: 1.0.0 -> 2.0.0\n  deprecated until 2027-01-31: old; use acme/new/aws\n  \
             breaking: x is gone\n  | ## 2.0.0\n  | \n  | - \u{fffd}[2Jx is gone\n\
             dropped, nothing uses it: r.example/acme/old/aws@1.0.0\nwrote .idp.lock.json; commit it"
        );
        assert_eq!(done.json()["modules"][0]["interface"][0]["breaking"], true);
    }
}
