//! A kill at any moment of a publish, or of saying how a module stands, leaves all of it or nothing.

use registry_server::failpoint;
use registry_trust::statement::State;

use super::cli::ok;
use super::log::mirror;
use super::serve::{Process, prepare};
use super::support::{Registry, release};

const ADDRESS: &str = "golden/greeting/test";

/// A server that dies at `point`.
fn doomed(folder: tempfile::TempDir, token: String, point: &str) -> Process {
    Process::start_in(folder, token, |command| {
        command.env("IDP_FAILPOINT", point);
    })
}

#[tokio::test]
async fn a_kill_at_any_point_of_a_publish_leaves_the_version_or_nothing() {
    let points = failpoint::ALL.iter().filter(|point| {
        point.starts_with("publish.") || point.starts_with("blob.") || **point == "log.persisted"
    });
    let mut visited = 0;
    for point in points {
        let (folder, token) = prepare("");
        let server = doomed(folder, token, point);
        let broken = server.publish("1.0.0");
        assert!(!broken.status.success(), "{point} was not reached");
        let (folder, token) = server.wait_for_death();
        let should_stand = ["publish.committed", "log.persisted"].contains(point);

        let registry = Registry::resume(folder, token).await;
        let head = mirror(&registry).await;
        assert_eq!(head.size, if should_stand { 3 } else { 2 }, "{point}");
        let trusted = registry.judged(&["golden/greeting/test@1.0.0"]).await;
        assert_eq!(trusted.release(&release(ADDRESS, "1.0.0")).is_ok(), should_stand, "{point}");
        let (folder, token) = registry.close().await;

        let server = Process::start_in(folder, token, |_| {});
        let list = server.get("/v1/modules/golden/greeting/test/versions");
        let stands = list.starts_with("HTTP/1.1 200");
        assert_eq!(stands, should_stand, "{point}: {list}");
        let again = ok(&server.publish("1.0.0"));
        assert_eq!(again["created"], !stands, "{point}");
        assert_eq!(again["log"]["index"], 2, "{point}");
        let leftovers = std::fs::read_dir(server.folder.path().join("data/blobs/tmp")).unwrap();
        assert_eq!(leftovers.count(), 0, "{point}");
        assert!(server.get("/readyz").starts_with("HTTP/1.1 200"), "{point}");
        visited += 1;
    }
    assert!(visited >= 7);
}

#[tokio::test]
async fn a_kill_while_a_status_is_said_leaves_it_said_or_not() {
    for point in ["statement.logged", "log.persisted"] {
        for key in [None, Some("publisher.pem")] {
            let (folder, token) = prepare("");
            let server = Process::start_in(folder, token, |_| {});
            ok(&server.publish("1.0.0"));
            let mut server = server;
            server.stop();
            let (folder, token) = server.into_folder();
            let server = doomed(folder, token, point);
            let mut yank =
                vec!["status", "yank", "golden/greeting/test@1.0.0", "--reason", "wrong"];
            yank.extend(key.into_iter().flat_map(|key| ["--key", key]));
            let broken = server.idp(&yank);
            assert!(!broken.status.success(), "{point} was not reached");
            let (folder, token) = server.wait_for_death();
            let said = point == "log.persisted";

            let registry = Registry::resume(folder, token).await;
            assert_eq!(mirror(&registry).await.size, if said { 4 } else { 3 }, "{point}");
            let trusted = registry.judged(&["golden/greeting/test@1.0.0"]).await;
            let standing = trusted.standing(&release(ADDRESS, "1.0.0")).unwrap();
            assert_eq!(standing.state == State::Yanked, said, "{point}");
            let (folder, token) = registry.close().await;

            let server = Process::start_in(folder, token, |_| {});
            ok(&server.idp(&yank));
            let list = ok(&server.idp(&["status", ADDRESS]));
            assert_eq!(list["statuses"][0]["state"], "yanked", "{point}");
        }
    }
}

#[tokio::test]
async fn a_kill_while_a_key_is_added_leaves_it_added_or_not() {
    for point in ["statement.logged", "log.persisted"] {
        let (folder, token) = prepare("");
        let server = doomed(folder, token, point);
        ok(&server.idp(&["keys", "new", "second.pem"]));
        let add = ["keys", "add", "golden", "second.pub", "--key", "root.pem"];
        assert!(!server.idp(&add).status.success(), "{point} was not reached");
        let (folder, token) = server.wait_for_death();
        let added = point == "log.persisted";

        let registry = Registry::resume(folder, token).await;
        assert_eq!(mirror(&registry).await.size, if added { 3 } else { 2 }, "{point}");
        let (folder, token) = registry.close().await;

        let server = Process::start_in(folder, token, |_| {});
        assert_eq!(server.idp(&add).status.success(), !added, "{point}");
        let keys = ok(&server.idp(&["keys", "list", "golden"]));
        assert_eq!(keys["keys"].as_array().unwrap().len(), 2, "{point}: {keys:#}");
    }
}
