//! Our own API, `/api/v1`.

pub mod modules;
pub mod server;
pub mod tokens;
