//! Publishing modules: everything is checked, numbers never change hands.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use registry_trust::key::{Algorithm, SigningKey};

use super::support::{Form, MODULE, Registry, archive, bundle};

const ADDRESS: &str = "golden/greeting/test";

#[tokio::test]
async fn a_signed_module_is_published_once() {
    let registry = Registry::start().await;

    let first = registry.publish(ADDRESS, "1.0.0", MODULE).await.assert(201).json();
    let again = registry.publish(ADDRESS, "1.0.0", MODULE).await.assert(200).json();

    assert_eq!(first["created"], true);
    assert_eq!(again["created"], false);
    assert_eq!(first["sha256"], again["sha256"]);
    assert_eq!(first["publisher"], registry.publisher.verifying_key().id().to_string());
    assert!(first["h1"].as_str().unwrap().starts_with("h1:"));
    assert_eq!((registry.blobs(), registry.leftovers()), (1, 0));
}

#[tokio::test]
async fn other_content_under_a_published_version_is_refused() {
    let registry = Registry::start().await;
    let first = registry.publish(ADDRESS, "1.0.0", MODULE).await.assert(201).json();

    let other = [("main.tf", "# other\n")];
    let problem =
        registry.publish(ADDRESS, "1.0.0", &other).await.assert_problem(409, "version_taken");

    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains(first["sha256"].as_str().unwrap()), "{detail}");
    assert_eq!(registry.blobs(), 1);
}

#[tokio::test]
async fn of_two_publishes_at_once_one_wins_and_the_other_is_told() {
    let registry = Registry::start().await;
    for round in 0..20 {
        let version = format!("1.{round}.0");
        let (one, two) = ([("main.tf", "# one\n")], [("main.tf", "# two\n")]);

        let (first, second) = tokio::join!(
            registry.publish(ADDRESS, &version, &one),
            registry.publish(ADDRESS, &version, &two),
        );

        let mut statuses = [first.status.as_u16(), second.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 409], "{} {}", first.text(), second.text());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_publishes_of_the_same_content_make_one_version() {
    let registry = Registry::start().await;
    let publishes = (0..16).map(|_| registry.publish(ADDRESS, "1.0.0", MODULE));

    let answers = futures_util::future::join_all(publishes).await;

    let created = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(created, 1);
    assert!(answers.iter().all(|answer| answer.status.is_success()));
    assert_eq!((registry.blobs(), registry.leftovers()), (1, 0));
}

#[tokio::test]
async fn a_signature_counts_only_for_what_was_signed() {
    let registry = Registry::start().await;
    let archive = archive(MODULE);
    let sign =
        |address: &str, version: &str| bundle(address, version, &archive, &registry.publisher);
    let stranger = SigningKey::generate(Algorithm::Ed25519).unwrap();
    let changed = super::support::archive(&[("main.tf", "# changed\n")]);

    for (archive, bundle, code) in [
        (&archive, sign("golden/other/test", "1.0.0"), "statement_other_release"),
        (&archive, sign(ADDRESS, "1.0.1"), "statement_other_release"),
        (&archive, bundle(ADDRESS, "1.0.0", &archive, &stranger), "publisher_key_unknown"),
        (&changed, sign(ADDRESS, "1.0.0"), "archive_digest_differs"),
    ] {
        let answer = registry.upload(ADDRESS, "1.0.0", archive, bundle.as_bytes()).await;
        answer.assert_problem(422, code);
    }
    let mut broken: serde_json::Value = serde_json::from_str(&sign(ADDRESS, "1.0.0")).unwrap();
    let other: serde_json::Value = serde_json::from_str(&sign(ADDRESS, "2.0.0")).unwrap();
    broken["dsseEnvelope"]["signatures"] = other["dsseEnvelope"]["signatures"].clone();
    let answer = registry.upload(ADDRESS, "1.0.0", &archive, broken.to_string().as_bytes()).await;
    answer.assert_problem(422, "signature_invalid");
    assert_eq!((registry.blobs(), registry.leftovers()), (0, 0));
}

#[tokio::test]
async fn a_key_of_one_namespace_does_not_count_in_another() {
    let registry = Registry::start().await;

    let answer = registry.publish("platform/greeting/test", "1.0.0", MODULE).await;

    answer.assert_problem(422, "publisher_key_unknown");
}

#[tokio::test]
async fn a_token_publishes_only_where_it_may() {
    let registry = Registry::start().await;
    let token = registry.token(&["publish:private", "apply:*:*"]).await;
    let archive = archive(MODULE);
    let bundle = bundle(ADDRESS, "1.0.0", &archive, &registry.publisher);
    let form = || Form::new().part("archive", "a", &archive).part("bundle", "b", bundle.as_bytes());
    let path = format!("/api/v1/modules/{ADDRESS}/1.0.0");

    registry.put_form(&path, form(), &token).await.assert_problem(403, "forbidden");
    registry.put_form(&path, form(), "idp_x").await.assert_problem(401, "unauthorized");
    assert_eq!((registry.blobs(), registry.leftovers()), (0, 0));
}

#[tokio::test]
async fn numbers_and_addresses_follow_the_rules() {
    let registry = Registry::start().await;

    for version in ["v1.0.0", "1.0", "1.0.0%2Bbuild", "latest"] {
        let path = format!("/api/v1/modules/{ADDRESS}/{version}");
        let form = Form::new().part("archive", "a", b"x").part("bundle", "b", b"x");
        let answer = registry.put_form(&path, form, &registry.admin).await;
        answer.assert_problem(422, "invalid_version");
    }
    let shouted = registry.publish("golden/Greeting/test", "1.0.0", MODULE).await;
    shouted.assert_problem(422, "invalid_address");
    let nowhere = registry.publish("nowhere/greeting/test", "1.0.0", MODULE).await;
    nowhere.assert_problem(404, "namespace_unknown");
}

#[tokio::test]
async fn a_module_that_does_not_parse_is_refused_with_file_and_line() {
    let registry = Registry::start().await;
    let files = [
        ("main.tf", "locals {\n  ok = 1\n}\n"),
        ("outputs.tf", "output \"x\" {\n  value = = 1\n}\n"),
    ];

    let answer = registry.publish(ADDRESS, "1.0.0", &files).await;

    let problem = answer.assert_problem(422, "module_does_not_parse");
    let detail = problem["errors"][0]["detail"].as_str().unwrap();
    assert!(detail.starts_with("outputs.tf:2:"), "{detail}");
    assert_eq!((registry.blobs(), registry.leftovers()), (0, 0));
}

#[tokio::test]
async fn a_golden_path_that_could_not_render_is_refused() {
    let registry = Registry::start().await;
    let files = [("main.tf", ""), ("golden-path.yaml", "kind: [unclosed\n")];

    let answer = registry.publish(ADDRESS, "1.0.0", &files).await;

    answer.assert_problem(422, "golden_path_invalid");
}

#[tokio::test]
async fn a_golden_path_that_calls_itself_another_version_is_refused() {
    let registry = Registry::start().await;
    let manifest = include_str!("platform/path/golden-path.yaml").replace("VERSION", "1.0.0");
    let files = [
        ("main.tf", ""),
        ("golden-path.yaml", manifest.as_str()),
        ("templates/10-config.yaml", include_str!("platform/path/templates/10-config.yaml")),
        ("templates/20-service.yaml", include_str!("platform/path/templates/20-service.yaml")),
        (
            "templates/80-application.yaml",
            include_str!("platform/path/templates/80-application.yaml"),
        ),
        ("templates/90-catalog.yaml", include_str!("platform/path/templates/90-catalog.yaml")),
    ];

    let other = registry.publish(ADDRESS, "1.1.0", &files).await;
    let own = registry.publish(ADDRESS, "1.0.0", &files).await;

    other.assert_problem(422, "manifest_version");
    own.assert(201);
}

#[tokio::test]
async fn a_form_that_is_none_or_has_other_parts_is_refused() {
    let registry = Registry::start().await;
    let path = format!("/api/v1/modules/{ADDRESS}/1.0.0");
    let send = async |form: Form| registry.put_form(&path, form, &registry.admin).await;

    registry.json("PUT", &path, &serde_json::json!({})).await.assert_problem(415, "not_multipart");
    send(Form::new()).await.assert_problem(400, "missing_part");
    let twice = Form::new().part("archive", "a", b"1").part("archive", "a", b"2");
    send(twice).await.assert_problem(400, "unexpected_part");
    let other = Form::new().part("archives", "a", b"1");
    send(other).await.assert_problem(400, "unexpected_part");
    assert_eq!(registry.leftovers(), 0);
}

#[tokio::test]
async fn an_archive_that_is_too_large_is_refused_before_it_is_whole() {
    let registry = Registry::start_with("[limits]\narchive_bytes = 1000\n").await;
    let form = Form::new().part("archive", "a", &[0; 2000]).part("bundle", "b", b"x");

    let path = format!("/api/v1/modules/{ADDRESS}/1.0.0");
    let answer = registry.put_form(&path, form, &registry.admin).await;

    answer.assert_problem(413, "part_too_large");
    assert_eq!(registry.leftovers(), 0);
}

/// Each comes with a publisher's statement about another archive: it is refused before what was signed is compared.
#[tokio::test]
async fn an_archive_that_clients_could_misread_is_refused() {
    let registry = Registry::start().await;
    let good = archive(MODULE);
    let trailing = [good.as_slice(), b"more"].concat();
    let twice = [good.as_slice(), good.as_slice()].concat();
    let file = |name: &str| entry(name, b'0', b"text\n", "");
    let bomb = entry("main.tf", b'0', &vec![0; 60 << 20], "");
    let statement = bundle(ADDRESS, "1.0.0", &good, &registry.publisher);

    for (what, archive) in [
        ("parent folder", packed(&[file("../main.tf")])),
        ("absolute path", packed(&[file("/etc/main.tf")])),
        ("symbolic link", packed(&[entry("main.tf", b'2', b"", "/etc/passwd")])),
        ("hard link", packed(&[file("a.tf"), entry("main.tf", b'1', b"", "a.tf")])),
        ("device", packed(&[entry("main.tf", b'3', b"", "")])),
        ("duplicate", packed(&[file("main.tf"), file("main.tf")])),
        ("names that differ in case", packed(&[file("Main.tf"), file("main.tf")])),
        ("unsorted", packed(&[file("b.tf"), file("a.tf")])),
        ("bomb", packed(&[bomb])),
        ("bytes after the end", trailing),
        ("two archives in one", twice),
        ("half an archive", good[..good.len() / 2].to_vec()),
        ("no archive", b"PK\x03\x04".to_vec()),
        ("nothing", Vec::new()),
    ] {
        let answer = registry.upload(ADDRESS, "1.0.0", &archive, statement.as_bytes()).await;
        assert_eq!(answer.status, 422, "{what}: {}", answer.text());
        assert!(answer.text().contains("the archive is refused"), "{what}: {}", answer.text());
    }
    assert_eq!((registry.blobs(), registry.leftovers()), (0, 0));
}

/// One ustar entry, padded.
fn entry(name: &str, kind: u8, content: &[u8], link: &str) -> Vec<u8> {
    let mut header = [0_u8; 512];
    let mut put = |at: usize, text: &[u8]| header[at..at + text.len()].copy_from_slice(text);
    put(0, name.as_bytes());
    put(100, b"0000644\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{:011o}\0", content.len()).as_bytes());
    put(136, b"00000000000\0");
    put(148, b"        ");
    put(156, &[kind]);
    put(157, link.as_bytes());
    put(257, b"ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut entry = header.to_vec();
    entry.extend_from_slice(content);
    entry.resize(entry.len().next_multiple_of(512), 0);
    entry
}

fn packed(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    for entry in entries {
        gzip.write_all(entry).unwrap();
    }
    gzip.write_all(&[0; 1024]).unwrap();
    gzip.finish().unwrap()
}
