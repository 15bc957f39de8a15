//! `idp_service`: a workload on a golden path.

mod model;
mod schema;
mod validate;

#[cfg(test)]
mod tests;

use provider_framework::schema::ResourceSchema;
use provider_framework::value::{IntoValue as _, Value};
use registry_api::platform::Resource;

pub(crate) use self::model::Service;
use crate::client::ClientError;
use crate::golden::GoldenResource as _;
use crate::golden::model::{Found, Golden};

/// The attributes of the resource.
pub(crate) fn schema() -> ResourceSchema {
    Service::schema()
}

/// Every attribute of a resource that nobody here manages.
pub(crate) fn describe(resource: Resource) -> Result<Value, ClientError> {
    let found = Found::<Service>::read(resource)?;
    Ok(Golden::of(&found).into_value())
}
