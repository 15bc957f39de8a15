//! Secrets: given or made, replaced in place, used by a service, in no plan and in no state.

use serde_json::json;
use tests::hcl::{PROVIDER, Resource, config};
use tests::{Databases, Platform, Provider, Workspace};

const ADDRESS: &str = "idp_secret.stripe";
const REFERENCE: &str = "secret/staging/stripe";
const FIRST: &str = "first \"value\" of a test";
const SECOND: &str = "second/value+of a test";

const VARIABLE: &str = "\nvariable \"key\" {\n  type      = string\n  ephemeral = true\n}\n";

fn given(version: u32) -> Resource {
    Resource::secret("stripe")
        .with("value_wo", "var.key")
        .with("value_wo_version", &version.to_string())
}

fn write(terraform: &Workspace, secret: &Resource) {
    terraform.write("main.tf", &format!("{}{VARIABLE}", config(&[secret])));
}

fn write_made(terraform: &Workspace, secret: &Resource) {
    terraform.write("main.tf", &config(&[secret]));
}

fn value(platform: &Platform) -> String {
    let read = platform.api("GET", &format!("/api/v1/secret-values/{REFERENCE}")).is(200);
    read.json()["data"]["value"].as_str().expect("a value").to_owned()
}

#[test]
fn a_given_value_reaches_the_platform_and_another_version_replaces_it_in_place() {
    let platform = Databases::start();
    let mut terraform = platform.workspace(Provider::Built);
    write(&terraform, &given(1));
    terraform.env("TF_VAR_key", FIRST);

    let plan = terraform.save_plan().ok();
    terraform.apply_saved().ok().says(&["1 added"]).never_says(&["first \"value\""]);
    let first = value(&platform);
    terraform.env("TF_VAR_key", SECOND);
    // The same version is the same value, whatever the configuration says.
    terraform.plan().exits(0);
    write(&terraform, &given(2));
    terraform.plan().exits(2).says(&["will be updated in-place", "value_wo_version"]);
    terraform.apply().ok().says(&["0 added, 1 changed, 0 destroyed"]).never_says(&[SECOND]);

    plan.never_says(&["first \"value\"", "first \\\"value"]);
    assert_eq!(first, FIRST);
    assert_eq!(value(&platform), SECOND);
    let stripe = terraform.attributes(ADDRESS);
    assert_eq!(stripe["value_wo"], json!(null));
    assert_eq!((&stripe["version"], &stripe["secret_ref"]), (&json!(2), &json!(REFERENCE)));
    terraform.plan().exits(0);
    terraform.destroy().ok();
    let path = format!("/api/v1/secret-values/{REFERENCE}");
    platform.api("GET", &path).is_problem(404, "not_found");
}

#[test]
fn a_made_value_is_made_anew_by_its_trigger_and_by_nothing_else() {
    let platform = Databases::start();
    let terraform = platform.workspace(Provider::Built);
    let made = |trigger: &str| {
        Resource::secret("stripe")
            .with("generate", "{ length = 48, symbols = true }")
            .with("rotation", &format!("{{ trigger = \"{trigger}\" }}"))
    };
    write_made(&terraform, &made("2026-q3"));
    terraform.apply().ok().says(&["1 added"]);
    let first = value(&platform);

    write_made(&terraform, &made("2026-q3").with("deletion_protection", "true"));
    terraform.apply().ok().says(&["1 changed"]);
    let same = value(&platform);
    write_made(&terraform, &made("2026-q4").with("deletion_protection", "true"));
    terraform.apply().ok().says(&["0 added, 1 changed, 0 destroyed"]);
    let second = value(&platform);

    assert_eq!(first.chars().count(), 48);
    assert_eq!(first, same);
    assert_ne!(first, second);
    terraform.plan().exits(0);
    terraform.run(&["plan", "-no-color", "-destroy"]).fails().says(&["deletion_protection"]);
    assert_eq!(value(&platform), second);
}

#[test]
fn a_value_that_was_rotated_by_command_shows_as_a_new_version_and_needs_no_change() {
    let platform = Databases::start();
    let terraform = platform.workspace(Provider::Built);
    write_made(&terraform, &Resource::secret("stripe").with("generate", "{}"));
    terraform.apply().ok();
    let before = value(&platform);

    platform
        .idp(&["secret", "rotate", "staging/stripe"])
        .ok()
        .says(&["version 2"])
        .never_says(&[&before]);

    assert_ne!(value(&platform), before);
    terraform.plan().exits(0);
    terraform.run(&["apply", "-no-color", "-auto-approve", "-refresh-only"]).ok();
    assert_eq!(terraform.attributes(ADDRESS)["version"], 2);
}

#[test]
fn a_service_uses_a_secret_and_only_a_reference_is_rendered() {
    let platform = Databases::start();
    let mut terraform = platform.workspace(Provider::Built);
    terraform.env("TF_VAR_key", FIRST);
    let service = Resource::service("checkout")
        .with("uses", "{ stripe = { resource = idp_secret.stripe.id } }");
    terraform.write("main.tf", &format!("{}{VARIABLE}", config(&[&service, &given(1)])));

    terraform.apply().ok().says(&["2 added"]);

    let file = "staging/service/checkout/55-externalsecret-checkout.stripe.yaml";
    let rendered = platform.repository().text(file);
    assert!(rendered.contains(&format!("key: {REFERENCE}")), "{rendered}");
    terraform.plan().exits(0);
    terraform.destroy().ok().says(&["2 destroyed"]);
}

#[test]
fn an_imported_secret_keeps_its_value() {
    let platform = Databases::start();
    let mut terraform = platform.workspace(Provider::Built);
    terraform.env("TF_VAR_key", FIRST);
    write(&terraform, &given(1));
    terraform.apply().ok();
    terraform.run(&["state", "rm", ADDRESS]).ok();

    terraform.run(&["import", "-no-color", ADDRESS, "staging/stripe"]).ok();

    terraform.plan().exits(0);
    assert_eq!(value(&platform), FIRST);
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_is_sent() {
    let platform = Platform::start();
    let mut terraform = platform.workspace(Provider::Built);
    terraform.env("TF_VAR_key", FIRST);
    let refused = |secret: &Resource, words: &[&str]| {
        write(&terraform, secret);
        terraform.validate().fails().says(words).never_says(&["first"]);
    };

    refused(&Resource::secret("stripe"), &["value_wo", "generate"]);
    refused(&given(1).without("value_wo_version"), &["value_wo_version"]);
    refused(&given(1).with("generate", "{}"), &["value_wo", "generate"]);
    refused(
        &Resource::secret("stripe").with("generate", "{ length = 4 }"),
        &["length", "16", "128"],
    );
    terraform.write(
        "main.tf",
        &format!("{PROVIDER}output \"value\" {{\n  value = idp_secret.x.value_wo\n}}\n"),
    );
    terraform.validate().fails();
}
