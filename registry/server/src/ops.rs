//! What the service does, one file per thing.

pub mod accept;
pub mod bootstrap;
pub mod delete_resource;
pub mod deploy;
pub mod describe_path;
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
mod spec;
pub mod standing;
