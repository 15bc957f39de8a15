//! The service as its clients see it: the real router on a fresh database, and the real binary.

#![expect(clippy::unwrap_used, reason = "a helper that fails is its test failing")]

mod archives;
mod attacks;
mod backup;
mod cli;
mod dev;
mod evidence;
mod guards;
mod keys;
mod kills;
mod log;
mod log_commands;
mod module_status;
mod modules;
mod namespaces;
mod oidc;
mod providers;
mod publish_module;
mod serve;
mod statuses;
mod support;
mod tokens;
mod trust_commands;
mod upgrade;
mod verify;
