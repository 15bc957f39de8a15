//! Who may do what: each right against each action, and what is said to those who may not.

use serde_json::{Value, json};

use crate::harness::{Platform, plan, put};

const SERVICE: &str = "/resources/service/staging/checkout";

/// Right, and whether it may plan, read, create, change, approve, deploy, delete for payments in staging.
const TABLE: [(&str, [bool; 6]); 12] = [
    //                                plan   read   create update deploy delete
    ("admin", [true, true, true, true, true, true]),
    ("apply:staging:payments", [true, true, true, true, true, false]),
    ("apply:*:*", [true, true, true, true, true, false]),
    ("plan:staging:payments", [true, true, false, false, false, false]),
    ("deploy:staging:payments", [true, true, false, false, true, false]),
    ("destroy:staging:payments", [true, true, false, false, false, true]),
    ("approve:staging:payments", [false, true, false, false, false, false]),
    ("apply:production:payments", [false, false, false, false, false, false]),
    ("apply:staging:search", [false, false, false, false, false, false]),
    ("destroy:staging:search", [false, false, false, false, false, false]),
    ("publish:golden", [false, false, false, false, false, false]),
    ("read:golden", [false, false, false, false, false, false]),
];

#[tokio::test]
async fn each_right_allows_its_actions_and_no_others() {
    for (right, allowed) in TABLE {
        let platform = Platform::start().await;
        let token = platform.token("caller", &[right]).await;
        let pipeline = || put(json!({"spec": {"image_source": "pipeline"}}));
        let attempt =
            async |method: &str, path: &str, header: (&str, &str), body: Option<Value>| {
                platform.call_as(&token, method, path, &[header], body).await
            };

        let create = attempt("PUT", SERVICE, ("if-none-match", "*"), Some(pipeline())).await;
        let created = create.status == 202;
        if created {
            platform.ended(create).await;
        } else {
            create.problem(403, "forbidden");
            platform.created("checkout", pipeline()).await;
        }
        let request = plan("update", "checkout", json!({"spec": {"image_source": "pipeline"}}));
        let planned = attempt("POST", "/plans", ("accept", "*/*"), Some(request)).await;
        let read = attempt("GET", SERVICE, ("accept", "*/*"), None).await;
        let update = attempt("PUT", SERVICE, ("if-match", "\"1\""), Some(pipeline())).await;
        let updated = update.status == 202;
        if updated {
            platform.ended(update).await;
        }
        let image = json!({"image": "ghcr.io/acme/checkout:2"});
        let deployments = format!("{SERVICE}/deployments");
        let deploy = attempt("POST", &deployments, ("accept", "*/*"), Some(image)).await;
        let deployed = deploy.status == 202;
        if deployed {
            platform.ended(deploy).await;
        }
        let generation = 1 + u8::from(updated) + u8::from(deployed);
        let tag = format!("\"{generation}\"");
        let delete = attempt("DELETE", SERVICE, ("if-match", &tag), None).await;

        let found = [
            planned.status == 200,
            read.status == 200,
            created,
            updated,
            deployed,
            delete.status == 202,
        ];
        assert_eq!(found, allowed, "{right}");
        for refused in
            [planned, read, delete].into_iter().filter(|answer| !answer.status.is_success())
        {
            let detail = refused.detail(403, "forbidden");
            assert!(detail.contains(right), "{right}: {detail}");
        }
    }
}

#[tokio::test]
async fn without_a_working_token_nothing_is_planned_or_shown() {
    let platform = Platform::start().await;
    for token in ["", "idp_nonsense"] {
        for (method, path, body) in [
            ("POST", "/plans", Some(plan("create", "a", json!({})))),
            ("GET", SERVICE, None),
            ("GET", "/resources", None),
            ("GET", "/operations/x", None),
            ("GET", "/audit", None),
            ("GET", "/whoami", None),
            ("GET", "/environments", None),
        ] {
            let answer = platform.call_as(token, method, path, &[], body).await;
            answer.problem(401, "unauthorized");
        }
    }
}

#[tokio::test]
async fn who_may_see_nothing_does_not_learn_what_there_is() {
    let platform = Platform::start().await;
    platform.created("checkout", put(json!({}))).await;
    let stranger = platform.token("stranger", &["apply:production:search"]).await;
    let search = platform.token("search", &["apply:staging:search"]).await;
    let get = async |token: &str, name: &str| {
        platform
            .call_as(token, "GET", &format!("/resources/service/staging/{name}"), &[], None)
            .await
    };

    get(&stranger, "checkout").await.problem(403, "forbidden");
    get(&stranger, "missing").await.problem(403, "forbidden");
    get(&search, "missing").await.problem(404, "not_found");
    // Not 404: a client would forget what it manages.
    get(&search, "checkout").await.problem(403, "forbidden");
    let listed = platform.call("GET", "/audit", None).await.ok();
    let entry = listed["entries"]
        .as_array()
        .unwrap()
        .iter()
        .find(|entry| entry["action"] == "resource.create")
        .unwrap()
        .clone();
    let operation = format!("/operations/{}", entry["detail"]["operation"].as_str().unwrap());
    platform.call_as(&search, "GET", &operation, &[], None).await.problem(404, "not_found");
    platform.call_as(&search, "GET", "/audit", &[], None).await.problem(403, "forbidden");
    let unknown = plan("create", "a", json!({"environment": "moon", "owner": "nobody"}));
    let problem = platform.call_as(&stranger, "POST", "/plans", &[], Some(unknown)).await;
    let problem = problem.problem(422, "invalid_request");
    assert!(problem["errors"][0]["detail"].as_str().unwrap().ends_with("may use: production"));
    assert!(problem["errors"][1]["detail"].as_str().unwrap().ends_with("may use: search"));
}

#[tokio::test]
async fn what_policy_holds_back_needs_the_right_to_approve() {
    let platform = Platform::start().await;
    let body = || Some(put(json!({"spec": {"size": "medium"}})));
    let create = [("if-none-match", "*")];
    let without = platform.token("applier", &["apply:staging:payments"]).await;
    let with_right =
        platform.token("approver", &["apply:staging:payments", "approve:staging:payments"]).await;

    let held = platform.call_as(&without, "PUT", SERVICE, &create, body()).await;
    let shown =
        platform.plan(plan("create", "checkout", json!({"spec": {"size": "medium"}}))).await.ok();
    let approved = platform.call_as(&with_right, "PUT", SERVICE, &create, body()).await;

    let problem = held.problem(403, "approval_required");
    assert_eq!(problem["errors"][0]["rule"], "monthly_cost");
    assert!(problem["detail"].as_str().unwrap().contains("approve:staging:payments"));
    assert_eq!(shown["policy"][0]["effect"], "require_approval");
    assert_eq!(platform.ended(approved).await["state"], "succeeded");
}

#[tokio::test]
async fn a_write_says_what_it_expects_to_find() {
    let platform = Platform::start().await;
    let admin = platform.token("second", &["admin"]).await;
    for (headers, status, code) in [
        (vec![], 428, "precondition_required"),
        (vec![("if-match", "7")], 400, "invalid_header"),
        (vec![("if-match", "*")], 400, "invalid_header"),
        (vec![("if-none-match", "\"1\"")], 400, "invalid_header"),
        (vec![("if-none-match", "*"), ("if-match", "\"1\"")], 400, "invalid_header"),
        (vec![("if-none-match", "*"), ("idempotency-key", "a b")], 400, "invalid_header"),
        (vec![("if-match", "\"1\"")], 404, "not_found"),
    ] {
        let answer = platform.call_as(&admin, "PUT", SERVICE, &headers, Some(put(json!({})))).await;
        answer.problem(status, code);
    }
}

#[tokio::test]
async fn a_token_is_good_for_reading_even_where_its_use_cannot_be_noted() {
    let platform = Platform::start().await;
    let reader = platform.token("reader", &["plan:*:*"]).await;
    let mut tx = platform.app.store.write().await.unwrap();
    sqlx::query(
        "CREATE TRIGGER full BEFORE UPDATE OF last_used_at ON token
         BEGIN SELECT RAISE(FAIL, 'database or disk is full'); END",
    )
    .execute(&mut *tx)
    .await
    .unwrap();
    tx.commit().await.unwrap();

    platform.call_as(&reader, "GET", "/resources", &[], None).await.ok();
}
