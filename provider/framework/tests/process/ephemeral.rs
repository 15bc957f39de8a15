//! Ephemeral resources over the socket.

use std::path::Path;
use std::time::Duration;

use provider_framework::msgpack::{decode, encode};
use provider_framework::schema::{Type, type_from_json};
use provider_framework::value::Value;

use crate::host::{
    Client, CloseResponse, ConfigureRequest, DynamicValue, HeldRequest, Host, OpenRequest,
    OpenResponse, RenewResponse,
};

fn access() -> Type {
    type_from_json(br#"["object",{"topic":"string","renew_at":"string","token":"string"}]"#)
        .unwrap()
}

async fn configure(client: &mut Client, directory: &Path) {
    let provider = type_from_json(br#"["object",{"directory":"string"}]"#).unwrap();
    let config = Value::object([("directory", directory.to_str().unwrap())]);
    let request = ConfigureRequest {
        terraform_version: "1.11.4".to_owned(),
        config: Some(DynamicValue { msgpack: encode(&config, &provider) }),
    };
    client.call::<_, ()>("/tfplugin6.Provider/ConfigureProvider", request).await.unwrap();
}

async fn open(client: &mut Client, renew_at: &str) -> OpenResponse {
    let config = Value::object([
        ("topic", Value::string("orders")),
        ("renew_at", Value::string(renew_at)),
        ("token", Value::Null),
    ]);
    let request = OpenRequest {
        type_name: "mq_access".to_owned(),
        config: Some(DynamicValue { msgpack: encode(&config, &access()) }),
    };
    client.call("/tfplugin6.Provider/OpenEphemeralResource", request).await.unwrap()
}

fn held(private: Option<Vec<u8>>) -> HeldRequest {
    HeldRequest { type_name: "mq_access".to_owned(), private }
}

#[tokio::test]
async fn an_ephemeral_resource_is_opened_renewed_and_closed() {
    let directory = tempfile::tempdir().unwrap();
    let plugin = Host::default().start();
    let mut client = plugin.connect().await.unwrap();
    configure(&mut client, directory.path()).await;

    let opened = open(&mut client, "2001-09-09T01:46:40.5Z").await;
    let renewed: RenewResponse = client
        .call("/tfplugin6.Provider/RenewEphemeralResource", held(opened.private.clone()))
        .await
        .unwrap();
    let closed: CloseResponse = client
        .call("/tfplugin6.Provider/CloseEphemeralResource", held(opened.private))
        .await
        .unwrap();

    assert_eq!((opened.diagnostics, renewed.diagnostics), (Vec::new(), Vec::new()));
    assert_eq!(closed.diagnostics, []);
    let renew_at = prost_types::Timestamp { seconds: 1_000_000_000, nanos: 500_000_000 };
    assert_eq!((opened.renew_at, renewed.renew_at), (Some(renew_at), None));
    let result = decode(&opened.result.unwrap().msgpack, &access()).unwrap();
    assert_eq!(result.get("token"), Some(&Value::string("access 1 to orders")));
    let log = std::fs::read_to_string(directory.path().join("access.log")).unwrap();
    assert_eq!(log, "open\nrenew\nclose 1\n");
}

#[tokio::test]
async fn what_is_still_open_at_the_end_is_closed_whether_the_host_says_so_or_dies() {
    for host_dies in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let mut plugin =
            if host_dies { Host::default().start_under_a_shell() } else { Host::default().start() };
        let mut client = plugin.connect().await.unwrap();
        configure(&mut client, directory.path()).await;
        open(&mut client, "2001-09-09T01:46:40Z").await;

        if host_dies {
            plugin.kill();
        } else {
            client.call::<(), ()>("/plugin.GRPCController/Shutdown", ()).await.unwrap();
        }

        let log = directory.path().join("access.log");
        let closed = async {
            while std::fs::read_to_string(&log).unwrap() != "open\nclose 1\n" {
                tokio::time::sleep(Duration::from_millis(25)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), closed).await.expect("it is still open");
    }
}

#[tokio::test]
async fn what_was_opened_is_in_no_log() {
    let directory = tempfile::tempdir().unwrap();
    let host = Host { log_level: Some("TRACE"), ..Host::default() };
    let mut plugin = host.start();
    let mut client = plugin.connect().await.unwrap();
    configure(&mut client, directory.path()).await;

    let opened = open(&mut client, "2001-09-09T01:46:40Z").await;
    let broken = open(&mut client, "tomorrow").await;
    client.call::<(), ()>("/plugin.GRPCController/Shutdown", ()).await.unwrap();
    plugin.wait().await;

    assert!(opened.result.is_some());
    assert_eq!(broken.diagnostics[0].summary, "Not a point in time");
    let logs = plugin.standard_error();
    assert!(!logs.is_empty());
    assert!(!logs.contains("to orders"), "{logs}");
}
