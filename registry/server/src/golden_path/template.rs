//! Templates: YAML whose strings hold `${…}`, and a handful of keys that begin with `$`.
//!
//! A string that is one expression takes its value with its type; a string around expressions takes their text.
//! `$${` stands for a literal `${`. What is rendered is always a [`Tree`], so nothing that an expression yields can
//! change the shape of the document around it.
//!
//! | key | meaning |
//! |---|---|
//! | `$if: cond` | leaves the value out unless the condition holds; `$else: value` stands in |
//! | `$for: x in list` | the value once per item, spliced into the list around it |
//! | `$value: v` | the value that `$if` and `$for` are about, where it is not the rest of the map |
//! | `$use: partial` | the content of `partials/<partial>.yaml`, with `$with: {parameter: value}` |
//! | `$merge: [map, …]` | maps that join the keys beside it; a key given twice is an error |
//! | `$json: value` | the value as JSON text |

mod compile;
mod render;

use std::collections::BTreeMap;

use super::expression::Expression;
use super::yaml::Tree;

pub(super) use compile::Compiler;
pub(super) use render::Renderer;

/// Names every expression may use.
///
/// `uses` is there for services and `database` for databases; elsewhere they are undefined, which is an error to use.
pub(super) const ROOT_NAMES: [&str; 10] = [
    "name",
    "owner",
    "environment",
    "platform",
    "path",
    "spec",
    "slo",
    "uses",
    "database",
    "values",
];

/// A compiled template.
#[derive(Debug)]
pub(super) struct Template {
    line: usize,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Constant(Tree),
    Expression(Expression),
    Text(Vec<Piece>),
    List(Vec<Template>),
    Map(Vec<(Vec<Piece>, Template)>),
    If { condition: Expression, then: Box<Template>, otherwise: Option<Box<Template>> },
    For { item: String, list: Expression, body: Box<Template> },
    Use { partial: String, with: Vec<(String, Template)> },
    Merge(Vec<Template>),
    Json(Box<Template>),
}

#[derive(Debug)]
enum Piece {
    Literal(String),
    Expression(Expression),
}

/// A compiled partial.
#[derive(Debug)]
pub(super) struct Partial {
    pub(super) file: String,
    pub(super) body: Template,
}

/// Partials by name.
pub(super) type Partials = BTreeMap<String, Partial>;

impl Template {
    /// Constants all the way down become one constant.
    fn folded(self) -> Self {
        let kind = match self.kind {
            Kind::List(items) if items.iter().all(Self::is_constant) => {
                Kind::Constant(Tree::List(items.into_iter().filter_map(Self::constant).collect()))
            }
            Kind::Map(entries)
                if entries.iter().all(|(key, value)| {
                    matches!(key.as_slice(), [Piece::Literal(_)]) && value.is_constant()
                }) =>
            {
                let pairs = entries.into_iter().filter_map(|(mut key, value)| {
                    let Some(Piece::Literal(key)) = key.pop() else { return None };
                    Some((key, value.constant()?))
                });
                Kind::Constant(Tree::Map(pairs.collect()))
            }
            other => other,
        };
        Self { line: self.line, kind }
    }

    const fn is_constant(&self) -> bool {
        matches!(self.kind, Kind::Constant(_))
    }

    fn constant(self) -> Option<Tree> {
        match self.kind {
            Kind::Constant(tree) => Some(tree),
            _ => None,
        }
    }

    /// Whether a missing value leaves its key out (a condition), or a loop makes a list of it.
    const fn is_loop(&self) -> bool {
        matches!(self.kind, Kind::For { .. })
    }
}
