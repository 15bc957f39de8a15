//! Installed modules are verified when the provider is configured.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail their test")]

mod scripted;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use provider_framework::testing::object;
use provider_framework::value::Value;
use registry_trust::evidence::Seen;
use registry_trust::lock::{Lock, LockedModule};
use registry_trust::log::checkpoint::Checkpoint;
use registry_trust::statement::State;
use scripted::registry::{EVIDENCE, HOST, Registry, release, summary, told};
use scripted::{Reply, Scripted, problem};
use serde_json::json;

const NOWHERE: &str = "http://127.0.0.1:1";

fn lock(registry: &Registry, locked: &[(&str, &str)]) -> Lock {
    let mut lock = Lock::default();
    for (name, version) in locked {
        let entry = LockedModule {
            sha256: summary(name).sha256,
            h1: summary(name).dir_hash1,
            publisher: registry.publisher.verifying_key().id(),
        };
        lock.insert_module(&release(name, version), entry).unwrap();
    }
    lock
}

fn first_root(head: &Checkpoint) -> Seen {
    Seen { checkpoint: head.clone(), root_version: 1 }
}

fn write_lock(registry: &Registry, lock: &Lock) {
    fs::write(registry.folder.path().join(".idp.lock.json"), lock.to_json()).unwrap();
}

#[tokio::test]
async fn what_is_as_it_was_published_is_not_worth_a_word_and_costs_one_request() {
    let mut registry = Registry::new();
    registry.publish("vpc", "1.0.0").publish("dns", "2.1.0");
    let seen = registry.head();
    registry.publish("late", "1.0.0");
    registry.install("vpc", "vpc", "1.0.0");
    registry.install("again", "vpc", "1.0.0");
    registry.install("dns", "dns", "2.1.0");
    let mut lock = lock(&registry, &[("vpc", "1.0.0"), ("dns", "2.1.0")]);
    lock.remember(first_root(&seen)).unwrap();
    write_lock(&registry, &lock);
    let server = registry.pin().serve().await;

    let (_, diagnostics) = registry.configure(&server.endpoint, &[]).await;

    assert_eq!(told(&diagnostics), (vec![], vec![]));
    let requests = server.seen();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].what, EVIDENCE);
    assert_eq!(
        requests[0].body,
        json!({
            "modules": [
                { "address": "acme/dns/aws", "version": "2.1.0" },
                { "address": "acme/vpc/aws", "version": "1.0.0" },
            ],
            "since": seen.size,
        })
    );
    let kept = fs::read_to_string(registry.folder.path().join(".idp.lock.json")).unwrap();
    assert_eq!(
        kept,
        lock.to_json(),
        "what was seen of the log is not for the provider to remember"
    );
}

#[tokio::test]
async fn a_file_that_was_tampered_with_is_named_and_nothing_is_planned() {
    let mut registry = Registry::new();
    registry.publish("vpc", "1.0.0");
    let folder = registry.install("vpc", "vpc", "1.0.0");
    fs::write(folder.join("main.tf"), "other").unwrap();
    fs::write(folder.join("evil.tf"), "evil").unwrap();
    let server = registry.pin().serve().await;

    let (provider, enforced) = registry.configure(&server.endpoint, &[]).await;
    let (_, warned) = registry.configure(&server.endpoint, &[("verify_modules", "warn")]).await;

    let (errors, warnings) = told(&enforced);
    assert_eq!((errors.len(), warnings.len()), (1, 0), "{errors:?} {warnings:?}");
    for part in [
        "registry.example.com/acme/vpc/aws 1.0.0 is not what was published\n",
        "added: evil.tf\n",
        "changed: main.tf\n",
        "Rule: tree_hash_differs.",
        "delete the folder and run `terraform init` again",
        "Called by: module.vpc.",
    ] {
        assert!(errors[0].contains(part), "{part}: {}", errors[0]);
    }
    assert_eq!(told(&warned), (vec![], errors), "the same, as a warning");
    let read = provider.data_source("idp_verification").read(&object::<&str, Value>([])).await;
    assert!(read.diagnostics.errors[0].summary.contains("not configured"));
    assert!(server.seen().iter().any(|seen| seen.what.ends_with("acme/vpc/aws/1.0.0/files")));
}

#[tokio::test]
async fn a_list_of_files_that_was_not_signed_explains_nothing() {
    let mut registry = Registry::new();
    registry.publish("vpc", "1.0.0");
    let folder = registry.install("vpc", "vpc", "1.0.0");
    fs::write(folder.join("evil.tf"), "evil").unwrap();
    let evidence = registry.pin().evidence(0, 0);
    let server = Scripted::start(move |seen, _| match seen.what.as_str() {
        EVIDENCE => Reply::Json(200, evidence.clone()),
        _ => Reply::Text(200, format!("{}  evil.tf\n", "0".repeat(64))),
    })
    .await;

    let (_, diagnostics) = registry.configure(&server.endpoint, &[]).await;

    let (errors, _) = told(&diagnostics);
    assert_eq!(errors.len(), 1);
    assert!(errors[0].contains("is not what was published"), "{}", errors[0]);
    assert!(errors[0].contains("gave no list") && !errors[0].contains("evil.tf"), "{}", errors[0]);
}

#[tokio::test]
async fn each_module_that_someone_should_act_on_is_told_once_under_its_own_summary() {
    let mut registry = Registry::new();
    for (name, version) in
        [("vpc", "1.0.0"), ("vpc", "1.1.0"), ("dns", "1.0.0"), ("late", "1.0.0"), ("gone", "1.0.0")]
    {
        registry.publish(name, version);
    }
    registry
        .say("vpc", "1.0.0", State::Deprecated, Some("2027-01-31"))
        .say("vpc", "1.1.0", State::Deprecated, Some("2027-01-31"))
        .say("dns", "1.0.0", State::Deprecated, None)
        .say("late", "1.0.0", State::Deprecated, Some("2027-01-15"))
        .say("gone", "1.0.0", State::Yanked, None);
    for (call, name, version) in [
        ("vpc", "vpc", "1.0.0"),
        ("vpc_too", "vpc", "1.0.0"),
        ("net.vpc", "vpc", "1.1.0"),
        ("dns", "dns", "1.0.0"),
        ("late", "late", "1.0.0"),
        ("gone", "gone", "1.0.0"),
    ] {
        registry.install(call, name, version);
    }
    let server = registry.pin().serve().await;

    let (_, diagnostics) = registry.configure(&server.endpoint, &[]).await;

    assert!(diagnostics.errors.is_empty(), "{diagnostics:?}");
    let summaries: Vec<&str> =
        diagnostics.warnings.iter().map(|report| report.summary.as_ref()).collect();
    assert_eq!(
        summaries,
        [
            "registry.example.com/acme/late/aws 1.0.0 was deprecated until 2027-01-15, which is past",
            "registry.example.com/acme/gone/aws 1.0.0 is yanked",
            "registry.example.com/acme/dns/aws 1.0.0 is deprecated",
            "registry.example.com/acme/vpc/aws 1.0.0 is deprecated until 2027-01-31",
            "registry.example.com/acme/vpc/aws 1.1.0 is deprecated until 2027-01-31",
        ]
    );
    assert_eq!(
        diagnostics.warnings[3].detail,
        "Deprecated until 2027-01-31: it is old.\n\nHow to fix it: use acme/new/aws; ask #platform.\n\
         Called by: module.vpc, module.vpc_too."
    );

    let (_, quiet) = registry.configure(&server.endpoint, &[("notices", "none")]).await;
    assert_eq!(told(&quiet), (vec![], vec![]));
}

#[tokio::test]
async fn copies_of_one_version_in_which_different_things_were_found_are_told_apart() {
    let mut registry = Registry::new();
    registry.publish("vpc", "1.0.0");
    for call in ["a", "b", "c"] {
        registry.install(call, "vpc", "1.0.0");
    }
    let installed = registry.folder.path().join(".terraform/modules");
    fs::write(installed.join("a/x.tf"), "").unwrap();
    fs::write(installed.join("b/y.tf"), "").unwrap();
    let server = registry.pin().serve().await;

    let (_, diagnostics) =
        registry.configure(&server.endpoint, &[("verify_modules", "warn")]).await;

    let summaries: BTreeSet<&str> =
        diagnostics.warnings.iter().map(|report| report.summary.as_ref()).collect();
    assert_eq!(summaries.len(), 2, "{summaries:?}");
    assert!(
        summaries.iter().any(|summary| summary.ends_with("is not what was published (module.a)"))
    );
}

#[tokio::test]
async fn what_is_revoked_or_unproven_is_an_error_whatever_is_told_otherwise() {
    let mut registry = Registry::new();
    registry.publish("bad", "1.0.0").say("bad", "1.0.0", State::Revoked, None);
    registry.install("bad", "bad", "1.0.0");
    registry.install("never", "never", "3.0.0");
    let server = registry.pin().serve().await;

    let (_, diagnostics) = registry.configure(&server.endpoint, &[("notices", "none")]).await;

    let (errors, warnings) = told(&diagnostics);
    assert!(warnings.is_empty(), "{warnings:?}");
    assert!(errors[0].contains("acme/never/aws 3.0.0 cannot be verified"), "{}", errors[0]);
    assert!(errors[0].contains("Rule: proof_missing."), "{}", errors[0]);
    assert!(
        errors[1].contains("acme/bad/aws 1.0.0 is revoked\nRevoked: it is old."),
        "{}",
        errors[1]
    );
}

#[tokio::test]
async fn where_nothing_is_installed_nobody_is_asked() {
    let registry = Registry::new();
    registry.pin();

    let (provider, diagnostics) = registry.configure(NOWHERE, &[]).await;

    assert_eq!(told(&diagnostics), (vec![], vec![]));
    let read = provider.data_source("idp_verification").read(&object::<&str, Value>([])).await;
    assert_eq!(read.state.get("verified"), Some(&Value::Bool(true)));
    assert_eq!(read.state.get("modules"), Some(&Value::list::<Value>([])));
    assert_eq!(read.state.get("log_size"), Some(&Value::Null));
}

#[tokio::test]
async fn modules_that_nobody_signs_need_no_request_and_fold_into_one_remark() {
    let mut registry = Registry::new();
    let folder = registry.folder.path().join(".terraform/modules/git");
    fs::create_dir_all(&folder).unwrap();
    registry.record(json!({
        "Key": "git", "Source": "git::https://me:secret@git.example/x.git", "Dir": ".terraform/modules/git",
    }));
    registry.record(json!({
        "Key": "public", "Source": "registry.terraform.io/acme/vpc/aws", "Version": "1.0.0",
        "Dir": ".terraform/modules/public",
    }));
    registry.pin();

    let (_, all) = registry.configure(NOWHERE, &[]).await;
    let (_, some) = registry.configure(NOWHERE, &[("notices", "warnings")]).await;

    let (errors, warnings) = told(&all);
    assert_eq!((errors.len(), warnings.len()), (0, 1), "{errors:?} {warnings:?}");
    for part in [
        "Installed modules that nobody vouches for: 2\n",
        "git::https://git.example/x.git (module.git): not from a registry",
        "acme/vpc/aws 1.0.0 (module.public): from registry.terraform.io",
    ] {
        assert!(warnings[0].contains(part), "{part}: {}", warnings[0]);
    }
    assert!(!warnings[0].contains("secret"), "{}", warnings[0]);
    assert_eq!(told(&some), (vec![], vec![]));
}

#[tokio::test]
async fn a_platform_that_is_away_stops_what_is_enforced_and_is_told_otherwise() {
    let mut registry = Registry::new();
    registry.install("vpc", "vpc", "1.0.0");
    registry.pin();

    let (_, enforced) = registry.configure(NOWHERE, &[]).await;
    let (_, warned) = registry.configure(NOWHERE, &[("verify_modules", "warn")]).await;
    let (_, off) = registry.configure(NOWHERE, &[("verify_modules", "off")]).await;

    let (errors, warnings) = told(&enforced);
    assert_eq!((errors.len(), warnings.len()), (1, 0), "{errors:?} {warnings:?}");
    for part in [
        "Installed modules cannot be verified\n",
        "cannot be reached",
        "Rule: evidence_unavailable.",
        "1 installed module is of registry.example.com",
        "verify_modules = \"warn\"",
    ] {
        assert!(errors[0].contains(part), "{part}: {}", errors[0]);
    }
    let (errors, warnings) = told(&warned);
    assert_eq!((errors.len(), warnings.len()), (0, 1), "{errors:?} {warnings:?}");
    assert!(warnings[0].contains("cannot be reached"));
    assert_eq!(told(&off), (vec![], vec![]));
}

#[tokio::test]
async fn a_refusal_of_the_platform_is_told_as_it_was_said() {
    let mut registry = Registry::new();
    registry.install("vpc", "vpc", "1.0.0");
    registry.pin();
    let server =
        Scripted::start(|_, _| problem(403, "forbidden", "the token lacks read:acme")).await;

    let (_, diagnostics) = registry.configure(&server.endpoint, &[]).await;

    let (errors, _) = told(&diagnostics);
    assert!(errors[0].contains("The token lacks read:acme."), "{}", errors[0]);
}

#[tokio::test]
async fn evidence_that_does_not_verify_is_one_error_however_many_modules_there_are() {
    let mut registry = Registry::new();
    registry.publish("vpc", "1.0.0").publish("dns", "1.0.0");
    registry.install("vpc", "vpc", "1.0.0");
    registry.install("dns", "dns", "1.0.0");
    let mut ahead = lock(&registry, &[]);
    let server = registry.pin().serve().await;
    let stale = registry.serve_old(2 * 86_400_000).await;

    let (_, old) = registry.configure(&stale.endpoint, &[]).await;
    registry.publish("more", "1.0.0");
    ahead.remember(first_root(&registry.head())).unwrap();
    write_lock(&registry, &ahead);
    let (_, rolled_back) = registry.configure(&server.endpoint, &[]).await;

    for (diagnostics, message, code) in [
        (old, "what was said since is not known", "snapshot_stale"),
        (rolled_back, "an older state is served", "log_rolled_back"),
    ] {
        let (errors, warnings) = told(&diagnostics);
        let [error] = errors.as_slice() else { panic!("{errors:?} {warnings:?}") };
        assert!(error.contains(message) && error.contains(&format!("Rule: {code}.")), "{error}");
        assert!(error.contains("2 installed modules are of"), "{error}");
    }
}

#[tokio::test]
async fn what_the_lock_file_does_not_have_is_told_with_what_to_do() {
    let mut registry = Registry::new();
    registry.publish("vpc", "1.0.0").publish("vpc", "1.1.0");
    registry.install("vpc", "vpc", "1.1.0");
    write_lock(&registry, &lock(&registry, &[("vpc", "1.0.0")]));
    let server = registry.pin().serve().await;

    let (_, diagnostics) = registry.configure(&server.endpoint, &[]).await;

    let (errors, warnings) = told(&diagnostics);
    assert_eq!((errors.len(), warnings.len()), (0, 1), "{errors:?} {warnings:?}");
    assert!(
        warnings[0].contains("acme/vpc/aws 1.1.0 is not in .idp.lock.json\n"),
        "{}",
        warnings[0]
    );
    assert!(warnings[0].contains("write version = \"1.0.0\""), "{}", warnings[0]);
}

#[tokio::test]
async fn terraform_may_keep_its_modules_elsewhere() {
    let mut registry = Registry::new();
    registry.data_dir = Some(PathBuf::from("elsewhere/data"));
    registry.publish("vpc", "1.0.0");
    let folder = registry.install("vpc", "vpc", "1.0.0");
    assert!(folder.ends_with("elsewhere/data/modules/vpc"));
    fs::write(folder.join("evil.tf"), "").unwrap();
    let server = registry.pin().serve().await;

    let (_, diagnostics) = registry.configure(&server.endpoint, &[]).await;

    assert!(told(&diagnostics).0[0].contains("added: evil.tf"), "{diagnostics:?}");
}

#[tokio::test]
async fn without_a_policy_it_is_told_how_to_pin_one_and_nothing_the_platform_says_is_repeated() {
    let server = Scripted::start(|_, _| Reply::HangUp).await;
    let mut registry = Registry::new();
    let hostname = server.endpoint.trim_start_matches("http://");
    registry.record(json!({
        "Key": "vpc", "Source": format!("{hostname}/acme/vpc/aws"), "Version": "1.0.0",
        "Dir": ".terraform/modules/vpc",
    }));

    let (provider, warned) = registry.configure(&server.endpoint, &[]).await;
    let (_, enforced) =
        registry.configure(&server.endpoint, &[("verify_modules", "enforce")]).await;

    let (errors, warnings) = told(&warned);
    assert_eq!((errors.len(), warnings.len()), (0, 1), "{errors:?} {warnings:?}");
    assert!(warnings[0].contains(&format!("No trust policy is pinned for {hostname}\n")));
    assert!(warnings[0].contains("`idp trust > idp.policy`"), "{}", warnings[0]);
    let (errors, _) = told(&enforced);
    assert!(errors[0].contains("no trust policy is pinned"), "{}", errors[0]);
    assert!(server.seen().is_empty());
    let source = provider.data_source("idp_verification");
    let read = source.read(&object::<&str, Value>([])).await;
    assert_eq!(read.state.get("verified"), Some(&Value::Bool(false)));
    assert_eq!(read.state.get("modules"), Some(&Value::Null));
    let denied = source.read(&object([("deny", Value::list(["unsigned"]))])).await;
    assert!(denied.diagnostics.errors[0].detail.contains("No trust policy is pinned"));
}

#[tokio::test]
async fn what_is_installed_and_cannot_be_read_is_not_taken_for_nothing() {
    let mut registry = Registry::new();
    registry.install("vpc", "vpc", "1.0.0");
    let manifest = registry.folder.path().join(".terraform/modules/modules.json");
    fs::write(manifest, "{").unwrap();
    registry.pin();

    let (_, diagnostics) = registry.configure(NOWHERE, &[]).await;

    let (errors, _) = told(&diagnostics);
    assert!(errors[0].contains("run `terraform init` again"), "{errors:?}");
}

#[tokio::test]
async fn the_data_source_shows_what_was_found_without_asking_again() {
    let mut registry = Registry::new();
    registry.publish("vpc", "1.0.0").publish("dns", "1.0.0");
    registry.say("dns", "1.0.0", State::Deprecated, Some("2027-01-31"));
    registry.install("vpc", "vpc", "1.0.0");
    registry.install("dns", "dns", "1.0.0");
    let server = registry.pin().serve().await;
    let (provider, _) = registry.configure(&server.endpoint, &[]).await;
    let source = provider.data_source("idp_verification");

    let read = source.read(&object([("deny", Value::list(["unsigned", "past_sunset"]))])).await;
    let denied = source.read(&object([("deny", Value::list(["deprecated"]))])).await;
    let wrong = source.validate(&object([("deny", Value::list(["tampered"]))])).await;

    assert!(read.diagnostics.errors.is_empty(), "{:?}", read.diagnostics);
    assert_eq!(read.state.get("verified"), Some(&Value::Bool(true)));
    assert_eq!(read.state.get("registry"), Some(&Value::string(HOST)));
    assert_eq!(read.state.get("log_size"), Some(&Value::Number(registry.head().size.into())));
    assert_eq!(read.state.get("issued_at"), Some(&Value::string("2027-01-15T07:59:59Z")));
    let modules = read.state.get("modules").unwrap().as_elements().unwrap();
    let publisher = registry.publisher.verifying_key().id().to_string();
    assert_eq!(
        modules[0],
        object([
            ("address", Value::string("registry.example.com/acme/dns/aws")),
            ("version", Value::string("1.0.0")),
            ("verdict", Value::string("deprecated")),
            ("publisher", Value::string(publisher)),
            ("calls", Value::list(["module.dns"])),
            ("sunset", Value::string("2027-01-31")),
            ("replacement", Value::string("acme/new/aws")),
            ("message", Value::string("deprecated until 2027-01-31: it is old")),
        ])
    );
    assert_eq!(modules[1].get("verdict"), Some(&Value::string("verified")));
    let (errors, _) = told(&denied.diagnostics);
    assert_eq!(errors.len(), 1);
    assert!(
        errors[0]
            .contains("acme/dns/aws 1.0.0 is deprecated until 2027-01-31, which `deny` refuses"),
        "{}",
        errors[0]
    );
    assert!(wrong.errors[0].detail.contains("is none of deprecated, not_locked"), "{wrong:?}");
    assert_eq!(server.seen().len(), 1);
}
