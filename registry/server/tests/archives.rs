//! Signed links.

use axum::body::Body;
use axum::http::Request;

use super::support::{MODULE, NOW, Registry, local};

async fn published() -> (Registry, String) {
    let registry = Registry::start().await;
    registry.publish("golden/greeting/test", "1.0.0", MODULE).await.assert(201);
    let answer = registry.get("/v1/modules/golden/greeting/test/1.0.0/download").await;
    let link = local(answer.header("x-terraform-get")).to_owned();
    (registry, link)
}

#[tokio::test]
async fn head_tells_the_true_length_and_get_sends_it() {
    let (registry, link) = published().await;

    let head = registry.send(Request::head(&link).body(Body::empty()).unwrap()).await.assert(200);
    let get = registry.get(&link).await.assert(200);

    assert!(head.body.is_empty());
    assert_eq!(head.header("content-length"), get.body.len().to_string());
    assert_eq!(get.header("content-length"), get.body.len().to_string());
    assert!(!get.headers.contains_key("accept-ranges"));
}

#[tokio::test]
async fn the_order_of_the_query_does_not_matter() {
    let (registry, link) = published().await;
    let (path, query) = link.split_once('?').unwrap();

    let mut parts: Vec<&str> = query.split('&').collect();
    parts.reverse();
    registry.get(&format!("{path}?{}", parts.join("&"))).await.assert(200);
    // What go-getter really sends: without what it read itself.
    parts.retain(|part| !part.starts_with("archive=") && !part.starts_with("checksum="));
    parts.sort_unstable();
    registry.get(&format!("{path}?{}", parts.join("&"))).await.assert(200);
}

#[tokio::test]
async fn archives_are_never_compressed_again() {
    let (registry, link) = published().await;

    let request = Request::get(&link).header("accept-encoding", "gzip").body(Body::empty());
    let answer = registry.send(request.unwrap()).await.assert(200);

    assert!(!answer.headers.contains_key("content-encoding"));
    assert_eq!(answer.header("content-type"), "application/gzip");
}

#[tokio::test]
async fn a_link_ends_with_its_time() {
    let (registry, link) = published().await;

    registry.app.clock.advance(14 * 60 * 1000);
    registry.get(&link).await.assert(200);
    registry.app.clock.advance(2 * 60 * 1000);
    registry.get(&link).await.assert_plain(403, "has expired");
}

#[tokio::test]
async fn a_link_that_was_not_made_here_opens_nothing() {
    let (registry, link) = published().await;
    let (path, _) = link.split_once('?').unwrap();
    let later = NOW / 1000 + 10_000;

    for query in [
        String::new(),
        format!("expires={later}"),
        format!("expires={later}&signature={}", "0".repeat(64)),
        "expires=&signature=".to_owned(),
    ] {
        let forged = format!("{path}?{query}");
        registry.get(&forged).await.assert_plain(403, "not one that this server made");
    }
}

#[tokio::test]
async fn a_damaged_archive_is_not_served_and_the_body_says_only_the_request_id() {
    let (registry, link) = published().await;
    let sha256 = link.split('/').nth(2).unwrap();
    let file =
        registry.folder.path().join("data/blobs/sha256").join(&sha256[..2]).join(&sha256[2..]);
    std::fs::write(file, b"damaged").unwrap();

    let answer = registry.get(&link).await.assert(500);

    assert!(answer.text().contains(answer.header("x-request-id")), "{}", answer.text());
    assert!(!answer.text().contains("blobs"), "{}", answer.text());
}
