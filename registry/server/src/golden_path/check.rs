//! What every rendered object must satisfy, whatever the template and the inputs.

use super::yaml::Tree;

/// Longest key anywhere; longer ones would need another notation in YAML.
const MAX_KEY: usize = 512;
/// Most bytes Kubernetes keeps in the annotations of an object.
const MAX_ANNOTATIONS: usize = 256 * 1024;

/// What is wrong with an object: the rule, what, and how to mend it.
pub(super) type Flaw = (&'static str, String, &'static str);

/// Checks the parts that the platform itself relies on: identity, labels, annotations, no secrets.
pub(super) fn object(tree: &Tree) -> Result<(), Flaw> {
    let text = |keys: &[&str]| tree.at(keys).and_then(Tree::as_str).unwrap_or_default();
    for keys in [&["apiVersion"][..], &["kind"], &["metadata", "name"]] {
        if text(keys).is_empty() {
            return Err((
                "object_identity",
                format!("the object has no {}", keys.join(".")),
                "set it to a string",
            ));
        }
    }
    let (kind, name) = (text(&["kind"]), text(&["metadata", "name"]));
    if !kind.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err(("object_identity", format!("{kind:?} is no kind"), "use letters"));
    }
    if !is_dns_subdomain(name) {
        let fix = "use lower-case letters, digits, dashes and dots, beginning and ending with a letter or digit";
        return Err(("object_name", format!("{name:?} is no name Kubernetes accepts"), fix));
    }
    if kind == "Secret" {
        return Err((
            "object_secret",
            "a Secret would be committed to git".to_owned(),
            "reference a secret instead",
        ));
    }
    // What applies a list applies its items, which no rule and no policy has seen.
    if tree.at(&["items"]).is_some() {
        return Err((
            "object_list",
            format!("{kind} {name:?} holds other objects in items"),
            "make each of them a document of its own",
        ));
    }
    if let Some(labels) = tree.at(&["metadata", "labels"]) {
        labels_are_valid(labels)?;
    }
    if let Some(labels) = tree.at(&["spec", "template", "metadata", "labels"]) {
        labels_are_valid(labels)?;
    }
    if let Some(annotations) = tree.at(&["metadata", "annotations"]) {
        annotations_are_valid(annotations)?;
    }
    keys_are_short(tree)
}

fn entries<'t>(tree: &'t Tree, what: &str) -> Result<&'t [(String, Tree)], Flaw> {
    match tree {
        Tree::Map(entries) => Ok(entries),
        other => {
            Err(("object_type", format!("{what} is {}", other.kind()), "make it a map of strings"))
        }
    }
}

fn labels_are_valid(tree: &Tree) -> Result<(), Flaw> {
    for (key, value) in entries(tree, "labels")? {
        key_is_valid(key)?;
        let fix = "use at most 63 letters, digits, '-', '_' and '.'; the filter label makes one of any text";
        match value.as_str() {
            Some(text) if is_label_value(text) => {}
            Some(text) => {
                return Err((
                    "object_label",
                    format!("{text:?} is no value for the label {key}"),
                    fix,
                ));
            }
            None => {
                return Err(("object_label", format!("the label {key} is {}", value.kind()), fix));
            }
        }
    }
    Ok(())
}

fn annotations_are_valid(tree: &Tree) -> Result<(), Flaw> {
    let mut size = 0;
    for (key, value) in entries(tree, "annotations")? {
        key_is_valid(key)?;
        let Some(text) = value.as_str() else {
            return Err((
                "object_annotation",
                format!("the annotation {key} is {}", value.kind()),
                "make it a string",
            ));
        };
        size += key.len() + text.len();
    }
    if size > MAX_ANNOTATIONS {
        return Err((
            "object_annotation",
            format!("the annotations have {size} bytes"),
            "keep them under 256 KiB",
        ));
    }
    Ok(())
}

fn key_is_valid(key: &str) -> Result<(), Flaw> {
    let (prefix, name) =
        key.rsplit_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    if !name.is_empty() && is_label_value(name) && prefix.is_none_or(is_dns_subdomain) {
        return Ok(());
    }
    Err((
        "object_label",
        format!("{key:?} is no key for a label or annotation"),
        "write it like example.com/name",
    ))
}

/// At most 63 of letters, digits, `-`, `_` and `.`, letters or digits at both ends; may be empty.
fn is_label_value(text: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_alphanumeric();
    text.len() <= 63
        && text.chars().all(|c| alphanumeric(c) || "-_.".contains(c))
        && (text.is_empty() || (text.starts_with(alphanumeric) && text.ends_with(alphanumeric)))
}

fn is_dns_subdomain(text: &str) -> bool {
    let is_label = |label: &str| {
        let ends = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        label.starts_with(ends)
            && label.ends_with(ends)
            && label.chars().all(|c| ends(c) || c == '-')
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

fn keys_are_short(tree: &Tree) -> Result<(), Flaw> {
    match tree {
        Tree::List(items) => items.iter().try_for_each(keys_are_short),
        Tree::Map(entries) => entries.iter().try_for_each(|(key, value)| {
            if key.len() > MAX_KEY {
                return Err(("object_key", format!("a key has {} bytes", key.len()), "shorten it"));
            }
            keys_are_short(value)
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(json: &serde_json::Value) -> &'static str {
        object(&Tree::from_json(json)).unwrap_err().0
    }

    #[test]
    fn an_object_has_an_identity_valid_labels_and_no_secrets() {
        let good = serde_json::json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {
            "name": "a-b.c", "labels": {"app.kubernetes.io/name": "a"}, "annotations": {"x": "any text\n"},
        }});
        let with = |pointer: &str, value: serde_json::Value| {
            let mut object = good.clone();
            *object.pointer_mut(pointer).unwrap() = value;
            object
        };

        assert_eq!(object(&Tree::from_json(&good)), Ok(()));
        assert_eq!(rule(&with("/kind", "".into())), "object_identity");
        assert_eq!(rule(&with("/kind", "../x".into())), "object_identity");
        assert_eq!(rule(&with("/kind", "Secret".into())), "object_secret");
        let mut list = with("/kind", "List".into());
        list["items"] = serde_json::json!([{"kind": "Secret"}]);
        assert_eq!(rule(&list), "object_list");
        for name in ["A", "-a", "a/../../b", "a\n", "a..b", ""] {
            assert!(
                object(&Tree::from_json(&with("/metadata/name", name.into()))).is_err(),
                "{name}"
            );
        }
        assert_eq!(
            rule(&with("/metadata/labels", serde_json::json!({"a": "b c"}))),
            "object_label"
        );
        assert_eq!(rule(&with("/metadata/labels", serde_json::json!({"a": 1}))), "object_label");
        assert_eq!(
            rule(&with("/metadata/labels", serde_json::json!({"a/b/c d": "x"}))),
            "object_label"
        );
        assert_eq!(
            rule(&with("/metadata/annotations", serde_json::json!({"a": true}))),
            "object_annotation"
        );
    }
}
