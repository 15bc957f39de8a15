//! A server of one's own for each test, and what tests send to it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use registry_api::trust::TrustInfo;
use registry_server::app::{App, StartError, open_store};
use registry_server::auth::{Maker, NewToken, create_token};
use registry_server::clock::Clock;
use registry_server::config::Config;
use registry_server::model::right::Rights;
use registry_server::router;
use registry_server::trust::{Enrolment, establish};
use registry_trust::archive::{Archive, File, Limits, pack_files};
use registry_trust::dsse::Envelope;
use registry_trust::evidence::{Evidence, Now, Trusted};
use registry_trust::key::{Algorithm, SigningKey};
use registry_trust::log::checkpoint::Checkpoint;
use registry_trust::policy::Policy;
use registry_trust::release::ReleaseId;
use registry_trust::statement::{KeyChange, NamespaceKeys, RevocationReason, sign};
use registry_trust::verify::sign_release;
use serde_json::{Value, json};
use tower::ServiceExt as _;

/// When every test happens.
pub(crate) const NOW: i64 = 1_750_000_000_000;

/// The hostname in every test's addresses.
pub(crate) const HOSTNAME: &str = "registry.test.example";

/// A server on a fresh database, asked without a network.
pub(crate) struct Registry {
    pub(crate) app: App,
    pub(crate) publisher: SigningKey,
    pub(crate) root: SigningKey,
    pub(crate) admin: String,
    pub(crate) folder: tempfile::TempDir,
    router: Router,
}

impl Registry {
    pub(crate) async fn start() -> Self {
        Self::start_with("").await
    }

    /// With more lines at the end of the configuration.
    pub(crate) async fn start_with(more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        write_config(folder.path(), more);
        Self::start_in(folder).await
    }

    /// Where every namespace is open to everyone.
    pub(crate) async fn start_open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = write_config(folder.path(), "");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(
            &file,
            text.replace("name = \"private\"\n", "name = \"private\"\nanonymous_read = true\n"),
        )
        .unwrap();
        Self::start_in(folder).await
    }

    async fn start_in(folder: tempfile::TempDir) -> Self {
        let publisher = new_key();
        let config = Config::load(&folder.path().join("idp.toml"), &BTreeMap::new()).unwrap();
        let root = new_key();
        establish_trust(&config, &root, &publisher).await;
        let mut registry = Self::open(folder, Clock::fixed(NOW), publisher, root).await;
        registry.admin = registry.token(&["admin"]).await;
        registry
    }

    /// One that the program made and that does not run, in this process.
    pub(crate) async fn resume(folder: tempfile::TempDir, admin: String) -> Self {
        let [publisher, root] = ["publisher.pem", "root.pem"].map(|name| {
            let pem = std::fs::read_to_string(folder.path().join(name)).unwrap();
            SigningKey::from_pem(&pem).unwrap()
        });
        let registry = Self::open(folder, Clock::system(), publisher, root).await;
        Self { admin, ..registry }
    }

    async fn open(
        folder: tempfile::TempDir,
        clock: Clock,
        publisher: SigningKey,
        root: SigningKey,
    ) -> Self {
        let config = Config::load(&folder.path().join("idp.toml"), &BTreeMap::new()).unwrap();
        let app = App::start(config, clock).await.unwrap();
        let router = router::build(app.clone());
        Self { app, publisher, root, admin: String::new(), folder, router }
    }

    /// Ends, and gives the folder and the token back.
    pub(crate) async fn close(self) -> (tempfile::TempDir, String) {
        self.app.store.close().await;
        (self.folder, self.admin)
    }

    /// A token with these rights.
    pub(crate) async fn token(&self, rights: &[&str]) -> String {
        let new = NewToken {
            name: "test".parse().unwrap(),
            rights: Rights::parse(rights).unwrap(),
            expires_at: None,
            maker: Maker::local(),
        };
        create_token(&self.app.store, &self.app.clock, new).await.unwrap().1
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn get_as(&self, path: &str, token: &str) -> Answer {
        self.send(authorised(Request::get(path), token).body(Body::empty()).unwrap()).await
    }

    /// Sends JSON as the admin.
    pub(crate) async fn json(&self, method: &str, path: &str, body: &Value) -> Answer {
        let request = Request::builder().method(method).uri(path);
        let request = authorised(request, &self.admin)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body.to_string()));
        self.send(request.unwrap()).await
    }

    /// Ends, and starts again on the same folder.
    pub(crate) async fn restart(self) -> Result<Self, StartError> {
        let Self { app, publisher, root, admin, folder, router } = self;
        drop(router);
        app.store.close().await;
        let config = Config::load(&folder.path().join("idp.toml"), &BTreeMap::new()).unwrap();
        let app = App::start(config, app.clock.clone()).await?;
        let router = router::build(app.clone());
        Ok(Self { app, publisher, root, admin, folder, router })
    }

    pub(crate) async fn get_as_admin(&self, path: &str) -> Answer {
        self.get_as(path, &self.admin).await
    }

    /// Has a signed statement logged, as the admin.
    pub(crate) async fn log(&self, envelope: &Envelope) -> Answer {
        let statement = json!({ "statement": envelope.to_canonical_json() });
        self.json("POST", "/api/v1/statements", &statement).await
    }

    /// Has a change of a namespace's keys logged, with the next number.
    pub(crate) async fn change(
        &self,
        namespace: &str,
        change: KeyChange,
        key: &SigningKey,
    ) -> Answer {
        let path = format!("/api/v1/namespaces/{namespace}/keys");
        let known = self.get_as_admin(&path).await.assert(200).json();
        let sequence = known["sequence"].as_u64().unwrap() + 1;
        self.log(&change_of(namespace, sequence, change, key)).await
    }

    /// What `GET /api/v1/trust` says.
    pub(crate) async fn trust(&self) -> TrustInfo {
        serde_json::from_slice(&self.get("/api/v1/trust").await.assert(200).body).unwrap()
    }

    /// The log's head, with its signature checked.
    pub(crate) async fn checkpoint(&self) -> Checkpoint {
        let note = self.get_as_admin("/log/checkpoint").await.assert(200).body;
        Checkpoint::open(&note, &self.trust().await.log_key.parse().unwrap()).unwrap()
    }

    /// The evidence about some releases (`NAMESPACE/NAME/SYSTEM@VERSION`), for who saw the log with `since` entries.
    pub(crate) async fn evidence(&self, releases: &[&str], since: u64) -> Evidence {
        let answer = self.json("POST", "/api/v1/evidence", &evidence_of(releases, since)).await;
        Evidence::parse(&answer.assert(200).body).unwrap()
    }

    /// The same, judged by the policy that the registry gives out.
    pub(crate) async fn judged(&self, releases: &[&str]) -> Trusted {
        let policy: Policy = self.trust().await.policy.parse().unwrap();
        let now = Now { millis: self.app.clock.now(), refuses_old: true };
        self.evidence(releases, 0).await.verify(&policy, None, now).unwrap()
    }

    /// Entries of the audit log whose action begins so.
    pub(crate) async fn audit(&self, action: &str) -> Vec<Value> {
        let page = self.get_as_admin("/api/v1/audit").await.assert(200).json();
        let entries = page["entries"].as_array().unwrap().iter();
        let wanted =
            |entry: &&Value| entry["action"].as_str().is_some_and(|name| name.starts_with(action));
        entries.filter(wanted).cloned().collect()
    }

    /// Has the registry say how a module (`NAMESPACE/NAME/SYSTEM`) or a version of it (`…/VERSION`) stands, as the admin.
    pub(crate) async fn say(&self, what: &str, state: &str, reason: &str) -> Answer {
        let status = json!({ "state": state, "reason": reason });
        self.json("PUT", &format!("/api/v1/modules/{what}/status"), &status).await
    }

    /// Publishes a module signed with the right key, as the admin.
    pub(crate) async fn publish(
        &self,
        address: &str,
        version: &str,
        files: &[(&str, &str)],
    ) -> Answer {
        let archive = archive(files);
        let bundle = bundle(address, version, &archive, &self.publisher);
        self.upload(address, version, &archive, bundle.as_bytes()).await
    }

    /// Uploads anything as a module, as the admin.
    pub(crate) async fn upload(
        &self,
        address: &str,
        version: &str,
        archive: &[u8],
        bundle: &[u8],
    ) -> Answer {
        let form =
            Form::new().part("archive", "a.tar.gz", archive).part("bundle", "b.json", bundle);
        self.put_form(&format!("/api/v1/modules/{address}/{version}"), form, &self.admin).await
    }

    pub(crate) async fn put_form(&self, path: &str, form: Form, token: &str) -> Answer {
        let request = authorised(Request::put(path), token)
            .header(header::CONTENT_TYPE, Form::content_type())
            .body(Body::from(form.finish()));
        self.send(request.unwrap()).await
    }

    /// How many blobs are kept.
    pub(crate) fn blobs(&self) -> usize {
        count_files(&self.folder.path().join("data/blobs/sha256"))
    }

    /// How many uploads are under way or were forgotten.
    pub(crate) fn leftovers(&self) -> usize {
        count_files(&self.folder.path().join("data/blobs/tmp"))
    }
}

/// A change of a namespace's keys, signed.
pub(crate) fn change_of(
    namespace: &str,
    sequence: u64,
    change: KeyChange,
    key: &SigningKey,
) -> Envelope {
    let (registry, namespace) = (HOSTNAME.to_owned(), namespace.to_owned());
    sign(&NamespaceKeys { registry, namespace, sequence, change }, key).unwrap()
}

/// A key of one's own.
pub(crate) fn new_key() -> SigningKey {
    SigningKey::generate(Algorithm::EcdsaP256).unwrap()
}

/// That a key may publish.
pub(crate) fn addition(key: &SigningKey) -> KeyChange {
    KeyChange::Add(Box::new(key.verifying_key()))
}

/// That a key does not count from entry `from` of the log on.
pub(crate) fn revocation(key: &SigningKey, from: u64) -> KeyChange {
    KeyChange::Revoke { key: key.verifying_key().id(), reason: RevocationReason::Compromised, from }
}

/// The body of a request for evidence about releases (`NAMESPACE/NAME/SYSTEM@VERSION`).
pub(crate) fn evidence_of(releases: &[&str], since: u64) -> Value {
    let modules = releases.iter().map(|release| {
        let (address, version) = release.split_once('@').unwrap();
        json!({ "address": address, "version": version })
    });
    json!({ "modules": modules.collect::<Vec<_>>(), "since": since })
}

pub(crate) fn authorised(
    request: axum::http::request::Builder,
    token: &str,
) -> axum::http::request::Builder {
    request.header(header::AUTHORIZATION, format!("Bearer {token}"))
}

/// Begins the log of a registry: its keys, and a publisher of every namespace but the provider's.
pub(crate) async fn establish_trust(config: &Config, root: &SigningKey, publisher: &SigningKey) {
    let key = publisher.verifying_key();
    let enrolments: Vec<Enrolment> = config
        .namespaces
        .iter()
        .map(|namespace| namespace.name.clone())
        .filter(|namespace| namespace != "platform")
        .map(|namespace| Enrolment { namespace, key: key.clone() })
        .collect();
    let store = open_store(config).await.unwrap();
    establish(config, &store, root, &enrolments, NOW).await.unwrap();
    store.close().await;
}

/// Writes a configuration with an open and a private namespace.
pub(crate) fn write_config(folder: &Path, more: &str) -> PathBuf {
    let text = format!(
        r#"
[server]
public_url = "http://registry.test.example"
hostname = "{HOSTNAME}"
data_dir = "data"

[[namespace]]
name = "golden"
anonymous_read = true

[[namespace]]
name = "platform"
anonymous_read = true

[[namespace]]
name = "private"

{more}
"#
    );
    let file = folder.join("idp.toml");
    std::fs::write(&file, text).unwrap();
    file
}

/// A module that parses.
pub(crate) const MODULE: &[(&str, &str)] =
    &[("main.tf", "output \"greeting\" {\n  value = \"hello\"\n}\n"), ("README.md", "# Greets\n")];

/// The canonical archive of some files.
pub(crate) fn archive(files: &[(&str, &str)]) -> Vec<u8> {
    let files = files
        .iter()
        .map(|(path, text)| ((*path).to_owned(), File::from(text.as_bytes().to_vec())))
        .collect();
    pack_files(&files, &Limits::default()).unwrap()
}

/// A signed statement about an archive, which must be one.
pub(crate) fn bundle(address: &str, version: &str, archive: &[u8], key: &SigningKey) -> String {
    let summary = *Archive::open(archive, &Limits::default()).unwrap().summary();
    sign_release(&release(address, version), &summary, None, key).unwrap().to_json()
}

pub(crate) fn release(address: &str, version: &str) -> ReleaseId {
    let parts: Vec<&str> = address.split('/').collect();
    ReleaseId::new(HOSTNAME, parts[0], parts[1], parts[2], version.parse().unwrap()).unwrap()
}

/// `multipart/form-data`, by hand.
pub(crate) struct Form(Vec<u8>);

impl Form {
    const BOUNDARY: &'static str = "a-boundary-that-no-content-has-7f3a";

    pub(crate) fn new() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn part(mut self, name: &str, filename: &str, content: &[u8]) -> Self {
        let head = format!(
            "--{}\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{filename}\"\r\n\r\n",
            Self::BOUNDARY
        );
        self.0.extend_from_slice(head.as_bytes());
        self.0.extend_from_slice(content);
        self.0.extend_from_slice(b"\r\n");
        self
    }

    pub(crate) fn content_type() -> String {
        format!("multipart/form-data; boundary={}", Self::BOUNDARY)
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.0.extend_from_slice(format!("--{}--\r\n", Self::BOUNDARY).as_bytes());
        self.0
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    #[track_caller]
    pub(crate) fn assert(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        self
    }

    #[track_caller]
    pub(crate) fn assert_problem(self, status: u16, code: &str) -> Value {
        let answer = self.assert(status);
        assert_eq!(answer.header("content-type"), "application/problem+json");
        let problem = answer.json();
        assert_eq!(problem["code"], code, "{problem:#}");
        assert!(!problem["detail"].as_str().unwrap().is_empty());
        assert_eq!(problem["request_id"], answer.header("x-request-id"));
        problem
    }

    /// Terraform prints these bodies as they are.
    #[track_caller]
    pub(crate) fn assert_plain(self, status: u16, words: &str) {
        let answer = self.assert(status);
        assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
        assert!(answer.text().contains(words), "{}", answer.text());
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .unwrap_or_else(|| panic!("no {name} in {:?}", self.headers))
            .to_str()
            .unwrap()
    }
}

/// Path and query of a link, without the host.
pub(crate) fn local(link: &str) -> &str {
    link.strip_prefix("http://registry.test.example").unwrap()
}

fn count_files(folder: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries
        .map(|entry| entry.unwrap().path())
        .map(|path| if path.is_dir() { count_files(&path) } else { 1 })
        .sum()
}
