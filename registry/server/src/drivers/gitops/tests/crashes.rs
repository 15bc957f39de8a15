//! A server that dies at any point of a commit, and the one that takes over.

use super::*;
use crate::failpoint;

/// What the process that is to die finds in its working directory.
const REMOTE_FILE: &str = "remote.path";
const POINT_FILE: &str = "failpoint";

fn points() -> impl Iterator<Item = &'static str> {
    failpoint::ALL.iter().copied().filter(|name| name.starts_with("gitops."))
}

fn the_change() -> Change {
    change("op1", "checkout", &[("a.yaml", "a\n"), ("b.yaml", "b\n")])
}

/// Not a test of its own: the process that dies. Run by the test below, in a prepared directory.
#[tokio::test]
#[ignore = "aborts; the test below runs it in a process of its own"]
async fn process_that_dies() {
    let Ok(remote) = std::fs::read_to_string(REMOTE_FILE) else { return };
    failpoint::arm(std::fs::read_to_string(POINT_FILE).unwrap());
    let mirror = Path::new("mirror").canonicalize().unwrap();
    let driver = GitOps::new(repository(&remote, Credentials::None), mirror);

    driver.commit(the_change()).await.unwrap();
}

#[tokio::test]
async fn a_commit_that_is_killed_anywhere_is_published_whole_once_or_not_at_all() {
    for point in points() {
        let remote = Remote::with_files(&[("README.md", "hello\n")]);
        std::fs::create_dir(remote.path().join("mirror")).unwrap();
        std::fs::write(remote.path().join(REMOTE_FILE), remote.bare().to_str().unwrap()).unwrap();
        std::fs::write(remote.path().join(POINT_FILE), point).unwrap();

        let died = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "drivers::gitops::tests::crashes::process_that_dies"])
            .current_dir(remote.path())
            .output()
            .unwrap();
        assert!(died.status.code().is_none(), "{point} was not reached: {died:?}");
        let published = remote.commits() == 2;
        assert_eq!(published, point == "gitops.after_push", "{point}");

        let done = remote.driver().commit(the_change()).await.unwrap();

        assert_eq!(done.already, published, "{point}");
        assert_eq!(done.commit, Some(remote.git(&["rev-parse", "main"])), "{point}");
        assert_eq!(remote.commits(), 2, "{point}");
        assert_eq!(remote.tree().len(), 3, "{point}");
    }
}
