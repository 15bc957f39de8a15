//! The process as its host sees it: handshake, who is let in, signals, logs, the end.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ephemeral;
mod host;
mod terraform;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tonic::Code;

use self::host::{
    ApplyRequest, ApplyResponse, Certificate, Client, ConfigureRequest, DynamicValue, Host, Plugin,
    UpgradeRequest,
};

#[tokio::test]
async fn without_the_magic_cookie_it_says_what_it_is_and_fails() {
    let output = host::command().output().unwrap();

    assert_eq!(output.status.code(), Some(1));
    assert_eq!(output.stdout, b"");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("This is a provider for Terraform and OpenTofu."), "{said}");
}

#[tokio::test]
async fn a_host_of_another_protocol_is_told_so() {
    let output = Host { protocol_versions: "5", ..Host::default() }.command().output().unwrap();

    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("speaks plugin protocol 6 only; the client offers 5"), "{said}");
}

#[tokio::test]
async fn the_handshake_is_one_line_that_leads_to_a_private_socket() {
    let plugin = Host::default().start();

    assert_eq!(plugin.fields[..3], ["1", "6", "unix"]);
    assert_eq!(plugin.fields[4], "grpc");
    assert!(!plugin.fields[5].is_empty() && !plugin.fields[5].contains('='), "{:?}", plugin.fields);
    let directory = plugin.socket().parent().unwrap().to_owned();
    assert_eq!(directory.metadata().unwrap().permissions().mode() & 0o777, 0o700);
}

#[tokio::test]
async fn the_host_with_its_certificate_is_let_in() {
    let plugin = Host::default().start();

    let mut client = plugin.connect().await.unwrap();

    client.call::<(), ()>("/tfplugin6.Provider/GetProviderSchema", ()).await.unwrap();
}

#[tokio::test]
async fn another_certificate_is_refused() {
    let plugin = Host::default().start();

    let refused = plugin.connect_as(Some(&Certificate::new())).await;

    assert!(host::is_refused(refused).await);
    let mut client = plugin.connect().await.unwrap();
    client.call::<(), ()>("/tfplugin6.Provider/GetMetadata", ()).await.unwrap();
}

#[tokio::test]
async fn no_certificate_is_refused() {
    let plugin = Host::default().start();

    assert!(host::is_refused(plugin.connect_as(None).await).await);
}

#[tokio::test]
async fn plain_text_is_refused_where_the_host_has_a_certificate() {
    let plugin = Host::default().start();

    assert!(host::is_refused(plugin.connect_in_plain_text().await).await);
}

#[tokio::test]
async fn a_host_without_a_certificate_is_served_in_plain_text() {
    let plugin = Host { certificate: None, ..Host::default() }.start();
    assert_eq!(plugin.fields[5], "");

    let mut client = plugin.connect_in_plain_text().await.unwrap();

    client.call::<(), ()>("/tfplugin6.Provider/GetMetadata", ()).await.unwrap();
}

#[tokio::test]
async fn what_is_not_implemented_is_answered_so() {
    let plugin = Host::default().start();
    let mut client = plugin.connect().await.unwrap();

    for method in [
        "/tfplugin6.Provider/UpgradeResourceIdentity",
        "/tfplugin6.Provider/Later",
        "/plugin.GRPCStdio/StreamStdio",
    ] {
        let status = client.call::<(), ()>(method, ()).await.unwrap_err();
        assert_eq!(status.code(), Code::Unimplemented, "{method}");
    }
}

#[tokio::test]
async fn messages_may_be_larger_than_four_mebibytes() {
    let plugin = Host::default().start();
    let mut client = plugin.connect().await.unwrap();
    let large = "x".repeat(8 * 1024 * 1024);
    let json = format!(r#"{{"name":"{large}"}}"#).into_bytes();

    let request = UpgradeRequest::new("mq_topic", 0, json);
    let upgraded: host::UpgradeResponse =
        client.call("/tfplugin6.Provider/UpgradeResourceState", request).await.unwrap();

    assert!(upgraded.state.unwrap().msgpack.len() > large.len());
}

#[tokio::test]
async fn shutdown_ends_the_process_at_once_and_leaves_nothing_behind() {
    let mut plugin = Host::default().start();
    let mut client = plugin.connect().await.unwrap();

    let begin = Instant::now();
    client.call::<(), ()>("/plugin.GRPCController/Shutdown", ()).await.unwrap();

    assert_eq!(plugin.wait().await, Some(0));
    assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
    assert!(!plugin.socket().parent().unwrap().exists());
}

#[tokio::test]
async fn an_interrupt_at_the_terminal_is_the_hosts_business() {
    let plugin = Host::default().start();
    let mut client = plugin.connect().await.unwrap();

    plugin.signal("INT");
    tokio::time::sleep(Duration::from_millis(200)).await;

    client.call::<(), ()>("/tfplugin6.Provider/GetMetadata", ()).await.unwrap();
}

#[tokio::test]
async fn a_request_to_terminate_ends_the_process_and_leaves_nothing_behind() {
    let mut plugin = Host::default().start();

    plugin.signal("TERM");

    assert_eq!(plugin.wait().await, Some(0));
    assert!(!plugin.socket().parent().unwrap().exists());
}

#[tokio::test]
async fn a_provider_does_not_outlive_its_host() {
    let mut shell = Host::default().start_under_a_shell();
    assert!(shell.socket().exists());

    shell.kill();

    let gone = async {
        while shell.socket().exists() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone).await.expect("the provider is still there");
}

/// What must not come back.
const PASSWORD: &str = "hunter2";

/// A topic that takes a minute to make.
fn slow_topic(directory: &Path) -> (ConfigureRequest, ApplyRequest) {
    use provider_framework::msgpack::encode;
    use provider_framework::schema::type_from_json;
    use provider_framework::value::Value;
    let provider = type_from_json(br#"["object",{"directory":"string"}]"#).unwrap();
    let directory = Value::object([("directory", directory.to_str().unwrap())]);
    let topic = br#"["object",{"name":"string","partitions":"number","delay_seconds":"number",
        "labels":["map","string"],"retention":["object",{"hours":"number","policy":"string"}],
        "id":"string","secret":"string","password":"string","password_version":"number"}]"#;
    let topic = type_from_json(topic).unwrap();
    let object = |computed: Value, partitions: Value, password: Value| {
        Value::object([
            ("name", Value::string("slow")),
            ("partitions", partitions),
            ("delay_seconds", Value::Number(60.into())),
            ("labels", Value::Null),
            ("retention", Value::Null),
            ("id", computed.clone()),
            ("secret", computed),
            ("password", password),
            ("password_version", Value::Null),
        ])
    };
    let planned = object(Value::UNKNOWN, Value::Number(1.into()), Value::Null);
    let config = object(Value::Null, Value::Null, Value::string(PASSWORD));
    let apply = ApplyRequest {
        type_name: "mq_topic".to_owned(),
        prior: None,
        planned: Some(DynamicValue { msgpack: encode(&planned, &topic) }),
        config: Some(DynamicValue { msgpack: encode(&config, &topic) }),
    };
    let config = DynamicValue { msgpack: encode(&directory, &provider) };
    (ConfigureRequest { terraform_version: "1.11.4".to_owned(), config: Some(config) }, apply)
}

/// Configures the provider, starts to make a topic, and waits until it is half made.
async fn start_slow_apply(
    mut client: Client,
    directory: &Path,
) -> JoinHandle<Result<ApplyResponse, tonic::Status>> {
    let (configure, apply) = slow_topic(directory);
    client.call::<_, ()>("/tfplugin6.Provider/ConfigureProvider", configure).await.unwrap();
    let running =
        tokio::spawn(
            async move { client.call("/tfplugin6.Provider/ApplyResourceChange", apply).await },
        );
    while !directory.join("slow.json").exists() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    running
}

#[tokio::test]
async fn stopping_lets_running_calls_return_what_they_know() {
    let directory = tempfile::tempdir().unwrap();
    let plugin = Host::default().start();
    let running = start_slow_apply(plugin.connect().await.unwrap(), directory.path()).await;

    let mut client = plugin.connect().await.unwrap();
    client.call::<(), ()>("/tfplugin6.Provider/StopProvider", ()).await.unwrap();

    let answer =
        tokio::time::timeout(Duration::from_secs(5), running).await.unwrap().unwrap().unwrap();
    assert_eq!(answer.diagnostics[0].summary, "Topic is not ready");
    let state = String::from_utf8_lossy(&answer.state.unwrap().msgpack).into_owned();
    assert!(state.contains("topic/slow"), "{state}");
    // The process goes on serving: the host says when it is done.
    client.call::<(), ()>("/tfplugin6.Provider/GetMetadata", ()).await.unwrap();
}

#[tokio::test]
async fn a_write_only_value_reaches_the_provider_and_does_not_come_back() {
    let directory = tempfile::tempdir().unwrap();
    let plugin = Host::default().start();
    let running = start_slow_apply(plugin.connect().await.unwrap(), directory.path()).await;

    let mut client = plugin.connect().await.unwrap();
    client.call::<(), ()>("/tfplugin6.Provider/StopProvider", ()).await.unwrap();

    let answer: ApplyResponse = running.await.unwrap().unwrap();
    let state = String::from_utf8_lossy(&answer.state.unwrap().msgpack).into_owned();
    assert!(state.contains("password") && !state.contains(PASSWORD), "{state}");
    let kept = std::fs::read_to_string(directory.path().join("slow.json")).unwrap();
    assert!(kept.contains(PASSWORD), "{kept}");
}

#[tokio::test]
async fn a_call_that_runs_at_shutdown_still_returns_what_it_knows() {
    let directory = tempfile::tempdir().unwrap();
    let mut plugin = Host::default().start();
    let running = start_slow_apply(plugin.connect().await.unwrap(), directory.path()).await;

    let mut client = plugin.connect().await.unwrap();
    client.call::<(), ()>("/plugin.GRPCController/Shutdown", ()).await.unwrap();

    let answer = running.await.unwrap().unwrap();
    assert_eq!(answer.diagnostics[0].summary, "Topic is not ready");
    assert_eq!(plugin.wait().await, Some(0));
}

#[tokio::test]
async fn logs_are_lines_of_json_on_standard_error() {
    let host = Host { log_level: Some("DEBUG"), ..Host::default() };
    let mut plugin = host.start();
    plugin
        .connect()
        .await
        .unwrap()
        .call::<(), ()>("/plugin.GRPCController/Shutdown", ())
        .await
        .unwrap();
    plugin.wait().await;

    let logs = plugin.standard_error();

    assert!(!logs.is_empty());
    for line in logs.lines() {
        let json: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(
            json["@message"].is_string()
                && json["@level"].is_string()
                && json["@module"].is_string(),
            "{line}"
        );
        let timestamp = json["@timestamp"].as_str().unwrap();
        assert_eq!(
            (timestamp.len(), &timestamp[19..20], &timestamp[26..]),
            (27, ".", "Z"),
            "{timestamp}"
        );
    }
}

#[tokio::test]
async fn in_a_debugger_it_prints_how_to_attach_and_serves_one_run_after_another() {
    let mut plugin = Plugin::start_for_debugging();
    let reattach: serde_json::Value = serde_json::from_str(&plugin.reattach()).unwrap();
    let entry = &reattach["registry.example.com/acme/mq"];
    assert_eq!((&entry["Protocol"], &entry["ProtocolVersion"]), (&"grpc".into(), &6.into()));
    let directory = tempfile::tempdir().unwrap();

    for _ in 0..2 {
        let running =
            start_slow_apply(plugin.connect_in_plain_text().await.unwrap(), directory.path()).await;
        let mut client = plugin.connect_in_plain_text().await.unwrap();
        client.call::<(), ()>("/tfplugin6.Provider/StopProvider", ()).await.unwrap();
        let answer: ApplyResponse = running.await.unwrap().unwrap();
        assert_eq!(answer.diagnostics[0].summary, "Topic is not ready");
        // A host that merely attached does not end the process.
        client.call::<(), ()>("/plugin.GRPCController/Shutdown", ()).await.unwrap();
        std::fs::remove_file(directory.path().join("slow.json")).unwrap();
    }

    plugin.signal("INT");
    assert_eq!(plugin.wait().await, Some(0));
}
