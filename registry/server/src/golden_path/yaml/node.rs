//! What was read, with the lines it was read from.

use super::Tree;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) line: usize,
    pub(crate) kind: NodeKind,
}

/// What a [`Node`] holds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum NodeKind {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One key of a map.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) line: usize,
    pub(crate) value: Node,
}

impl Node {
    /// The value without its lines.
    pub(crate) fn to_tree(&self) -> Tree {
        match &self.kind {
            NodeKind::Null => Tree::Null,
            NodeKind::Bool(value) => Tree::Bool(*value),
            NodeKind::Int(value) => Tree::Int(*value),
            NodeKind::Float(value) => Tree::Float(*value),
            NodeKind::Text(text) => Tree::Text(text.clone()),
            NodeKind::List(items) => Tree::List(items.iter().map(Self::to_tree).collect()),
            NodeKind::Map(entries) => Tree::Map(
                entries.iter().map(|entry| (entry.key.clone(), entry.value.to_tree())).collect(),
            ),
        }
    }

    /// What it is called in messages.
    pub(crate) const fn kind(&self) -> &'static str {
        match &self.kind {
            NodeKind::Null => "null",
            NodeKind::Bool(_) => "a boolean",
            NodeKind::Int(_) | NodeKind::Float(_) => "a number",
            NodeKind::Text(_) => "a string",
            NodeKind::List(_) => "a list",
            NodeKind::Map(_) => "a map",
        }
    }
}
