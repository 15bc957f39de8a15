//! Clusters that start, answer, end and leave nothing.

use super::*;

#[test]
fn every_installed_version_starts_and_answers() {
    for version in Version::installed() {
        let cluster = Cluster::start(version);

        let number = cluster.psql("SHOW server_version_num");

        assert_eq!(number.parse::<u32>().unwrap() / 10_000, cluster.major(), "{version:?}");
    }
}

#[test]
fn a_wrong_password_is_refused() {
    let cluster = Cluster::start(Version::Default);

    let refused = cluster.query(SUPERUSER, "wrong", "postgres", "SELECT 1").unwrap_err();

    assert!(refused.contains("password authentication failed"), "{refused}");
}

#[test]
fn data_outlives_a_restart_and_a_crash() {
    let mut cluster = Cluster::start(Version::Default);
    cluster.psql("CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)");
    cluster.psql("CHECKPOINT"); // what a crash may lose is not what is tested

    cluster.kill();
    cluster.restart();
    let after_crash = cluster.psql("SELECT n FROM kept");
    cluster.restart();

    assert_eq!(after_crash, "7");
    assert_eq!(cluster.psql("SELECT n FROM kept"), "7");
}

#[test]
fn statements_are_in_the_log() {
    let cluster = Cluster::start(Version::Default);

    cluster.psql("SELECT 'a text to be found'");

    assert!(cluster.log().contains("a text to be found"), "{}", cluster.log());
}

#[test]
fn a_dropped_cluster_leaves_no_folder() {
    let cluster = Cluster::start(Version::Default);
    let folder = cluster.socket_folder().to_owned();

    drop(cluster);

    assert!(!folder.exists());
}

/// Not a test of its own: the process that dies. Run by the test below.
#[test]
#[ignore = "aborts; the test below runs it in a process of its own"]
fn process_that_dies() {
    let cluster = Cluster::start(Version::Default);
    println!("folder={}", cluster.socket_folder().display());
    std::process::abort();
}

#[test]
fn the_cluster_of_a_killed_test_ends_and_is_removed() {
    let died = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", "tests::process_that_dies"])
        .output()
        .unwrap();

    let said = String::from_utf8_lossy(&died.stdout).into_owned();
    let folder = said.lines().find_map(|line| line.split_once("folder=")).unwrap().1;
    let begun = std::time::Instant::now();
    while Path::new(folder).exists() {
        assert!(begun.elapsed().as_secs() < 30, "{folder} is still there");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}
