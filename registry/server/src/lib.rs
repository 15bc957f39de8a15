//! The registry server, the platform and the `idp` command line.
//!
//! ```text
//! main → cli → router → routes → ops → { store, blobs, drivers, auth } → model
//! ```
//!
//! - [`config`]: `idp.toml` and the environment, read once
//! - [`app`]: what a handler may use; [`router`]: every route in one list; [`serve`]: sockets, TLS, shutdown
//! - [`routes`]: the HTTP edge; [`extract`] and [`error`] are its two halves
//! - [`ops`]: what the service does; [`store`]: the only SQL; [`blobs`]: the only object paths
//! - [`trust`]: the log, the registry's own keys, and whose signatures count
//! - [`secrets`]: values sealed under keys that are not in the database
//! - [`drivers`]: the only modules that touch the world outside; [`auth`]: who asks; [`model`]: pure rules
//! - [`golden_path`]: reads golden paths and renders them; [`policy`]: judges requests. Both pure, beside [`model`]
//! - [`openpgp`]: signatures of provider releases
//! - [`cli`]: the commands

pub mod app;
pub mod auth;
pub mod blobs;
pub mod cache;
pub mod cli;
pub mod clock;
pub mod config;
pub mod drivers;
pub mod error;
pub mod extract;
pub mod failpoint;
pub mod files;
pub mod golden_path;
pub mod id;
pub mod jobs;
pub mod listing;
pub mod model;
pub mod openpgp;
pub mod ops;
pub mod path_cache;
pub mod platform;
pub mod policy;
pub mod request_id;
pub mod router;
pub mod routes;
pub mod secrets;
pub mod serve;
pub mod signals;
pub mod store;
pub mod trust;
