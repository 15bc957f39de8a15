//! Drivers: the only modules that touch the world outside the server.

pub mod gitops;
pub mod oidc;
pub mod postgres;
