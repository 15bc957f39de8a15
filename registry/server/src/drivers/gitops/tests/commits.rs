//! One change at a time: what is written, what is spared, what is told.

use super::*;

#[tokio::test]
async fn the_first_change_of_an_empty_repository_creates_the_branch() {
    let remote = Remote::empty();
    let driver = remote.driver();
    assert_eq!(driver.check().await.unwrap(), Reached { head: None });

    let done = driver.commit(change("op1", "checkout", &[("a.yaml", "a\n")])).await.unwrap();

    assert_eq!(done.commit, Some(remote.git(&["rev-parse", "main"])));
    assert!(!done.already);
    assert_eq!(done.written, ["staging/service/checkout/a.yaml"]);
    assert_eq!(remote.file("staging/service/checkout/a.yaml"), "a");
    assert_eq!(driver.check().await.unwrap().head, done.commit);
}

#[tokio::test]
async fn a_commit_tells_who_asked_what_for_and_which_operation_did_it() {
    let remote = Remote::with_files(&[("README.md", "hello\n")]);
    let change = Change {
        subject: "Create\nservice staging/checkout".into(),
        body: "Asked for by a pull request.".into(),
        ..change("op_1", "checkout", &[("a.yaml", "a\n")])
    };

    remote.driver().commit(change).await.unwrap();

    let told = remote.git(&["log", "-1", "--format=%an <%ae> %at|%cn <%ce>%n%B", "main"]);
    assert_eq!(
        told,
        "Bea <bea@example.com> 1700000000|Platform <platform@example.com>\n\
         Create service staging/checkout\n\n\
         Asked for by a pull request.\n\n\
         Idp-Resource: service/staging/checkout\n\
         Idp-Generation: 1\n\
         Idp-Operation: op_1"
    );
    let trailer = "--format=%(trailers:key=Idp-Operation,valueonly)";
    assert_eq!(remote.git(&["log", "-1", trailer, "main"]), "op_1");
    assert_eq!(remote.tree(), ["README.md", "staging/service/checkout/a.yaml"]);
    assert_eq!(remote.git(&["fsck", "--strict", "--no-dangling"]), "");
}

#[tokio::test]
async fn the_same_change_gives_the_same_commit_on_every_server() {
    let (one, other) = (Remote::empty(), Remote::empty());
    let change = || change("op1", "checkout", &[("b", "2"), ("a \"x\"", "1"), ("ü/c", "")]);

    let first = one.driver().commit(change()).await.unwrap();
    let second = other.driver().commit(change()).await.unwrap();

    assert_eq!(first.commit, second.commit);
    assert_eq!(one.tree().len(), 3);
}

#[tokio::test]
async fn an_operation_that_runs_again_after_a_crash_finds_its_commit() {
    let remote = Remote::with_files(&[("README.md", "hello\n")]);
    let again = || change("op1", "checkout", &[("a.yaml", "a\n")]);
    let first = remote.driver().commit(again()).await.unwrap();
    let edited = remote.edit(&[("staging/service/checkout/a.yaml", "by hand\n")]);

    let second = remote.driver_in("restarted").commit(again()).await.unwrap();

    assert_eq!(second.commit, first.commit);
    assert!(second.already);
    assert_eq!(remote.git(&["rev-parse", "main"]), edited);
}

#[tokio::test]
async fn a_forged_trailer_does_not_stand_for_work_that_was_not_done() {
    let remote = Remote::with_files(&[("README.md", "hello\n")]);
    let tree = remote.git(&["rev-parse", "main^{tree}"]);
    let message = "Harmless\n\nIdp-Operation: op1";
    let forged = remote.git(&["commit-tree", &tree, "-p", "main", "-m", message]);
    remote.git(&["update-ref", "refs/heads/main", &forged]);

    let done =
        remote.driver().commit(change("op1", "checkout", &[("a.yaml", "a\n")])).await.unwrap();

    assert!(!done.already);
    assert_eq!(remote.file("staging/service/checkout/a.yaml"), "a");
}

#[tokio::test]
async fn a_change_that_changes_nothing_gives_the_commit_that_last_touched_its_files() {
    let remote = Remote::empty();
    let driver = remote.driver();
    let create = change("op1", "checkout", &[("a.yaml", "a\n")]);
    let first = driver.commit(create.clone()).await.unwrap();
    driver.commit(change("op2", "other", &[("a.yaml", "a\n")])).await.unwrap();

    let same = driver.commit(after(&create, "op3", "checkout", &[("a.yaml", "a\n")])).await;

    let same = same.unwrap();
    assert_eq!(same.commit, first.commit);
    assert!(same.already);
    assert_eq!(remote.commits(), 2);
}

#[tokio::test]
async fn foreign_files_are_never_overwritten() {
    let path = "staging/service/checkout/a.yaml";
    let remote = Remote::with_files(&[(path, "theirs\n")]);
    let before = remote.git(&["rev-parse", "main"]);

    let refused = remote.driver().commit(change("op1", "checkout", &[("a.yaml", "a\n")])).await;

    let error = refused.unwrap_err();
    assert!(matches!(&error, GitOpsError::NotOwned { paths, .. } if paths == &[path]), "{error}");
    assert!(!error.is_retryable());
    assert_eq!(remote.git(&["rev-parse", "main"]), before);
}

#[tokio::test]
async fn a_foreign_file_that_is_already_as_wanted_is_adopted() {
    let remote = Remote::with_files(&[("staging/service/checkout/a.yaml", "a\n")]);

    let done = remote
        .driver()
        .commit(change("op1", "checkout", &[("a.yaml", "a\n"), ("b.yaml", "b\n")]))
        .await
        .unwrap();

    assert_eq!(done.written, ["staging/service/checkout/b.yaml"]);
}

#[tokio::test]
async fn hand_edits_of_owned_files_are_mended_and_told() {
    let remote = Remote::empty();
    let driver = remote.driver();
    let files = [("a.yaml", "a\n"), ("b.yaml", "b\n")];
    let create = change("op1", "checkout", &files);
    driver.commit(create.clone()).await.unwrap();
    remote.edit(&[
        ("staging/service/checkout/a.yaml", "by hand\n"),
        ("staging/service/checkout/b.yaml", ""),
    ]);

    let mended = driver.commit(after(&create, "op2", "checkout", &files)).await.unwrap();

    assert_eq!(remote.file("staging/service/checkout/a.yaml"), "a");
    assert_eq!(remote.file("staging/service/checkout/b.yaml"), "b");
    let told: Vec<_> =
        mended.mended.iter().map(|drift| (drift.path.as_str(), drift.kind)).collect();
    assert_eq!(
        told,
        [
            ("staging/service/checkout/a.yaml", DriftKind::Modified),
            ("staging/service/checkout/b.yaml", DriftKind::Missing),
        ]
    );
}

#[tokio::test]
async fn an_update_removes_the_files_it_no_longer_has() {
    let remote = Remote::empty();
    let driver = remote.driver();
    let create = change("op1", "checkout", &[("a", "file"), ("b", "b")]);
    driver.commit(create.clone()).await.unwrap();

    // `a` becomes a directory.
    let update = after(&create, "op2", "checkout", &[("a/deep", "1"), ("b", "b")]);
    let done = driver.commit(update).await.unwrap();

    assert_eq!(done.removed, ["staging/service/checkout/a"]);
    assert_eq!(remote.tree(), ["staging/service/checkout/a/deep", "staging/service/checkout/b"]);
}

#[tokio::test]
async fn destroying_leaves_foreign_files_and_names_them() {
    let remote = Remote::with_files(&[("README.md", "hello\n")]);
    let driver = remote.driver();
    let create = change("op1", "checkout", &[("a.yaml", "a\n"), ("b.yaml", "b\n")]);
    driver.commit(create.clone()).await.unwrap();
    remote.edit(&[("staging/service/checkout/notes.md", "mine\n")]);

    let gone = driver.commit(after(&create, "op2", "checkout", &[])).await.unwrap();

    assert_eq!(gone.removed.len(), 2);
    assert_eq!(gone.foreign, ["staging/service/checkout/notes.md"]);
    assert_eq!(remote.tree(), ["README.md", "staging/service/checkout/notes.md"]);
}

#[tokio::test]
async fn destroying_in_an_empty_repository_succeeds_without_a_commit() {
    let remote = Remote::empty();
    let create = change("op1", "checkout", &[("a.yaml", "a\n")]);

    let gone = remote.driver().commit(after(&create, "op2", "checkout", &[])).await.unwrap();

    assert_eq!((gone.commit, gone.already), (None, true));
    assert_eq!(remote.pushes(), 0);
}

#[tokio::test]
async fn the_root_files_of_a_layout_are_committed_once() {
    let remote = Remote::empty();
    let layout = |operation: &str| Change {
        directories: Vec::new(),
        files: BTreeMap::from([
            ("argocd/root.yaml".to_owned(), b"kind: Application\n".to_vec()),
            ("argocd/projects/payments.yaml".to_owned(), b"kind: AppProject\n".to_vec()),
        ]),
        subject: "Lay out the repository".into(),
        ..change(operation, "layout", &[])
    };
    let first = remote.driver().commit(layout("init-1")).await.unwrap();

    let second = remote.driver_in("again").commit(layout("init-2")).await.unwrap();

    assert_eq!(second.commit, first.commit);
    assert!(second.already);
    assert_eq!(remote.commits(), 1);
}

#[tokio::test]
async fn paths_that_leave_the_tree_never_reach_git() {
    let remote = Remote::empty();
    let driver = remote.driver();
    for path in ["../x", "/etc/passwd", ".git/hooks/post-receive", "a/.GIT/config", "a\0b"] {
        let change = Change {
            files: BTreeMap::from([(path.to_owned(), b"x".to_vec())]),
            ..change("op1", "checkout", &[])
        };

        let refused = driver.commit(change).await.unwrap_err();

        assert!(matches!(refused, GitOpsError::InvalidChange { .. }), "{path:?}: {refused}");
        assert!(driver.observe(&[path]).await.is_err(), "{path:?}");
    }
    assert_eq!(remote.pushes(), 0);
}

#[tokio::test]
async fn a_symbolic_link_in_place_of_an_owned_file_is_drift_and_is_not_followed() {
    let remote = Remote::empty();
    let driver = remote.driver();
    let create = change("op1", "checkout", &[("a.yaml", "a\n")]);
    driver.commit(create.clone()).await.unwrap();
    let clone = remote.path().join("work");
    run_git(remote.path(), &["clone", "--quiet", "remote.git", "work"]);
    let file = clone.join("staging/service/checkout/a.yaml");
    std::fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", &file).unwrap();
    run_git(&clone, &["commit", "--quiet", "--all", "-m", "Link"]);
    run_git(&clone, &["push", "--quiet", "origin", "main"]);

    let mend = after(&create, "op2", "checkout", &[("a.yaml", "a\n")]);
    let mended = driver.commit(mend).await.unwrap();

    assert_eq!(mended.mended[0].kind, DriftKind::Modified);
    let entry = remote.git(&["ls-tree", "main", "staging/service/checkout/a.yaml"]);
    assert!(entry.starts_with("100644 blob"), "{entry}");
}
