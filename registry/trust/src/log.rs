//! The transparency log: its tree, its tiles, its signed checkpoints. Hashes and texts only, no I/O.
//!
//! - [`merkle`]: the RFC 6962 tree: hashing, growing, making proofs and verifying them.
//! - [`tile`]: how the tree and its entries are cut into files (C2SP tlog-tiles); [`edge`]: writing these files
//!   while the log grows.
//! - [`note`], [`checkpoint`]: how the log's head is signed (C2SP signed-note and tlog-checkpoint).

pub mod checkpoint;
pub mod edge;
pub mod merkle;
pub mod note;
pub mod tile;
