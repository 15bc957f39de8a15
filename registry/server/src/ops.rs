//! What the service does, one file per thing.

pub mod accept;
pub mod adopt;
pub mod backup;
pub mod bootstrap;
pub mod credentials;
pub mod databases;
pub mod delete_resource;
pub mod deploy;
pub mod describe_path;
pub mod dumps;
pub mod logins;
pub mod operations;
pub mod paths;
pub mod places;
pub mod plan;
pub mod prepare;
pub mod publish_module;
pub mod publish_provider;
pub mod put_resource;
pub mod read_resource;
pub mod refusal;
pub mod restore;
pub mod rotate_credentials;
pub mod secrets;
mod spec;
pub mod standing;
mod uses;
