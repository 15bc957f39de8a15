//! YAML in and out, without its traps.
//!
//! [`read()`] accepts the part of YAML that every version and parser reads alike; [`write()`] emits only that part.
//! Between them lies [`Tree`]. Knows nothing of golden paths.

mod node;
mod read;
mod tree;
mod words;
mod write;

pub(crate) use node::{Entry, Node, NodeKind};
pub(crate) use read::read;
pub(crate) use tree::Tree;
pub(crate) use write::write;
