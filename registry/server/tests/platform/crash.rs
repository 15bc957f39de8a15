//! Kills the real binary at every failpoint and starts it again: what was accepted is carried out exactly once,
//! and what was not accepted never was.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use registry_server::failpoint;
use serde_json::{Value, json};

use crate::harness::{self, Platform, git, put};

/// Longest that anything here may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The real program, on the data of a platform that was prepared in this process.
struct Program {
    child: Child,
    url: String,
    token: String,
    http: reqwest::Client,
}

impl Program {
    async fn start(folder: &Path, token: &str, failpoint: Option<&str>) -> Self {
        // Somebody else may take the port first; then the next attempt has another.
        for _ in 0..5 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let mut command = Command::new(env!("CARGO_BIN_EXE_idp"));
            command.args(["serve", "--config"]).arg(folder.join("idp.toml"));
            command.env("IDP_LISTEN", format!("127.0.0.1:{port}")).env("IDP_LOG", "warn");
            command.stdout(Stdio::null()).stderr(Stdio::null());
            if let Some(name) = failpoint {
                command.env("IDP_FAILPOINT", name);
            }
            let program = Self {
                child: command.spawn().unwrap(),
                url: format!("http://127.0.0.1:{port}"),
                token: token.to_owned(),
                http: reqwest::Client::new(),
            };
            if program.is_up().await {
                return program;
            }
        }
        panic!("the server does not start");
    }

    async fn is_up(&self) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(10) {
            if self.http.get(format!("{}/healthz", self.url)).send().await.is_ok() {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        false
    }

    /// Status and body, or nothing where the server died.
    async fn call(
        &self,
        method: &str,
        path: &str,
        tag: &str,
        body: Option<Value>,
    ) -> Option<(u16, Value)> {
        let mut request = self
            .http
            .request(method.parse().unwrap(), format!("{}/api/v1{path}", self.url))
            .bearer_auth(&self.token);
        if method != "GET" {
            let header = if tag == "*" { "if-none-match" } else { "if-match" };
            request = request.header(header, tag);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.ok()?;
        let status = answer.status().as_u16();
        Some((status, answer.json().await.ok()?))
    }

    /// Waits until the resource is as `wanted`, or there is none.
    async fn settled(&self) -> Option<Value> {
        let begun = Instant::now();
        loop {
            let (_, listed) = self.call("GET", "/resources", "", None).await.unwrap();
            let Some(only) = listed["resources"].get(0).cloned() else { return None };
            if only["phase"] == "ready" {
                return Some(only);
            }
            assert!(begun.elapsed() < PATIENCE, "it does not go on: {only:#}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn died(mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(begun.elapsed() < PATIENCE, "the server did not come to its failpoint");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Points that a change of a resource passes.
fn points() -> impl Iterator<Item = &'static str> {
    let mine = |name: &&str| name.starts_with("platform.") || name.starts_with("gitops.");
    failpoint::ALL.iter().copied().filter(mine)
}

/// A prepared folder with a published path, and a token.
async fn prepared() -> (tempfile::TempDir, String) {
    let platform = Platform::without_worker().await;
    let token = platform.token("ci", &["admin"]).await;
    (platform.close().await, token)
}

fn commits(folder: &Path) -> usize {
    let counted = git(&folder.join("clusters.git"), &["rev-list", "--count", "--all"]);
    counted.trim().parse().unwrap()
}

const SERVICE: &str = "/resources/service/staging/checkout";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_create_survives_a_kill_at_every_point_and_is_committed_once() {
    harness::install_tls();
    for point in points() {
        let (folder, token) = prepared().await;
        let doomed = Program::start(folder.path(), &token, Some(point)).await;
        let answer = doomed.call("PUT", SERVICE, "*", Some(put(json!({})))).await;
        assert!(!doomed.died().await.success(), "{point}");

        let program = Program::start(folder.path(), &token, None).await;
        let found = program.settled().await;

        let accepted = point != "platform.accepting";
        assert_eq!(found.is_some(), accepted, "{point}: {answer:?}");
        let (status, operation) =
            program.call("PUT", SERVICE, "*", Some(put(json!({})))).await.unwrap();
        assert_eq!(status, 202, "{point}: {operation:#}");
        let wait = format!("/operations/{}?wait=50s", operation["id"].as_str().unwrap());
        let (_, ended) = program.call("GET", &wait, "", None).await.unwrap();
        assert_eq!(ended["state"], "succeeded", "{point}: {ended:#}");
        let (_, now) = program.call("GET", SERVICE, "", None).await.unwrap();
        assert_eq!((&now["phase"], &now["drift"]), (&json!("ready"), &json!([])), "{point}");
        assert_eq!(commits(folder.path()), 1, "{point}");
        let head = git(&folder.path().join("clusters.git"), &["rev-parse", "main"]);
        assert_eq!(now["outputs"]["gitops"]["commit"], head.trim(), "{point}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delete_survives_a_kill_at_every_point_and_is_committed_once() {
    harness::install_tls();
    for point in
        points().filter(|point| !["platform.accepting", "platform.rendered"].contains(point))
    {
        let (folder, token) = prepared().await;
        let program = Program::start(folder.path(), &token, None).await;
        program.call("PUT", SERVICE, "*", Some(put(json!({})))).await.unwrap();
        program.settled().await.unwrap();
        drop(program);
        let doomed = Program::start(folder.path(), &token, Some(point)).await;
        doomed.call("DELETE", SERVICE, "\"1\"", None).await;
        assert!(!doomed.died().await.success(), "{point}");

        let program = Program::start(folder.path(), &token, None).await;

        assert_eq!(program.settled().await, None, "{point}");
        assert_eq!(commits(folder.path()), 2, "{point}");
        let left =
            git(&folder.path().join("clusters.git"), &["ls-tree", "-r", "--name-only", "main"]);
        assert_eq!(left, "", "{point}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_asked_to_stop_finishes_what_is_under_way() {
    harness::install_tls();
    let (folder, token) = prepared().await;
    let program = Program::start(folder.path(), &token, None).await;
    program.call("PUT", SERVICE, "*", Some(put(json!({})))).await.unwrap();

    let id = program.child.id().to_string();
    Command::new("kill").args(["-TERM", &id]).status().unwrap();
    assert!(program.died().await.success());

    let program = Program::start(folder.path(), &token, None).await;
    assert!(program.settled().await.is_some());
    assert_eq!(commits(folder.path()), 1);
}
