//! What every test's server starts from: keys, an admin token, the published golden paths and provider.
//!
//! Made once for a build and copied for each test; making it takes seconds, mostly for the OpenPGP key.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::binaries::{self, root};
use crate::git::Repository;
use crate::run::Run;
use crate::server::{self, Server, Start, free_port};
use crate::{config, files};

/// The version under which the provider is published.
pub const PROVIDER_VERSION: &str = "0.1.0";

/// Copies the template to `to`: `server/` with its data and keys, `clusters.git/`.
pub(crate) fn copy(to: &Path) {
    let home = binaries::target().join("e2e");
    fs::create_dir_all(&home).expect("a folder under target");
    let lock = File::create(home.join("lock")).expect("a lock file");
    let template = home.join("template");
    let wanted = fingerprint();
    lock.lock().expect("the lock");
    if fs::read_to_string(template.join("fingerprint")).ok().as_deref() != Some(&wanted) {
        if template.exists() {
            fs::remove_dir_all(&template).expect("the old template is removed");
        }
        make(&template);
        fs::write(template.join("fingerprint"), wanted).expect("the template is marked");
    }
    files::copy_or_link_tree(&template, to);
}

/// The admin token of a copy.
pub(crate) fn admin_token(folder: &Path) -> String {
    fs::read_to_string(folder.join("admin-token")).expect("the template has a token")
}

fn make(template: &Path) {
    let folder = template.join("server");
    let init = Run::of(server::command(template.parent().expect("a parent")).args([
        "--json",
        "init",
        &folder.display().to_string(),
        "--hostname",
        crate::workspace::HOSTNAME,
    ]))
    .ok();
    let init: Value = serde_json::from_str(&init.stdout).expect("init answers in JSON");
    let token = init["admin_token"].as_str().expect("init gives a token");
    fs::write(template.join("admin-token"), token).expect("the token is kept");
    fs::write(folder.join("idp.toml"), config::text()).expect("the configuration is written");
    Repository::create(&template.join("clusters.git"));

    let port = free_port();
    let mut server = Server::start(&folder, port, &Start::default()).expect("the server starts");
    let url = format!("http://127.0.0.1:{port}");
    let mut keys = server::command(&folder);
    keys.env("IDP_SERVER", &url).env("IDP_TOKEN", token);
    Run::of(keys.args(["keys", "add", "private", "publisher.pub", "--key", "root.pem"])).ok();
    for module in golden_paths() {
        let mut publish = server::command(&folder);
        publish.env("IDP_SERVER", &url).env("IDP_TOKEN", token);
        Run::of(publish.args(["publish", &module.display().to_string()])).ok();
    }
    publish_provider(&folder, &url, token);
    assert!(server.stop().success(), "the server did not end well: {}", server.log());
    let _ = fs::remove_file(folder.join("server.log"));
}

/// Publishes the built provider, signed with a key that is made once for a checkout: it takes seconds.
fn publish_provider(folder: &Path, url: &str, token: &str) {
    let key = binaries::target().join("e2e/provider.key.asc");
    let shown = key.display().to_string();
    if !key.exists() {
        Run::of(server::command(folder).args(["provider", "keygen", "--output", &shown])).ok();
    }
    let binary = binaries::provider().display().to_string();
    let mut publish = server::command(folder);
    publish.env("IDP_SERVER", url).env("IDP_TOKEN", token).env("IDP_PROVIDER_KEY", &key);
    let what = ["--binary", &binary, "--version", PROVIDER_VERSION];
    Run::of(publish.args(["provider", "publish"]).args(what)).ok();
}

/// Every `modules/<name>/<system>`.
pub fn golden_paths() -> Vec<PathBuf> {
    let subfolders = |path: &Path| -> Vec<PathBuf> {
        let entries =
            fs::read_dir(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let paths = entries.map(|entry| entry.expect("a folder can be read").path());
        paths.filter(|path| path.is_dir()).collect()
    };
    let mut found: Vec<PathBuf> = subfolders(&root().join("modules"))
        .iter()
        .flat_map(|name| subfolders(name))
        .filter(|path| path.join("golden-path.yaml").is_file())
        .collect();
    found.sort();
    found
}

fn fingerprint() -> String {
    let mut hasher = DefaultHasher::new();
    let mut note = |path: &Path| {
        let meta = fs::metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        (path, meta.len(), meta.modified().ok()).hash(&mut hasher);
    };
    note(&binaries::idp());
    note(&binaries::provider());
    note(&std::env::current_exe().expect("a test knows its own path"));
    let mut folders = vec![root().join("modules")];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).expect("modules can be read");
        let mut paths: Vec<PathBuf> =
            entries.map(|entry| entry.expect("an entry").path()).collect();
        paths.sort();
        for path in paths {
            if path.is_dir() { folders.push(path) } else { note(&path) }
        }
    }
    format!("{:016x}", hasher.finish())
}
