use std::collections::BTreeMap;

use proptest::prelude::*;
use registry_api::interface::InterfaceChangeKind as Kind;

use super::*;

fn read_one(text: &str) -> ModuleInterface {
    read_files(&[("main.tf", text)])
}

fn read_files(files: &[(&str, &str)]) -> ModuleInterface {
    read(files.iter().map(|(path, text)| (*path, text.as_bytes())))
}

/// Every kind of change, each planted alone: the kind, what was, what is, and words of the summary.
const PLANTED: &[(Kind, &str, &str, &str)] = &[
    (Kind::InputRemoved, "variable \"a\" {}", "", "input \"a\" was removed"),
    (Kind::RequiredInputAdded, "", "variable \"a\" {}", "callers must set it"),
    (
        Kind::InputMadeRequired,
        "variable \"a\" {\n  default = null\n}",
        "variable \"a\" {}",
        "no longer has a default",
    ),
    (
        Kind::InputRetyped,
        "variable \"a\" {\n  type = list(string)\n}",
        "variable \"a\" {\n  type = list(number)\n}",
        "string became number",
    ),
    (
        Kind::InputNotNullable,
        "variable \"a\" {}",
        "variable \"a\" {\n  nullable = false\n}",
        "no longer takes null",
    ),
    (
        Kind::InputNotEphemeral,
        "variable \"a\" {\n  ephemeral = true\n}",
        "variable \"a\" {}",
        "no longer takes ephemeral values",
    ),
    (Kind::OptionalInputAdded, "", "variable \"a\" {\n  default = 1\n}", "new optional input"),
    (
        Kind::InputMadeOptional,
        "variable \"a\" {}",
        "variable \"a\" {\n  default = {}\n}",
        "has a default now",
    ),
    (
        Kind::InputWidened,
        "variable \"a\" {\n  type = object({ b = string })\n}",
        "variable \"a\" {\n  type = object({ b = string, c = optional(string) })\n}",
        "takes more",
    ),
    (
        Kind::InputNullable,
        "variable \"a\" {\n  nullable = \"false\"\n}",
        "variable \"a\" {\n  nullable = true\n}",
        "takes null now",
    ),
    (
        Kind::InputEphemeral,
        "variable \"a\" {}",
        "variable \"a\" {\n  ephemeral = true\n}",
        "takes ephemeral values now",
    ),
    (
        Kind::InputSensitivity,
        "variable \"a\" {}",
        "variable \"a\" {\n  sensitive = true\n}",
        "is sensitive now",
    ),
    (Kind::OutputRemoved, "output \"a\" {}", "", "output \"a\" was removed"),
    (
        Kind::OutputMadeSensitive,
        "output \"a\" {}",
        "output \"a\" {\n  sensitive = true\n}",
        "is sensitive now",
    ),
    (
        Kind::OutputMadeEphemeral,
        "output \"a\" {}",
        "output \"a\" {\n  ephemeral = true\n}",
        "is ephemeral now",
    ),
    (Kind::OutputAdded, "", "output \"a\" {}", "new output"),
    (
        Kind::OutputNotSensitive,
        "output \"a\" {\n  sensitive = true\n}",
        "output \"a\" {}",
        "no longer sensitive",
    ),
    (
        Kind::OutputNotEphemeral,
        "output \"a\" {\n  ephemeral = true\n}",
        "output \"a\" {}",
        "no longer ephemeral",
    ),
    (Kind::ProviderAdded, "", "PROVIDER", "is required now"),
    (Kind::ProviderRemoved, "PROVIDER", "", "no longer required"),
    (
        Kind::ProviderSourceChanged,
        "PROVIDER",
        "terraform {\n  required_providers {\n    aws = {\n      source = \"other/aws\"\n      version = \"~> 5.0\"\n    }\n  }\n}",
        "comes from other/aws instead of hashicorp/aws",
    ),
    (
        Kind::ProviderTightened,
        "PROVIDER",
        "terraform {\n  required_providers {\n    aws = \"~> 5.1\"\n  }\n}",
        "it excludes 5.0.0",
    ),
    (
        Kind::ProviderTightened,
        "PROVIDER",
        "terraform {\n  required_providers {\n    aws = \"5.x\"\n  }\n}",
        "cannot be decided, so it counts as tightened",
    ),
    (
        Kind::ProviderLoosened,
        "PROVIDER",
        "terraform {\n  required_providers {\n    aws = \">= 5.0\"\n  }\n}",
        "it allows 6.0.0",
    ),
    (
        Kind::ProviderConfigurationsChanged,
        "PROVIDER",
        "terraform {\n  required_providers {\n    aws = {\n      version = \"~> 5.0\"\n      configuration_aliases = [aws.far]\n    }\n  }\n}",
        "were none and are aws.far",
    ),
    (
        Kind::TerraformTightened,
        "",
        "terraform {\n  required_version = \">= 1.5\"\n}",
        "was \"any version\" and is \">= 1.5\": it excludes 0.0.0",
    ),
    (
        Kind::TerraformLoosened,
        "terraform {\n  required_version = \">= 1.5, != 1.6.2\"\n}",
        "terraform {\n  required_version = \">= 1.5\"\n}",
        "it allows 1.6.2",
    ),
    (
        Kind::Unread,
        "variable \"a\" {}",
        "variable \"a\" {\n  sensitive = local.hidden\n}",
        "/inputs/a/sensitive cannot be read",
    ),
];

const PROVIDER: &str = "terraform {\n  required_providers {\n    aws = {\n      source  = \"hashicorp/aws\"\n      version = \"~> 5.0\"\n    }\n  }\n}";

#[test]
fn each_planted_change_is_found_alone_and_classified() {
    for (kind, old, new, words) in PLANTED {
        let [old, new] = [old, new].map(|text| read_one(&text.replace("PROVIDER", PROVIDER)));

        let changes = diff(&old, &new);

        assert_eq!(changes.len(), 1, "{kind:?}: {changes:#?}");
        assert_eq!(changes[0].kind, *kind);
        assert_eq!(changes[0].breaking, kind.is_breaking());
        assert!(changes[0].summary.contains(words), "{kind:?}: {}", changes[0].summary);
    }
}

#[test]
fn breaking_changes_come_first_and_point_into_the_interface() {
    let old = read_one("variable \"a\" {}\noutput \"b\" {}\n");
    let new = read_one("variable \"a\" {\n  default = 1\n}\n");

    let changes = diff(&old, &new);

    let found: Vec<_> =
        changes.iter().map(|change| (change.subject.as_str(), change.breaking)).collect();
    assert_eq!(found, [("/outputs/b", true), ("/inputs/a", false)]);
}

#[test]
fn what_callers_do_not_notice_is_no_change() {
    let old = read_one(
        "variable \"a\" {\n  type = object({ b = optional(string) })\n  description = \"x\"\n}\noutput \"c\" {\n  value = 1\n}\nterraform {\n  required_version = \">= 1.2, < 2.0\"\n}\n",
    );
    let new = read_files(&[
        ("outputs.tf", "output \"c\" {\n  value       = local.other\n  description = \"y\"\n}\n"),
        (
            "variables.tf",
            "variable \"a\" {\n  type = object({\n    \"b\" : optional(string, \"z\")\n  })\n  validation {\n    condition     = true\n    error_message = \"no\"\n  }\n}\n",
        ),
        ("versions.tf", "terraform {\n  required_version = \"~> 1.2\"\n}\n"),
        ("modules/inner/main.tf", "variable \"other\" {}\n"),
        ("README.md", "variable \"other\" {}\n"),
    ]);

    assert_eq!(diff(&old, &new), []);
}

#[test]
fn both_syntaxes_say_the_same() {
    let native = read_one(&format!(
        "variable \"a\" {{\n  type = list(string)\n  default = []\n  nullable = false\n  description = \"What\"\n}}\noutput \"b\" {{\n  sensitive = true\n}}\n{PROVIDER}\n"
    ));
    let json = read_files(&[(
        "main.tf.json",
        r#"{"//": "made", "variable": {"a": {"type": "list(string)", "default": [], "nullable": false, "description": "What"}},
            "output": [{"b": {"sensitive": true, "value": 7}}],
            "terraform": {"required_providers": {"aws": {"source": "hashicorp/aws", "version": "~> 5.0"}}}}"#,
    )]);

    assert_eq!(native, json);
    assert_eq!(native.unread, BTreeMap::new());
}

#[test]
fn an_override_replaces_single_arguments() {
    let interface = read_files(&[
        (
            "a_override.tf",
            "variable \"a\" {\n  type = number\n}\nterraform {\n  required_version = \">= 1.9\"\n}\n",
        ),
        (
            "main.tf",
            "variable \"a\" {\n  type = string\n  nullable = false\n}\nterraform {\n  required_version = \">= 1.5\"\n}\n",
        ),
    ]);

    let input = &interface.inputs["a"];
    assert_eq!((input.kind.as_str(), input.nullable), ("number", false));
    assert_eq!(interface.required_version.as_deref(), Some(">= 1.9"));
    assert_eq!(interface.unread, BTreeMap::new());
}

#[test]
fn constraints_on_terraform_in_several_files_all_hold() {
    let interface = read_files(&[
        ("a.tf", "terraform {\n  required_version = \">= 1.5\"\n}\n"),
        ("b.tf", "terraform {\n  required_version = \"< 2.0\"\n}\n"),
    ]);

    assert_eq!(interface.required_version.as_deref(), Some(">= 1.5, < 2.0"));
}

#[test]
fn what_is_no_literal_is_said_to_be_unread() {
    let interface = read_files(&[
        ("broken.tf", "variable {\n"),
        (
            "main.tf",
            "variable \"a\" {\n  nullable = !true\n}\nvariable \"a\" {}\nvariable {}\noutput \"x/y\" {\n  sensitive = var.a\n}\nterraform {\n  required_version = \"${1}.0\"\n  required_providers {\n    aws = { source = local.x, configuration_aliases = [var.x.y] }\n    google = local.y\n  }\n}\n",
        ),
    ]);

    let places: Vec<&str> = interface.unread.keys().map(String::as_str).collect();
    assert_eq!(
        places,
        [
            "/broken.tf",
            "/inputs/a",
            "/inputs/a/nullable",
            "/outputs/x~1y/sensitive",
            "/required_providers/aws/configuration_aliases",
            "/required_providers/aws/source",
            "/required_providers/google",
            "/required_version",
            "/variable",
        ]
    );
}

#[test]
fn a_description_may_be_a_heredoc() {
    let interface =
        read_one("variable \"a\" {\n  description = <<-EOT\n    Two\n    lines.\n  EOT\n}\n");

    assert_eq!(interface.inputs["a"].description.as_deref(), Some("Two\nlines."));
}

/// Files made of parts that mean something, and some that do not.
fn files() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        Just("true"),
        Just("false"),
        Just("null"),
        Just("\"x\""),
        Just("string"),
        Just("list(any)"),
        Just("object({ a = optional(string) })"),
        Just("object({ a = bool })"),
        Just("var.x"),
        Just("[1]"),
        Just("{}"),
        Just("\">= 1.0\""),
        Just("\"~> 2.1, != 2.2\""),
    ];
    let argument = prop_oneof![
        Just("type"),
        Just("default"),
        Just("nullable"),
        Just("sensitive"),
        Just("ephemeral"),
        Just("required_version"),
    ];
    let arguments = proptest::collection::btree_map(argument, value, 0..4).prop_map(|arguments| {
        let lines = arguments.iter().map(|(name, value)| format!("  {name} = {value}\n"));
        lines.collect::<Vec<_>>().concat()
    });
    let head = prop_oneof![
        Just("variable \"a\""),
        Just("variable \"b\""),
        Just("output \"a\""),
        Just("output \"b\""),
        Just("terraform"),
        Just("variable"),
        Just("output \"a\" \"b\""),
    ];
    let block =
        (head, arguments).prop_map(|(head, arguments)| format!("{head} {{\n{arguments}}}\n"));
    proptest::collection::vec(block, 0..5).prop_map(|blocks| blocks.concat())
}

proptest! {
    #[test]
    fn an_interface_does_not_differ_from_itself(text in files()) {
        let interface = read_one(&text);
        prop_assert_eq!(diff(&interface, &interface), []);
    }

    #[test]
    fn interfaces_that_differ_for_callers_have_changes_both_ways(old in files(), new in files()) {
        let (old, new) = (read_one(&old), read_one(&new));
        prop_assert_eq!(diff(&old, &new).is_empty(), diff(&new, &old).is_empty());
    }

    #[test]
    fn an_interface_reads_back_from_its_wire_form(text in files()) {
        let interface = read_one(&text);
        let wire = serde_json::to_string(&interface).unwrap();
        prop_assert_eq!(serde_json::from_str::<ModuleInterface>(&wire).unwrap(), interface);
    }

    #[test]
    fn hostile_files_do_no_harm(
        content in proptest::collection::vec(any::<u8>(), 0..200),
        text in "(variable|output|terraform|\"a\"|[{}()=\n\",.:]|type|true|optional|\\$\\{|<<E\n| ){0,60}",
        json in "([{}\\[\\],:]|\"variable\"|\"a\"|\"type\"|\"terraform\"|1|null){0,40}",
    ) {
        let files = [("a.tf", content.as_slice()), ("b.tf", text.as_bytes()), ("c.tf.json", json.as_bytes())];
        for some in [&files[..], &files[..1], &files[1..2], &files[2..]] {
            let interface = read(some.iter().copied());
            prop_assert_eq!(diff(&interface, &interface), []);
            let _ = diff(&interface, &ModuleInterface::default());
        }
    }
}
