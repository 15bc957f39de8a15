//! A server of one's own for each test, and what tests send to it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use registry_server::app::{App, open_store};
use registry_server::auth::{Maker, NewToken, create_token};
use registry_server::clock::Clock;
use registry_server::config::Config;
use registry_server::model::right::Rights;
use registry_server::router;
use registry_server::trust::{Enrolment, establish};
use registry_trust::archive::{Archive, File, Limits, pack_files};
use registry_trust::key::{Algorithm, SigningKey};
use registry_trust::release::ReleaseId;
use registry_trust::verify::sign_release;
use serde_json::Value;
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
        let publisher = SigningKey::generate(Algorithm::EcdsaP256).unwrap();
        let config = write_config(folder.path(), more);
        let config = Config::load(&config, &BTreeMap::new()).unwrap();
        let root = SigningKey::generate(Algorithm::EcdsaP256).unwrap();
        establish_trust(&config, &root, &publisher).await;
        let app = App::start(config, Clock::fixed(NOW)).await.unwrap();
        let router = router::build(app.clone());
        let mut registry = Self { app, publisher, root, admin: String::new(), folder, router };
        registry.admin = registry.token(&["admin"]).await;
        registry
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

pub(crate) fn authorised(
    request: axum::http::request::Builder,
    token: &str,
) -> axum::http::request::Builder {
    request.header(header::AUTHORIZATION, format!("Bearer {token}"))
}

/// Begins the log of a registry: its keys, and a publisher of both namespaces.
pub(crate) async fn establish_trust(config: &Config, root: &SigningKey, publisher: &SigningKey) {
    let key = publisher.verifying_key();
    let enrolments = ["golden", "private"]
        .map(|namespace| Enrolment { namespace: namespace.to_owned(), key: key.clone() });
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
