//! YAML in and out, without its traps.
//!
//! [`read()`] accepts the part of YAML that every version and parser reads alike; [`write()`] emits only that part.
//! Between them lies [`Tree`]. Knows nothing of golden paths.

mod node;
mod read;
mod tree;
mod words;
mod write;

pub use node::{Entry, Node, NodeKind};
pub use read::read;
pub use tree::Tree;
pub use write::write;
