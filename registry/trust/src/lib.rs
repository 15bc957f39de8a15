//! Offline verification of modules: canonical archives, tree hashes, signed statements, the lock file.
//!
//! Pure functions over bytes; the only file access is packing and hashing a folder that the caller names.
//! No network, no clock, no environment, and randomness in one place ([`key::SigningKey::generate`]).
#![warn(missing_docs)]

pub mod archive;
pub mod digest;
pub mod tree;

mod walk;
