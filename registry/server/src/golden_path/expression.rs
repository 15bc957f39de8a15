//! Expressions inside `${…}`.
//!
//! minijinja's expression language with strict undefined names, bounded work, and no clock, randomness, network or
//! files. One environment serves every path, so that an expression is compiled once, when its path is read.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use minijinja::value::{Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior};
use sha2::{Digest, Sha256};

use super::yaml::Tree;

/// Work that one expression may cost; the largest of our own needs less than a hundredth.
const FUEL: u64 = 200_000;
/// Most values an expression may produce.
const MAX_NODES: usize = 10_000;
/// Deepest value an expression may produce.
const MAX_DEPTH: usize = 32;

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(environment);

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(100);
    environment.set_debug(false);
    for name in ["debug", "namespace"] {
        environment.remove_global(name);
    }
    environment.remove_filter("pprint");
    environment.add_filter("promql", promql);
    environment.add_filter("regex_quote", regex_quote);
    environment.add_filter("digest", digest);
    environment.add_filter("label", label);
    environment.add_function("image", image);
    environment
}

/// The environment for text files of a skeleton: the same limits, with `[[ … ]]` and `[% … %]` as delimiters, because
/// workflows and Makefiles use braces themselves.
pub(super) static TEXT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = environment();
    let syntax = minijinja::syntax::SyntaxConfig::builder()
        .variable_delimiters("[[", "]]")
        .block_delimiters("[%", "%]")
        .comment_delimiters("[#", "#]")
        .trim_blocks(true)
        .lstrip_blocks(true)
        .keep_trailing_newline(true)
        .build();
    if let Ok(syntax) = syntax {
        environment.set_syntax(syntax);
    }
    environment
});

/// A compiled expression.
pub(super) struct Expression {
    compiled: minijinja::Expression<'static, 'static>,
    source: String,
}

impl std::fmt::Debug for Expression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "${{{}}}", self.source)
    }
}

impl Expression {
    /// Compiles; the error says what is wrong with the text.
    pub(super) fn compile(source: &str) -> Result<Self, String> {
        let compiled = ENVIRONMENT
            .compile_expression_owned(source.to_owned())
            .map_err(|error| explain(&error))?;
        Ok(Self { compiled, source: source.trim().to_owned() })
    }

    /// Names it takes from its scope.
    pub(super) fn names(&self) -> impl Iterator<Item = String> {
        let mut names: Vec<_> = self
            .compiled
            .undeclared_variables(false)
            .into_iter()
            .filter(|name| !matches!(name.as_str(), "range" | "dict" | "image"))
            .collect();
        names.sort();
        names.into_iter()
    }

    /// Its value in a scope; undefined is an error.
    pub(super) fn value(&self, scope: &Scope) -> Result<Value, String> {
        let value =
            self.compiled.eval(scope.root()).map_err(|error| self.blame(&explain(&error)))?;
        if value.is_undefined() {
            return Err(self.blame("it is not defined here"));
        }
        Ok(value)
    }

    /// Its value with its type.
    pub(super) fn tree(&self, scope: &Scope) -> Result<Tree, String> {
        let mut budget = MAX_NODES;
        to_tree(&self.value(scope)?, 0, &mut budget).map_err(|what| self.blame(&what))
    }

    /// Whether it holds; only booleans can.
    pub(super) fn holds(&self, scope: &Scope) -> Result<bool, String> {
        let value = self.value(scope)?;
        match value.kind() {
            ValueKind::Bool => Ok(value.is_true()),
            kind => Err(self.blame(&format!(
                "a condition is a boolean, this is {kind}; compare it with something"
            ))),
        }
    }

    fn blame(&self, what: &str) -> String {
        format!("${{{}}}: {what}", self.source)
    }
}

/// The names an expression may use.
#[derive(Debug, Clone)]
pub(super) struct Scope(BTreeMap<String, Value>);

impl Scope {
    pub(super) const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// The same scope with one more name, which hides an older one.
    pub(super) fn with(&self, name: &str, value: Value) -> Self {
        let mut names = self.0.clone();
        names.insert(name.to_owned(), value);
        Self(names)
    }

    pub(super) fn set(&mut self, name: &str, value: Value) {
        self.0.insert(name.to_owned(), value);
    }

    pub(super) fn root(&self) -> Value {
        Value::from_pairs(self.0.iter().map(|(name, value)| (name.as_str(), value.clone())))
    }
}

/// A template value as a value of the expression language.
pub(super) fn from_tree(tree: &Tree) -> Value {
    match tree {
        Tree::Null => Value::from(()),
        Tree::Bool(value) => Value::from(*value),
        Tree::Int(value) => Value::from(*value),
        Tree::Float(value) => Value::from(*value),
        Tree::Text(text) => Value::from(text.as_str()),
        Tree::List(items) => items.iter().map(from_tree).collect(),
        Tree::Map(entries) => {
            Value::from_pairs(entries.iter().map(|(key, value)| (key.clone(), from_tree(value))))
        }
    }
}

fn to_tree(value: &Value, depth: usize, budget: &mut usize) -> Result<Tree, String> {
    *budget = budget.checked_sub(1).ok_or("it produces too many values")?;
    if depth > MAX_DEPTH {
        return Err("it produces values nested too deeply".to_owned());
    }
    match value.kind() {
        ValueKind::None => Ok(Tree::Null),
        ValueKind::Bool => Ok(Tree::Bool(value.is_true())),
        ValueKind::Number => number(value),
        ValueKind::String => Ok(Tree::Text(value.as_str().unwrap_or_default().to_owned())),
        ValueKind::Seq | ValueKind::Iterable => {
            let items = value.try_iter().map_err(|error| explain(&error))?;
            items
                .map(|item| to_tree(&item, depth + 1, budget))
                .collect::<Result<_, _>>()
                .map(Tree::List)
        }
        ValueKind::Map => {
            let keys = value.try_iter().map_err(|error| explain(&error))?;
            let mut entries = Vec::new();
            for key in keys {
                let name = key.as_str().ok_or("a key of the map is not a string")?.to_owned();
                let item = value.get_item(&key).map_err(|error| explain(&error))?;
                entries.push((name, to_tree(&item, depth + 1, budget)?));
            }
            entries.sort_by(|left, right| left.0.cmp(&right.0));
            Ok(Tree::Map(entries))
        }
        kind => Err(format!("{kind} is no value that a document can hold")),
    }
}

fn number(value: &Value) -> Result<Tree, String> {
    if let Some(whole) = value.as_i64().filter(|_| value.is_integer()) {
        return Ok(Tree::Int(whole));
    }
    match f64::try_from(value.clone()) {
        Ok(float) if float.is_finite() && !value.is_integer() => Ok(Tree::Float(float)),
        _ => Err("the number is too large".to_owned()),
    }
}

/// What an expression error says, without its source listing.
pub(super) fn explain(error: &Error) -> String {
    let kind = match error.kind() {
        ErrorKind::OutOfFuel => return "it takes too much work; make it simpler".to_owned(),
        ErrorKind::UndefinedError => "a name in it is not defined".to_owned(),
        kind => kind.to_string(),
    };
    error.detail().map_or(kind.clone(), |detail| format!("{kind}: {detail}"))
}

/// A string literal of `PromQL`.
fn promql(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => {
                let mut bytes = [0; 4];
                for byte in c.encode_utf8(&mut bytes).bytes() {
                    out.push_str("\\x");
                    out.push_str(&hex::encode([byte]));
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A regular expression that matches exactly the text.
fn regex_quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if "\\.+*?()|[]{}^$".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// The first `length` hex digits of the SHA-256 of a value's canonical JSON.
#[expect(clippy::needless_pass_by_value, reason = "the shape of a filter")]
fn digest(value: Value, length: usize) -> Result<String, Error> {
    let mut budget = MAX_NODES;
    let tree = to_tree(&value, 0, &mut budget)
        .map_err(|what| Error::new(ErrorKind::InvalidOperation, what))?;
    let sorted = Tree::from_json(&tree.to_json());
    let text = hex::encode(Sha256::digest(sorted.to_json_text()));
    Ok(text.get(..length).unwrap_or(&text).to_owned())
}

/// The text as a label value: what labels cannot hold becomes a dash, at most 63 characters.
fn label(text: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    let mapped: String = text.chars().map(safe).take(63).collect();
    mapped.trim_matches(|c: char| !c.is_ascii_alphanumeric()).to_owned()
}

/// The parts of an image reference: `repository`, `tag`, `digest` (empty where absent) and a `version` fit for labels.
fn image(text: &str) -> Value {
    let (rest, digest) = text.split_once('@').unwrap_or((text, ""));
    let slash = rest.rfind('/').map_or(0, |at| at + 1);
    let (repository, tag) = match rest[slash..].find(':') {
        Some(colon) => (&rest[..slash + colon], &rest[slash + colon + 1..]),
        None => (rest, ""),
    };
    let hex = digest.split_once(':').map_or(digest, |(_, hex)| hex);
    let version = if tag.is_empty() { hex.get(..12).unwrap_or(hex) } else { tag };
    Value::from_pairs([
        ("repository", repository.to_owned()),
        ("tag", tag.to_owned()),
        ("digest", digest.to_owned()),
        ("version", label(version)),
    ])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn eval(source: &str) -> Result<Tree, String> {
        let mut scope = Scope::new();
        scope.set("name", Value::from("checkout"));
        scope.set("spec", from_tree(&Tree::Map(vec![("port".to_owned(), Tree::Int(8080))])));
        Expression::compile(source).and_then(|expression| expression.tree(&scope))
    }

    #[test]
    fn a_value_keeps_its_type() {
        assert_eq!(eval("spec.port + 1"), Ok(Tree::Int(8081)));
        assert_eq!(eval("name ~ '-db'"), Ok(Tree::Text("checkout-db".to_owned())));
        assert_eq!(eval("spec.port > 80"), Ok(Tree::Bool(true)));
        assert_eq!(eval("none"), Ok(Tree::Null));
        assert_eq!(eval("1.5 * 2"), Ok(Tree::Float(3.0)));
        assert_eq!(
            eval("{'b': 1, 'a': [2]}").unwrap().to_json_text(),
            "{\n  \"a\": [\n    2\n  ],\n  \"b\": 1\n}\n"
        );
    }

    #[test]
    fn names_that_are_not_defined_are_errors_that_name_the_expression() {
        for source in ["nmae", "spec.prot", "spec.prot.x", "name ~ nope", "debug()", "namespace()"]
        {
            let error = eval(source).unwrap_err();
            assert!(error.contains(source), "{error}");
        }
    }

    #[test]
    fn work_and_size_are_bounded() {
        for source in [
            "'x' * 100000000",
            "range(100000)|map('string')|join|length",
            "range(50000)|list",
            "[range(9999)|list]*9999",
        ] {
            assert!(eval(source).is_err(), "{source}");
        }
        assert!(Expression::compile(&"(".repeat(100_000)).is_err());
    }

    #[test]
    fn a_condition_is_a_boolean() {
        let scope = Scope::new();

        assert_eq!(Expression::compile("1 > 0").unwrap().holds(&scope), Ok(true));
        assert!(Expression::compile("'false'").unwrap().holds(&scope).is_err());
    }

    #[test]
    fn an_image_reference_falls_into_its_parts() {
        let parts = |text: &str| eval(&format!("image('{text}')")).unwrap().to_json();

        assert_eq!(
            parts("host:5000/acme/shop:v1@sha256:0123456789abcdef"),
            serde_json::json!({"repository": "host:5000/acme/shop", "tag": "v1", "digest": "sha256:0123456789abcdef", "version": "v1"})
        );
        assert_eq!(parts("shop@sha256:0123456789abcdef")["version"], "0123456789ab");
        assert_eq!(parts("host:5000/shop")["tag"], "");
    }

    proptest! {
        #[test]
        fn a_promql_literal_has_no_way_out(text in any::<String>()) {
            let literal = promql(&text);
            let inner = &literal[1..literal.len() - 1];
            let mut escaped = false;
            for c in inner.chars() {
                prop_assert!(escaped || c != '"');
                prop_assert!(!c.is_control());
                escaped = c == '\\' && !escaped;
            }
            prop_assert!(!escaped);
        }

        #[test]
        fn no_text_makes_the_compiler_or_the_helpers_panic(text in any::<String>()) {
            let _ = Expression::compile(&text);
            let _ = image(&text);
            let made = label(&text);
            prop_assert!(made.len() <= 63);
        }
    }
}
