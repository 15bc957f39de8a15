//! What plans of databases promise.

use provider_framework::value::{Attr, FromValue as _, Value};
use registry_api::platform::{DatabaseOutputs, GitOpsLocation, Outputs, Plan, PlanAction, Prior};
use registry_trust::lock::Lock;

use crate::golden::GoldenResource as _;
use crate::golden::draft::Draft;
use crate::golden::model::Golden;
use crate::golden::remembered::Remembered;

type Database = Golden<super::Database>;

/// A configuration with everything that is required, an exact version, and these entries besides.
fn config(entries: &[(&str, Value)]) -> Database {
    let names: Vec<String> =
        super::Database::schema().schema.block.attributes.into_keys().collect();
    let mut value = Value::object(names.iter().map(|name| (name.as_str(), Value::Null)));
    for (name, text) in [
        ("name", "orders"),
        ("environment", "staging"),
        ("owner", "payments"),
        ("engine", "postgres"),
        ("golden_path_version", "1.0.0"),
    ] {
        value.set_attribute(name, text);
    }
    for (name, entry) in entries {
        value.set_attribute(name, entry);
    }
    Database::from_value(&value).unwrap()
}

fn answer(provisioned: &str) -> Plan {
    Plan {
        golden_path: None,
        policy: Vec::new(),
        policy_sha256: "p".to_owned(),
        changes: Vec::new(),
        outputs: Some(Outputs {
            url: None,
            catalog_ref: "resource:staging/orders".to_owned(),
            gitops: GitOpsLocation::default(),
            database: Some(DatabaseOutputs {
                host: "db.example.com".to_owned(),
                port: 5432,
                database: "staging_orders".to_owned(),
                owner_role: "staging_orders_owner".to_owned(),
                secret_ref: "database/staging/orders".to_owned(),
                connection_id: None,
                engine_version: None,
            }),
        }),
        cost: None,
        notices: Vec::new(),
        rendered_sha256: Some("r1".to_owned()),
        provisioned_sha256: Some(provisioned.to_owned()),
        environment_revision: "e1".to_owned(),
    }
}

fn draft(
    config: Database,
    prior: Option<Database>,
    remembered: Remembered,
) -> Draft<super::Database> {
    Draft::new(config, prior, remembered, &Lock::default())
}

fn remembered() -> Remembered {
    Remembered {
        generation: Some(3),
        environment_revision: Some("e1".to_owned()),
        id: Some("database/staging/orders".to_owned()),
        ..Remembered::default()
    }
}

/// The state after an apply of this configuration.
fn applied(config: Database) -> Database {
    let mut state = draft(config, None, Remembered::default()).promise(&answer("p1"));
    state.own.connection_id = Attr::from("con_1");
    state.own.engine_version = Attr::from("15.8");
    if let Attr::Known(gitops) = &mut state.common.gitops {
        gitops.commit = Attr::from("c1");
    }
    state
}

#[test]
fn a_database_is_protected_unless_it_says_otherwise() {
    let planned = draft(config(&[]), None, Remembered::default()).unasked();

    assert_eq!(planned.common.deletion_protection, Attr::Known(true));
    assert_eq!(planned.own.deletion_policy, Attr::from("delete"));
    assert_eq!(planned.own.final_dump, Attr::Known(false));
}

#[test]
fn the_id_is_known_before_anything_else_is() {
    let unlocked = config(&[("golden_path_version", Value::UNKNOWN), ("owner", Value::UNKNOWN)]);

    let planned = draft(unlocked, None, Remembered::default()).unasked();

    assert_eq!(planned.common.id, Attr::from("database/staging/orders"));
    assert!(planned.own.host.is_unknown());
}

#[test]
fn how_it_is_reached_is_known_at_plan_and_what_only_exists_later_is_not() {
    let planned = draft(config(&[]), None, Remembered::default()).promise(&answer("p1"));

    assert_eq!(planned.own.host, Attr::from("db.example.com"));
    assert_eq!(planned.own.port, Attr::Known(5432.into()));
    assert_eq!(planned.own.secret_ref, Attr::from("database/staging/orders"));
    assert_eq!(planned.common.provisioned_sha256, Attr::from("p1"));
    assert!(planned.own.connection_id.is_unknown() && planned.own.engine_version.is_unknown());
}

#[test]
fn a_second_plan_is_empty() {
    let state = applied(config(&[("extensions", Value::set(["pg_trgm"]))]));

    let again = config(&[("extensions", Value::set(["pg_trgm"]))]);
    let planned = draft(again, Some(state.clone()), remembered()).promise(&answer("p1"));

    assert_eq!(planned, state);
}

#[test]
fn drift_on_the_server_shows_as_a_change_of_the_digest_and_leaves_the_commit() {
    let mut state = applied(config(&[]));
    state.common.provisioned_sha256 = Attr::from("edited");
    let draft = draft(config(&[]), Some(state.clone()), remembered());

    let question = draft.question().unwrap();
    let planned = draft.promise(&answer("p1"));

    let prior = Prior {
        generation: 3,
        rendered_sha256: Some("r1".to_owned()),
        provisioned_sha256: Some("edited".to_owned()),
    };
    assert_eq!(question.prior, Some(prior));
    assert_eq!(planned.common.provisioned_sha256, Attr::from("p1"));
    assert_eq!(planned.common.gitops, state.common.gitops);
}

#[test]
fn what_a_database_has_since_it_exists_stays_whatever_changes() {
    let state = applied(config(&[]));
    let unknown = config(&[("statement_timeout", Value::UNKNOWN)]);
    let mut vague = answer("p1");
    (vague.outputs, vague.rendered_sha256, vague.provisioned_sha256) = (None, None, None);

    let planned = draft(unknown, Some(state.clone()), remembered()).promise(&vague);

    assert_eq!(planned.own.connection_id, state.own.connection_id);
    assert_eq!(planned.own.engine_version, state.own.engine_version);
    assert_eq!(planned.own.host, state.own.host);
    assert!(planned.common.provisioned_sha256.is_unknown());
}

#[test]
fn what_was_imported_and_belongs_to_nobody_is_planned_as_a_create_that_adopts() {
    let mut imported = applied(config(&[]));
    imported.own.owner_role = Attr::from("legacy");
    imported.own.connection_id = Attr::Null;
    (imported.common.rendered_sha256, imported.common.golden_path) = (Attr::Null, Attr::Null);
    let unmanaged = Remembered { generation: None, unmanaged: true, ..remembered() };
    let draft = draft(config(&[]), Some(imported), unmanaged);

    let question = draft.question().unwrap();
    let planned = draft.promise(&answer("p1"));

    assert_eq!((question.action, question.adopt), (PlanAction::Create, true));
    assert_eq!(question.prior, None);
    assert_eq!(question.environment_revision.as_deref(), Some("e1"), "both plans see the same");
    assert_eq!(planned.own.owner_role, Attr::from("staging_orders_owner"));
    assert_eq!(planned.own.engine_version, Attr::from("15.8"));
    assert!(planned.own.connection_id.is_unknown());
}

#[test]
fn the_second_plan_of_a_replacement_neither_adopts_nor_forgets_what_makes_way() {
    let managed = draft(config(&[]), None, remembered()).question().unwrap();
    let unmanaged = Remembered { generation: None, unmanaged: true, ..remembered() };
    let imported = draft(config(&[]), None, unmanaged).question().unwrap();

    assert_eq!((managed.action, managed.adopt), (PlanAction::Create, false));
    assert_eq!(managed.prior.map(|prior| prior.generation), Some(3));
    assert_eq!((imported.adopt, imported.prior), (false, None));
}
