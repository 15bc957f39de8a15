//! `idp publish --trusted` and `idp oidc explain`, as jobs run them.

use std::process::{Command, Output, Stdio};

use registry_server::clock::Clock;
use registry_server::failpoint;
use registry_trust::evidence::{Evidence, Now, Trusted};
use registry_trust::policy::Policy;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::super::cli::{idp, ok, text};
use super::super::serve::{Process, prepare};
use super::super::support::{HOSTNAME, release};
use super::believe;
use super::issuer::{Issuer, Key};

/// A real server, and a CI system whose jobs it trusts.
struct Platform {
    process: Process,
    issuer: Issuer,
    key: Key,
}

impl Platform {
    async fn start() -> Self {
        let key = Key::es256("k1");
        let issuer = Issuer::start(&[&key]).await;
        let (folder, token) = prepare(&believe(issuer.url(), ""));
        let process = Process::start_in(folder, token, |_| {});
        let platform = Self { process, issuer, key };
        ok(&platform.keys("trust-ci"));
        platform
    }

    /// As whoever has the publisher's key.
    fn keys(&self, command: &str) -> Output {
        self.job(&["--json", "keys", command, "golden", "--issuer", self.issuer.url()])
            .args(["--claim", "repository_id=74", "--claim", "ref=refs/heads/main"])
            .env("IDP_TOKEN", &self.process.token)
            .output()
            .unwrap()
    }

    /// Another server process in the place of this one, which is over.
    fn restart(&mut self, gone: (TempDir, String), change: impl FnOnce(&mut Command)) {
        self.process = Process::start_in(gone.0, gone.1, change);
    }

    /// Judges releases as somebody elsewhere does, who knows only what to pin.
    async fn judge(&self, versions: &[&str]) -> Trusted {
        // Whichever test of this process comes first installs it.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let http = reqwest::Client::new();
        let url = |path: &str| format!("{}/api/v1/{path}", self.process.url());
        let info = http.get(url("trust")).send().await.unwrap().text().await.unwrap();
        let info: Value = serde_json::from_str(&info).unwrap();
        let policy: Policy = info["policy"].as_str().unwrap().parse().unwrap();
        let modules: Vec<Value> = versions
            .iter()
            .map(|version| json!({ "address": "golden/greeting/test", "version": version }))
            .collect();
        let wanted = json!({ "modules": modules });
        let answer = http.post(url("evidence")).json(&wanted).send().await.unwrap();
        let answer = answer.bytes().await.unwrap();
        let now = Now { millis: Clock::system().now(), refuses_old: true };
        Evidence::parse(&answer).unwrap().verify(&policy, None, now).unwrap()
    }

    fn token(&self, repository_id: u32) -> String {
        self.token_of_run(repository_id, &repository_id.to_string())
    }

    fn token_of_run(&self, repository_id: u32, run: &str) -> String {
        let now = Clock::system().now() / 1000;
        self.key.sign(&json!({
            "iss": self.issuer.url(),
            "aud": [HOSTNAME],
            "iat": now,
            "exp": now + 300,
            "jti": run,
            "run_id": run,
            "repository": "acme/greeting",
            "repository_id": repository_id,
            "ref": "refs/heads/main",
        }))
    }

    /// A command of a job, which has no token of ours.
    fn job(&self, arguments: &[&str]) -> Command {
        let mut command = idp(self.process.folder.path());
        command.args(arguments).env("IDP_SERVER", self.process.url());
        command
    }

    fn publish(&self) -> Command {
        self.publish_version("1.0.0")
    }

    fn publish_version(&self, version: &str) -> Command {
        let address = ["--address", "golden/greeting/test", "--version", version];
        self.job(&[&["publish", "module", "--trusted"], &address[..]].concat())
    }

    /// The names of the jobs that exchanged a token.
    fn exchanges(&self) -> Vec<Value> {
        let export = ["audit", "export"];
        let output = self.job(&export).env("IDP_TOKEN", &self.process.token).output().unwrap();
        text(&output.stdout)
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .filter(|entry| entry["action"] == "oidc.exchange")
            .map(|entry| entry["actor"].clone())
            .collect()
    }
}

/// Whether a publish that succeeded made something new.
#[track_caller]
fn created(output: &Output) -> bool {
    ok(output);
    let said = text(&output.stdout);
    assert!(said.contains("published"), "{said}");
    said.starts_with("published")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_on_github_exchanges_the_token_that_its_runner_gives_it() {
    let platform = Platform::start().await;
    platform.issuer.give_job(platform.token(74));

    let output = platform
        .publish()
        .env(
            "ACTIONS_ID_TOKEN_REQUEST_URL",
            format!("{}/runner?api-version=2.0", platform.issuer.url()),
        )
        .env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "runner-secret")
        .output()
        .unwrap();

    assert!(created(&output));
    let said = text(&output.stderr);
    assert!(said.contains("may publish into golden until"), "{said}");
    assert_eq!(platform.exchanges(), ["ci-acme-greeting"]);
    let trusted = platform.judge(&["1.0.0"]).await;
    let release = trusted.release(&release("golden/greeting/test", "1.0.0")).unwrap();
    let (issuer, claims) = release.ci.as_ref().unwrap();
    assert_eq!(issuer, platform.issuer.url());
    assert_eq!((&*claims["repository"], &*claims["repository_id"]), ("acme/greeting", "74"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_elsewhere_exchanges_the_token_that_it_has() {
    let platform = Platform::start().await;
    std::fs::write(platform.process.folder.path().join("token"), platform.token(74) + "\n")
        .unwrap();

    let said = platform.publish().args(["--id-token-file", "token"]).output().unwrap();
    assert!(created(&said));
    let said = platform.publish().env("IDP_ID_TOKEN", platform.token(75)).output().unwrap();

    let said = text(&said.stderr);
    assert!(said.contains("repository_id: expected \"74\", the ID token has \"75\""), "{said}");
    assert!(said.contains("idp oidc explain"), "{said}");
    assert_eq!(platform.exchanges(), ["ci-acme-greeting"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_without_an_id_token_is_told_where_to_get_one() {
    let platform = Platform::start().await;

    let output = platform.publish().output().unwrap();

    let said = text(&output.stderr);
    assert!(said.contains("id_tokens: IDP_ID_TOKEN: aud: registry.test.example"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_shows_which_claim_fails() {
    let platform = Platform::start().await;
    let explain = |id: u32| {
        let mut command = platform.job(&["oidc", "explain", "--namespace", "golden"]);
        command.env("IDP_ID_TOKEN", platform.token(id));
        command
    };

    let good = ok(&explain(74).arg("--json").output().unwrap());
    let bad = text(&explain(75).output().unwrap().stdout);

    assert_eq!(good["trusted_publishers"][0]["matches"], true, "{good:#}");
    assert!(bad.contains("WRONG  repository_id  wants 74, the token has 75"), "{bad}");
    assert!(bad.contains("ok     ref            refs/heads/main"), "{bad}");
    assert!(bad.contains("does not match"), "{bad}");
    assert!(platform.exchanges().is_empty(), "explaining sends the token nowhere");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_distrusts_its_jobs_keeps_what_they_published() {
    let platform = Platform::start().await;
    ok(&platform.publish().env("IDP_ID_TOKEN", platform.token(74)).output().unwrap());

    ok(&platform.keys("distrust-ci"));

    let mut late = platform.publish_version("1.0.1");
    let late = late.env("IDP_ID_TOKEN", platform.token_of_run(74, "2")).output().unwrap();
    let said = text(&late.stderr);
    assert!(said.contains("idp keys trust-ci"), "{said}");
    let trusted = platform.judge(&["1.0.0", "1.0.1"]).await;
    assert!(trusted.release(&release("golden/greeting/test", "1.0.0")).unwrap().ci.is_some());
    assert!(trusted.release(&release("golden/greeting/test", "1.0.1")).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_between_exchange_and_publish_leaves_nothing_that_somebody_could_use() {
    let mut platform = Platform::start().await;
    let ways = ["oidc.", "blob.", "publish.", "log."];
    let points =
        failpoint::ALL.iter().filter(|point| ways.iter().any(|way| point.starts_with(way)));
    let mut versions = Vec::new();
    for (number, point) in points.enumerate() {
        let version = format!("1.0.{number}");
        // Otherwise the blob of the version before is there already.
        let content = format!("output \"number\" {{\n  value = {number}\n}}\n");
        std::fs::write(platform.process.folder.path().join("module/number.tf"), content).unwrap();
        platform.process.kill();
        let gone = platform.process.take_folder();
        platform.restart(gone, |command| {
            command.env("IDP_FAILPOINT", point);
        });
        let token = platform.token_of_run(74, &version);
        let mut job = platform.publish_version(&version);
        job.env("IDP_ID_TOKEN", &token).stdout(Stdio::null()).stderr(Stdio::null());
        let mut job = job.spawn().unwrap();
        platform.process.wait_to_die();
        // The job dies with it: it would go on asking for a minute.
        let _ = job.kill();
        job.wait().unwrap();
        let gone = platform.process.take_folder();
        platform.restart(gone, |_| {});

        let stands = platform.judge(&[&version]).await;
        let stands = stands.release(&release("golden/greeting/test", &version)).is_ok();
        let wanted = matches!(*point, "publish.committed" | "log.persisted");
        assert_eq!(stands, wanted, "{point}");
        let publish = |token: &str| {
            platform.publish_version(&version).env("IDP_ID_TOKEN", token).output().unwrap()
        };
        // The ID token is used up with its grant or not at all; whoever finds a used one gets nothing for it.
        let again = publish(&token);
        if *point == "oidc.granted" {
            assert!(created(&again));
        } else {
            assert!(text(&again.stderr).contains("exchanged already"), "{point}: {again:?}");
            let next = publish(&platform.token_of_run(74, &format!("{version} again")));
            assert_eq!(created(&next), !stands, "{point}");
        }
        versions.push(version);
    }

    assert!(versions.len() >= 9);
    let versions: Vec<&str> = versions.iter().map(String::as_str).collect();
    let trusted = platform.judge(&versions).await;
    for version in versions {
        assert!(trusted.release(&release("golden/greeting/test", version)).unwrap().ci.is_some());
    }
}
