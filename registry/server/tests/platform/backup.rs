//! A backup has what the platform keeps: resources, secrets, tokens, and who did what.

use std::process::Command;

use registry_server::clock::Clock;
use registry_server::config::Config;
use registry_server::ops::backup::{self, Watch};
use serde_json::{Value, json};

use crate::harness::{Platform, put};
use crate::program::Program;

struct Silent;

impl Watch for Silent {
    fn at(&self, _done: u64, _total: u64) {}
}

const SERVICE: &str = "/resources/service/staging/checkout";
const SECRET: &str = "/secrets/staging/stripe-key";
const VALUE: &str = "/secret-values/secret/staging/stripe-key";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resources_secrets_and_tokens_are_restored_and_work_on() {
    let platform = Platform::start().await;
    let token = platform.token("ci", &["admin"]).await;
    platform.created("checkout", put(json!({}))).await;
    let secret = json!({"owner": "payments", "value": "hunter2", "value_version": 1});
    let header = [("if-none-match", "*")];
    platform.call_as(&token, "PUT", SECRET, &header, Some(secret)).await.ok();
    let standing = platform.resource("checkout").await;
    let config: Config = (*platform.app.config).clone();
    let file = config.server.data_dir.with_file_name("b.tar");

    let now = Clock::system().now();
    let made = backup::make(&config, &file, false, now, &Silent).await.unwrap();

    // What comes after it is not in it.
    platform.created("basket", put(json!({}))).await;
    let folder = platform.close().await;
    std::fs::remove_dir_all(&config.server.data_dir).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_idp"));
    let restored = command.args(["--json", "restore", "b.tar"]).current_dir(folder.path()).output();
    let restored = restored.unwrap();
    assert!(restored.status.success(), "{}", String::from_utf8_lossy(&restored.stderr));
    let restored: Value = serde_json::from_slice(&restored.stdout).unwrap();
    assert_eq!(restored["key_problem"], json!(null));
    assert_eq!(restored["contents"], serde_json::to_value(&made.manifest.contents).unwrap());
    let program = Program::start(folder.path(), &token, None).await;
    let (_, found) = program.call("GET", SERVICE, "", None).await.unwrap();
    let (_, value) = program.call("GET", VALUE, "", None).await.unwrap();
    let (status, _) =
        program.call("GET", "/resources/service/staging/basket", "", None).await.unwrap();
    let (_, changed) = program.call("DELETE", SERVICE, "\"1\"", None).await.unwrap();

    assert_eq!(found, standing);
    assert_eq!(value["data"]["value"], "hunter2");
    assert_eq!(status, 404);
    let wait = format!("/operations/{}?wait=50s", changed["id"].as_str().unwrap());
    let (_, ended) = program.call("GET", &wait, "", None).await.unwrap();
    assert_eq!(ended["state"], "succeeded", "{ended:#}");
}
