//! Writes one document, always in the same way: block style, two spaces, strings quoted unless no reader could take
//! them for anything else.

use std::fmt::Write as _;

use super::Tree;
use super::words::is_safe_plain;

/// The document as YAML text, ending in a line feed.
pub(crate) fn write(tree: &Tree) -> String {
    let mut out = String::new();
    match tree {
        Tree::Map(entries) if !entries.is_empty() => push_map(&mut out, entries, 0, false),
        Tree::List(items) if !items.is_empty() => push_list(&mut out, items, 0),
        scalar => {
            push_scalar(&mut out, scalar, 1);
            out.push('\n');
        }
    }
    out
}

/// `continues` says that the first key stands behind a dash.
fn push_map(out: &mut String, entries: &[(String, Tree)], depth: usize, continues: bool) {
    for (index, (key, value)) in entries.iter().enumerate() {
        if index > 0 || !continues {
            push_indent(out, depth);
        }
        push_key(out, key);
        out.push(':');
        push_value(out, value, depth);
    }
}

fn push_value(out: &mut String, value: &Tree, depth: usize) {
    match value {
        Tree::Map(entries) if !entries.is_empty() => {
            out.push('\n');
            push_map(out, entries, depth + 1, false);
        }
        Tree::List(items) if !items.is_empty() => {
            out.push('\n');
            push_list(out, items, depth + 1);
        }
        scalar => {
            out.push(' ');
            push_scalar(out, scalar, depth + 1);
            out.push('\n');
        }
    }
}

fn push_list(out: &mut String, items: &[Tree], depth: usize) {
    for item in items {
        push_indent(out, depth);
        out.push('-');
        match item {
            Tree::Map(entries) if !entries.is_empty() => {
                out.push(' ');
                push_map(out, entries, depth + 1, true);
            }
            other => push_value(out, other, depth),
        }
    }
}

fn push_indent(out: &mut String, depth: usize) {
    out.extend(std::iter::repeat_n("  ", depth));
}

fn push_scalar(out: &mut String, scalar: &Tree, depth: usize) {
    match scalar {
        Tree::Null => out.push_str("null"),
        Tree::Bool(value) => push_display(out, value),
        Tree::Int(value) => push_display(out, value),
        Tree::Float(value) => push_float(out, *value),
        Tree::Text(text) => push_text(out, text, depth),
        Tree::List(_) => out.push_str("[]"),
        Tree::Map(_) => out.push_str("{}"),
    }
}

fn push_display(out: &mut String, value: &impl std::fmt::Display) {
    // Writing to a string cannot fail.
    let _ = write!(out, "{value}");
}

/// Decimal notation without an exponent, which YAML 1.1 and 1.2 read alike.
fn push_float(out: &mut String, value: f64) {
    if !value.is_finite() {
        out.push_str("null");
        return;
    }
    let text = format!("{value}");
    out.push_str(&text);
    if !text.contains('.') {
        out.push_str(".0");
    }
}

fn push_key(out: &mut String, key: &str) {
    if is_safe_plain(key) { out.push_str(key) } else { push_quoted(out, key) }
}

fn push_text(out: &mut String, text: &str, depth: usize) {
    if is_safe_plain(text) {
        out.push_str(text);
    } else if is_safe_block(text) {
        out.push_str(if text.ends_with('\n') { "|" } else { "|-" });
        for line in text.lines() {
            out.push('\n');
            if !line.is_empty() {
                push_indent(out, depth);
                out.push_str(line);
            }
        }
    } else {
        push_quoted(out, text);
    }
}

/// Whether a literal block shows the text as it is: several lines, none with surprises at its ends.
fn is_safe_block(text: &str) -> bool {
    let body = text.strip_suffix('\n').unwrap_or(text);
    body.contains('\n')
        && !body.starts_with([' ', '\n'])
        && !body.ends_with('\n')
        && body.chars().all(|c| c == '\n' || is_plainly_printable(c))
        && body.split('\n').all(|line| !line.ends_with(' '))
}

/// A fixed set, so that no table of a newer Unicode version changes what is written.
const fn is_plainly_printable(c: char) -> bool {
    matches!(c, ' '..='~' | '\u{a1}'..='\u{ac}' | '\u{ae}'..='\u{24f}' | '\u{2010}'..='\u{2027}' | '€')
}

fn push_quoted(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if is_plainly_printable(c) => out.push(c),
            c if u32::from(c) <= 0xff => {
                push_display(out, &format_args!("\\x{:02x}", u32::from(c)));
            }
            c if u32::from(c) <= 0xffff => {
                push_display(out, &format_args!("\\u{:04x}", u32::from(c)));
            }
            c => push_display(out, &format_args!("\\U{:08x}", u32::from(c))),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::read;
    use super::*;

    fn text(text: &str) -> Tree {
        Tree::Text(text.to_owned())
    }

    #[test]
    fn a_document_is_written_in_block_style() {
        let tree = Tree::Map(vec![
            ("kind".to_owned(), text("Service")),
            ("empty".to_owned(), Tree::Map(vec![])),
            (
                "ports".to_owned(),
                Tree::List(vec![
                    Tree::Map(vec![
                        ("name".to_owned(), text("http")),
                        ("port".to_owned(), Tree::Int(80)),
                    ]),
                    Tree::List(vec![Tree::Bool(true)]),
                ]),
            ),
            ("script".to_owned(), text("a: b\n  - c\n")),
            ("version".to_owned(), text("1.0")),
        ]);

        assert_eq!(
            write(&tree),
            "kind: Service\nempty: {}\nports:\n  - name: http\n    port: 80\n  -\n    - true\nscript: |\n  a: b\n    - c\nversion: \"1.0\"\n"
        );
    }

    #[test]
    fn strings_that_some_reader_takes_for_another_type_are_quoted() {
        for word in [
            "",
            "on",
            "Off",
            "YES",
            "y",
            "N",
            "null",
            "~",
            "1e3",
            "012",
            "1_000",
            "12:30",
            "0x1f",
            ".inf",
            "-",
            "- a",
            "a: b",
            "a #b",
            "#",
            "&a",
            "*a",
            "!a",
            "|",
            ">",
            "%a",
            "@a",
            "`a",
            "{a}",
            "[a]",
            "a:",
            "<<",
            "=",
            " a",
            "a ",
            "\t",
            "2026-01-01",
            "'",
            "\"",
            "\\",
            "\u{feff}a",
            "\u{2028}",
            "a\u{85}b",
            "---",
            "...",
            "\0",
        ] {
            let out = write(&text(word));
            assert!(out.starts_with('"'), "{word:?} was written as {out}");
        }
    }

    fn any_tree() -> impl Strategy<Value = Tree> {
        let nasty = prop_oneof![
            any::<String>(),
            "[-a-z0-9:{}\\[\\]\"'&*!|>%@\n #$,?~.\t]{0,30}",
            Just("a\n\nb\n".to_owned()),
            Just("a\n b\n  c".to_owned()),
            Just("---\nkind: Secret\n".to_owned()),
        ];
        let leaf = prop_oneof![
            Just(Tree::Null),
            any::<bool>().prop_map(Tree::Bool),
            any::<i64>().prop_map(Tree::Int),
            any::<f64>().prop_filter("finite", |f| f.is_finite()).prop_map(Tree::Float),
            nasty.prop_map(Tree::Text),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Tree::List),
                proptest::collection::btree_map("\\PC{0,12}", inner, 0..6)
                    .prop_map(|map| Tree::Map(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back_equal(tree in any_tree()) {
            let out = write(&tree);

            let ours = read("f", out.as_bytes()).unwrap().to_tree();
            prop_assert_eq!(&ours, &tree, "our reader, from\n{}", &out);
            let theirs: serde_json::Value = serde_saphyr::from_str(&out).unwrap();
            prop_assert_eq!(Tree::from_json(&theirs), sorted(&tree), "another reader, from\n{}", &out);
        }
    }

    /// The other reader goes through JSON, whose maps may be sorted.
    fn sorted(tree: &Tree) -> Tree {
        Tree::from_json(&tree.to_json())
    }
}
