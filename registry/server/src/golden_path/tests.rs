//! The engine on a small path of its own.

use registry_api::platform::{GoldenPathRef, Kind};
use serde_json::{Value, json};

use super::*;
use crate::model::environment::tests::production;
use crate::model::environment::{OwnerFacts, PlatformFacts};
use crate::model::spec::Spec;

const MANIFEST_TEXT: &str = r#"
format: 1
kind: service
version: "1.0.0"
title: Small
description: A path for tests.
support: {tier: experimental, owner: platform}
partials: [labels]
inputs:
  type: object
  properties:
    template: {type: string, x-idp: {mode: locked, default: api}}
    env: {type: object, x-idp: {mode: free, default: {}}}
    size: {type: string, enum: [small, large]}
    replicas:
      type: object
      x-idp: {mode: bounded, default: {}}
      properties:
        min: {type: integer, x-idp: {mode: bounded, default: 1, tiers: {production: {default: 2}}}}
        max: {type: integer, x-idp: {mode: bounded, default: 4}}
slo: {latency_buckets: [250ms, 1s]}
values:
  host: "${name}.${environment.domain}"
  url: "https://${values.host}"
outputs:
  url: "${values.url}"
  catalog_ref: "component:${environment.name}/${name}"
cost:
  currency: USD
  monthly: {small: 9.5, large: 40}
  unit: "${spec.size}"
  times: {min: "${spec.replicas.min}", max: "${spec.replicas.max}"}
"#;

const LABELS: &str = "$params: [component]\napp.kubernetes.io/name: ${name}\napp.kubernetes.io/component: ${component}\n${platform.label_domain}/owner: ${owner.name}\n";

const CONFIG: &str = r#"
apiVersion: v1
kind: ConfigMap
metadata:
  name: "${name}-config-${spec.env | digest(8)}"
  labels: {$use: labels, $with: {component: config}, extra: "yes"}
data:
  $merge: ["${spec.env}"]
  port.txt: "port ${spec.port}"
  image.txt: "${spec.image}"
  raw.txt: "{{ $labels.pod }} $${HOME}"
  replicas.json: {$json: {min: "${spec.replicas.min}", list: [a, 1]}}
  never.txt: {$if: "spec.port == 1", $value: "no"}
  maybe.txt: {$if: "spec.port == 1", $value: "no", $else: "yes"}
"#;

const LOOP: &str = r#"
$for: "item in ['one', 'two']"
apiVersion: v1
kind: Service
metadata: {name: "${name}-${item}"}
spec:
  ports:
    - {name: fixed, port: 1}
    - $for: "number in range(2, 4)"
      $if: "number != 2"
      name: "${item}"
      port: "${number}"
  selectors: {$for: "letter in ['a', 'b']", $value: "${letter}${item}"}
"#;

fn files() -> Files {
    [
        ("golden-path.yaml", MANIFEST_TEXT),
        ("partials/labels.yaml", LABELS),
        ("templates/10-config.yaml", CONFIG),
        ("templates/20-service.yaml", LOOP),
        (
            "templates/80-app.yaml",
            "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: \"${name}\"}\n",
        ),
        ("templates/90-catalog.yaml", "- apiVersion: x\n"),
        ("skeleton/Makefile", "build:\n\techo [[ name ]] ${HOME} {{ x }}\n"),
    ]
    .into_iter()
    .map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()))
    .collect()
}

fn small() -> GoldenPath {
    let mut files = files();
    files.remove("templates/90-catalog.yaml");
    GoldenPath::parse(&files).unwrap_or_else(|errors| panic!("{errors}"))
}

fn request(spec: &Value) -> RenderRequest {
    let mut all =
        json!({"template": "api", "language": "nodejs", "image": "shop:v1", "port": 8080});
    all.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    RenderRequest {
        name: "checkout".parse().unwrap(),
        owner: OwnerFacts {
            name: "payments".parse().unwrap(),
            title: "Payments".to_owned(),
            contact: None,
            cost_center: None,
        },
        environment: production(),
        platform: PlatformFacts {
            hostname: "registry.example.com".to_owned(),
            label_domain: "idp.example.com".to_owned(),
        },
        spec: Spec::parse(Kind::Service, all).unwrap(),
        path: GoldenPathRef {
            address: "golden/small/test".parse().unwrap(),
            version: "1.0.0".parse().unwrap(),
            sha256: "0".repeat(64),
            publisher: "key".to_owned(),
        },
    }
}

fn render(spec: &Value) -> Rendered {
    small().render(&request(spec)).unwrap_or_else(|error| panic!("{error:?}"))
}

fn object<'r>(rendered: &'r Rendered, name: &str) -> &'r Value {
    &rendered.objects.iter().find(|object| object.name.starts_with(name)).unwrap().json
}

#[test]
fn a_path_renders_objects_outputs_and_cost() {
    let rendered = render(&json!({"env": {"A": "1"}}));

    let config = object(&rendered, "checkout-config");
    assert_eq!(
        config["metadata"]["labels"],
        json!({"app.kubernetes.io/name": "checkout", "app.kubernetes.io/component": "config",
               "idp.example.com/owner": "payments", "extra": "yes"})
    );
    assert_eq!(
        config["data"],
        json!({"A": "1", "port.txt": "port 8080", "image.txt": "shop:v1", "raw.txt": "{{ $labels.pod }} ${HOME}",
               "replicas.json": "{\n  \"min\": 2,\n  \"list\": [\n    \"a\",\n    1\n  ]\n}\n", "maybe.txt": "yes"})
    );
    assert_eq!(
        object(&rendered, "checkout-two")["spec"],
        json!({"ports": [{"name": "fixed", "port": 1}, {"name": "two", "port": 3}], "selectors": ["atwo", "btwo"]})
    );
    assert_eq!(rendered.outputs.url.as_deref(), Some("https://checkout.apps.example.com"));
    assert_eq!(rendered.outputs.gitops.path, "production/service/checkout");
    let cost = rendered.cost.unwrap();
    assert_eq!(
        (cost.monthly_min.to_string(), cost.monthly_max.to_string()),
        ("19".to_owned(), "38".to_owned())
    );
}

#[test]
fn files_lie_where_the_layout_says() {
    let rendered = render(&json!({}));

    let paths: Vec<_> = rendered.files.keys().map(String::as_str).collect();
    assert_eq!(paths[0], "argocd/production/checkout.yaml");
    assert_eq!(paths[1], "production/service/checkout/.idp.json");
    assert!(paths[2].starts_with("production/service/checkout/10-configmap-checkout-config-"));
    let kustomization =
        String::from_utf8(rendered.files["production/service/checkout/kustomization.yaml"].clone())
            .unwrap();
    assert!(kustomization.contains("- \"20-service-checkout-one.yaml\"\n"), "{kustomization}");
    assert!(!kustomization.contains("argocd"));
    assert_eq!(rendered.rendered_sha256, rendered_sha256(&rendered.files));
}

#[test]
fn the_same_inputs_give_the_same_bytes_and_others_do_not() {
    let spec = json!({"env": {"A": "1", "B": "2"}});

    assert_eq!(render(&spec), render(&spec));
    assert_ne!(render(&spec).rendered_sha256, render(&json!({"env": {"A": "2"}})).rendered_sha256);
}

#[test]
fn no_string_changes_the_shape_of_a_document() {
    let hostile = [
        "\n---\nkind: Secret\n",
        "\"\n  evil: true\n",
        "'",
        "${name}",
        "{{ x }}",
        "$${",
        "*a",
        "&a",
        "!!binary x",
        "on",
        "1e3",
        "null",
        "\u{feff}",
        "\u{0}",
        "#",
        ": ",
        "- ",
        "|",
        "[",
        "}",
        "\r\n",
        "\u{2028}",
    ];
    let plain = render(&json!({"env": {"A": "plain"}}));
    for text in hostile {
        let rendered = render(&json!({"env": {"A": text}, "image": text}));
        assert_eq!(object(&rendered, "checkout-config")["data"]["A"], text);
        assert_eq!(object(&rendered, "checkout-config")["data"]["image.txt"], text);
        assert_eq!(rendered.objects.len(), plain.objects.len());
        for object in &rendered.objects {
            let bytes = &rendered.files[&object.path];
            let read = yaml::read("f", bytes).unwrap_or_else(|error| panic!("{error}\n{text:?}"));
            assert_eq!(read.to_tree().to_json(), object.json);
        }
    }
}

#[test]
fn wrong_inputs_are_errors_of_the_request() {
    let refused = |spec: Value| match small().render(&request(&spec)) {
        Err(RenderError::Inputs(errors)) => {
            errors.into_iter().map(|e| format!("{} {}", e.pointer, e.rule)).collect::<Vec<_>>()
        }
        other => panic!("{other:?}"),
    };

    assert_eq!(refused(json!({"size": "huge"})), ["/spec/size enum"]);
    assert_eq!(refused(json!({"template": "worker"})), ["/spec/template locked"]);
    assert_eq!(
        refused(json!({"slo": {"availability": 50.0}})),
        ["/spec/slo/availability slo_unreachable"]
    );
}

#[test]
fn everything_wrong_with_a_path_is_reported_at_once() {
    let mut files = files();
    for (path, text) in [
        ("templates/11-a.yaml", "a: ${nmae}\n"),
        ("templates/12-b.yaml", "a: 1\na: 2\n"),
        ("templates/13-c.yaml", "$fi: x\n"),
        ("templates/14-d.yaml", "a: \"${name\"\n"),
        ("templates/15-e.yaml", "$use: nothing\n"),
        ("templates/16-f.yaml", "$use: labels\n"),
        ("templates/readme.txt", "x"),
        ("skeleton/x", "[% if %]"),
        ("policies/x.rego", "package idp\n("),
    ] {
        files.insert(path.to_owned(), text.as_bytes().to_vec());
    }

    let errors = GoldenPath::parse(&files).unwrap_err();

    let rules: Vec<_> = errors.0.iter().map(|error| error.rule).collect();
    assert_eq!(
        rules,
        [
            "template_name",
            "yaml_duplicate_key",
            "template_directive",
            "template_syntax",
            "template_partial",
            "template_partial",
            "template_name",
            "skeleton_syntax",
            "policy"
        ],
        "{errors}"
    );
    for error in &errors.0 {
        assert!(!error.fix.is_empty() && !error.file.is_empty(), "{error}");
    }
}

#[test]
fn what_a_template_renders_wrongly_names_its_file() {
    for (text, rule) in [
        ("apiVersion: v1\nkind: Secret\nmetadata: {name: a}\n", "object_secret"),
        ("apiVersion: v1\nkind: Service\nmetadata: {name: \"${spec.image}\"}\n", "object_name"),
        ("apiVersion: v1\nkind: Service\nmetadata: {name: \"${spec.nope}\"}\n", "template_value"),
        (
            "apiVersion: v1\nkind: Service\nmetadata: {name: \"${name | nofilter}\"}\n",
            "template_value",
        ),
        (
            "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nx: \"a ${spec.replicas}\"\n",
            "template_value",
        ),
        (
            "apiVersion: v1\nkind: Service\nmetadata: {name: a}\n\"${name}\": 1\ncheckout: 2\n",
            "template_duplicate_key",
        ),
        ("$for: \"x in range(90000)\"\napiVersion: v1\n", "template_value"),
    ] {
        let mut files = files();
        files.insert("templates/90-catalog.yaml".to_owned(), text.as_bytes().to_vec());
        let path = GoldenPath::parse(&files).unwrap_or_else(|errors| panic!("{errors}"));
        let Err(RenderError::Path(errors)) = path.render(&request(&json!({}))) else {
            panic!("{text}")
        };
        assert_eq!(
            (errors.0[0].file.as_str(), errors.0[0].rule),
            ("templates/90-catalog.yaml", rule),
            "{errors}"
        );
    }
}

#[test]
fn a_partial_that_uses_itself_is_stopped() {
    let mut files = files();
    files.insert("partials/circle.yaml".to_owned(), b"$use: circle\n".to_vec());
    files.insert("templates/90-catalog.yaml".to_owned(), b"$use: circle\n".to_vec());

    let path = GoldenPath::parse(&files).unwrap();

    assert!(matches!(path.render(&request(&json!({}))), Err(RenderError::Path(_))));
}

#[test]
fn a_skeleton_is_text_with_its_own_delimiters() {
    let files = small().render_skeleton(&request(&json!({}))).unwrap();

    assert_eq!(files["Makefile"], b"build:\n\techo checkout ${HOME} {{ x }}\n");
}

#[test]
fn a_file_of_a_skeleton_whose_template_yields_nothing_is_left_out() {
    let mut files = files();
    let yields = |condition: &str| format!("[% if {condition} %]\nx\n[% endif %]\n").into_bytes();
    files.insert("skeleton/src/database.js".to_owned(), yields("uses"));
    files.insert("skeleton/src/other.js".to_owned(), yields("not uses"));
    files.insert("skeleton/src/.keep".to_owned(), Vec::new());

    let path = GoldenPath::parse(&files).unwrap();
    let files = path.render_skeleton(&request(&json!({}))).unwrap();

    assert!(!files.contains_key("src/database.js"));
    assert_eq!(files["src/other.js"], b"x\n");
    assert!(files["src/.keep"].is_empty());
}
