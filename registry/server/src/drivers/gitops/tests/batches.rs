//! Many changes at once, and other people who push at the same time.

use std::collections::BTreeSet;

use super::*;

/// Gives all changes to the driver before it can answer the first.
async fn commit_all(driver: &GitOps, changes: Vec<Change>) -> Vec<Answer> {
    let tasks: Vec<_> = changes
        .into_iter()
        .map(|change| {
            let driver = driver.clone();
            tokio::spawn(async move { driver.commit(change).await })
        })
        .collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    answers
}

fn numbered(count: usize) -> Vec<Change> {
    (0..count)
        .map(|n| {
            let files = [("deployment.yaml", "kind: Deployment\n"), ("own.txt", &*n.to_string())];
            change(&format!("op{n}"), &format!("service-{n}"), &files)
        })
        .collect()
}

#[tokio::test]
async fn a_thousand_changes_are_a_thousand_commits_and_a_handful_of_pushes() {
    let remote = Remote::with_files(&[("README.md", "hello\n")]);
    let before = remote.pushes();

    let answers = commit_all(&remote.driver(), numbered(1000)).await;

    let commits: BTreeSet<_> =
        answers.into_iter().map(|answer| answer.unwrap().commit.unwrap()).collect();
    assert_eq!(commits.len(), 1000);
    assert_eq!(remote.commits(), 1001);
    assert_eq!(remote.tree().len(), 2001);
    let pushes = remote.pushes() - before;
    assert!(pushes <= 10, "{pushes} pushes");
    assert_eq!(remote.git(&["fsck", "--strict", "--no-dangling"]), "");
}

#[tokio::test]
async fn a_batch_is_pushed_in_parts_where_it_is_too_large_for_one() {
    let remote = Remote::empty();
    let limits = Limits { batch_changes: 4, ..Limits::default() };
    let driver = GitOps::new(remote.settings().with_limits(limits), remote.path().join("mirror"));

    let answers = commit_all(&driver, numbered(10)).await;

    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(remote.commits(), 10);
    assert!(remote.pushes() >= 3);
}

#[tokio::test]
async fn a_change_that_fails_does_not_fail_the_others_of_its_batch() {
    let remote = Remote::with_files(&[("staging/service/service-3/own.txt", "theirs")]);

    let answers = commit_all(&remote.driver(), numbered(6)).await;

    for (n, answer) in answers.iter().enumerate() {
        match answer {
            Err(GitOpsError::NotOwned { .. }) => assert_eq!(n, 3),
            other => assert!(other.is_ok() && n != 3, "{n}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn changes_of_one_batch_see_each_other() {
    let remote = Remote::empty();
    let create = change("op1", "checkout", &[("a.yaml", "a\n")]);
    let update = after(&create, "op2", "checkout", &[("a.yaml", "b\n")]);
    let same = after(&update, "op3", "checkout", &[("a.yaml", "b\n")]);
    let clash = change("op4", "checkout", &[("a.yaml", "c\n")]);
    let twice = create.clone();

    let answers = commit_all(&remote.driver(), vec![create, update, same, clash, twice]).await;

    let commit = |n: usize| answers[n].as_ref().unwrap().commit.clone();
    assert_eq!(remote.commits(), 2);
    assert_ne!(commit(0), commit(1));
    assert_eq!(commit(1), commit(2));
    assert!(matches!(answers[3], Err(GitOpsError::NotOwned { .. })));
    assert_eq!(remote.file("staging/service/checkout/a.yaml"), "b");
    // The same operation twice at once: the second finds what the first did.
    assert_eq!((commit(4), answers[4].as_ref().unwrap().already), (commit(0), true));
}

#[tokio::test]
async fn a_rule_of_the_remote_against_one_change_spares_the_others() {
    let remote = Remote::empty();
    remote.hook(
        "pre-receive",
        "read old new ref\n\
         if git ls-tree -r --name-only $new | grep -q service-5/; then\n\
           echo 'service-5 is not welcome' >&2; exit 1\n\
         fi",
    );

    let answers = commit_all(&remote.driver(), numbered(12)).await;

    for (n, answer) in answers.iter().enumerate() {
        match answer {
            Err(error @ GitOpsError::Refused { words, .. }) => {
                assert_eq!(n, 5);
                assert!(words.contains("service-5 is not welcome"), "{words}");
                assert!(error.to_string().contains("\"deployments\""), "{error}");
            }
            other => assert!(other.is_ok() && n != 5, "{n}: {other:?}"),
        }
    }
    assert_eq!(remote.commits(), 11);
}

#[tokio::test]
async fn a_remote_that_refuses_everything_is_not_asked_a_thousand_times() {
    let remote = Remote::empty();
    remote.hook("pre-receive", "echo tried >> tries.log; echo 'branch is protected' >&2; exit 1");
    let driver = remote.driver();

    let answers = commit_all(&driver, numbered(300)).await;

    assert!(answers.iter().all(|answer| matches!(answer, Err(GitOpsError::Refused { .. }))));
    let tries = std::fs::read_to_string(remote.bare().join("tries.log")).unwrap().lines().count();
    assert!(tries <= 40, "{tries} pushes");

    // Nothing half-done is left: once the rule is gone, the same changes go through.
    std::fs::remove_file(remote.bare().join("hooks/pre-receive")).unwrap();
    let answers = commit_all(&driver, numbered(300)).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(remote.commits(), 300);
}

#[tokio::test]
async fn servers_that_share_a_repository_do_not_lose_each_others_changes() {
    let remote = Remote::with_files(&[("README.md", "hello\n")]);
    let changes = numbered(40);
    let drivers = [remote.driver_in("one"), remote.driver_in("two"), remote.driver_in("three")];

    let tasks: Vec<_> = changes
        .into_iter()
        .enumerate()
        .map(|(n, change)| {
            let driver = drivers[n % 3].clone();
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(5 * n as u64)).await;
                driver.commit(change).await
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }

    assert_eq!(remote.commits(), 41);
    assert_eq!(remote.tree().len(), 81);
}

#[tokio::test]
async fn a_push_that_loses_a_race_on_the_server_is_built_again_on_the_new_head() {
    let remote = Remote::with_files(&[("README.md", "hello\n")]);
    // Somebody else's commit arrives after our push was let in and before it is recorded.
    remote.hook(
        "pre-receive",
        "[ -e raced ] && exit 0; touch raced; unset GIT_QUARANTINE_PATH\n\
         export GIT_AUTHOR_NAME=Ann GIT_AUTHOR_EMAIL=a@x GIT_COMMITTER_NAME=Ann GIT_COMMITTER_EMAIL=a@x\n\
         new=$(env -u GIT_OBJECT_DIRECTORY git commit-tree main^{tree} -p main -m Meanwhile)\n\
         git update-ref refs/heads/main $new",
    );

    let done = remote.driver().commit(change("op1", "checkout", &[("a.yaml", "a\n")])).await;

    assert_eq!(done.unwrap().commit, Some(remote.git(&["rev-parse", "main"])));
    assert_eq!(remote.git(&["log", "-1", "--format=%s", "main~1"]), "Meanwhile");
}

#[tokio::test]
async fn history_that_somebody_rewrote_is_not_pushed_back() {
    let remote = Remote::with_files(&[("README.md", "hello\n")]);
    let driver = remote.driver();
    let first = remote.git(&["rev-parse", "main"]);
    driver.commit(change("op1", "checkout", &[("a.yaml", "a\n")])).await.unwrap();
    remote.git(&["update-ref", "refs/heads/main", &first]);

    driver.commit(change("op2", "other", &[("a.yaml", "a\n")])).await.unwrap();

    assert_eq!(remote.tree(), ["README.md", "staging/service/other/a.yaml"]);
    // What was rewritten away was not done: the operation commits anew.
    let again = driver.commit(change("op1", "checkout", &[("a.yaml", "a\n")])).await.unwrap();
    assert!(!again.already);
    assert_eq!(remote.git(&["rev-list", "--count", "main"]), "3");
}

#[tokio::test]
async fn a_change_is_carried_out_even_if_its_caller_stops_waiting() {
    let remote = Remote::empty();
    let driver = remote.driver();
    let waiting = driver.commit(change("op1", "checkout", &[("a.yaml", "a\n")]));

    let gave_up = tokio::time::timeout(Duration::from_millis(1), waiting).await;
    assert!(gave_up.is_err());
    // The next change waits behind it.
    driver.commit(change("op2", "other", &[("a.yaml", "a\n")])).await.unwrap();

    assert_eq!(remote.commits(), 2);
}
