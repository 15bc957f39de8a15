//! Discovery and `modules.v1`.

use axum::body::Body;
use axum::http::Request;

use super::support::{MODULE, Registry, authorised, local};

const VERSIONS: &str = "/v1/modules/golden/greeting/test/versions";

#[tokio::test]
async fn discovery_answers_everyone_whatever_they_send() {
    let registry = Registry::start().await;

    for authorization in ["Bearer stale", "Bearer ", "Basic eDp5"] {
        let request = Request::get("/.well-known/terraform.json")
            .header("authorization", authorization)
            .body(Body::empty())
            .unwrap();
        let answer = registry.send(request).await.assert(200);

        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!(answer.json()["modules.v1"], "/v1/modules/");
        assert_eq!(answer.json()["providers.v1"], "/v1/providers/");
    }
}

#[tokio::test]
async fn every_version_is_listed_highest_first() {
    let registry = Registry::start().await;
    for version in ["1.9.0", "1.10.0", "2.0.0-rc.1", "1.2.0"] {
        registry.publish("golden/greeting/test", version, MODULE).await.assert(201);
    }

    let list = registry.get(VERSIONS).await.assert(200).json();

    let versions: Vec<&str> = list["modules"][0]["versions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|version| version["version"].as_str().unwrap())
        .collect();
    assert_eq!(versions, ["2.0.0-rc.1", "1.10.0", "1.9.0", "1.2.0"]);
}

#[tokio::test]
async fn a_list_is_revalidated_and_a_publish_changes_it() {
    let registry = Registry::start().await;
    registry.publish("golden/greeting/test", "1.0.0", MODULE).await.assert(201);
    let ask = async |etag: &str| {
        let request = Request::get(VERSIONS).header("if-none-match", etag);
        registry.send(request.body(Body::empty()).unwrap()).await
    };
    let etag = registry.get(VERSIONS).await.assert(200).header("etag").to_owned();

    let unchanged = ask(&etag).await.assert(304);
    assert!(unchanged.body.is_empty());

    registry.publish("golden/greeting/test", "1.1.0", MODULE).await.assert(201);
    let changed = ask(&etag).await.assert(200);
    assert!(changed.text().contains("1.1.0"));
    ask("\"other\", *").await.assert(304);
}

#[tokio::test]
async fn a_list_is_compressed_where_the_client_takes_it() {
    let registry = Registry::start().await;
    for minor in 0..40 {
        let version = format!("1.{minor}.0");
        registry.publish("golden/greeting/test", &version, MODULE).await.assert(201);
    }

    let request = Request::get(VERSIONS).header("accept-encoding", "gzip");
    let answer = registry.send(request.body(Body::empty()).unwrap()).await.assert(200);

    assert_eq!(answer.header("content-encoding"), "gzip");
}

#[tokio::test]
async fn a_download_names_the_archive_in_both_forms_with_its_checksum() {
    let registry = Registry::start().await;
    let published =
        registry.publish("golden/greeting/test", "1.0.0", MODULE).await.assert(201).json();

    let answer = registry.get("/v1/modules/golden/greeting/test/1.0.0/download").await.assert(200);

    let location = answer.header("x-terraform-get").to_owned();
    assert_eq!(answer.json(), serde_json::json!({ "location": location }));
    let sha256 = published["sha256"].as_str().unwrap();
    assert!(location.contains("archive=tar.gz"));
    assert!(location.contains(&format!("checksum=sha256:{sha256}")));
    let archive = registry.get(local(&location)).await.assert(200);
    assert_eq!(archive.body, super::support::archive(MODULE));
}

#[tokio::test]
async fn what_is_not_there_is_said_in_plain_words() {
    let registry = Registry::start().await;
    registry.publish("golden/greeting/test", "1.0.0", MODULE).await.assert(201);

    for (path, words) in [
        ("/v1/modules/golden/other/test/versions", "no module golden/other/test"),
        ("/v1/modules/golden/Greeting/test/versions", "no module golden/Greeting/test"),
        ("/v1/modules/golden/greeting/TEST/versions", "lower-case"),
        ("/v1/modules/golden/greeting/test/1.0.1/download", "no version 1.0.1"),
        ("/v1/modules/golden/greeting/test/latest/download", "no version latest"),
    ] {
        registry.get(path).await.assert_plain(404, words);
    }
}

#[tokio::test]
async fn a_revoked_version_stays_listed_and_says_why() {
    let registry = Registry::start().await;
    for version in ["1.0.0", "1.1.0"] {
        registry.publish("golden/greeting/test", version, MODULE).await.assert(201);
    }
    registry.say("golden/greeting/test/1.0.0", "revoked", "leaks its input").await.assert(200);

    let list = registry.get(VERSIONS).await.assert(200).text();
    assert!(list.contains("1.0.0"), "{list}");
    registry
        .get("/v1/modules/golden/greeting/test/1.0.0/download")
        .await
        .assert_plain(410, "was revoked: leaks its input");
    registry
        .publish("golden/greeting/test", "1.0.0", MODULE)
        .await
        .assert_problem(409, "version_revoked");
}

#[tokio::test]
async fn a_token_that_does_not_work_is_no_worse_than_none() {
    let registry = Registry::start().await;
    registry.publish("golden/greeting/test", "1.0.0", MODULE).await.assert(201);

    let request = authorised(Request::get(VERSIONS), "idp_unknown").body(Body::empty());

    registry.send(request.unwrap()).await.assert(200);
}

#[tokio::test]
async fn a_yanked_version_is_not_listed_and_still_installs() {
    let registry = Registry::start().await;
    for version in ["1.0.0", "1.1.0"] {
        registry.publish("golden/greeting/test", version, MODULE).await.assert(201);
    }
    registry.say("golden/greeting/test/1.1.0", "yanked", "wrong subnets").await.assert(200);

    let list = registry.get(VERSIONS).await.assert(200).text();
    assert!(list.contains("1.0.0") && !list.contains("1.1.0"), "{list}");
    registry.get("/v1/modules/golden/greeting/test/1.1.0/download").await.assert(200);
}
