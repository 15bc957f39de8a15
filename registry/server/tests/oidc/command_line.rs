//! `idp publish --trusted` and `idp oidc explain`, as jobs run them.

use std::process::Command;

use registry_server::clock::Clock;
use serde_json::{Value, json};

use super::super::cli::{idp, ok, text};
use super::super::serve::{Process, prepare};
use super::super::support::HOSTNAME;
use super::issuer::{Issuer, Key};
use super::trust;

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
        let (folder, token) = prepare(&trust(issuer.url(), ""));
        let process = Process::start_in(folder, token, |_| {});
        Self { process, issuer, key }
    }

    fn token(&self, repository_id: u32) -> String {
        let now = Clock::system().now() / 1000;
        self.key.sign(&json!({
            "iss": self.issuer.url(),
            "aud": [HOSTNAME],
            "iat": now,
            "exp": now + 300,
            "jti": repository_id.to_string(),
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
        let address = ["--address", "golden/greeting/test", "--version", "1.0.0"];
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

    let said = text(&output.stderr);
    assert!(said.contains("may publish into golden until"), "{said}");
    assert_eq!(platform.exchanges(), ["ci-acme-greeting"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_elsewhere_exchanges_the_token_that_it_has() {
    let platform = Platform::start().await;
    std::fs::write(platform.process.folder.path().join("token"), platform.token(74) + "\n")
        .unwrap();

    let said = platform.publish().args(["--id-token-file", "token"]).output().unwrap();
    assert!(text(&said.stderr).contains("may publish into golden"), "{}", text(&said.stderr));
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
