//! Saying how modules stand, by those who decided it by what was said before.

use serde_json::{Value, json};

use super::support::{MODULE, Registry};

const STATUS: &str = "/api/v1/modules/golden/greeting/test/status";
const VERSION_STATUS: &str = "/api/v1/modules/golden/greeting/test/1.0.0/status";

async fn published() -> Registry {
    let registry = Registry::start().await;
    registry.publish("golden/greeting/test", "1.0.0", MODULE).await.assert(201);
    registry
}

fn status(state: &str, reason: &str) -> Value {
    json!({ "state": state, "reason": reason })
}

fn expecting(path: &str, sequence: u64) -> String {
    format!("{path}?expected_sequence={sequence}")
}

#[tokio::test]
async fn a_status_that_was_decided_by_an_older_one_is_refused() {
    let registry = published().await;
    let first = expecting(VERSION_STATUS, 0);
    let said = registry.json("PUT", &first, &status("deprecated", "it is old")).await.assert(200);
    assert_eq!(said.json()["sequence"], 1);
    registry.json("PUT", VERSION_STATUS, &status("yanked", "it leaks")).await.assert(200);

    let late =
        registry.json("PUT", &expecting(VERSION_STATUS, 1), &status("active", "fixed")).await;

    let problem = late.assert_problem(409, "sequence");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("golden/greeting/test@1.0.0 is number 2, expected was 1"), "{detail}");
    let stands = registry.get(STATUS).await.assert(200).json();
    assert_eq!(stands["statuses"][0]["state"], "yanked");
    let again = expecting(VERSION_STATUS, 2);
    registry.json("PUT", &again, &status("active", "fixed")).await.assert(200);
}

#[tokio::test]
async fn what_is_expected_is_said_of_the_same_and_not_of_another_version() {
    let registry = published().await;
    registry.publish("golden/greeting/test", "1.1.0", MODULE).await.assert(201);
    registry.json("PUT", VERSION_STATUS, &status("yanked", "it leaks")).await.assert(200);

    let other = VERSION_STATUS.replace("1.0.0", "1.1.0");
    let whole = registry.json("PUT", &expecting(STATUS, 0), &status("deprecated", "old")).await;
    let other = registry.json("PUT", &expecting(&other, 0), &status("deprecated", "old")).await;

    assert_eq!(whole.assert(200).json()["sequence"], 2);
    assert_eq!(other.assert(200).json()["sequence"], 3);
}

#[tokio::test]
async fn what_stands_already_is_left_alone_whatever_was_expected() {
    let registry = published().await;
    let sent = expecting(VERSION_STATUS, 0);
    let first = registry.json("PUT", &sent, &status("revoked", "evil")).await.assert(200).json();

    let again = registry.json("PUT", &sent, &status("revoked", "evil")).await.assert(200).json();

    assert_eq!(again, first, "a request that is sent again is the same request");
}
