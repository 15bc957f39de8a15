//! Backups: made while the server runs, restored whole or not at all.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Output;

use registry_server::config::Config;
use registry_server::failpoint;
use registry_server::ops::backup::{self, Unpack, Watch, check_database};
use registry_server::ops::restore::{self, Allowed, RestoreError, Restored};
use registry_trust::digest::Sha256;
use serde_json::Value;

use super::cli::{idp, ok, text};
use super::providers;
use super::serve::{Process, prepare};
use super::support::{MODULE, NOW, Registry, write_config};

/// Hears nothing.
struct Silent;

impl Watch for Silent {
    fn at(&self, _done: u64, _total: u64) {}
}

/// `idp` beside the server of a [`Process`].
fn beside(folder: &Path, arguments: &[&str], failpoint: Option<&str>) -> Output {
    let mut command = idp(folder);
    command.arg("--json").args(arguments).env("IDP_HOSTNAME", "registry.test.example");
    if let Some(point) = failpoint {
        command.env("IDP_FAILPOINT", point);
    }
    command.output().unwrap()
}

/// A folder with configuration and keys as in `from`, and no data.
fn elsewhere(from: &Path) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["idp.toml", "publisher.pem", "publisher.pub", "secrets.key"] {
        std::fs::copy(from.join(name), folder.path().join(name)).unwrap();
    }
    std::fs::create_dir(folder.path().join("trust")).unwrap();
    // Not what was signed last: of a backup that is older than that, nothing would be signed.
    for name in ["registry.pem", "log.pem"] {
        std::fs::copy(from.join("trust").join(name), folder.path().join("trust").join(name))
            .unwrap();
    }
    folder
}

/// Head and body of an answer.
fn fetch(server: &Process, path: &str) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    (text(&answer[..end]).to_lowercase(), answer.split_off(end))
}

/// Downloads every listed version and compares it with the digests of the backup; the versions.
fn download_all(server: &Process, digests: &[String]) -> Vec<String> {
    let (_, list) = fetch(server, "/v1/modules/golden/greeting/test/versions");
    let list: Value = serde_json::from_slice(&list).unwrap();
    let versions = list["modules"][0]["versions"].as_array().unwrap();
    let versions: Vec<String> =
        versions.iter().map(|version| version["version"].as_str().unwrap().to_owned()).collect();
    for version in &versions {
        let path = format!("/v1/modules/golden/greeting/test/{version}/download");
        let (head, _) = fetch(server, &path);
        let link = head.lines().find_map(|line| line.strip_prefix("x-terraform-get: ")).unwrap();
        let link = link.split_once(&format!(":{}", server.port)).unwrap().1;
        let (head, archive) = fetch(server, link.split('#').next().unwrap());
        assert!(head.starts_with("http/1.1 200"), "{version}: {head}");
        assert!(digests.contains(&Sha256::of(&archive).to_string()), "{version}");
    }
    versions
}

fn digests(file: &Path) -> Vec<String> {
    let verified = ok(&beside(Path::new("/"), &["backup", "verify", file.to_str().unwrap()], None));
    let blobs = verified["manifest"]["blobs"].as_array().unwrap();
    blobs.iter().map(|blob| blob["sha256"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_backup_that_is_made_while_modules_are_published_restores_to_a_server_that_has_them() {
    let server = Process::start("");
    ok(&server.publish("1.0.0"));
    let backups = tempfile::tempdir().unwrap();
    let mut made: Vec<(PathBuf, usize)> = Vec::new();

    std::thread::scope(|scope| {
        let publishing = scope.spawn(|| {
            for patch in 1..=12 {
                let main = format!("output \"greeting\" {{\n  value = \"hello {patch}\"\n}}\n");
                super::serve::write_module(server.folder.path(), &[("main.tf", &main)]);
                ok(&server.publish(&format!("1.0.{patch}")));
            }
        });
        while !publishing.is_finished() || made.len() < 3 {
            let before = server.get("/v1/modules/golden/greeting/test/versions");
            let before = before.matches("\"version\"").count();
            let file = backups.path().join(format!("{}.tar", made.len()));
            ok(&beside(server.folder.path(), &["backup", file.to_str().unwrap()], None));
            made.push((file, before));
        }
    });

    for (file, before) in &made {
        let folder = elsewhere(server.folder.path());
        let restored = beside(folder.path(), &["restore", file.to_str().unwrap()], None);
        assert_eq!(ok(&restored)["key_problem"], Value::Null);
        let again = Process::start_in(folder, server.token.clone(), |_| {});
        let versions = download_all(&again, &digests(file));
        assert!(versions.len() >= *before, "{versions:?}");
        let verified = idp(again.folder.path())
            .args(["--json", "audit", "verify"])
            .env("IDP_SERVER", again.url())
            .env("IDP_TOKEN", &again.token)
            .output();
        assert_eq!(ok(&verified.unwrap())["verified"], true);
        super::serve::write_module(again.folder.path(), MODULE);
        ok(&again.publish("2.0.0"));
    }
}

#[test]
fn a_backup_is_a_tar_that_other_programs_unpack_and_check() {
    let server = Process::start("");
    ok(&server.publish("1.0.0"));
    let folder = server.folder.path().to_owned();

    // Killed: the write-ahead log still has most of it.
    let (_kept, _token) = {
        let mut server = server;
        server.kill();
        server.into_folder()
    };
    let made = ok(&beside(&folder, &["backup", "b.tar"], None));

    assert_eq!(made["contents"]["rows"]["module_version"], 1);
    let apart = made["copy_apart"].to_string();
    assert!(apart.contains("secrets.key") && apart.contains("idp.toml"), "{apart}");
    let script = "mkdir out && tar -xf b.tar -C out && cd out && sha256sum -c SHA256SUMS";
    let mut shell = std::process::Command::new("sh");
    let checked = shell.args(["-c", script]).current_dir(&folder).output().unwrap();
    assert!(checked.status.success(), "{}", text(&checked.stderr));
    let permissions = std::fs::metadata(folder.join("b.tar")).unwrap().permissions();
    assert_eq!(permissions.mode() & 0o777, 0o600);
    let again = beside(&folder, &["backup", "b.tar"], None);
    assert!(text(&again.stderr).contains("exists already"), "{}", text(&again.stderr));
}

#[test]
fn a_blob_that_is_damaged_or_missing_fails_the_backup_and_is_named() {
    let server = Process::start("");
    ok(&server.publish("1.0.0"));
    let folder = server.folder.path();
    let blobs = folder.join("data/blobs/sha256");
    let shard = std::fs::read_dir(&blobs).unwrap().next().unwrap().unwrap().path();
    let blob = std::fs::read_dir(shard).unwrap().next().unwrap().unwrap().path();
    let content = std::fs::read(&blob).unwrap();

    for damaged in [Some([&content[1..], &content[..1]].concat()), None] {
        match damaged {
            Some(bytes) => std::fs::write(&blob, bytes).unwrap(),
            None => std::fs::remove_file(&blob).unwrap(),
        }
        let refused = beside(folder, &["backup", "b.tar"], None);
        let said = text(&refused.stderr);
        assert!(said.contains("module golden/greeting/test 1.0.0"), "{said}");
        assert!(said.contains("--skip-damaged"), "{said}");
        assert_eq!(left_in(folder, "b.tar"), Vec::<String>::new());

        let made = ok(&beside(folder, &["backup", "--skip-damaged", "b.tar"], None));
        assert_eq!(made["skipped"][0]["of"], "module golden/greeting/test 1.0.0");
        let verified = ok(&beside(folder, &["backup", "verify", "b.tar"], None));
        assert_eq!(verified["manifest"]["skipped"], made["skipped"]);
        std::fs::remove_file(folder.join("b.tar")).unwrap();
    }
}

/// Everything in the folder whose name begins like that.
fn left_in(folder: &Path, prefix: &str) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.starts_with(prefix)).collect();
    names.sort();
    names
}

/// A backup with a module and a provider, and the configuration of a server without data.
async fn backup_and_target() -> (Registry, PathBuf, tempfile::TempDir, Config) {
    let registry = Registry::start().await;
    registry.publish("golden/greeting/test", "1.0.0", MODULE).await.assert(201);
    providers::publish_one(&registry).await;
    let file = registry.folder.path().join("b.tar");
    backup::make(&registry.app.config, &file, false, NOW, &Silent).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = write_config(folder.path(), "");
    let config = Config::load(&config, &std::collections::BTreeMap::new()).unwrap();
    (registry, file, folder, config)
}

async fn restore(config: &Config, file: &Path, allowed: Allowed) -> Result<Restored, RestoreError> {
    restore::restore(config, file, allowed, NOW, &Silent).await
}

async fn verify(file: &Path) -> Result<(), backup::BackupError> {
    let opened = backup::open(file).await?;
    let database = tempfile::NamedTempFile::new().unwrap();
    let unpack = Unpack { database: database.path(), blobs: None };
    let manifest = opened.read_through(unpack, &Silent).await?;
    check_database(database.path(), &manifest).await.map(drop)
}

#[tokio::test]
async fn a_backup_that_is_cut_off_or_altered_anywhere_is_refused_and_nothing_is_written() {
    let (_registry, file, folder, config) = backup_and_target().await;
    let whole = std::fs::read(&file).unwrap();
    verify(&file).await.unwrap();
    let wrong = folder.path().join("wrong.tar");
    let refused = async |bytes: &[u8], what: String| {
        std::fs::write(&wrong, bytes).unwrap();
        let verified = verify(&wrong).await.unwrap_err().to_string();
        let restored = restore(&config, &wrong, Allowed::default()).await.unwrap_err();
        assert!(!verified.is_empty() && !restored.to_string().is_empty(), "{what}");
        assert_eq!(left_in(folder.path(), "data"), Vec::<String>::new(), "{what}: {verified}");
        verified
    };
    let headers = (0..whole.len()).step_by(512).filter(|at| &whole[at + 257..][..5] == b"ustar");
    let headers: Vec<usize> = headers.collect();
    assert!(headers.len() >= 7, "{headers:?}");
    let step = whole.len() / 40 + 1;

    for end in headers.iter().copied().chain((1..whole.len()).step_by(step)) {
        let said = refused(&whole[..end], format!("cut at {end}")).await;
        assert!(said.contains("cut off") || end < 512, "{end}: {said}");
    }
    let near = |at: &usize| [*at, at + 130, at + 511, at + 512, at + 600];
    let last = [whole.len() - 1, whole.len() - 1024, whole.len() - 1025];
    let places = headers.iter().flat_map(near).chain((0..whole.len()).step_by(step)).chain(last);
    for at in places.filter(|at| *at < whole.len()) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        refused(&bytes, format!("altered at {at}")).await;
    }
    let said = refused(&[&whole[..], &[0; 512]].concat(), "more".to_owned()).await;
    assert!(said.contains("the end"), "{said}");

    let restored = restore(&config, &file, Allowed::default()).await.unwrap();
    assert_eq!(restored.manifest.blobs.len(), 4);
}

/// Replaces words of the manifest by as many others, and mends the digests as a careful hand would.
fn forged(whole: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let replace = |bytes: &mut Vec<u8>, from: &[u8], to: &[u8]| {
        let at = bytes.windows(from.len()).position(|window| window == from).unwrap();
        bytes[at..at + from.len()].copy_from_slice(to);
    };
    let length = usize::from_str_radix(&text(&whole[124..135]), 8).unwrap();
    let digest = |bytes: &[u8]| Sha256::of(&bytes[512..512 + length]).to_string();
    let mut bytes = whole.to_vec();
    replace(&mut bytes, from.as_bytes(), to.as_bytes());
    let (before, after) = (digest(whole), digest(&bytes));
    replace(&mut bytes, before.as_bytes(), after.as_bytes());
    bytes
}

#[tokio::test]
async fn a_backup_that_does_not_belong_here_is_refused_with_the_reason() {
    let (_registry, file, folder, config) = backup_and_target().await;
    let whole = std::fs::read(&file).unwrap();
    let wrong = folder.path().join("wrong.tar");
    let schema = registry_server::store::copy::known_schema();

    for (from, to, words) in [
        (format!("\"schema\": {schema}"), "\"schema\": 9".to_owned(), "schema is 9"),
        ("\"format\": 1".to_owned(), "\"format\": 2".to_owned(), "format 2"),
        ("\"module_version\": 1".to_owned(), "\"module_version\": 2".to_owned(), "manifest says"),
        ("registry.test.example".to_owned(), "registry.test.exampel".to_owned(), "server.hostname"),
    ] {
        std::fs::write(&wrong, forged(&whole, &from, &to)).unwrap();
        let error = restore(&config, &wrong, Allowed::default()).await.unwrap_err();
        let said = format!("{:#}", anyhow::Error::new(error));
        assert!(said.contains(words), "{said}");
        assert_eq!(left_in(folder.path(), "data"), Vec::<String>::new(), "{said}");
    }

    let other = Allowed { other_hostname: true, ..Allowed::default() };
    restore(&config, &wrong, other).await.unwrap();
}

#[tokio::test]
async fn data_that_is_there_is_kept_aside_or_keeps_the_backup_out() {
    let (_registry, file, folder, config) = backup_and_target().await;
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    // A folder that is there and has nothing may be filled.
    restore(&config, &file, Allowed::default()).await.unwrap();
    std::fs::write(data.join("mine"), "precious").unwrap();

    let refused = restore(&config, &file, Allowed::default()).await.unwrap_err();
    let replace = Allowed { replace: true, ..Allowed::default() };
    let restored = restore(&config, &file, replace).await.unwrap();

    assert!(refused.to_string().contains("--replace"), "{refused}");
    let aside = restored.moved_aside.unwrap();
    assert_eq!(std::fs::read_to_string(aside.join("mine")).unwrap(), "precious");
    assert!(!data.join("mine").exists() && aside.join("idp.sqlite").exists());
    assert_eq!(left_in(folder.path(), "data").len(), 2);
    // There is no key file here: it is said, and the data is there for when there is.
    assert!(restored.key_problem.unwrap().contains("secrets.key"));
}

#[test]
fn a_server_that_runs_keeps_its_data() {
    let server = Process::start("");
    let folder = server.folder.path();
    ok(&beside(folder, &["backup", "b.tar"], None));

    let refused = beside(folder, &["restore", "--replace", "b.tar"], None);

    assert_eq!(refused.status.code(), Some(1));
    let said = text(&refused.stderr);
    assert!(said.contains("in use by another process"), "{said}");
    assert_eq!(left_in(folder, "data"), ["data"]);
    assert!(server.get("/readyz").starts_with("HTTP/1.1 200"));
}

fn points(prefix: &str) -> impl Iterator<Item = &'static str> {
    failpoint::ALL.iter().copied().filter(move |point| point.starts_with(prefix))
}

#[test]
fn a_backup_killed_at_any_point_leaves_no_file_or_the_whole_one() {
    let server = Process::start("");
    ok(&server.publish("1.0.0"));
    let folder = server.folder.path();
    let mut visited = 0;
    for point in points("backup.") {
        let killed = beside(folder, &["backup", "b.tar"], Some(point));
        assert_eq!(killed.status.code(), None, "{point} was not reached");

        let is_there = folder.join("b.tar").exists();

        assert_eq!(is_there, point == "backup.renamed", "{point}");
        if !is_there {
            ok(&beside(folder, &["backup", "b.tar"], None));
            assert_eq!(left_in(folder, "b.tar"), ["b.tar"], "{point}");
        }
        ok(&beside(folder, &["backup", "verify", "b.tar"], None));
        for name in left_in(folder, "b.tar") {
            std::fs::remove_file(folder.join(name)).unwrap();
        }
        visited += 1;
    }
    assert_eq!(visited, 5);
}

/// What is in the database of the folder's server.
fn contents(folder: &Path) -> Value {
    let file = folder.join("contents.tar");
    let made = ok(&beside(folder, &["backup", file.to_str().unwrap()], None));
    std::fs::remove_file(file).unwrap();
    made["contents"].clone()
}

#[test]
fn a_restore_killed_at_any_point_leaves_the_data_as_it_was_or_wholly_restored() {
    let server = Process::start("");
    ok(&server.publish("1.0.0"));
    let source = server.folder.path();
    let made = ok(&beside(source, &["backup", "b.tar"], None));
    let file = source.join("b.tar");
    let file = file.to_str().unwrap();
    let mut visited = 0;
    for (point, replaces) in
        points("restore.").chain(points("blob.")).flat_map(|point| [(point, false), (point, true)])
    {
        if point == "restore.staged" && !replaces {
            continue;
        }
        let (folder, _) = prepare("");
        std::fs::copy(source.join("secrets.key"), folder.path().join("secrets.key")).unwrap();
        let folder = folder.path();
        let mark = folder.join("data/mark");
        let mut arguments = vec!["restore", file];
        if replaces {
            std::fs::write(&mark, "").unwrap();
            arguments.push("--replace");
        } else {
            std::fs::remove_dir_all(folder.join("data")).unwrap();
        }

        let killed = beside(folder, &arguments, Some(point));

        assert_eq!(killed.status.code(), None, "{point} was not reached");
        let is_restored = point == "restore.renamed";
        match (is_restored, replaces) {
            (true, _) => assert_eq!(contents(folder), made["contents"], "{point}"),
            (false, true) => assert!(mark.exists(), "{point}"),
            (false, false) => assert!(!folder.join("data").exists(), "{point}"),
        }
        let again = beside(folder, &arguments, None);
        if is_restored && !replaces {
            assert!(text(&again.stderr).contains("has data already"), "{point}");
        } else {
            assert_eq!(ok(&again)["key_problem"], Value::Null, "{point}");
        }
        assert_eq!(contents(folder), made["contents"], "{point}");
        assert!(!folder.join("data.restoring").exists(), "{point}");
        let kept = left_in(folder, "data.before-");
        let kept = kept.iter().filter(|name| folder.join(name).join("mark").exists());
        assert_eq!(kept.count(), usize::from(replaces), "{point}");
        visited += 1;
    }
    assert_eq!(visited, 15);
}

#[tokio::test]
async fn a_log_of_statements_that_was_altered_in_the_database_is_told_of_its_backup() {
    let registry = Registry::start().await;
    registry.publish("golden/greeting/test", "1.0.0", MODULE).await.assert(201);
    let folder = registry.folder.path();
    let checked = async |name: &str| {
        let file = folder.join(name);
        let made = backup::make(&registry.app.config, &file, false, NOW, &Silent).await.unwrap();
        let database = tempfile::NamedTempFile::new().unwrap();
        let unpack = Unpack { database: database.path(), blobs: None };
        let opened = backup::open(&file).await.unwrap();
        let manifest = opened.read_through(unpack, &Silent).await.unwrap();
        let checked = check_database(database.path(), &manifest).await.unwrap();
        (made.manifest.contents.log.unwrap(), checked.log_problem)
    };

    let (good, problem) = checked("good.tar").await;

    let head = registry.app.trust.newest_head(&registry.app.store).await.unwrap().checkpoint;
    assert_eq!((good.size, good.hash), (head.size, head.root.to_string()));
    assert_eq!(problem, None);
    let mut tx = registry.app.store.write().await.unwrap();
    for sql in [
        "DROP TRIGGER log_entry_keeps",
        "UPDATE log_entry SET leaf = replace(leaf, '\"sig\":\"', '\"sig\":\"AAAA') WHERE position = 3",
    ] {
        sqlx::query(sql).execute(&mut *tx).await.unwrap();
    }
    tx.commit().await.unwrap();
    let (altered, problem) = checked("altered.tar").await;
    assert_eq!(altered.size, good.size);
    let problem = problem.unwrap();
    assert!(problem.starts_with("entry 3: ") && problem.ends_with("and 1 more"), "{problem}");
}
