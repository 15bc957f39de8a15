//! Remotes that are down or slow, mirrors that are damaged, a git that is no use.

use super::*;

type Damage = fn(&Path);

async fn works(driver: &GitOps, operation: &str) {
    let done = driver.commit(change(operation, operation, &[("a.yaml", "a\n")])).await;
    assert!(!done.unwrap().already);
}

/// Everything under `folder`, deepest last.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![folder.to_owned()];
    let mut next = 0;
    while next < found.len() {
        if found[next].is_dir() {
            let inside = std::fs::read_dir(&found[next]).unwrap();
            found.extend(inside.map(|entry| entry.unwrap().path()));
        }
        next += 1;
    }
    found
}

#[tokio::test]
async fn a_remote_that_is_gone_is_named_and_works_again_when_it_is_back() {
    let remote = Remote::with_files(&[("README.md", "hello\n")]);
    let driver = remote.driver();
    works(&driver, "op1").await;
    std::fs::rename(remote.bare(), remote.path().join("away.git")).unwrap();

    let error = driver.commit(change("op2", "op2", &[("a", "a")])).await.unwrap_err();
    let unseen = driver.observe(&["staging"]).await.unwrap_err();

    assert!(matches!(error, GitOpsError::Unreachable { .. }), "{error}");
    assert!(matches!(unseen, GitOpsError::Unreachable { .. }), "{unseen}");
    assert!(error.to_string().contains("\"deployments\"") && error.is_retryable(), "{error}");
    std::fs::rename(remote.path().join("away.git"), remote.bare()).unwrap();
    works(&driver, "op2").await;
}

#[tokio::test]
async fn a_remote_that_never_answers_is_given_up_and_its_connection_closed() {
    use tokio::{io::AsyncReadExt as _, net::TcpListener};

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/x.git", listener.local_addr().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let settings = repository(&url, Credentials::None).with_limits(quick());
    let driver = GitOps::new(settings, folder.path().join("mirror"));
    let silent = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        stream.read_to_end(&mut request).await
    });

    let error = driver.check().await.unwrap_err();

    assert!(matches!(error, GitOpsError::TimedOut { .. }), "{error}");
    assert!(error.to_string().contains("within 800ms"), "{error}");
    // The helper that held the connection was killed with git.
    let closed = tokio::time::timeout(Duration::from_secs(20), silent).await;
    assert!(closed.is_ok(), "the connection is still open");
}

#[tokio::test]
async fn a_damaged_mirror_is_fetched_anew() {
    let remote = Remote::with_files(&[("README.md", "hello\n")]);
    let driver = remote.driver();
    works(&driver, "op0").await;
    let mirror = remote.path().join("mirror/mirror.git");
    let damages: [(&str, Damage); 6] = [
        ("gone", |mirror| std::fs::remove_dir_all(mirror).unwrap()),
        ("head", |mirror| std::fs::write(mirror.join("HEAD"), "nonsense").unwrap()),
        ("config", |mirror| std::fs::write(mirror.join("config"), "[[[").unwrap()),
        ("objects", |mirror| std::fs::remove_dir_all(mirror.join("objects")).unwrap()),
        ("emptied", |mirror| {
            for path in entries(&mirror.join("objects")).into_iter().filter(|path| path.is_file()) {
                std::fs::remove_file(&path).unwrap();
                std::fs::write(path, "").unwrap();
            }
        }),
        ("ref", |mirror| {
            let missing = "1234567890123456789012345678901234567890\n";
            std::fs::write(mirror.join("refs/idp/remote"), missing).unwrap();
        }),
    ];
    for (name, damage) in damages {
        damage(&mirror);

        works(&driver, name).await;

        damage(&mirror);
        let seen = driver.observe(&[format!("staging/service/{name}")]).await.unwrap();
        assert_eq!(seen.files.len(), 1, "{name}");
    }
    drop(driver);
    std::fs::write(mirror.join("HEAD"), "").unwrap();
    works(&remote.driver(), "restarted").await;
}

#[tokio::test]
async fn lock_files_of_a_killed_git_do_not_stop_the_next() {
    let remote = Remote::with_files(&[("README.md", "hello\n")]);
    let driver = remote.driver();
    works(&driver, "op1").await;
    drop(driver);
    let mirror = remote.path().join("mirror/mirror.git");
    for name in ["refs/idp/remote", "refs/idp/batch", "packed-refs", "HEAD", "config", "shallow"] {
        std::fs::write(mirror.join(format!("{name}.lock")), "").unwrap();
    }
    let half_pack = mirror.join("objects/pack/tmp_pack_x");
    std::fs::create_dir_all(half_pack.parent().unwrap()).unwrap();
    std::fs::write(&half_pack, "half").unwrap();

    works(&remote.driver(), "op2").await;

    assert!(!half_pack.exists());
}

#[tokio::test]
async fn a_mirror_serves_one_process_at_a_time() {
    let remote = Remote::empty();
    let first = remote.driver();
    first.check().await.unwrap();
    let second = remote.driver();

    let refused = second.check().await.unwrap_err();

    assert!(matches!(refused, GitOpsError::MirrorInUse { .. }), "{refused}");
    drop(first);
    second.check().await.unwrap();
}

#[tokio::test]
async fn a_missing_or_old_git_is_told_plainly() {
    let remote = Remote::empty();
    let old = remote.path().join("bin/git");
    script(&old, "echo git version 2.25.1");
    let with = |git: PathBuf, folder: &str| {
        let program = GitProgram::default().with_git(git);
        GitOps::new(remote.settings().with_git(program), remote.path().join(folder))
    };

    let missing = with("/nowhere/git".into(), "one").check().await.unwrap_err();
    let too_old = with(old, "two").check().await.unwrap_err();

    assert!(matches!(missing, GitOpsError::GitMissing { .. }), "{missing}");
    assert_eq!(too_old, GitOpsError::GitTooOld { found: "2.25.1".into(), needed: "2.32" });
}

#[tokio::test]
async fn a_full_disk_is_named_and_leaves_nothing_half_done() {
    let remote = Remote::empty();
    let (program, full) = (remote.path().join("bin/git"), remote.path().join("full"));
    let text = format!(
        "if [ \"$1\" = fast-import ] && [ -e '{}' ]; then\n\
           echo 'fatal: write error: No space left on device' >&2; exit 128\n\
         fi\nexec git \"$@\"",
        full.display()
    );
    script(&program, &text);
    let program = GitProgram::default().with_git(program);
    let driver = GitOps::new(remote.settings().with_git(program), remote.path().join("mirror"));
    std::fs::write(&full, "").unwrap();

    let error = driver.commit(change("op1", "op1", &[("a.yaml", "a\n")])).await.unwrap_err();

    assert!(matches!(error, GitOpsError::DiskFull { .. }), "{error}");
    assert_eq!(remote.pushes(), 0);
    std::fs::remove_file(full).unwrap();
    works(&driver, "op1").await;
}

#[tokio::test]
async fn nobodys_hooks_or_settings_are_honoured() {
    let remote = Remote::with_files(&[("README.md", "hello\n")]);
    let driver = remote.driver();
    works(&driver, "op1").await;
    let folder = remote.path().join("mirror");
    for hook in ["pre-push", "reference-transaction", "post-update"] {
        script(&folder.join("mirror.git/hooks").join(hook), "touch \"$HOME/ran\"; exit 1");
    }
    std::fs::write(folder.join(".gitconfig"), "[user]\n\tname = Mallory\n[[broken").unwrap();

    works(&driver, "op2").await;

    assert!(!folder.join("ran").exists());
}
