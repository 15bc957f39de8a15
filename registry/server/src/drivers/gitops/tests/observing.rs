//! What is there, and how it differs from what was written.

use super::*;

/// The git of the machine, noting every command in `log`.
fn noting(remote: &Remote) -> (GitProgram, PathBuf) {
    let (program, log) = (remote.path().join("bin/git"), remote.path().join("calls.log"));
    script(&program, &format!("echo \"$1\" >> '{}'; exec git \"$@\"", log.display()));
    (GitProgram::default().with_git(program), log)
}

fn calls(log: &Path, command: &str) -> usize {
    std::fs::read_to_string(log).unwrap().lines().filter(|line| *line == command).count()
}

#[tokio::test]
async fn edits_by_hand_are_seen_as_drift() {
    let remote = Remote::with_files(&[("argocd/staging/other.yaml", "x\n")]);
    let driver = remote.driver();
    let create = change("op1", "checkout", &[("a.yaml", "a\n"), ("deep/b.yaml", "b\n")]);
    driver.commit(create.clone()).await.unwrap();
    let expected: BTreeMap<_, _> =
        create.files.iter().map(|(path, bytes)| (path.clone(), sha256(bytes))).collect();
    let directory = "staging/service/checkout";
    let clean = driver.observe(&[directory]).await.unwrap();
    assert_eq!(clean.files, expected);

    let head = remote.edit(&[
        ("staging/service/checkout/a.yaml", "by hand\n"),
        ("staging/service/checkout/deep/b.yaml", ""),
        ("staging/service/checkout/c.yaml", "new\n"),
    ]);
    let seen = driver.observe(&[directory, "argocd/staging/other.yaml"]).await.unwrap();

    assert_eq!(seen.commit, Some(head));
    assert_eq!(seen.files["argocd/staging/other.yaml"], sha256(b"x\n"));
    let kinds: Vec<_> = drift(&expected, &seen.files, &[directory.to_owned()])
        .into_iter()
        .map(|drift| (drift.path.rsplit('/').next().unwrap().to_owned(), drift.kind))
        .collect();
    assert_eq!(
        kinds,
        [
            ("a.yaml".to_owned(), DriftKind::Modified),
            ("c.yaml".to_owned(), DriftKind::Unexpected),
            ("b.yaml".to_owned(), DriftKind::Missing),
        ]
    );
}

#[tokio::test]
async fn what_is_not_there_is_empty() {
    let empty = Remote::empty();
    let remote = Remote::with_files(&[("README.md", "hello\n")]);

    let nothing = empty.driver().observe(&["staging/service/checkout"]).await.unwrap();
    let other = remote.driver().observe(&["staging/service/checkout"]).await.unwrap();

    assert_eq!(nothing, Observed { commit: None, files: BTreeMap::new() });
    assert!(other.commit.is_some() && other.files.is_empty());
}

#[tokio::test]
async fn two_hundred_observers_share_a_fetch() {
    let remote = Remote::empty();
    let (program, log) = noting(&remote);
    let driver = GitOps::new(remote.settings().with_git(program), remote.path().join("mirror"));
    driver.commit(change("op1", "checkout", &[("a.yaml", "a\n")])).await.unwrap();
    let before = (calls(&log, "fetch"), calls(&log, "cat-file"));

    let tasks: Vec<_> = (0..200)
        .map(|_| {
            let driver = driver.clone();
            tokio::spawn(async move { driver.observe(&["staging/service/checkout"]).await })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap().unwrap().files.len(), 1);
    }

    let fetches = calls(&log, "fetch") - before.0;
    assert!(fetches <= 3, "{fetches} fetches");
    assert_eq!(calls(&log, "cat-file"), before.1, "one reader serves all");
}

#[tokio::test]
async fn an_observer_never_gets_an_answer_older_than_its_question() {
    let remote = Remote::with_files(&[("staging/service/checkout/a.yaml", "0")]);
    let driver = remote.driver();
    let busy = {
        let driver = driver.clone();
        tokio::spawn(async move {
            loop {
                driver.observe(&["staging"]).await.unwrap();
            }
        })
    };

    for n in 1..8 {
        let head = remote.edit(&[("staging/service/checkout/a.yaml", &n.to_string())]);
        let seen = driver.observe(&["staging"]).await.unwrap();
        assert_eq!(seen.commit, Some(head));
        assert_eq!(seen.files["staging/service/checkout/a.yaml"], sha256(n.to_string().as_bytes()));
    }
    busy.abort();
}

#[tokio::test]
async fn observers_who_leave_in_the_middle_do_no_harm() {
    let remote = Remote::with_files(&[("staging/a.yaml", "a")]);
    let driver = remote.driver();
    for micros in (0..20_000).step_by(700) {
        let asking = driver.observe(&["staging"]);
        let _ = tokio::time::timeout(Duration::from_micros(micros), asking).await;
    }

    assert_eq!(driver.observe(&["staging"]).await.unwrap().files.len(), 1);
}
