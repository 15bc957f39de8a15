//! A platform of one's own for each test.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use registry_server::app::{App, open_store};
use registry_server::auth::{self, Maker, NewToken, Token};
use registry_server::clock::Clock;
use registry_server::config::Config;
use registry_server::jobs::Worker;
use registry_server::model::right::Rights;
use registry_server::ops::publish_module::{Upload, publish_module};
use registry_server::router;
use registry_server::trust::{Enrolment, establish};
use registry_trust::archive::{Archive, File, Limits, pack_files};
use registry_trust::key::{Algorithm, SigningKey, VerifyingKey};
use registry_trust::release::ReleaseId;
use registry_trust::verify::sign_release;
use serde_json::{Value, json};
use tower::ServiceExt;

const HOSTNAME: &str = "registry.example.com";

/// The files of the path that the tests publish; `VERSION` becomes the version.
const PATH: [(&str, &str); 6] = [
    ("main.tf", include_str!("path/main.tf")),
    ("golden-path.yaml", include_str!("path/golden-path.yaml")),
    ("templates/10-config.yaml", include_str!("path/templates/10-config.yaml")),
    ("templates/20-service.yaml", include_str!("path/templates/20-service.yaml")),
    ("templates/80-application.yaml", include_str!("path/templates/80-application.yaml")),
    ("templates/90-catalog.yaml", include_str!("path/templates/90-catalog.yaml")),
];

/// The files of the path of databases that the tests publish.
const DATABASE_PATH: [(&str, &str); 4] = [
    ("main.tf", include_str!("path-database/main.tf")),
    ("golden-path.yaml", include_str!("path-database/golden-path.yaml")),
    ("templates/70-rules.yaml", include_str!("path-database/templates/70-rules.yaml")),
    ("templates/90-catalog.yaml", include_str!("path-database/templates/90-catalog.yaml")),
];

/// A running platform; everything of it goes when it is dropped.
pub(crate) struct Platform {
    pub(crate) app: App,
    pub(crate) folder: tempfile::TempDir,
    router: Router,
    worker: Option<Worker>,
    admin: String,
}

/// An answer of the API.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    /// The body of an answer that must be a success.
    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert!(self.status.is_success(), "{}: {:#}", self.status, self.body);
        self.body
    }

    /// The body of a problem that must have this status and code.
    #[track_caller]
    pub(crate) fn problem(self, status: u16, code: &str) -> Value {
        assert_eq!(
            (self.status.as_u16(), self.body["code"].as_str()),
            (status, Some(code)),
            "{:#}",
            self.body
        );
        self.body
    }

    /// The detail of a problem that must have this status and code.
    #[track_caller]
    pub(crate) fn detail(self, status: u16, code: &str) -> String {
        self.problem(status, code)["detail"].as_str().unwrap().to_owned()
    }
}

impl Platform {
    /// A running one with version 1.0.0 of `golden/api/nodejs`.
    pub(crate) async fn start() -> Self {
        let mut platform = Self::without_worker().await;
        platform.work();
        platform
    }

    /// One that accepts and does not carry out yet.
    pub(crate) async fn without_worker() -> Self {
        Self::idle(&config_text(), &[]).await
    }

    /// One with this configuration and more files beside it, that does not carry out yet.
    pub(crate) async fn idle(text: &str, files: &[(&str, &str)]) -> Self {
        Self::idle_at(Clock::system(), text, files).await
    }

    /// The same by another clock.
    pub(crate) async fn idle_at(clock: Clock, text: &str, files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        prepare(folder.path());
        for (name, content) in files {
            std::fs::write(folder.path().join(name), content).unwrap();
        }
        let config = config(folder.path(), text);
        establish_trust(&config, folder.path()).await;
        let app = App::start(config, clock).await.unwrap();
        let admin = token(&app, "admin", &["admin"]).await;
        let platform =
            Self { router: router::build(app.clone()), app, folder, worker: None, admin };
        platform.publish("api/nodejs", "1.0.0").await;
        platform
    }

    /// The token that may do everything.
    pub(crate) fn admin(&self) -> &str {
        &self.admin
    }

    /// Starts to carry out what is accepted.
    pub(crate) fn work(&mut self) {
        self.worker = Some(Worker::start(self.app.clone()));
    }

    /// Stops, changes the configuration, and starts again on the same data.
    pub(crate) async fn reconfigure(mut self, edit: impl FnOnce(String) -> String) -> Self {
        if let Some(worker) = self.worker.take() {
            worker.stop(Duration::from_secs(10)).await;
        }
        self.app.store.close().await;
        let text = edit(config_text());
        self.app = App::start(config(self.folder.path(), &text), Clock::system()).await.unwrap();
        self.router = router::build(self.app.clone());
        self.work();
        self
    }

    /// Ends, and leaves the folder.
    pub(crate) async fn close(mut self) -> tempfile::TempDir {
        if let Some(worker) = self.worker.take() {
            worker.stop(Duration::from_secs(10)).await;
        }
        self.app.store.close().await;
        self.folder
    }

    /// Publishes the test path of services as `golden/<name>`.
    pub(crate) async fn publish(&self, name: &str, version: &str) {
        self.publish_files(name, version, &PATH).await;
    }

    /// Publishes the test path of databases.
    pub(crate) async fn publish_database_path(&self) {
        self.publish_files("database/postgres", "1.0.0", &DATABASE_PATH).await;
    }

    async fn publish_files(&self, name: &str, version: &str, files: &[(&str, &str)]) {
        let files = files.iter().map(|(path, text)| {
            let content = text.replace("VERSION", version).into_bytes();
            ((*path).to_owned(), File { content, executable: false })
        });
        let packed = pack_files(&files.collect::<BTreeMap<_, _>>(), &Limits::default()).unwrap();
        let archive = Archive::open(&packed, &Limits::default()).unwrap();
        let (name, system) = name.split_once('/').unwrap();
        let release =
            ReleaseId::new(HOSTNAME, "golden", name, system, version.parse().unwrap()).unwrap();
        let pem = std::fs::read_to_string(self.folder.path().join("publisher.pem")).unwrap();
        let key = SigningKey::from_pem(&pem).unwrap();
        let bundle = sign_release(&release, archive.summary(), None, &key).unwrap();
        let upload = Upload {
            address: format!("golden/{name}/{system}").parse().unwrap(),
            version: version.to_owned(),
            archive: self.app.blobs.stage(&packed).await.unwrap(),
            bundle: bundle.to_json().into_bytes(),
            allow_breaking: None,
            by: publisher(),
        };
        publish_module(&self.app, upload).await.unwrap();
    }

    /// A token with these rights.
    pub(crate) async fn token(&self, name: &str, rights: &[&str]) -> String {
        token(&self.app, name, rights).await
    }

    /// One request as the admin.
    pub(crate) async fn call(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        self.call_as(&self.admin, method, path, &[], body).await
    }

    /// One request with a token and headers.
    pub(crate) async fn call_as(
        &self,
        token: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(format!("/api/v1{path}"));
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = match body {
            Some(body) => {
                request = request.header("content-type", "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        let response = self.router.clone().oneshot(request.body(body).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let body = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// A plan as the admin.
    pub(crate) async fn plan(&self, request: Value) -> Answer {
        self.call("POST", "/plans", Some(request)).await
    }

    /// A create as the admin; its operation's first answer.
    pub(crate) async fn create(&self, name: &str, body: Value) -> Answer {
        let path = format!("/resources/service/staging/{name}");
        self.call_as(&self.admin, "PUT", &path, &[("if-none-match", "*")], Some(body)).await
    }

    /// A change as the admin.
    pub(crate) async fn update(&self, name: &str, generation: u64, body: Value) -> Answer {
        let path = format!("/resources/service/staging/{name}");
        let tag = format!("\"{generation}\"");
        self.call_as(&self.admin, "PUT", &path, &[("if-match", &tag)], Some(body)).await
    }

    /// A delete as the admin.
    pub(crate) async fn delete(&self, name: &str, generation: u64) -> Answer {
        let path = format!("/resources/service/staging/{name}");
        let tag = format!("\"{generation}\"");
        self.call_as(&self.admin, "DELETE", &path, &[("if-match", &tag)], None).await
    }

    /// The operation of an accepted write, once it ended.
    #[track_caller]
    pub(crate) fn ended(&self, accepted: Answer) -> impl Future<Output = Value> {
        assert_eq!(accepted.status, StatusCode::ACCEPTED, "{:#}", accepted.body);
        let id = accepted.body["id"].as_str().unwrap().to_owned();
        async move { self.call("GET", &format!("/operations/{id}?wait=50s"), None).await.ok() }
    }

    /// Creates a service and waits until it is there.
    pub(crate) async fn created(&self, name: &str, body: Value) -> Value {
        let accepted = self.create(name, body).await;
        let operation = self.ended(accepted).await;
        assert_eq!(operation["state"], "succeeded", "{operation:#}");
        self.resource(name).await
    }

    /// The resource as the API shows it.
    pub(crate) async fn resource(&self, name: &str) -> Value {
        self.call("GET", &format!("/resources/service/staging/{name}"), None).await.ok()
    }

    /// The repository that environments are committed to.
    pub(crate) fn repository(&self) -> PathBuf {
        self.folder.path().join("clusters.git")
    }

    /// The paths in the repository.
    pub(crate) fn files(&self) -> Vec<String> {
        let listed = git(&self.repository(), &["ls-tree", "-r", "--name-only", "main"]);
        listed.lines().map(str::to_owned).collect()
    }

    /// How many commits the branch has.
    pub(crate) fn commits(&self) -> usize {
        let counted = git(&self.repository(), &["rev-list", "--count", "--all"]);
        counted.trim().parse().unwrap()
    }

    /// Changes the repository as a person would: each path gets content, or goes.
    pub(crate) fn edit_repository(&self, edits: &[(&str, Option<&str>)]) {
        let work = tempfile::tempdir().unwrap();
        let clone = work.path().join("clone");
        git(work.path(), &["clone", "-q", self.repository().to_str().unwrap(), "clone"]);
        for (path, content) in edits {
            match content {
                Some(content) => {
                    std::fs::create_dir_all(clone.join(path).parent().unwrap()).unwrap();
                    std::fs::write(clone.join(path), content).unwrap();
                }
                None => std::fs::remove_file(clone.join(path)).unwrap(),
            }
        }
        git(&clone, &["add", "-A"]);
        git(&clone, &["commit", "-q", "-m", "by hand"]);
        git(&clone, &["push", "-q", "origin", "main"]);
    }

    /// Makes the repository refuse pushes, or stop refusing.
    pub(crate) fn refuse_pushes(&self, refuse: bool) {
        let hook = self.repository().join("hooks/pre-receive");
        if refuse {
            std::fs::write(&hook, "#!/bin/sh\necho 'changes need a review' >&2\nexit 1\n").unwrap();
            run(Command::new("chmod").args(["+x", hook.to_str().unwrap()]));
        } else {
            std::fs::remove_file(hook).unwrap();
        }
    }
}

/// What a test asks for, with some parts changed.
pub(crate) fn put(changes: Value) -> Value {
    let mut body = json!({
        "owner": "payments",
        "spec": {"template": "api", "language": "nodejs", "image": "ghcr.io/acme/checkout:1", "port": 8080},
    });
    merge(&mut body, changes);
    body
}

/// A plan request, with some parts changed.
pub(crate) fn plan(action: &str, name: &str, changes: Value) -> Value {
    let mut body = put(json!({
        "kind": "service", "environment": "staging", "name": name, "action": action,
    }));
    merge(&mut body, changes);
    body
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}

/// The summaries of a list of changes.
pub(crate) fn summaries(changes: &Value) -> Vec<&str> {
    changes.as_array().unwrap().iter().map(|change| change["summary"].as_str().unwrap()).collect()
}

/// The codes of a list of notices.
pub(crate) fn codes(notices: &Value) -> Vec<&str> {
    notices.as_array().unwrap().iter().map(|notice| notice["code"].as_str().unwrap()).collect()
}

/// HTTP clients want to know how TLS is done, even where they do none.
pub(crate) fn install_tls() {
    // Another test of this process may have been first.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// Keys, repository and configuration in a folder.
pub(crate) fn prepare(folder: &Path) {
    git(folder, &["init", "-q", "--bare", "-b", "main", "clusters.git"]);
    let key = SigningKey::generate(Algorithm::EcdsaP256).unwrap();
    std::fs::write(folder.join("publisher.pem"), key.to_pem().unwrap().as_bytes()).unwrap();
    std::fs::write(folder.join("publisher.pub"), key.verifying_key().to_pem()).unwrap();
    std::fs::write(folder.join("idp.toml"), config_text()).unwrap();
}

/// Begins the log: the publisher key may publish golden paths.
pub(crate) async fn establish_trust(config: &Config, folder: &Path) {
    let pem = std::fs::read_to_string(folder.join("publisher.pub")).unwrap();
    let key = VerifyingKey::from_pem(&pem).unwrap();
    let root = SigningKey::generate(Algorithm::EcdsaP256).unwrap();
    let store = open_store(config).await.unwrap();
    let golden = Enrolment { namespace: "golden".to_owned(), key };
    establish(config, &store, &root, &[golden], Clock::system().now()).await.unwrap();
    store.close().await;
}

pub(crate) fn config_text() -> String {
    include_str!("idp.toml").to_owned()
}

#[expect(clippy::disallowed_methods, reason = "git is found as everything else of the test is")]
fn config(folder: &Path, text: &str) -> Config {
    let variables = std::env::vars().filter(|(name, _)| name == "PATH").collect();
    Config::parse(text, &folder.join("idp.toml"), folder, &variables)
        .unwrap_or_else(|e| panic!("{e}"))
}

fn publisher() -> Token {
    Token {
        id: "test".to_owned(),
        name: "publisher".to_owned(),
        rights: Rights::parse(&["publish:golden"]).unwrap(),
        expires_at: None,
    }
}

async fn token(app: &App, name: &str, rights: &[&str]) -> String {
    let new = NewToken {
        name: name.parse().unwrap(),
        rights: Rights::parse(rights).unwrap(),
        expires_at: None,
        maker: Maker { id: "local".to_owned(), name: "test".to_owned() },
    };
    auth::create_token(&app.store, &app.clock, new).await.unwrap().1
}

/// Runs git where nobody's configuration matters.
pub(crate) fn git(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("git");
    command.current_dir(folder).args(arguments).env("GIT_CONFIG_GLOBAL", "/dev/null");
    command.env("GIT_CONFIG_SYSTEM", "/dev/null");
    for who in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{who}_NAME"), "Person");
        command.env(format!("GIT_{who}_EMAIL"), "person@example.com");
    }
    run(&mut command)
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
