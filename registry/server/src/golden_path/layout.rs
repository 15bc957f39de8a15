//! Where rendered objects go in a GitOps repository, and the digest over them.
//!
//! `<environment>/<kind>/<name>/NN-<kind>-<name>.yaml` holds one cluster object a file; `kustomization.yaml` beside
//! them lists exactly those; `catalog-info.yaml` holds the catalogue's entities; the Argo CD Application goes to
//! `argocd/<environment>/<name>.yaml` (of a service) or `<name>.<kind>.yaml`, where the root Application finds it.
//!
//! **The digest.** `rendered_sha256` is over every file except the machine file, so it can be computed from a
//! checkout alone. No rendered object carries it: an object cannot hold the digest of itself. It stands in the machine
//! file; objects carry the digests of the path and of the inputs instead, which are known before rendering.

use std::collections::BTreeMap;

use registry_api::platform::{GoldenPathRef, Kind};
use sha2::{Digest, Sha256};

use super::yaml::{self, Tree};

/// Name of the machine file in the folder of a resource.
pub const MACHINE_FILE: &str = ".idp.json";

/// Files by their path in the repository.
pub type Files = BTreeMap<String, Vec<u8>>;

/// One rendered object.
#[derive(Debug, Clone, PartialEq)]
pub struct RenderedObject {
    /// Its API group and version.
    pub api_version: String,
    /// What it is.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The file it stands in.
    pub path: String,
    /// Hex SHA-256 of its own YAML.
    pub sha256: String,
    /// The object.
    pub json: serde_json::Value,
}

/// Folder of a resource.
pub fn directory(environment: &str, kind: Kind, name: &str) -> String {
    format!("{environment}/{kind}/{name}")
}

/// Where Argo CD finds the Application of a resource. Names have no dots, so no two resources meet.
pub(super) fn application(environment: &str, kind: Kind, name: &str) -> String {
    match kind {
        Kind::Service => format!("argocd/{environment}/{name}.yaml"),
        Kind::Database => format!("argocd/{environment}/{name}.{kind}.yaml"),
    }
}

/// Hex SHA-256 over the files of a resource as they are rendered or found: the sorted lines
/// `<sha256>  <path>`, the machine file left out.
pub fn rendered_sha256<'a>(files: impl IntoIterator<Item = (&'a String, &'a Vec<u8>)>) -> String {
    rendered_sha256_of_digests(
        files.into_iter().map(|(path, bytes)| (path.as_str(), hex_sha256(bytes))),
    )
}

/// The same, where the files' own digests are known already.
pub fn rendered_sha256_of_digests<'a>(
    digests: impl IntoIterator<Item = (&'a str, String)>,
) -> String {
    let mut lines: Vec<_> = digests
        .into_iter()
        .filter(|(path, _)| !is_machine_file(path))
        .map(|(path, digest)| format!("{digest}  {path}\n"))
        .collect();
    lines.sort();
    hex_sha256(lines.concat().as_bytes())
}

/// Whether a file is the machine file of some resource.
pub fn is_machine_file(path: &str) -> bool {
    path == MACHINE_FILE || path.ends_with(&format!("/{MACHINE_FILE}"))
}

/// Hex SHA-256 of some bytes.
pub fn hex_sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// An object, the number its template's file name begins with, and that file.
pub(super) struct Placed {
    pub(super) number: String,
    pub(super) template: String,
    pub(super) tree: Tree,
}

/// Lays objects out as files; `application` is where Argo CD's own object goes. `Err` names a template whose object would stand where another does.
pub(super) fn lay_out(
    application: &str,
    directory: &str,
    placed: &[Placed],
) -> Result<(Files, Vec<RenderedObject>), (String, String)> {
    let mut files = Files::new();
    let mut objects = Vec::new();
    let mut cluster = Vec::new();
    for object in placed {
        let rendered = describe(object, application, directory);
        let text = yaml::write(&ordered(&object.tree));
        let is_catalog = rendered.path.ends_with("/catalog-info.yaml");
        match files.get_mut(&rendered.path) {
            Some(catalog) if is_catalog => {
                catalog.extend_from_slice(b"---\n");
                catalog.extend_from_slice(text.as_bytes());
            }
            Some(_) => return Err((object.template.clone(), rendered.path)),
            None => {
                if !is_catalog && let Some(file) = rendered.path.strip_prefix(directory) {
                    cluster.push(file.trim_start_matches('/').to_owned());
                }
                files.insert(rendered.path.clone(), text.clone().into_bytes());
            }
        }
        objects.push(RenderedObject { sha256: hex_sha256(text.as_bytes()), ..rendered });
    }
    cluster.sort();
    files.insert(format!("{directory}/kustomization.yaml"), kustomization(cluster));
    Ok((files, objects))
}

fn describe(object: &Placed, application: &str, directory: &str) -> RenderedObject {
    let text =
        |keys: &[&str]| object.tree.at(keys).and_then(Tree::as_str).unwrap_or_default().to_owned();
    let (api_version, kind, name) =
        (text(&["apiVersion"]), text(&["kind"]), text(&["metadata", "name"]));
    let group = api_version.split('/').next().unwrap_or_default();
    let path = match group {
        "argoproj.io" if is_argo_cd(&kind) => application.to_owned(),
        "backstage.io" => format!("{directory}/catalog-info.yaml"),
        _ => format!("{directory}/{}-{}-{name}.yaml", object.number, kind.to_ascii_lowercase()),
    };
    RenderedObject {
        api_version,
        kind,
        name,
        path,
        sha256: String::new(),
        json: object.tree.to_json(),
    }
}

fn is_argo_cd(kind: &str) -> bool {
    matches!(kind, "Application" | "ApplicationSet" | "AppProject")
}

/// Kubernetes people look for these four first.
fn ordered(tree: &Tree) -> Tree {
    let Tree::Map(entries) = tree else { return tree.clone() };
    let rank = |key: &str| {
        let first = ["apiVersion", "kind", "metadata", "spec"];
        first.iter().position(|name| *name == key).unwrap_or(first.len())
    };
    let mut entries = entries.clone();
    entries.sort_by_key(|(key, _)| rank(key));
    Tree::Map(entries)
}

fn kustomization(resources: Vec<String>) -> Vec<u8> {
    let text = |text: &str| Tree::Text(text.to_owned());
    yaml::write(&Tree::Map(vec![
        ("apiVersion".to_owned(), text("kustomize.config.k8s.io/v1beta1")),
        ("kind".to_owned(), text("Kustomization")),
        ("resources".to_owned(), Tree::List(resources.into_iter().map(Tree::Text).collect())),
    ]))
    .into_bytes()
}

/// The machine file: what rendered these files, and their digests.
pub(super) fn machine_file(
    reference: &str,
    path: &GoldenPathRef,
    inputs_sha256: &str,
    rendered_sha256: &str,
    files: &Files,
) -> Vec<u8> {
    let text = |text: &str| Tree::Text(text.to_owned());
    let digests = files.iter().map(|(path, bytes)| (path.clone(), Tree::Text(hex_sha256(bytes))));
    Tree::Map(vec![
        ("format".to_owned(), Tree::Int(1)),
        ("resource".to_owned(), text(reference)),
        (
            "golden_path".to_owned(),
            Tree::Map(vec![
                ("address".to_owned(), text(&path.address.to_string())),
                ("version".to_owned(), text(&path.version.to_string())),
                ("sha256".to_owned(), text(&path.sha256)),
            ]),
        ),
        ("inputs_sha256".to_owned(), text(inputs_sha256)),
        ("rendered_sha256".to_owned(), text(rendered_sha256)),
        ("files".to_owned(), Tree::Map(digests.collect())),
    ])
    .to_json_text()
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_over_sorted_lines_without_the_machine_file() {
        let files = Files::from([
            ("b.yaml".to_owned(), b"b".to_vec()),
            ("a/a.yaml".to_owned(), b"a".to_vec()),
            ("a/.idp.json".to_owned(), b"{}".to_vec()),
        ]);
        let mut lines = [
            format!("{}  b.yaml\n", hex_sha256(b"b")),
            format!("{}  a/a.yaml\n", hex_sha256(b"a")),
        ];
        lines.sort();

        assert_eq!(rendered_sha256(&files), hex_sha256(lines.concat().as_bytes()));
    }
}
