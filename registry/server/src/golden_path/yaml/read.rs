//! Reads one strict YAML document.
//!
//! Refused, each with its line and a fix: duplicate keys, anchors, aliases, merge keys, tags, directives, several
//! documents, keys that are not strings, and plain scalars that some reader would take for another type (`on`,
//! `yes`, `1e3`, `012`, `12:30`, dates). Bounded in size and depth.

use granit_parser::{Event, Options, Parser, ScalarStyle, Span};

use super::node::{Entry, Node, NodeKind};
use super::words;
use crate::golden_path::error::PathError;

/// Largest document that is read.
const MAX_BYTES: usize = 1 << 20;
/// Deepest nesting that is read.
const MAX_DEPTH: usize = 64;

/// Reads the one document of a file.
pub(crate) fn read(file: &str, bytes: &[u8]) -> Result<Node, PathError> {
    if bytes.len() > MAX_BYTES {
        let message = format!("the file has {} bytes", bytes.len());
        return Err(PathError::new(file, 0, "yaml_size", message, "keep it under 1 MiB"));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| {
        PathError::new(file, 0, "yaml_utf8", "the file is not UTF-8", "save it as UTF-8")
    })?;
    let mut options = Options::default();
    options.disallow_directives = true;
    options.emit_unresolved_aliases = true;
    options.flow_nesting_limit = MAX_DEPTH;
    options.block_nesting_limit = MAX_DEPTH;
    let mut reader = Reader { file, parser: Parser::new_from_str_with_options(text, options) };
    reader.document()
}

struct Reader<'a> {
    file: &'a str,
    parser: Parser<'a, granit_parser::StrInput<'a>>,
}

impl<'a> Reader<'a> {
    fn document(&mut self) -> Result<Node, PathError> {
        let (event, span) = self.next_past_start()?;
        if matches!(event, Event::StreamEnd) {
            return Err(self.refuse(
                &span,
                "yaml_empty",
                "the file holds no document",
                "write one",
            ));
        }
        let node = self.node(event, &span, 0)?;
        loop {
            match self.next()? {
                (Event::DocumentEnd, _) => {}
                (Event::StreamEnd, _) => return Ok(node),
                (_, span) => {
                    let fix = "put every document in its own file";
                    return Err(self.refuse(
                        &span,
                        "yaml_documents",
                        "a second document begins",
                        fix,
                    ));
                }
            }
        }
    }

    fn next_past_start(&mut self) -> Result<(Event<'a>, Span), PathError> {
        loop {
            match self.next()? {
                (Event::StreamStart | Event::DocumentStart(..), _) => {}
                other => return Ok(other),
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'a>, Span), PathError> {
        match self.parser.next() {
            Some(Ok(pair)) => Ok(pair),
            Some(Err(error)) => Err(PathError::new(
                self.file,
                error.marker().line(),
                "yaml_syntax",
                format!("this is not YAML: {}", error.info()),
                "check indentation, quotes and brackets near this line",
            )),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn node(&mut self, event: Event<'a>, span: &Span, depth: usize) -> Result<Node, PathError> {
        if depth > MAX_DEPTH {
            return Err(self.refuse(span, "yaml_depth", "nested too deeply", "flatten it"));
        }
        let line = span.start.line();
        let kind = match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.no_extras(span, anchor, tag.is_some())?;
                self.scalar(&text, style, span)?
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.no_extras(span, anchor, tag.is_some())?;
                self.list(depth)?
            }
            Event::MappingStart(_, anchor, tag) => {
                self.no_extras(span, anchor, tag.is_some())?;
                self.map(depth)?
            }
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                let fix = "write the value out, or quote it if the asterisk is meant";
                return Err(self.refuse(span, "yaml_alias", "aliases are not read", fix));
            }
            _ => return Err(self.refuse(span, "yaml_syntax", "a value was expected", "write one")),
        };
        Ok(Node { line, kind })
    }

    fn list(&mut self, depth: usize) -> Result<NodeKind, PathError> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(NodeKind::List(items)),
                (event, span) => items.push(self.node(event, &span, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<NodeKind, PathError> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut seen = std::collections::HashMap::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                return Ok(NodeKind::Map(entries));
            }
            let line = span.start.line();
            let NodeKind::Text(key) = self.node(event, &span, depth + 1)?.kind else {
                let fix = "quote the key, so that every reader takes it for a string";
                return Err(self.refuse(&span, "yaml_key", "this key is not a string", fix));
            };
            if let Some(first) = seen.insert(key.clone(), line) {
                let message = format!("the key {key:?} is given twice, first in line {first}");
                return Err(self.refuse(&span, "yaml_duplicate_key", &message, "keep one of them"));
            }
            let (event, span) = self.next()?;
            let value = self.node(event, &span, depth + 1)?;
            entries.push(Entry { key, line, value });
        }
    }

    fn scalar(&self, text: &str, style: ScalarStyle, span: &Span) -> Result<NodeKind, PathError> {
        if style != ScalarStyle::Plain {
            return Ok(NodeKind::Text(text.to_owned()));
        }
        words::resolve(text).map_err(|reading| {
            let shown = if text.is_empty() { "an empty value" } else { text };
            let message = format!("{shown} can be read as {reading}");
            let fix = "put it in quotes if a string is meant; else write null, true, false or a plain decimal";
            self.refuse(span, "yaml_ambiguous", &message, fix)
        })
    }

    fn no_extras(&self, span: &Span, anchor: usize, tagged: bool) -> Result<(), PathError> {
        if anchor != 0 {
            let fix = "remove the anchor; use a partial to say a thing once";
            return Err(self.refuse(span, "yaml_anchor", "anchors are not read", fix));
        }
        if tagged {
            return Err(self.refuse(span, "yaml_tag", "tags are not read", "remove the tag"));
        }
        Ok(())
    }

    fn refuse(&self, span: &Span, rule: &'static str, message: &str, fix: &str) -> PathError {
        PathError::new(self.file, span.start.line(), rule, message, fix)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rule(text: &str) -> &'static str {
        read("f.yaml", text.as_bytes()).unwrap_err().rule
    }

    #[test]
    fn what_every_reader_understands_is_read_with_its_type() {
        let node = read(
            "f",
            b"a: 1\nb: -2.5\nc: true\nd: null\ne: text\nf: 256Mi\ng: '012'\nh: [x, 5m]\n",
        );

        assert_eq!(
            node.unwrap().to_tree().to_json(),
            serde_json::json!({"a": 1, "b": -2.5, "c": true, "d": null, "e": "text", "f": "256Mi", "g": "012", "h": ["x", "5m"]})
        );
    }

    #[test]
    fn plain_scalars_that_readers_disagree_about_are_refused() {
        for text in [
            "on",
            "Yes",
            "n",
            "~",
            "1e3",
            "1E3",
            "012",
            "0x1f",
            "0o7",
            "1_000",
            "12:30",
            "12:30:45",
            "2026-01-01",
            ".5",
            "5.",
            "+1",
            "-.inf",
            ".NaN",
            "99999999999999999999",
            "=",
            "2001-12-14T21:59:43Z",
        ] {
            assert_eq!(rule(&format!("a: {text}\n")), "yaml_ambiguous", "{text}");
            assert!(read("f", format!("a: '{text}'\n").as_bytes()).is_ok(), "{text}");
        }
        assert_eq!(rule("a:\n"), "yaml_ambiguous");
        assert_eq!(rule("on: 1\n"), "yaml_ambiguous");
    }

    #[test]
    fn duplicate_keys_are_refused_with_both_lines() {
        let error = read("f", b"a: 1\nb: 2\n'a': 3\n").unwrap_err();

        assert_eq!((error.rule, error.line), ("yaml_duplicate_key", 3));
        assert!(error.message.contains("line 1"), "{error}");
    }

    #[test]
    fn anchors_aliases_merges_tags_directives_and_second_documents_are_refused() {
        assert_eq!(rule("a: &x 1\nb: 2\n"), "yaml_anchor");
        assert_eq!(rule("a: *x\n"), "yaml_alias");
        assert_eq!(rule("<<: {a: 1}\n"), "yaml_ambiguous");
        assert_eq!(rule("a: !!str 1\n"), "yaml_tag");
        assert_eq!(rule("%YAML 1.1\n---\na: 1\n"), "yaml_syntax");
        assert_eq!(rule("a: 1\n---\nb: 1\n"), "yaml_documents");
        assert_eq!(rule("? [a]\n: 1\n"), "yaml_key");
        assert_eq!(rule("1: x\n"), "yaml_key");
        assert_eq!(rule(""), "yaml_empty");
    }

    #[test]
    fn deep_nesting_and_large_files_are_refused() {
        assert!(read("f", "[".repeat(10_000).as_bytes()).is_err());
        assert!(read("f", "- ".repeat(10_000).as_bytes()).is_err());
        assert_eq!(rule(&"a".repeat(MAX_BYTES + 1)), "yaml_size");
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = read("f", &bytes);
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "[-a-z0-9:{}\\[\\]\"'&*!|>%@\n #$,?]{0,200}") {
            let _ = read("f", text.as_bytes());
        }
    }
}
