//! Texts that try to break out of YAML: what arrives in git has the same shape as without them, and the texts
//! are there, unchanged, as texts.

use std::collections::BTreeMap;

use serde_json::Value;
use tests::hcl::{Resource, quote};
use tests::{Platform, Provider, Repository};

use crate::yaml;

/// What an attacker, or an unlucky colleague, writes.
const HOSTILE: &[&str] = &[
    "a\n---\napiVersion: v1\nkind: Secret\n",
    "x\"\nprivileged: true\n",
    "x'\nprivileged: true\n",
    "{{ .Release.Name }} {{`x`}} ${image} $(POD_IP) %{if true}",
    "&anchor *alias !!binary <<: {a: b}",
    "on",
    "yes",
    "no",
    "null",
    "~",
    "1e3",
    "0o17",
    "0x1F",
    "1_000",
    "12:30:45",
    "2024-01-01",
    ".inf",
    "# not a comment",
    "- not a list",
    "? key",
    ": value",
    "|",
    ">",
    "@at",
    "`tick`",
    "%TAG ! x",
    "tab\there",
    "trailing space ",
    " leading",
    "\u{85}next\u{2028}line\u{2029}",
    "😀 \u{feff} é",
    "\\n \\u0000 \\x41",
    "'",
    "\"",
    "''",
    "\"\"",
    "[]",
    "{}",
    "",
    "\u{7f}\u{200b}\u{202e}",
];

fn service(values: &[&str]) -> Resource {
    let lines = values
        .iter()
        .enumerate()
        .map(|(index, value)| format!("    HOSTILE_{index} = {}\n", quote(value)));
    Resource::service("checkout").with("env", &format!("{{\n{}  }}", lines.collect::<String>()))
}

#[test]
fn hostile_values_arrive_unchanged_and_change_no_shape() {
    let platform = Platform::start();
    let terraform = platform.workspace(Provider::Built);
    let harmless = vec!["harmless"; HOSTILE.len()];
    terraform.write("main.tf", &service(&harmless).config());
    terraform.apply().ok();
    let before = shapes(&platform.repository());
    terraform.write("main.tf", &service(HOSTILE).config());

    terraform.apply().ok();

    let repository = platform.repository();
    assert_eq!(shapes(&repository), before);
    let found = texts(&repository);
    for (index, value) in HOSTILE.iter().enumerate() {
        let name = format!("HOSTILE_{index}");
        assert_eq!(found.get(&name).map(String::as_str), Some(*value), "{name}");
    }
    terraform.plan().exits(0);
}

#[test]
fn names_of_variables_that_no_shell_would_take_are_refused() {
    let platform = Platform::start();
    let terraform = platform.workspace(Provider::Built);
    for name in ["a b", "a=b", "a\nb", "", "1A", "a: b", "é"] {
        let env = format!("{{ {} = \"x\" }}", quote(name));
        terraform.write("main.tf", &Resource::service("checkout").with("env", &env).config());

        terraform.plan().exits(1).says(&["env"]);
    }
    assert_eq!(platform.repository().commit_count(), 0);
}

#[test]
fn hostile_images_and_sizes_are_refused() {
    let platform = Platform::start();
    let terraform = platform.workspace(Provider::Built);
    for attribute in ["image", "size"] {
        for value in HOSTILE.iter().filter(|value| value.contains(['\n', '"', '{', ' '])) {
            let service = Resource::service("checkout").with_text(attribute, value);
            terraform.write("main.tf", &service.config());

            terraform.plan().exits(1).says(&[attribute]);
        }
    }
    assert_eq!(platform.repository().commit_count(), 0);
}

/// The environment of the containers, wherever it is kept: in the Deployment or in a `ConfigMap`.
fn texts(repository: &Repository) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (_, object) in yaml::objects(repository, "staging/service/checkout/") {
        if object["kind"] == "ConfigMap" {
            let data = object["data"].as_object().cloned().unwrap_or_default();
            found.extend(data.into_iter().filter_map(|(k, v)| Some((k, v.as_str()?.to_owned()))));
        }
        let containers = &object["spec"]["template"]["spec"]["containers"];
        for variable in containers[0]["env"].as_array().into_iter().flatten() {
            let text = |key: &str| variable[key].as_str().map(str::to_owned);
            found.extend(text("name").zip(text("value")));
        }
    }
    found
}

/// File → its document with every scalar replaced by the name of its type, and hashes in keys and names left out.
fn shapes(repository: &Repository) -> Vec<Value> {
    let objects = yaml::objects(repository, "staging/service/checkout/");
    objects.into_iter().map(|(_, object)| shape(&object)).collect()
}

fn shape(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            fields.iter().map(|(key, value)| (key.clone(), shape(value))).collect()
        }
        Value::Array(items) => items.iter().map(shape).collect(),
        Value::String(_) => Value::from("text"),
        Value::Number(_) => Value::from("number"),
        Value::Bool(_) => Value::from("bool"),
        Value::Null => Value::Null,
    }
}
