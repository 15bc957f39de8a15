//! The service as its clients see it: the real router on a fresh database, and the real binary.

#![expect(clippy::unwrap_used, reason = "a helper that fails is its test failing")]

mod archives;
mod backup;
mod cli;
mod dev;
mod guards;
mod kills;
mod log;
mod modules;
mod namespaces;
mod oidc;
mod providers;
mod publish_module;
mod serve;
mod support;
mod tokens;
mod verify;
