//! Terraform's own protocol, as its clients and everybody else's see it.

use tests::http::{self, get, send};
use tests::{Platform, Provider};

const VERSIONS: &str = "/v1/modules/golden/api/nodejs/versions";

#[test]
fn the_discovery_document_names_both_protocols_and_bears_stale_tokens() {
    let platform = Platform::start();
    let url = format!("{}/.well-known/terraform.json", platform.url());

    let document = get(&url).is(200);
    let stale = send("GET", &url, &[("authorization", "Bearer stale")]).is(200);

    assert_eq!(document.header("content-type"), "application/json");
    assert_eq!(document.json()["modules.v1"], "/v1/modules/");
    assert_eq!(document.json()["providers.v1"], "/v1/providers/");
    assert_eq!(document.body, stale.body);
}

#[test]
fn the_version_list_is_revalidated_by_etag() {
    let platform = Platform::start();
    let url = platform.url() + VERSIONS;

    let first = get(&url).is(200);
    let etag = first.header("etag");
    let again = send("GET", &url, &[("if-none-match", &etag)]).is(304);
    let other = send("GET", &url, &[("if-none-match", "\"something else\"")]).is(200);

    assert_eq!(first.json()["modules"][0]["versions"][0]["version"], "1.1.0");
    assert!(!etag.is_empty() && again.body.is_empty());
    assert_eq!(other.body, first.body);
}

#[test]
fn the_archive_is_served_to_head_and_get_whatever_the_order_of_parameters() {
    let platform = Platform::start();
    let download = get(&format!("{}/v1/modules/golden/api/nodejs/1.1.0/download", platform.url()));
    assert!([200, 204].contains(&download.status), "{}", download.text());
    let location = download.header("x-terraform-get");
    let (path, query) = location.split_once('?').unwrap();
    assert!(query.contains("archive=tar.gz") && query.contains("checksum=sha256:"), "{location}");
    let link = |parameters: &[&str]| {
        let path = if path.starts_with("http") { path.to_owned() } else { platform.url() + path };
        format!("{path}?{}", parameters.join("&"))
    };
    // As go-getter does: two parameters are for it alone, the others come sorted.
    let mut parameters: Vec<&str> = query.split('&').collect();
    let whole = get(&link(&parameters)).is(200);
    parameters.retain(|p| !p.starts_with("archive=") && !p.starts_with("checksum="));
    parameters.sort_unstable();
    let sorted = get(&link(&parameters)).is(200);
    parameters.reverse();
    let head = send("HEAD", &link(&parameters), &[]).is(200);

    assert_eq!(sorted.body, whole.body);
    assert_eq!(head.header("content-length"), whole.body.len().to_string());
    assert!(head.body.is_empty());
    let compressed = send("GET", &link(&parameters), &[("accept-encoding", "gzip")]).is(200);
    assert_eq!(compressed.header("content-encoding"), "", "clients would unpack twice");
    assert_eq!(compressed.body, whole.body);
}

#[test]
fn a_link_that_was_changed_or_is_too_old_does_not_work() {
    let mut platform = Platform::start();
    let download = "/v1/modules/golden/api/nodejs/1.1.0/download";
    let link = |platform: &Platform| {
        let location = get(&(platform.url() + download)).header("x-terraform-get");
        if location.starts_with("http") { location } else { platform.url() + &location }
    };
    let good = link(&platform);
    get(&good).is(200);

    let (path, query) = good.split_once('?').unwrap();
    for parameter in
        query.split('&').filter(|p| !p.starts_with("archive=") && !p.starts_with("checksum="))
    {
        let (name, value) = parameter.split_once('=').unwrap();
        let first = if value.starts_with('1') { '2' } else { '1' };
        let changed = query.replace(parameter, &format!("{name}={first}{}", &value[1..]));
        get(&format!("{path}?{changed}")).is(403);
        let missing = query.replace(parameter, "x=1");
        get(&format!("{path}?{missing}")).is(403);
    }
    get(path).is(403);

    platform.reconfigure(|config| config + "\n[limits]\nlink_seconds = 1\n");
    let short = link(&platform);
    tests::eventually("the link to expire", || (get(&short).status == 403).then_some(()));
}

#[test]
fn what_is_not_there_is_404_and_what_is_private_is_401() {
    let platform = Platform::start();
    let modules = format!("{}/v1/modules", platform.url());
    let token = platform.token("reader", &["read:private"]);
    let bearer = format!("Bearer {token}");
    let module = platform.folder().join("module");
    std::fs::create_dir(&module).unwrap();
    std::fs::write(module.join("main.tf"), "output \"a\" {\n  value = 1\n}\n").unwrap();
    let module = module.display().to_string();
    platform
        .idp(&["publish", &module, "--address", "private/thing/null", "--version", "1.0.0"])
        .ok();
    let private = format!("{modules}/private/thing/null/versions");

    get(&format!("{modules}/golden/nothing/nodejs/versions")).is(404);
    get(&format!("{modules}/golden/api/nodejs/9.9.9/download")).is(404);
    get(&private).is(401);
    send("GET", &private, &[("authorization", "Bearer ")]).is(401);
    send("GET", &private, &[("authorization", "Bearer idp_wrong")]).is(401);
    send("GET", &private, &[("authorization", &bearer)]).is(200);
}

#[test]
fn a_private_module_is_installed_with_a_token_and_not_without() {
    let platform = Platform::start();
    let token = platform.token("reader", &["read:private"]);
    let module = platform.folder().join("module");
    std::fs::create_dir(&module).unwrap();
    std::fs::write(module.join("main.tf"), "output \"a\" {\n  value = \"from private\"\n}\n")
        .unwrap();
    let module = module.display().to_string();
    platform
        .idp(&["publish", &module, "--address", "private/thing/null", "--version", "1.0.0"])
        .ok();
    let config = "module \"thing\" {\n  source  = \"registry.example.com/private/thing/null\"\n  \
                  version = \"1.0.0\"\n}\n\noutput \"a\" {\n  value = module.thing.a\n}\n";
    let mut terraform = platform.workspace(Provider::Installed);
    terraform.write("main.tf", config);

    terraform.init().fails().says(&["401"]);
    terraform.env("TF_TOKEN_registry_example_com", token);
    terraform.init().ok();

    terraform.apply().ok().says(&["from private"]);
}

#[test]
fn an_archive_that_was_changed_on_disk_is_not_installed() {
    let mut platform = Platform::start();
    let download = get(&format!("{}/v1/modules/golden/api/nodejs/1.1.0/download", platform.url()));
    let location = download.header("x-terraform-get");
    let (_, digest) = location.split_once("sha256:").unwrap();
    let digest = digest.split('&').next().unwrap().to_owned();
    platform.stop();
    let blob = crate::disk::file_named(&platform.server_folder().join("data"), &digest);
    crate::disk::flip_a_bit(&blob);
    platform.run();
    let terraform = platform.workspace(Provider::Installed);
    terraform.write(
        "main.tf",
        "module \"api\" {\n  source  = \"registry.example.com/golden/api/nodejs\"\n  version = \"1.1.0\"\n}\n",
    );

    terraform.init().fails();

    assert!(!terraform.path().join(".terraform/modules/api/main.tf").exists());
}

#[test]
fn the_server_says_whether_it_lives_and_whether_it_is_ready() {
    let platform = Platform::start();

    get(&(platform.url() + "/healthz")).is(200);
    get(&(platform.url() + "/readyz")).is(200);
    let lost = get(&(platform.url() + "/api/v1/nothing-of-the-kind"));

    assert!(!lost.header("x-request-id").is_empty());
    assert_eq!(lost.status, 404);
    assert!(
        http::try_send("BREW", &platform.url(), &[], Vec::new())
            .is_some_and(|a| a.status == 405 || a.status == 404)
    );
}
