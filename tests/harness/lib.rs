//! Drives the built programs as their users do: a real server, a real git repository, the real terraform.
//!
//! - [`Platform`]: a server with published golden paths, one for each test
//! - [`Databases`]: a platform with a PostgreSQL server of its own
//! - [`Workspace`]: a folder with a Terraform configuration
//! - [`Repository`]: the git repository that rendered files go to
//! - [`Run`]: a program that ended, and assertions on what it said
//! - [`Hunt`]: looking for secrets where they do not belong
//! - [`Tap`]: what a server says to a client
//! - [`http`]: requests to the server's own interfaces
//! - [`hcl`]: configurations that tests share
//!
//! Knows the programs only by their command line and their protocols.

#![expect(clippy::return_self_not_must_use, reason = "assertions that chain, and may end a chain")]

mod binaries;
mod config;
mod databases;
mod files;
mod git;
pub mod hcl;
pub mod http;
mod hunt;
mod platform;
mod run;
mod server;
mod tap;
mod template;
mod workspace;

pub use binaries::{idp, provider, root, target, terraform};
pub use databases::{Databases, REGISTRAR, REGISTRAR_PASSWORD};
pub use files::{copy_tree, eventually};
pub use git::{Commit, Repository};
pub use hunt::{Hunt, Place};
pub use platform::Platform;
pub use run::{Run, clean};
pub use server::Start;
pub use tap::Tap;
pub use template::{PROVIDER_VERSION, golden_paths};
pub use workspace::{HOSTNAME, Provider, Started, Workspace};
