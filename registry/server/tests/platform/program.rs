//! The real program, on the data of a platform that was prepared in the process of the test.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::AsyncWriteExt as _;

use crate::harness::{self, Platform};

/// Longest that anything here may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// The real program, on the data of a platform that was prepared in this process.
pub(crate) struct Program {
    pub(crate) child: Child,
    folder: PathBuf,
    url: String,
    token: String,
    http: reqwest::Client,
}

impl Program {
    pub(crate) async fn start(folder: &Path, token: &str, failpoint: Option<&str>) -> Self {
        Self::start_with(folder, token, |command| {
            command.env("IDP_LOG", "warn").stderr(Stdio::null());
            if let Some(name) = failpoint {
                command.env("IDP_FAILPOINT", name);
            }
        })
        .await
    }

    pub(crate) async fn start_with(
        folder: &Path,
        token: &str,
        change: impl Fn(&mut Command),
    ) -> Self {
        harness::install_tls();
        // Somebody else may take the port first; then the next attempt has another.
        for _ in 0..5 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let mut command = Command::new(env!("CARGO_BIN_EXE_idp"));
            command.args(["serve", "--config"]).arg(folder.join("idp.toml"));
            command.env("IDP_LISTEN", format!("127.0.0.1:{port}")).stdout(Stdio::null());
            change(&mut command);
            let program = Self {
                child: command.spawn().unwrap(),
                folder: folder.to_owned(),
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
    pub(crate) async fn call(
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
    pub(crate) async fn settled(&self) -> Option<Value> {
        let begun = Instant::now();
        loop {
            let (_, listed) = self.call("GET", "/resources", "", None).await.unwrap();
            let only = listed["resources"].get(0).cloned()?;
            if only["phase"] == "ready" {
                return Some(only);
            }
            assert!(begun.elapsed() < PATIENCE, "it does not go on: {only:#}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// A proxy before this server that is as bad as they come: it loses the first answer, says for the second request
    /// that there is nobody, and passes everything on from then on. Its URL.
    pub(crate) async fn behind_a_bad_proxy(&self) -> String {
        let server = self.url.trim_start_matches("http://").to_owned();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            for number in 0.. {
                let (mut client, _) = listener.accept().await.unwrap();
                let mut upstream = tokio::net::TcpStream::connect(&server).await.unwrap();
                match number {
                    0 => {
                        let ((mut answer, mut request), mut first) = (upstream.split(), [0]);
                        tokio::select! {
                            _ = tokio::io::copy(&mut client, &mut request) => {}
                            answered = answer.peek(&mut first) => drop(answered.unwrap()),
                        }
                    }
                    1 => {
                        client.peek(&mut [0]).await.unwrap();
                        let gone = b"HTTP/1.1 503 Gone for now\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                        client.write_all(gone).await.unwrap();
                        // A connection with unread bytes would be reset before the answer is read.
                        let _ = tokio::io::copy(&mut client, &mut tokio::io::sink()).await;
                    }
                    _ => drop(tokio::spawn(async move {
                        let _ = tokio::io::copy_bidirectional(&mut client, &mut upstream).await;
                    })),
                }
            }
        });
        url
    }

    /// One run of the command line, as the token's holder.
    pub(crate) fn idp(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_idp"));
        command.args(arguments).current_dir(&self.folder);
        command.env("IDP_SERVER", &self.url).env("IDP_TOKEN", &self.token);
        command.output().unwrap()
    }

    pub(crate) async fn died(mut self) -> ExitStatus {
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

/// A prepared folder with a published path, and a token.
pub(crate) async fn prepared() -> (tempfile::TempDir, String) {
    let platform = Platform::without_worker().await;
    let token = platform.token("ci", &["admin"]).await;
    (platform.close().await, token)
}
