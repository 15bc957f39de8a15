//! Every write leaves an entry, and the entries prove each other.

use registry_api::platform::AuditPage;
use registry_server::model::audit::Head;
use serde_json::json;

use crate::harness::{Platform, put};

#[tokio::test]
async fn every_write_is_in_the_log_and_the_log_verifies() {
    let platform = Platform::start().await;
    platform.created("checkout", put(json!({}))).await;
    platform.ended(platform.delete("checkout", 1).await).await;

    let page = platform.call("GET", "/audit", None).await.ok();
    let page: AuditPage = serde_json::from_value(page).unwrap();

    let told: Vec<_> = page
        .entries
        .iter()
        .filter(|entry| entry.subject == "service/staging/checkout")
        .map(|entry| (entry.actor.as_str(), entry.action.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            ("admin", "resource.create"),
            ("platform", "operation.succeeded"),
            ("admin", "resource.delete"),
            ("platform", "operation.succeeded"),
        ]
    );
    let mut chain = Head::genesis();
    for entry in &page.entries {
        chain.advance(entry).unwrap();
    }
    let create = page.entries.iter().find(|entry| entry.action == "resource.create").unwrap();
    assert_eq!(create.detail["after_sha256"].as_str().unwrap().len(), 64);
    assert!(create.request_id.is_some());
    assert!(!serde_json::to_string(&page).unwrap().contains("idp_"), "a secret is in the log");
}

#[tokio::test]
async fn pages_follow_each_other() {
    let platform = Platform::start().await;
    platform.created("checkout", put(json!({}))).await;

    let all: AuditPage =
        serde_json::from_value(platform.call("GET", "/audit", None).await.ok()).unwrap();
    let mut paged = Vec::new();
    let mut after = Some(0);
    while let Some(from) = after {
        let page = platform.call("GET", &format!("/audit?after={from}&limit=1"), None).await.ok();
        let page: AuditPage = serde_json::from_value(page).unwrap();
        paged.extend(page.entries);
        after = page.next;
    }

    assert_eq!(paged, all.entries);
}
