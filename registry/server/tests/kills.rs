//! A kill at any moment of a publish leaves the version or nothing.

use registry_server::failpoint;

use super::cli::ok;
use super::serve::{Process, prepare};

#[test]
fn a_kill_at_any_point_of_a_publish_leaves_the_version_or_nothing() {
    let points = failpoint::ALL
        .iter()
        .filter(|point| point.starts_with("publish.") || point.starts_with("blob."));
    let mut visited = 0;
    for point in points {
        let (folder, token) = prepare("");
        let server = Process::start_in(folder, token, |command| {
            command.env("IDP_FAILPOINT", point);
        });
        let broken = server.publish("1.0.0");
        assert!(!broken.status.success(), "{point} was not reached");
        let (folder, token) = server.wait_for_death();

        let server = Process::start_in(folder, token, |_| {});
        let list = server.get("/v1/modules/golden/greeting/test/versions");
        let stands = list.starts_with("HTTP/1.1 200");
        assert_eq!(stands, *point == "publish.committed", "{point}: {list}");
        let again = ok(&server.publish("1.0.0"));
        assert_eq!(again["created"], !stands, "{point}");
        let leftovers = std::fs::read_dir(server.folder.path().join("data/blobs/tmp")).unwrap();
        assert_eq!(leftovers.count(), 0, "{point}");
        assert!(server.get("/readyz").starts_with("HTTP/1.1 200"), "{point}");
        visited += 1;
    }
    assert!(visited >= 5);
}
