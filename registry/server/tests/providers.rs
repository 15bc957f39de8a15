//! Provider releases: published whole, served as Terraform reads them.

use std::io::{Cursor, Write as _};
use std::sync::{LazyLock, OnceLock};

use registry_server::openpgp::SigningKey;
use registry_trust::digest::Sha256;
use registry_trust::sums::Sums;
use zip::write::SimpleFileOptions;

use super::support::{Answer, Form, NOW, Registry, local};

const PATH: &str = "/api/v1/providers/platform/idp/1.2.3";
const LINUX: &str = "terraform-provider-idp_1.2.3_linux_amd64.zip";
const DARWIN: &str = "terraform-provider-idp_1.2.3_darwin_arm64.zip";

/// Making one takes seconds, so every test shares it.
fn key() -> &'static SigningKey {
    static KEY: LazyLock<SigningKey> =
        LazyLock::new(|| SigningKey::generate("Test releases", NOW - 1000).unwrap());
    &KEY
}

/// Another one, for the tests that need a stranger.
fn stranger() -> &'static SigningKey {
    static KEY: OnceLock<SigningKey> = OnceLock::new();
    KEY.get_or_init(|| SigningKey::generate("Stranger", NOW - 1000).unwrap())
}

fn zip(program: &str, mode: u32) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default()
        .unix_permissions(mode)
        .last_modified_time(zip::DateTime::DEFAULT);
    zip.start_file(program, options).unwrap();
    zip.write_all(b"program").unwrap();
    zip.finish().unwrap().into_inner()
}

fn good_zip() -> Vec<u8> {
    zip("terraform-provider-idp_v1.2.3", 0o755)
}

fn sums(packages: &[(&str, &[u8])]) -> String {
    let mut sums = Sums::default();
    for (name, content) in packages {
        sums.insert(&name.parse().unwrap(), Sha256::of(content));
    }
    sums.to_text()
}

fn form(key: &SigningKey, sums: &str, packages: &[(&str, &[u8])]) -> Form {
    let signature = key.sign(sums.as_bytes(), NOW - 500).unwrap();
    let form = Form::new()
        .part("release", "release.json", br#"{"protocols":["6.0"]}"#)
        .part("key", "key.asc", key.public_key().armored().as_bytes())
        .part("shasums", "sums", sums.as_bytes())
        .part("signature", "sig", &signature);
    packages.iter().fold(form, |form, (name, content)| form.part("package", name, content))
}

async fn publish(registry: &Registry, key: &SigningKey, packages: &[(&str, &[u8])]) -> Answer {
    let form = form(key, &sums(packages), packages);
    registry.put_form(PATH, form, &registry.admin).await
}

/// Publishes a release, whatever it is.
pub(crate) async fn publish_one(registry: &Registry) {
    publish(registry, key(), &[(LINUX, &good_zip())]).await.assert(201);
}

#[tokio::test]
async fn a_release_is_served_as_terraform_reads_it() {
    let registry = Registry::start().await;
    let content = good_zip();
    let packages = [(LINUX, content.as_slice()), (DARWIN, content.as_slice())];

    let published = publish(&registry, key(), &packages).await.assert(201).json();
    assert_eq!(published["platforms"], serde_json::json!(["darwin_arm64", "linux_amd64"]));

    let list = registry.get("/v1/providers/platform/idp/versions").await.assert(200).json();
    assert_eq!(list["versions"][0]["version"], "1.2.3");
    assert_eq!(list["versions"][0]["protocols"], serde_json::json!(["6.0"]));
    assert_eq!(list["versions"][0]["platforms"][1]["os"], "linux");

    let package =
        registry.get("/v1/providers/platform/idp/1.2.3/download/linux/amd64").await.assert(200);
    let package = package.json();
    let fetch = async |field: &str| {
        let link = package[field].as_str().unwrap().to_owned();
        registry.get(local(&link)).await.assert(200).body
    };
    assert_eq!(package["filename"], LINUX);
    assert_eq!(package["shasum"], Sha256::of(&content).to_string());
    assert_eq!(fetch("download_url").await, content);
    let shasums = fetch("shasums_url").await;
    assert_eq!(String::from_utf8(shasums.clone()).unwrap(), sums(&packages));
    let signature = fetch("shasums_signature_url").await;
    let gpg = &package["signing_keys"]["gpg_public_keys"][0];
    let public =
        registry_server::openpgp::PublicKey::from_armored(gpg["ascii_armor"].as_str().unwrap())
            .unwrap();
    public.verify(&shasums, &signature, NOW).unwrap();
    assert_eq!(gpg["key_id"], public.key_id());
    assert_eq!(gpg.get("trust_signature"), None);
}

#[tokio::test]
async fn a_release_is_published_once() {
    let registry = Registry::start().await;
    let (content, other) = (good_zip(), zip("terraform-provider-idp_v1.2.3", 0o775));

    publish(&registry, key(), &[(LINUX, &content)]).await.assert(201);
    let again = publish(&registry, key(), &[(LINUX, &content)]).await.assert(200).json();
    let changed = publish(&registry, key(), &[(LINUX, &other)]).await;

    assert_eq!(again["created"], false);
    changed.assert_problem(409, "version_taken");
}

#[tokio::test]
async fn two_releases_of_one_version_at_once_leave_one() {
    let registry = Registry::start().await;
    let (one, two) = (good_zip(), zip("terraform-provider-idp_v1.2.3", 0o775));
    let (one, two) = ([(LINUX, one.as_slice())], [(LINUX, two.as_slice())]);

    let (first, second) =
        tokio::join!(publish(&registry, key(), &one), publish(&registry, key(), &two));

    let mut statuses = [first.status.as_u16(), second.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409], "{} {}", first.text(), second.text());
}

#[tokio::test]
async fn only_the_first_key_of_a_namespace_counts() {
    let registry = Registry::start().await;
    let content = good_zip();
    publish(&registry, key(), &[(LINUX, &content)]).await.assert(201);
    let next = "terraform-provider-idp_1.2.4_linux_amd64.zip";
    let content = zip("terraform-provider-idp_v1.2.4", 0o755);
    let packages = [(next, content.as_slice())];
    let path = "/api/v1/providers/platform/idp/1.2.4";

    let stranger = form(stranger(), &sums(&packages), &packages);
    let refused = registry.put_form(path, stranger, &registry.admin).await;
    let same = form(key(), &sums(&packages), &packages);
    let accepted = registry.put_form(path, same, &registry.admin).await;

    refused.assert_problem(403, "provider_key_unknown");
    accepted.assert(201);
}

#[tokio::test]
async fn a_release_that_would_not_install_is_refused() {
    let registry = Registry::start().await;
    let good = good_zip();
    let (plain, nested) = (
        zip("terraform-provider-idp_v1.2.3", 0o644),
        zip("bin/terraform-provider-idp_v1.2.3", 0o755),
    );
    let other_version = "terraform-provider-idp_9.9.9_linux_amd64.zip";

    for (packages, code) in [
        (vec![(LINUX, plain.as_slice())], "package_invalid"),
        (vec![(LINUX, nested.as_slice())], "package_invalid"),
        (vec![(LINUX, b"no zip".as_slice())], "package_invalid"),
        (vec![(other_version, good.as_slice())], "shasums_invalid"),
    ] {
        publish(&registry, key(), &packages).await.assert_problem(422, code);
    }
    let listed = [(LINUX, good.as_slice())];
    let both = [(LINUX, good.as_slice()), (DARWIN, good.as_slice())];
    for (sums, packages, code) in [
        (sums(&both), &listed[..], "package_missing"),
        (sums(&listed), &both[..], "package_unlisted"),
        (sums(&[(LINUX, b"other")]), &listed[..], "package_differs"),
        ("\n".to_owned(), &listed[..], "shasums_invalid"),
    ] {
        let form = form(key(), &sums, packages);
        registry.put_form(PATH, form, &registry.admin).await.assert_problem(422, code);
    }
    assert_eq!((registry.blobs(), registry.leftovers()), (0, 0));
}

#[tokio::test]
async fn a_signature_of_other_bytes_is_refused() {
    let registry = Registry::start().await;
    let content = good_zip();
    let packages = [(LINUX, content.as_slice())];
    let sums = sums(&packages);
    let elsewhere = key().sign(b"other bytes", NOW - 500).unwrap();
    let form = Form::new()
        .part("release", "r", br#"{"protocols":["6.0"]}"#)
        .part("key", "k", key().public_key().armored().as_bytes())
        .part("shasums", "s", sums.as_bytes())
        .part("signature", "s", &elsewhere)
        .part("package", LINUX, &content);

    let answer = registry.put_form(PATH, form, &registry.admin).await;

    answer.assert_problem(422, "openpgp_signature_invalid");
}

#[tokio::test]
async fn a_private_key_is_not_taken() {
    let registry = Registry::start().await;
    let private = key().to_armored().unwrap();
    let form = Form::new()
        .part("release", "r", br#"{"protocols":["6.0"]}"#)
        .part("key", "k", private.as_bytes())
        .part("shasums", "s", b"x")
        .part("signature", "s", b"x");

    let answer = registry.put_form(PATH, form, &registry.admin).await;

    answer.assert_problem(422, "openpgp_secret_key");
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let registry = Registry::start().await;
    let content = good_zip();
    publish(&registry, key(), &[(LINUX, &content)]).await.assert(201);

    for path in [
        "/v1/providers/platform/other/versions",
        "/v1/providers/platform/IDP/versions",
        "/v1/providers/platform/idp/1.2.4/download/linux/amd64",
        "/v1/providers/platform/idp/1.2.3/download/windows/amd64",
        "/v1/providers/platform/idp/x/download/linux/amd64",
    ] {
        registry.get(path).await.assert(404);
    }
    registry.get("/v1/providers/private/x/versions").await.assert(401);
}
