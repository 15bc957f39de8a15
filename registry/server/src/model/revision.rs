//! What a resource is, or shall be, at one generation, and how two of those differ.
//!
//! Pure. `ops` makes revisions, `store` keeps each as one document, `jobs` brings them about.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use registry_api::platform::{
    Change, ChangeAction, DeletionPolicy, Drift, DriftKind, GoldenPathRef, Outputs,
};
use registry_api::{Name, VersionConstraint};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::provision::Provision;
use super::provisioned::{self, Provisioned};
use super::spec::Spec;

/// Name of the driver of changes to files.
const TARGET: &str = "gitops";

/// Everything about a resource that one accepted change settles.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Revision {
    /// For whom it is.
    pub owner: Name,
    /// What was asked for, with the image as configured.
    pub spec: Spec,
    /// What the configuration allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub golden_path_version: Option<VersionConstraint>,
    /// The path that rendered it.
    pub golden_path: GoldenPathRef,
    /// Whether a delete is refused.
    pub deletion_protection: bool,
    /// The image that was rendered, of a service; differs from `spec.image` where a pipeline moved it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running_image: Option<String>,
    /// Digest of what was rendered.
    pub rendered_sha256: String,
    /// Every file, sorted by path.
    pub files: Vec<RenderedFile>,
    /// What it shall have on database servers.
    #[serde(default, skip_serializing_if = "Provision::is_empty")]
    pub provision: Provision,
    /// The same, object by object.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub provisioned: Provisioned,
    /// Whether its create took over what was there before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub adopted: bool,
    /// What it gives; the commit is filled in once there is one.
    pub outputs: Outputs,
    /// What it changed against the revision before.
    pub changes: Vec<Change>,
    /// Revision of the environment's facts that it was rendered with.
    pub environment_revision: String,
}

/// One rendered file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenderedFile {
    /// Relative to the root of the repository.
    pub path: String,
    /// Hex SHA-256 of its bytes.
    pub sha256: String,
    /// `Deployment/checkout`, for a file that holds one object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
}

/// What is in the world now, where a resource has or shall have something.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observed {
    /// Files by path with their hex SHA-256; absent where there is no file.
    pub files: BTreeMap<String, String>,
    /// Objects on database servers.
    pub provisioned: Provisioned,
}

impl Revision {
    /// The specification as it is rendered: a pipeline's image wins over the configured one.
    pub fn effective_spec(&self) -> Spec {
        self.spec.with_image(self.running_image.as_deref())
    }

    /// Whether a delete first writes a dump.
    pub fn leaves_dump(&self) -> bool {
        self.spec.database().is_some_and(|database| {
            database.final_dump && database.deletion_policy == DeletionPolicy::Delete
        })
    }

    /// The trigger of a rotation that this revision asks for and `standing` did not.
    pub fn new_trigger(&self, standing: Option<&Self>) -> Option<&str> {
        let trigger = |revision: &'_ Self| {
            let rotation = revision.spec.database()?.rotation.as_ref()?;
            Some(rotation.trigger.clone())
        };
        let wanted = self.spec.database()?.rotation.as_ref()?.trigger.as_str();
        let before = trigger(standing?);
        (before.as_deref() != Some(wanted)).then_some(wanted)
    }

    /// What differs between what this revision brought about and what is there.
    pub fn drift(&self, observed: &Observed) -> Vec<Drift> {
        let mut drift = self.files_drift(&observed.files);
        drift.extend(provisioned::drift(&self.provisioned, &observed.provisioned));
        drift
    }

    fn files_drift(&self, observed: &BTreeMap<String, String>) -> Vec<Drift> {
        let owned = self.files.iter().filter_map(|file| {
            let kind = match observed.get(&file.path) {
                None => DriftKind::Missing,
                Some(sha256) if *sha256 != file.sha256 => DriftKind::Modified,
                Some(_) => return None,
            };
            Some(Drift { path: file.path.clone(), kind })
        });
        let known: BTreeSet<&str> = self.files.iter().map(|file| file.path.as_str()).collect();
        let foreign = observed
            .keys()
            .filter(|path| !known.contains(path.as_str()))
            .map(|path| Drift { path: path.clone(), kind: DriftKind::Unexpected });
        owned.chain(foreign).collect()
    }

    /// Digest of the files of this revision as they are now; equals `rendered_sha256` exactly where
    /// none of them is missing or edited. Files that the platform did not write do not count: an
    /// apply would leave them alone, so a plan must not promise otherwise.
    pub fn observed_sha256(&self, observed: &BTreeMap<String, String>) -> String {
        let intact = self.files.iter().all(|file| observed.get(&file.path) == Some(&file.sha256));
        if intact {
            return self.rendered_sha256.clone();
        }
        let mut lines = String::new();
        for file in &self.files {
            if let Some(sha256) = observed.get(&file.path) {
                let _ = writeln!(lines, "{sha256}  {}", file.path);
            }
        }
        hex::encode(Sha256::digest(lines))
    }
}

/// The image a change would run: the configured one, unless a pipeline moves it and something runs.
pub fn image_to_run(spec: &Spec, current: Option<&Revision>) -> Option<String> {
    match current {
        Some(current) if spec.is_moved_by_pipeline() => current.running_image.clone(),
        _ => spec.image().map(str::to_owned),
    }
}

/// What bringing `target` about would change, object by object, sorted by path.
///
/// `current` is what the platform wrote last and `observed` what is there now; where both are known,
/// files that someone edited or removed are shown as the repairs they are.
pub fn changes(
    target: &[RenderedFile],
    current: Option<&Revision>,
    observed: Option<&BTreeMap<String, String>>,
) -> Vec<Change> {
    let recorded: BTreeMap<&str, &RenderedFile> = current
        .map(|current| current.files.iter().map(|file| (file.path.as_str(), file)).collect())
        .unwrap_or_default();
    let wanted: BTreeSet<&str> = target.iter().map(|file| file.path.as_str()).collect();
    let kept = target.iter().filter_map(|file| {
        let before = recorded.get(file.path.as_str()).copied();
        file_change(file, before, observed)
    });
    let gone = recorded
        .values()
        .filter(|file| !wanted.contains(file.path.as_str()))
        .filter_map(|file| change(file, ChangeAction::Delete, "no longer rendered"));
    kept.chain(gone).collect()
}

/// What removing `current` would change.
pub fn removals(current: &Revision) -> Vec<Change> {
    let files = current.files.iter();
    files
        .filter_map(|file| change(file, ChangeAction::Delete, "is removed"))
        .chain(provisioned::removals(&current.provisioned))
        .collect()
}

fn file_change(
    file: &RenderedFile,
    before: Option<&RenderedFile>,
    observed: Option<&BTreeMap<String, String>>,
) -> Option<Change> {
    let Some(before) = before else {
        return change(file, ChangeAction::Create, "is added");
    };
    let now = observed.map(|observed| observed.get(&file.path));
    match now {
        Some(None) => Some(repair(
            file,
            ChangeAction::Create,
            "was removed in the repository and is put back",
        )),
        Some(Some(now)) if *now != before.sha256 && *now != file.sha256 => {
            Some(repair(file, ChangeAction::Update, "was edited in the repository and is put back"))
        }
        _ if before.sha256 != file.sha256 => change(file, ChangeAction::Update, "changes in place"),
        _ => None,
    }
}

/// A change that the reader should see: files without an object, such as indexes and the machine
/// file, follow from the objects and are left out.
fn change(file: &RenderedFile, action: ChangeAction, what: &str) -> Option<Change> {
    let object = file.object.clone()?;
    Some(Change { target: TARGET.to_owned(), action, summary: format!("{object} {what}"), object })
}

/// Like [`change`], but shows files without an object by their path: nothing else explains them.
fn repair(file: &RenderedFile, action: ChangeAction, what: &str) -> Change {
    let object = file.object.clone().unwrap_or_else(|| file.path.clone());
    Change { target: TARGET.to_owned(), action, summary: format!("{object} {what}"), object }
}

#[cfg(test)]
mod tests {
    use registry_api::platform::ImageSource;

    use super::*;

    fn file(path: &str, sha256: &str, object: Option<&str>) -> RenderedFile {
        RenderedFile {
            path: path.to_owned(),
            sha256: sha256.to_owned(),
            object: object.map(str::to_owned),
        }
    }

    fn revision(files: Vec<RenderedFile>) -> Revision {
        Revision {
            owner: "payments".parse().unwrap(),
            spec: serde_json::from_value(serde_json::json!({
                "template": "api", "language": "nodejs", "image": "app:1", "port": 8080,
                "image_source": "pipeline",
            }))
            .unwrap(),
            golden_path_version: None,
            golden_path: GoldenPathRef {
                address: "golden/api/nodejs".parse().unwrap(),
                version: "1.0.0".parse().unwrap(),
                sha256: "aa".to_owned(),
                publisher: "key".to_owned(),
            },
            deletion_protection: false,
            running_image: Some("app:2".to_owned()),
            rendered_sha256: "whole".to_owned(),
            files,
            provision: Provision::default(),
            provisioned: Provisioned::new(),
            adopted: false,
            outputs: Outputs::default(),
            changes: Vec::new(),
            environment_revision: "e".to_owned(),
        }
    }

    fn observed(files: &[(&str, &str)]) -> Observed {
        let files = files.iter().map(|(path, sha)| ((*path).to_owned(), (*sha).to_owned()));
        Observed { files: files.collect(), ..Observed::default() }
    }

    fn shown(changes: &[Change]) -> Vec<String> {
        changes.iter().map(|c| format!("{:?} {}", c.action, c.summary)).collect()
    }

    #[test]
    fn a_first_rendering_creates_every_object() {
        let target = [file("a", "1", Some("Service/a")), file("k", "2", None)];

        let changes = changes(&target, None, None);

        assert_eq!(shown(&changes), ["Create Service/a is added"]);
    }

    #[test]
    fn the_same_rendering_changes_nothing() {
        let files = vec![file("a", "1", Some("Service/a")), file("k", "2", None)];
        let current = revision(files.clone());
        let there = observed(&[("a", "1"), ("k", "2")]);

        assert!(changes(&files, Some(&current), Some(&there.files)).is_empty());
        assert!(changes(&files, Some(&current), None).is_empty());
    }

    #[test]
    fn objects_that_differ_come_or_go_are_shown_as_such() {
        let current =
            revision(vec![file("a", "1", Some("Service/a")), file("b", "1", Some("Role/b"))]);
        let target = [file("a", "2", Some("Service/a")), file("c", "1", Some("Route/c"))];

        let changes = changes(&target, Some(&current), None);

        assert_eq!(
            shown(&changes),
            [
                "Update Service/a changes in place",
                "Create Route/c is added",
                "Delete Role/b no longer rendered"
            ]
        );
    }

    #[test]
    fn what_someone_did_to_the_repository_is_shown_as_a_repair() {
        let files = vec![
            file("a", "1", Some("Service/a")),
            file("b", "1", Some("Role/b")),
            file("kustomization.yaml", "1", None),
        ];
        let current = revision(files.clone());
        let there = observed(&[("a", "x"), ("kustomization.yaml", "y"), ("foreign", "z")]);

        let changes = changes(&files, Some(&current), Some(&there.files));

        assert_eq!(
            shown(&changes),
            [
                "Update Service/a was edited in the repository and is put back",
                "Create Role/b was removed in the repository and is put back",
                "Update kustomization.yaml was edited in the repository and is put back"
            ]
        );
        assert_ne!(current.observed_sha256(&there.files), "whole");
        let drift: Vec<_> = current.drift(&there).into_iter().map(|d| (d.path, d.kind)).collect();
        assert_eq!(
            drift,
            [
                ("a".to_owned(), DriftKind::Modified),
                ("b".to_owned(), DriftKind::Missing),
                ("kustomization.yaml".to_owned(), DriftKind::Modified),
                ("foreign".to_owned(), DriftKind::Unexpected),
            ]
        );
    }

    #[test]
    fn an_intact_resource_has_the_digest_that_was_rendered_whatever_lies_beside_it() {
        let current = revision(vec![file("a", "1", Some("Service/a"))]);

        let there = observed(&[("a", "1"), ("foreign", "2")]);

        assert_eq!(current.observed_sha256(&there.files), "whole");
    }

    #[test]
    fn a_pipeline_keeps_the_image_that_runs() {
        let current = revision(Vec::new());
        let spec = &current.spec;
        let mut moved_here = spec.service().unwrap().clone();
        moved_here.image_source = ImageSource::Terraform;

        assert_eq!(image_to_run(spec, Some(&current)).as_deref(), Some("app:2"));
        assert_eq!(image_to_run(spec, None).as_deref(), Some("app:1"));
        let moved_here = Spec::Service(moved_here);
        assert_eq!(image_to_run(&moved_here, Some(&current)).as_deref(), Some("app:1"));
        assert_eq!(current.effective_spec().image(), Some("app:2"));
    }
}
