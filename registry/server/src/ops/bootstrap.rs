//! What a GitOps repository holds before any service: the root Application and one `AppProject` per project.
//!
//! Argo CD is told about the root once, by hand; it then finds every Application that the platform commits.

use std::collections::{BTreeMap, BTreeSet};

use registry_api::Name;
use serde_json::{Value, json};

use super::refusal::PlatformError;
use crate::drivers::gitops::{Change, Committed, GitOps};
use crate::golden_path::{hex_sha256, to_yaml};
use crate::model::environment::ARGOCD_FOLDER;
use crate::platform::{Place, Platform};

/// What was done to one repository.
#[derive(Debug)]
pub struct Bootstrapped {
    /// Its name in the configuration.
    pub repository: String,
    /// The file to hand to Argo CD.
    pub root: String,
    /// What the commit came to.
    pub committed: Committed,
}

/// Commits root Application and projects to every repository that an environment uses. Repeating it changes nothing;
/// files that somebody edited are refused, not overwritten.
pub async fn bootstrap(
    platform: &Platform,
    now_seconds: i64,
) -> Result<Vec<Bootstrapped>, PlatformError> {
    let mut done = Vec::new();
    for (gitops, places) in repositories(platform) {
        let files = files(&places);
        let digest = hex_sha256(
            &files
                .iter()
                .flat_map(|(path, text)| [path.as_bytes(), text])
                .collect::<Vec<_>>()
                .concat(),
        );
        let names: BTreeSet<&Name> = places.iter().map(|place| place.name()).collect();
        let names: Vec<&str> = names.into_iter().map(Name::as_str).collect();
        let change = Change {
            operation_id: format!("bootstrap-{}", &digest[..24]),
            directories: Vec::new(),
            owned: BTreeMap::new(),
            attempted: BTreeMap::new(),
            author: None,
            committed_at_seconds: now_seconds,
            subject: format!("Prepare Argo CD for {}", names.join(", ")),
            body: String::new(),
            trailers: Vec::new(),
            files,
        };
        let committed = gitops.commit(change).await?;
        let repository = gitops.repository().name().to_owned();
        done.push(Bootstrapped { repository, root: root_path(), committed });
    }
    Ok(done)
}

fn root_path() -> String {
    format!("{ARGOCD_FOLDER}/root.yaml")
}

/// Every repository and branch, with the environments in it.
fn repositories(platform: &Platform) -> Vec<(&GitOps, Vec<&Place>)> {
    let mut found: BTreeMap<(&str, &str), (&GitOps, Vec<&Place>)> = BTreeMap::new();
    for place in platform.environments.values() {
        let at = (place.facts.gitops.repository.as_str(), place.facts.gitops.branch.as_str());
        found.entry(at).or_insert_with(|| (&place.gitops, Vec::new())).1.push(place);
    }
    found.into_values().collect()
}

fn files(places: &[&Place]) -> BTreeMap<String, Vec<u8>> {
    let mut projects: BTreeMap<(&str, &str), Vec<&Place>> = BTreeMap::new();
    for place in places {
        let argocd = &place.facts.argocd;
        projects.entry((&argocd.namespace, &argocd.project)).or_default().push(place);
    }
    let mut files: BTreeMap<String, Vec<u8>> = projects
        .iter()
        .map(|((namespace, name), places)| {
            let text = to_yaml(&project(namespace, name, places));
            (format!("{ARGOCD_FOLDER}/projects/{namespace}.{name}.yaml"), text.into_bytes())
        })
        .collect();
    if let Some(first) = places.first() {
        files.insert(root_path(), to_yaml(&root(first)).into_bytes());
    }
    files
}

/// What the Applications of some environments may do: deploy namespaced objects from this repository to these places.
fn project(namespace: &str, name: &str, places: &[&Place]) -> Value {
    let destinations: BTreeSet<String> =
        places.iter().map(|place| destination(place).to_string()).collect();
    let destinations: Vec<Value> =
        destinations.iter().filter_map(|text| serde_json::from_str(text).ok()).collect();
    let repositories: BTreeSet<&str> =
        places.iter().map(|place| place.facts.gitops.url.as_str()).collect();
    json!({
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AppProject",
        "metadata": { "name": name, "namespace": namespace },
        "spec": {
            "description": "Services of the platform",
            "sourceRepos": repositories,
            "destinations": destinations,
            "clusterResourceWhitelist": [],
            "namespaceResourceWhitelist": [{ "group": "*", "kind": "*" }],
        },
    })
}

fn destination(place: &Place) -> Value {
    let facts = &place.facts.destination;
    match (&facts.name, &facts.server) {
        (Some(name), _) => json!({ "name": name, "namespace": facts.namespace }),
        (None, server) => json!({ "server": server, "namespace": facts.namespace }),
    }
}

/// Argo CD may follow several branches of a repository. Branches may hold what names may not, so theirs is a digest.
fn root_name(repository: &str, branch: &str) -> String {
    format!("platform-{repository}-{}", &hex_sha256(branch.as_bytes())[..8])
}

/// The one Application that is handed to Argo CD by hand. It has no finalizer: removing it removes no service.
fn root(place: &Place) -> Value {
    let (argocd, gitops) = (&place.facts.argocd, &place.facts.gitops);
    json!({
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {
            "name": root_name(&gitops.repository, &gitops.branch),
            "namespace": argocd.namespace,
        },
        "spec": {
            "project": "default",
            "destination": { "server": "https://kubernetes.default.svc", "namespace": argocd.namespace },
            "source": {
                "repoURL": gitops.url,
                "targetRevision": gitops.branch,
                "path": ARGOCD_FOLDER,
                "directory": { "recurse": true },
            },
            "syncPolicy": {
                "automated": { "prune": true, "selfHeal": true },
                "syncOptions": ["ServerSideApply=true", "ApplyOutOfSyncOnly=true"],
            },
        },
    })
}
