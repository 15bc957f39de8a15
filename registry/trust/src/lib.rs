//! Offline verification of modules: canonical archives, tree hashes, signed statements, the lock file.
//!
//! Pure functions over bytes; the only file access is in folders that the caller names: packing one, hashing one, and
//! finding what Terraform installed in one.
//! No network, no clock, no environment, and randomness in one place ([`key::SigningKey::generate`]).
//!
//! - [`archive`]: the one tar.gz that a tree has; [`tree`]: the hash of an unpacked tree; [`digest`]: both digests.
//! - [`key`], [`dsse`], [`bundle`]: who signs, what is signed, how it travels.
//! - [`release`], [`statement`], [`standing`]: what is said of modules, keys and the registry; [`verify`]: checking a release.
//! - [`log`]: the transparency log that statements are recorded in: tree, proofs, tiles, signed checkpoints.
//! - [`authority`]: whose signatures count; [`policy`]: on whose word; [`evidence`]: judging modules by what a registry gives.
//! - [`audit`]: reading a whole log and finding what should not be in it.
//! - [`installed`]: what Terraform installed, and where; [`report`]: what is to be thought of it.
//! - [`lock`]: what a configuration is pinned to; [`sums`]: a provider release's `SHA256SUMS`.
#![warn(missing_docs)]

pub mod archive;
pub mod audit;
pub mod authority;
pub mod bundle;
pub mod digest;
pub mod dsse;
pub mod evidence;
pub mod installed;
pub mod key;
pub mod lock;
pub mod log;
pub mod policy;
pub mod release;
pub mod report;
pub mod standing;
pub mod statement;
pub mod sums;
pub mod time;
pub mod tree;
pub mod verify;

mod parallel;
#[cfg(test)]
mod testing;
mod walk;
