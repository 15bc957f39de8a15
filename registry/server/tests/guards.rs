//! What keeps a version from breaking those who use the one before it: the interface guard and the minimum age.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::cli::{idp, ok, text};
use super::serve::{Process, write_module};
use super::support::{Answer, Form, Registry, archive, bundle, local};

const ADDRESS: &str = "golden/greeting/test";
const API: &str = "/api/v1/modules/golden/greeting/test";

/// A module with an optional input and two outputs.
const FULL: &[(&str, &str)] = &[
    (
        "CHANGELOG.md",
        "# Changelog\n\n## 1.2.0\n\n- Three.\n\n## 1.1.0\n\n- Two.\n\n## 1.0.0\n\n- One.\n",
    ),
    (
        "main.tf",
        "variable \"name\" {\n  type    = string\n  default = \"world\"\n}\n\noutput \"a\" {\n  value = var.name\n}\n\noutput \"b\" {\n  value = 1\n}\n",
    ),
];

/// The same without an output, and with an input that must be set.
const LESS: &[(&str, &str)] = &[(
    "main.tf",
    "variable \"name\" {\n  type = string\n}\n\noutput \"a\" {\n  value = var.name\n}\n",
)];

async fn publish_with_reason(
    registry: &Registry,
    version: &str,
    files: &[(&str, &str)],
    reason: &str,
) -> Answer {
    let archive = archive(files);
    let bundle = bundle(ADDRESS, version, &archive, &registry.publisher);
    let form = Form::new()
        .part("archive", "a", &archive)
        .part("bundle", "b", bundle.as_bytes())
        .part("allow_breaking", "r", reason.as_bytes());
    registry.put_form(&format!("{API}/{version}"), form, &registry.admin).await
}

async fn audit_details(registry: &Registry) -> Vec<Value> {
    let page = registry.get_as("/api/v1/audit", &registry.admin).await.assert(200).json();
    let entries = page["entries"].as_array().unwrap();
    let published = entries.iter().filter(|entry| entry["action"] == "module.publish");
    published.map(|entry| entry["detail"].clone()).collect()
}

#[tokio::test]
async fn a_version_that_breaks_callers_must_raise_the_major_version() {
    let registry = Registry::start().await;
    registry.publish(ADDRESS, "1.4.0", FULL).await.assert(201);

    let problem =
        registry.publish(ADDRESS, "1.5.0", LESS).await.assert_problem(422, "interface_broken");

    let detail = problem["detail"].as_str().unwrap();
    for words in ["1.5.0 breaks those who use 1.4.0", "and 1 more", "to 2.0.0", "--allow-breaking"]
    {
        assert!(detail.contains(words), "{words}: {detail}");
    }
    let errors: Vec<_> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| (error["pointer"].as_str().unwrap(), error["rule"].as_str().unwrap()))
        .collect();
    assert_eq!(errors, [("/inputs/name", "input_made_required"), ("/outputs/b", "output_removed")]);
    assert_eq!((registry.blobs(), registry.leftovers()), (1, 0));
    registry.publish(ADDRESS, "2.0.0-rc.1", LESS).await.assert(201);
    registry.publish(ADDRESS, "2.0.0", LESS).await.assert(201);
    registry.publish(ADDRESS, "1.5.0", FULL).await.assert(201);
}

#[tokio::test]
async fn below_one_the_minor_version_counts_as_major() {
    let registry = Registry::start().await;
    registry.publish(ADDRESS, "0.3.1", FULL).await.assert(201);

    let patch =
        registry.publish(ADDRESS, "0.3.2", LESS).await.assert_problem(422, "interface_broken");

    assert!(patch["detail"].as_str().unwrap().contains("to 0.4.0"), "{patch:#}");
    registry.publish(ADDRESS, "0.4.0", LESS).await.assert(201);
    registry.publish(ADDRESS, "1.0.0", FULL).await.assert(201);
}

#[tokio::test]
async fn what_is_revoked_or_a_prerelease_is_not_what_callers_come_from() {
    let registry = Registry::start().await;
    registry.publish(ADDRESS, "1.0.0", LESS).await.assert(201);
    registry.publish(ADDRESS, "1.1.0-rc.1", FULL).await.assert(201);
    registry.publish(ADDRESS, "1.1.0", LESS).await.assert(201);
    registry.publish(ADDRESS, "1.2.0", FULL).await.assert(201);
    registry.publish(ADDRESS, "1.3.0", LESS).await.assert_problem(422, "interface_broken");

    registry.say(&format!("{ADDRESS}/1.2.0"), "revoked", "opens a port").await.assert(200);

    registry.publish(ADDRESS, "1.3.0", LESS).await.assert(201);
}

#[tokio::test]
async fn an_exception_is_published_and_stays_on_record() {
    let registry = Registry::start().await;
    publish_with_reason(&registry, "1.0.0", FULL, "not needed").await.assert(201);

    publish_with_reason(&registry, "1.1.0", LESS, " nobody reads b ").await.assert(201);
    let again = publish_with_reason(&registry, "1.1.0", LESS, "other words").await.assert(200);

    assert_eq!(again.json()["created"], false);
    let details = audit_details(&registry).await;
    assert_eq!(details.len(), 2);
    assert!(details[0].get("allow_breaking").is_none(), "{details:#?}");
    let exception = &details[1]["allow_breaking"];
    assert_eq!(exception["reason"], "nobody reads b");
    assert_eq!(exception["changes"].as_array().unwrap().len(), 2);
    assert_eq!(exception["changes"][1]["kind"], "output_removed");
    let stored: Vec<Option<String>> =
        sqlx::query_scalar("SELECT allow_breaking FROM module_version ORDER BY version")
            .fetch_all(&mut *registry.app.store.read().await.unwrap())
            .await
            .unwrap();
    assert_eq!(stored, [None, Some("nobody reads b".to_owned())]);
}

#[tokio::test]
async fn a_reason_is_one_printable_line() {
    let registry = Registry::start().await;
    registry.publish(ADDRESS, "1.0.0", FULL).await.assert(201);

    for reason in ["", "two\nlines", &"x".repeat(501)] {
        let answer = publish_with_reason(&registry, "1.1.0", LESS, reason).await;
        answer.assert_problem(422, "invalid_reason");
    }
    let huge = publish_with_reason(&registry, "1.1.0", LESS, &"x".repeat(5000)).await;
    huge.assert_problem(413, "part_too_large");
    assert_eq!((registry.blobs(), registry.leftovers()), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_publishes_at_once_never_break_callers_of_each_other() {
    let registry = Registry::start().await;
    registry.publish(ADDRESS, "1.0.0", LESS).await.assert(201);
    let optional = [("main.tf", LESS[0].1), ("more.tf", "output \"c\" {\n  value = 1\n}\n")];
    for round in 1..20 {
        let (lower, higher) = (format!("{round}.1.0"), format!("{round}.2.0"));
        registry.publish(ADDRESS, &format!("{round}.0.0"), LESS).await;

        let (first, second) = tokio::join!(
            registry.publish(ADDRESS, &lower, &optional),
            registry.publish(ADDRESS, &higher, LESS),
        );

        // Either the higher one was there first, or it was compared with the lower one and refused.
        first.assert(201);
        match second.status.as_u16() {
            201 => {}
            409 => drop(second.assert_problem(409, "overtaken")),
            _ => drop(second.assert_problem(422, "interface_broken")),
        }
    }
}

#[test]
fn the_command_line_says_what_breaks_and_takes_a_reason() {
    let server = Process::start("");
    write_module(server.folder.path(), FULL);
    ok(&server.publish("1.0.0"));
    write_module(server.folder.path(), LESS);

    let refused = server.publish("1.1.0");
    let allowed = idp(server.folder.path())
        .args(["publish", "module", "--address", ADDRESS, "--version", "1.1.0"])
        .args(["--allow-breaking", "nobody calls it yet"])
        .env("IDP_SERVER", server.url())
        .env("IDP_TOKEN", &server.token)
        .output()
        .unwrap();

    let words = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1));
    for part in ["those who use 1.0.0", "was removed", "interface_broken"] {
        assert!(words.contains(part), "{part}: {words}");
    }
    assert!(allowed.status.success(), "{}", text(&allowed.stderr));
    assert!(server.log().contains("nobody calls it yet"), "{}", server.log());
}

#[tokio::test]
async fn two_versions_are_compared_with_the_changelog_between_them() {
    let registry = Registry::start().await;
    registry.publish(ADDRESS, "1.0.0", LESS).await.assert(201);
    registry.publish(ADDRESS, "2.2.0", FULL).await.assert(201);

    let changes =
        registry.get(&format!("{API}/changes?from=1.0.0&to=2.2.0")).await.assert(200).json();

    assert_eq!((&changes["from"], &changes["to"]), (&"1.0.0".into(), &"2.2.0".into()));
    let kinds: Vec<_> = changes["interface"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| (change["kind"].as_str().unwrap(), change["breaking"].as_bool().unwrap()))
        .collect();
    assert_eq!(kinds, [("input_made_optional", false), ("output_added", false)]);
    assert_eq!(changes["changelog"], "## 1.2.0\n\n- Three.\n\n## 1.1.0\n\n- Two.");
    for (query, status, code) in [
        ("from=2.2.0&to=1.0.0", 400, "invalid_range"),
        ("from=1.0&to=2.2.0", 400, "invalid_version"),
        ("from=1.0.0", 400, "invalid_query"),
        ("from=1.0.0&to=9.0.0", 404, "version_not_found"),
    ] {
        registry.get(&format!("{API}/changes?{query}")).await.assert_problem(status, code);
    }
}

#[tokio::test]
async fn the_lines_of_the_files_hash_to_the_tree_that_was_signed() {
    let registry = Registry::start().await;
    let published = registry.publish(ADDRESS, "1.0.0", FULL).await.assert(201).json();

    let answer = registry.get(&format!("{API}/1.0.0/files")).await.assert(200);

    assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
    let tree = format!("h1:{}", BASE64_STANDARD.encode(Sha256::digest(&answer.body)));
    assert_eq!(published["h1"], tree);
    let expected = format!("{}  main.tf\n", hex::encode(Sha256::digest(FULL[1].1)));
    assert!(answer.text().ends_with(&expected), "{}", answer.text());
    registry.get(&format!("{API}/9.0.0/files")).await.assert_problem(404, "version_not_found");
}

#[tokio::test]
async fn an_interface_names_inputs_and_outputs() {
    let registry = Registry::start().await;
    registry.publish(ADDRESS, "1.0.0", FULL).await.assert(201);

    let interface = registry.get(&format!("{API}/1.0.0/interface")).await.assert(200).json();

    assert_eq!(interface["inputs"]["name"]["type"], "string");
    assert_eq!(interface["inputs"]["name"]["required"], false);
    assert_eq!(interface["outputs"].as_object().unwrap().len(), 2);
}

#[tokio::test]
async fn a_module_lists_its_versions_highest_first() {
    let registry = Registry::start().await;
    for version in ["1.9.0", "1.10.0", "2.0.0-rc.1"] {
        registry.publish(ADDRESS, version, FULL).await.assert(201);
    }

    let module = registry.get(API).await.assert(200).json();

    assert_eq!(module["address"], ADDRESS);
    let versions = module["versions"].as_array().unwrap();
    let numbers: Vec<_> =
        versions.iter().map(|version| version["version"].as_str().unwrap()).collect();
    assert_eq!(numbers, ["2.0.0-rc.1", "1.10.0", "1.9.0"]);
    assert_eq!(versions[0]["published_at"], "2025-06-15T15:06:40Z");
    assert_eq!(versions[0]["publisher"], registry.publisher.verifying_key().id().to_string());
    assert!(versions[0].get("selectable_from").is_none());
    registry.get("/api/v1/modules/golden/other/test").await.assert_problem(404, "module_not_found");
}

#[tokio::test]
async fn what_is_private_is_shown_to_those_who_may_install_it() {
    let registry = Registry::start().await;
    registry.publish("private/greeting/test", "1.0.0", FULL).await.assert(201);
    let (reader, other) =
        (registry.token(&["read:private"]).await, registry.token(&["read:other"]).await);

    for path in ["", "/changes?from=1.0.0&to=1.0.0", "/1.0.0/files", "/1.0.0/interface"] {
        let path = format!("/api/v1/modules/private/greeting/test{path}");
        registry.get(&path).await.assert_problem(401, "unauthorized");
        registry.get_as(&path, &other).await.assert_problem(403, "forbidden");
        registry.get_as(&path, &reader).await.assert(200);
    }
}

/// With a namespace `aged` whose versions can be selected after a day.
async fn aged() -> Registry {
    let namespace = r#"
[[namespace]]
name = "aged"
anonymous_read = true
minimum_age_hours = 24
"#;
    Registry::start_with(namespace).await
}

const HOUR: i64 = 3_600_000;

fn listed(answer: &Answer) -> Vec<String> {
    let list = answer.json();
    let versions = list["modules"][0]["versions"].as_array().unwrap();
    versions.iter().map(|version| version["version"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_version_is_listed_from_the_moment_it_is_old_enough() {
    let registry = aged().await;
    let (address, list) = ("aged/greeting/test", "/v1/modules/aged/greeting/test/versions");
    let versions = async || listed(&registry.get(list).await.assert(200));

    let published = registry.publish(address, "1.0.0", FULL).await.assert(201).json();
    assert_eq!(published["selectable_from"], "2025-06-16T15:06:40Z");
    assert_eq!(versions().await, Vec::<String>::new());
    registry.app.clock.advance(12 * HOUR);
    registry.publish(address, "1.1.0", FULL).await.assert(201);
    assert_eq!(versions().await, Vec::<String>::new());

    registry.app.clock.advance(12 * HOUR - 1);
    assert_eq!(versions().await, Vec::<String>::new());
    registry.app.clock.advance(1);
    assert_eq!(versions().await, ["1.0.0"]);
    registry.app.clock.advance(12 * HOUR);
    assert_eq!(versions().await, ["1.1.0", "1.0.0"]);

    let again = registry.publish(address, "1.0.0", FULL).await.assert(200).json();
    assert!(again.get("selectable_from").is_none(), "{again:#}");
}

#[tokio::test]
async fn a_version_that_is_too_young_is_not_downloaded_and_says_from_when_it_is() {
    let registry = aged().await;
    registry.publish("aged/greeting/test", "1.0.0", FULL).await.assert(201);
    let download = "/v1/modules/aged/greeting/test/1.0.0/download";

    registry.get(download).await.assert_plain(403, "can be selected from 2025-06-16T15:06:40Z on");
    let module = registry.get("/api/v1/modules/aged/greeting/test").await.assert(200).json();
    assert_eq!(module["versions"][0]["selectable_from"], "2025-06-16T15:06:40Z");

    registry.app.clock.advance(24 * HOUR);
    let answer = registry.get(download).await.assert(200);
    registry.get(local(answer.header("x-terraform-get"))).await.assert(200);
}
