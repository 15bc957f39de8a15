//! What a platform answers about one database, `staging/orders`.

use provider_framework::testing::object;
use provider_framework::value::Value;
use serde_json::{Value as Json, json};

use super::{Reply, Seen, operation, problem};

pub(crate) const ORDERS: &str = "/api/v1/resources/database/staging/orders";

fn golden_path() -> Json {
    json!({
        "address": "golden/database/postgres", "version": "1.0.0", "sha256": "a".repeat(64), "publisher": "key",
    })
}

/// What it gives; some of it only since it exists.
fn outputs(exists: bool) -> Json {
    let mut outputs = json!({
        "catalog_ref": "resource:staging/orders",
        "gitops": { "repository": "main", "path": "staging/database/orders" },
        "database": {
            "host": "db.example.com", "port": 5432, "database": "staging_orders",
            "owner_role": "staging_orders_owner", "secret_ref": "database/staging/orders",
        },
    });
    if exists {
        outputs["gitops"]["commit"] = json!("c1");
        outputs["database"]["connection_id"] = json!("con_1");
        outputs["database"]["engine_version"] = json!("15.8");
    }
    outputs
}

/// The answer to a plan.
pub(crate) fn plan() -> Json {
    json!({
        "golden_path": golden_path(), "policy_sha256": "p", "outputs": outputs(false),
        "rendered_sha256": "r1", "provisioned_sha256": "p1", "environment_revision": "e1",
        "cost": { "currency": "EUR", "monthly_min": 5.0, "monthly_max": 9.0 },
        "changes": [
            { "target": "gitops", "action": "create", "object": "Resource/orders", "summary": "new" },
            { "target": "postgres", "action": "create", "object": "Role/orders_read", "summary": "new" },
        ],
    })
}

/// The database at a generation, as it was asked for.
pub(crate) fn database(generation: u64, spec: &Json) -> Json {
    json!({
        "kind": "database", "environment": "staging", "name": "orders", "owner": "payments",
        "generation": generation, "spec": spec, "golden_path": golden_path(),
        "golden_path_version": "1.0.0", "deletion_protection": true, "phase": "ready",
        "outputs": outputs(true), "rendered_sha256": "r1", "desired_rendered_sha256": "r1",
        "provisioned_sha256": "p1", "environment_revision": "e1",
        "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z",
    })
}

/// The same on its server only: nobody asked the platform for it.
pub(crate) fn unmanaged() -> Json {
    let mut found = database(0, &json!({ "engine": "postgres", "extensions": ["pg_trgm"] }));
    found["outputs"]["database"]["owner_role"] = json!("legacy");
    found["outputs"]["database"]["connection_id"] = Json::Null;
    (found["rendered_sha256"], found["desired_rendered_sha256"]) = (json!(""), json!(""));
    found
}

/// A platform on which all goes well. A test may answer first.
pub(crate) fn well(seen: &Seen, _: usize) -> Reply {
    match seen.what.as_str() {
        "POST /api/v1/plans" => Reply::Json(200, plan()),
        "GET /api/v1/operations/op_1" => Reply::Json(200, operation("succeeded")),
        what if what.starts_with("PUT ") || what.starts_with("DELETE ") => {
            Reply::Json(202, operation("running"))
        }
        what if what.ends_with("/unmanaged") => {
            problem(404, "not_found", "there is no such database")
        }
        _ => Reply::Json(200, database(1, &spec())),
    }
}

/// What the configuration of these tests asks for.
pub(crate) fn spec() -> Json {
    json!({
        "engine": "postgres", "size": "small", "extensions": ["pg_trgm"], "statement_timeout": "30s",
        "deletion_policy": "delete", "rotation": { "trigger": "2026-q4" }, "parameters": { "collation": "C" },
    })
}

/// A configuration with all that is required, and these entries besides.
pub(crate) fn config(entries: &[(&str, Value)]) -> Value {
    let mut config = object([
        ("name", Value::string("orders")),
        ("environment", Value::string("staging")),
        ("owner", Value::string("payments")),
        ("engine", Value::string("postgres")),
        ("golden_path_version", Value::string("1.0.0")),
        ("extensions", Value::set(["pg_trgm"])),
    ]);
    for (name, value) in entries {
        config.set_attribute(name, value);
    }
    config
}
