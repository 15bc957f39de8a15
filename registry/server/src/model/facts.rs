//! What moved between two sets of an environment's facts, in words for a plan that must be made again.
//!
//! Pure: both sets are JSON, as the database keeps them.

use std::collections::BTreeMap;

use serde_json::Value;

/// Most changes that a message names.
const NAMED: usize = 8;

/// `domain was "a.example", is "b.example"; …`; empty where the facts are equal.
pub fn what_moved(before: &Value, now: &Value) -> String {
    let (before, now) = (leaves(before), leaves(now));
    let mut moved = Vec::new();
    for (key, was) in &before {
        match now.get(key) {
            None => moved.push(format!("{key} was {was}, is gone")),
            Some(is) if is != was => moved.push(format!("{key} was {was}, is {is}")),
            Some(_) => {}
        }
    }
    for (key, is) in &now {
        if !before.contains_key(key) {
            moved.push(format!("{key} is new: {is}"));
        }
    }
    let more = moved.len().saturating_sub(NAMED);
    moved.truncate(NAMED);
    if more > 0 {
        moved.push(format!("and {more} more"));
    }
    moved.join("; ")
}

/// Every scalar (and empty container) by its dotted key.
fn leaves(value: &Value) -> BTreeMap<String, String> {
    fn walk(prefix: &str, value: &Value, into: &mut BTreeMap<String, String>) {
        let key = |part: &str| {
            if prefix.is_empty() { part.to_owned() } else { format!("{prefix}.{part}") }
        };
        match value {
            Value::Object(fields) if !fields.is_empty() => {
                for (name, field) in fields {
                    walk(&key(name), field, into);
                }
            }
            Value::Array(items) if !items.is_empty() => {
                for (index, item) in items.iter().enumerate() {
                    walk(&key(&index.to_string()), item, into);
                }
            }
            // An absent fact and a null one are the same thing.
            Value::Null => {}
            _ if prefix.is_empty() => {}
            leaf => {
                into.insert(prefix.to_owned(), leaf.to_string());
            }
        }
    }
    let mut into = BTreeMap::new();
    walk("", value, &mut into);
    into
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_fact_that_moved_is_named_with_both_values() {
        let before =
            json!({"domain": "a.example", "gateway": {"name": "g"}, "labels": ["x"], "old": null});
        let now = json!({"domain": "b.example", "gateway": {"name": "g"}, "labels": [], "tier": "production"});

        assert_eq!(
            what_moved(&before, &now),
            "domain was \"a.example\", is \"b.example\"; labels.0 was \"x\", is gone; \
             labels is new: []; tier is new: \"production\""
        );
    }

    #[test]
    fn equal_facts_moved_nowhere() {
        assert_eq!(what_moved(&json!({"a": {"b": 1}}), &json!({"a": {"b": 1}, "c": null})), "");
    }

    #[test]
    fn a_long_list_is_cut_and_counted() {
        let now: Value = (0..12)
            .map(|n| (format!("k{n:02}"), json!(n)))
            .collect::<serde_json::Map<_, _>>()
            .into();

        assert!(what_moved(&json!({}), &now).ends_with("; and 4 more"));
    }
}
