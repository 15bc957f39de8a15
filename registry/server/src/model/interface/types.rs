//! Type constraints of inputs: read from an expression, written in one spelling, compared.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use hcl_edit::expr::{Expression, ObjectKey};

/// A type constraint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Type {
    /// `string`, `number`, `bool`.
    Primitive(&'static str),
    /// `any`, also where no type is written.
    Any,
    /// `list(…)`, `set(…)`, `map(…)`.
    Collection(&'static str, Box<Self>),
    /// `tuple([…])`.
    Tuple(Vec<Self>),
    /// `object({…})`.
    Object(BTreeMap<String, Attribute>),
    /// Nothing that is known, as it is written.
    Unread(String),
}

/// An attribute of an object type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Attribute {
    kind: Type,
    optional: bool,
}

/// What separates two types, as a caller sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Difference {
    /// What fitted the old one fits the new one: it only asks for less.
    Widened,
    /// What fitted the old one may not fit the new one; why, in words.
    Retyped(String),
}

impl Type {
    /// Reads what an argument `type` says.
    pub(super) fn read(expression: &Expression) -> Self {
        match expression {
            // JSON has types as text, and so had Terraform before 0.12.
            Expression::String(text) => Self::parse(text),
            expression => Self::of(expression),
        }
    }

    /// Reads what a type prints as.
    pub(super) fn parse(text: &str) -> Self {
        match text.trim().parse::<Expression>() {
            Ok(expression) => Self::of(&expression),
            Err(_) => Self::unread(text),
        }
    }

    fn of(expression: &Expression) -> Self {
        Self::known(expression).unwrap_or_else(|| Self::unread(&expression.to_string()))
    }

    /// Keeps the text in one line, and unlike any type: a comment may have hidden its end.
    fn unread(text: &str) -> Self {
        let text = collapsed(text);
        let mistaken = text.parse().is_ok_and(|expression| Self::known(&expression).is_some());
        Self::Unread(if mistaken { format!("? {text}") } else { text })
    }

    fn known(expression: &Expression) -> Option<Self> {
        match expression {
            Expression::Variable(name) => match name.as_str() {
                "any" => Some(Self::Any),
                "string" => Some(Self::Primitive("string")),
                "number" => Some(Self::Primitive("number")),
                "bool" => Some(Self::Primitive("bool")),
                bare => Some(Self::Collection(collection(bare)?, Box::new(Self::Any))),
            },
            Expression::FuncCall(call) if call.name.namespace.is_empty() => {
                let mut arguments = call.args.iter();
                let (Some(argument), None) = (arguments.next(), arguments.next()) else {
                    return None;
                };
                match (call.name.name.as_str(), argument) {
                    ("tuple", Expression::Array(items)) => {
                        Some(Self::Tuple(items.iter().map(Self::of).collect()))
                    }
                    ("object", Expression::Object(attributes)) => {
                        let attributes = attributes
                            .iter()
                            .map(|(key, value)| Some((name(key)?, Attribute::of(value.expr()))));
                        Some(Self::Object(attributes.collect::<Option<_>>()?))
                    }
                    (name, element) => {
                        Some(Self::Collection(collection(name)?, Box::new(Self::of(element))))
                    }
                }
            }
            _ => None,
        }
    }

    /// How `new` differs from this one; none where nothing does.
    pub(super) fn compare(&self, new: &Self) -> Option<Difference> {
        let mut found = Comparison::default();
        found.compare("", self, new);
        if let Some(reason) = found.retyped {
            return Some(Difference::Retyped(reason));
        }
        found.widened.then_some(Difference::Widened)
    }
}

/// What was found in two types, walked together.
#[derive(Debug, Default)]
struct Comparison {
    widened: bool,
    /// The first reason.
    retyped: Option<String>,
}

impl Comparison {
    fn compare(&mut self, path: &str, old: &Type, new: &Type) {
        match (old, new) {
            (old, new) if old == new => {}
            (Type::Unread(_), _) | (_, Type::Unread(_)) => self.retyped(format!(
                "cannot be compared with what it was{}: {old} became {new}",
                at(path)
            )),
            (Type::Collection(old_kind, old), Type::Collection(new_kind, new))
                if old_kind == new_kind =>
            {
                self.compare(&format!("{path}[*]"), old, new);
            }
            (Type::Tuple(old), Type::Tuple(new)) if old.len() == new.len() => {
                for (index, (old, new)) in old.iter().zip(new).enumerate() {
                    self.compare(&format!("{path}[{index}]"), old, new);
                }
            }
            (Type::Object(old), Type::Object(new)) => self.compare_objects(path, old, new),
            (old, new) => self.retyped(format!("changed its type{}: {old} became {new}", at(path))),
        }
    }

    fn compare_objects(
        &mut self,
        path: &str,
        old: &BTreeMap<String, Attribute>,
        new: &BTreeMap<String, Attribute>,
    ) {
        for (name, before) in old {
            match new.get(name) {
                None => self.retyped(format!("lost its attribute {path}.{name}")),
                Some(after) if before.optional && !after.optional => {
                    self.retyped(format!(
                        "must have its attribute {path}.{name}, which was optional"
                    ));
                }
                Some(after) => {
                    self.widened |= before.optional != after.optional;
                    self.compare(&format!("{path}.{name}"), &before.kind, &after.kind);
                }
            }
        }
        for (name, added) in new.iter().filter(|(name, _)| !old.contains_key(*name)) {
            if added.optional {
                self.widened = true;
            } else {
                self.retyped(format!("must have the new attribute {path}.{name}"));
            }
        }
    }

    fn retyped(&mut self, reason: String) {
        self.retyped.get_or_insert(reason);
    }
}

fn at(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!(" at {path}") }
}

impl Attribute {
    fn of(expression: &Expression) -> Self {
        if let Expression::FuncCall(call) = expression
            && call.name.namespace.is_empty()
            && call.name.name.as_str() == "optional"
            && let (Some(kind), true) = (call.args.get(0), call.args.len() <= 2)
        {
            return Self { kind: Type::of(kind), optional: true };
        }
        Self { kind: Type::of(expression), optional: false }
    }
}

fn collection(name: &str) -> Option<&'static str> {
    ["list", "set", "map"].into_iter().find(|known| *known == name)
}

pub(super) fn name(key: &ObjectKey) -> Option<String> {
    match key {
        // The parser reads a bare name as either.
        ObjectKey::Ident(name) | ObjectKey::Expression(Expression::Variable(name)) => {
            Some(name.as_str().to_owned())
        }
        ObjectKey::Expression(Expression::String(text)) => Some(text.value().clone()),
        ObjectKey::Expression(_) => None,
    }
}

/// A text in one line with single spaces.
pub(super) fn collapsed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn is_identifier(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Primitive(name) => f.write_str(name),
            Self::Any => f.write_str("any"),
            Self::Collection(name, element) => write!(f, "{name}({element})"),
            Self::Tuple(items) => {
                f.write_str("tuple([")?;
                for (index, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if index == 0 { "" } else { ", " })?;
                }
                f.write_str("])")
            }
            Self::Object(attributes) => {
                f.write_str("object({")?;
                for (index, (name, Attribute { kind, optional })) in attributes.iter().enumerate() {
                    f.write_str(if index == 0 { " " } else { ", " })?;
                    write_name(f, name)?;
                    if *optional {
                        write!(f, " = optional({kind})")?;
                    } else {
                        write!(f, " = {kind}")?;
                    }
                }
                f.write_str(if attributes.is_empty() { "})" } else { " })" })
            }
            Self::Unread(text) => f.write_str(text),
        }
    }
}

fn write_name(f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
    if is_identifier(name) {
        return f.write_str(name);
    }
    f.write_char('"')?;
    for c in name.chars() {
        match c {
            '"' | '\\' => write!(f, "\\{c}")?,
            '\n' => f.write_str("\\n")?,
            c if c.is_control() => write!(f, "\\u{:04x}", u32::from(c))?,
            c => f.write_char(c)?,
        }
    }
    f.write_char('"')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn printed(text: &str) -> String {
        Type::parse(text).to_string()
    }

    fn compare(old: &str, new: &str) -> Option<Difference> {
        Type::parse(old).compare(&Type::parse(new))
    }

    #[test]
    fn a_type_has_one_spelling() {
        for (written, expected) in [
            ("string", "string"),
            ("\n  string\n", "string"),
            ("list", "list(any)"),
            ("map( string )", "map(string)"),
            ("tuple([string,\n number])", "tuple([string, number])"),
            ("object({})", "object({})"),
            (
                "object({ b = optional(number, 3)\n \"a\" : list(object({x=optional( any )})) })",
                "object({ a = list(object({ x = optional(any) })), b = optional(number) })",
            ),
            ("object({ \"a b\" = string })", "object({ \"a b\" = string })"),
            ("strin", "strin"),
            ("list(string, number)", "list(string, number)"),
            ("(string)", "(string)"),
        ] {
            assert_eq!(printed(written), expected, "{written}");
        }
    }

    #[test]
    fn a_type_as_text_is_read_like_any_other() {
        let quoted: Expression = "\"list(string)\"".parse().unwrap();

        assert_eq!(Type::read(&quoted), Type::parse("list(string)"));
    }

    #[test]
    fn what_asks_for_less_is_not_retyped() {
        for (old, new) in [
            ("object({})", "object({ a = optional(string) })"),
            ("object({ a = string })", "object({ a = optional(string) })"),
            ("list(object({}))", "list(object({ a = optional(string, \"x\") }))"),
            ("tuple([map(object({}))])", "tuple([map(object({ a = optional(bool) }))])"),
        ] {
            assert_eq!(compare(old, new), Some(Difference::Widened), "{old} to {new}");
        }
        assert_eq!(
            compare("object({ a = optional(string) })", "object({a=optional(string, null)})"),
            None
        );
    }

    #[test]
    fn what_may_not_fit_any_more_is_retyped_and_says_where() {
        for (old, new, words) in [
            ("string", "number", "changed its type: string became number"),
            ("string", "any", "string became any"),
            ("list(string)", "set(string)", "list(string) became set(string)"),
            ("list(string)", "list(number)", "at [*]: string became number"),
            ("tuple([string])", "tuple([string, string])", "became tuple"),
            ("object({ a = string })", "object({})", "lost its attribute .a"),
            ("object({})", "object({ a = string })", "must have the new attribute .a"),
            (
                "object({ a = optional(string) })",
                "object({ a = string })",
                "must have its attribute .a, which was optional",
            ),
            (
                "map(object({ a = object({ b = string }) }))",
                "map(object({ a = object({ b = bool }) }))",
                "at [*].a.b: string became bool",
            ),
            ("var.a", "string", "cannot be compared"),
        ] {
            match compare(old, new) {
                Some(Difference::Retyped(reason)) => assert!(reason.contains(words), "{reason}"),
                other => panic!("{old} to {new}: {other:?}"),
            }
        }
    }

    fn types() -> impl Strategy<Value = Type> {
        let leaf = prop_oneof![
            Just(Type::Any),
            Just(Type::Primitive("string")),
            Just(Type::Primitive("number")),
            Just(Type::Primitive("bool")),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            let attribute = (inner.clone(), any::<bool>())
                .prop_map(|(kind, optional)| Attribute { kind, optional });
            prop_oneof![
                (prop_oneof![Just("list"), Just("set"), Just("map")], inner.clone())
                    .prop_map(|(name, element)| Type::Collection(name, Box::new(element))),
                proptest::collection::vec(inner, 0..3).prop_map(Type::Tuple),
                proptest::collection::btree_map(
                    "[a-z_][a-z0-9_-]{0,6}|[a-z \"\\\\é]{1,6}",
                    attribute,
                    0..4
                )
                .prop_map(Type::Object),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(kind in types()) {
            prop_assert_eq!(Type::parse(&kind.to_string()), kind);
        }

        #[test]
        fn a_type_does_not_differ_from_itself(kind in types()) {
            prop_assert_eq!(kind.compare(&kind), None);
        }

        #[test]
        fn one_way_is_wider_only_if_the_other_is_not(old in types(), new in types()) {
            if old.compare(&new) == Some(Difference::Widened) {
                prop_assert!(matches!(new.compare(&old), Some(Difference::Retyped(_))));
            }
        }

        #[test]
        fn hostile_text_does_no_harm(text in "[a-z(){}\\[\\]=,\"$# \n]{0,60}|.{0,40}") {
            let read = Type::parse(&text);
            prop_assert_eq!(read.compare(&read), None);
            let again = Type::parse(&read.to_string());
            prop_assert_eq!(matches!(read, Type::Unread(_)), matches!(again, Type::Unread(_)));
        }
    }
}
