//! The platform API as this provider uses it.
//!
//! One client is shared by every call of a process. It is built on first use, so that a process that only
//! answers with its schema opens nothing. Knows the API's types; knows nothing of Terraform.

mod endpoint;
mod error;
mod retry;
mod tls;
mod transport;

use std::time::Duration;

use registry_api::platform::{
    GoldenPath, Operation, Plan, PlanRequest, PutResource, Resource, ResourceRef,
};
use registry_api::{ModuleAddress, VersionConstraint};
use reqwest::Method;

pub use endpoint::{Endpoint, InvalidEndpoint};
pub use error::{ClientError, Refusal};
pub use retry::Patience;
pub use tls::ExtraRoots;
use transport::{Request, Transport};

/// A bearer token; shows nothing of itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Takes the text without surrounding white space, which files and shells like to add.
    pub fn new(text: &str) -> Self {
        Self(text.trim().to_owned())
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

/// What a write expects to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Nothing of that name, or one that was never finished.
    Nothing,
    /// This generation.
    Generation(u64),
}

/// Speaks to one platform.
#[derive(Debug)]
pub struct Client {
    transport: Transport,
}

impl Client {
    /// Remembers where the platform is; opens nothing.
    pub fn new(endpoint: Endpoint, token: Token, roots: ExtraRoots, patience: Patience) -> Self {
        Self { transport: Transport::new(endpoint, token, roots, patience) }
    }

    /// Where the platform is.
    pub fn endpoint(&self) -> &Endpoint {
        self.transport.endpoint()
    }

    /// How long it keeps trying.
    pub fn patience(&self) -> &Patience {
        self.transport.patience()
    }

    /// What a change would do.
    pub async fn plan(&self, plan: &PlanRequest) -> Result<Plan, ClientError> {
        let request = Request::new(Method::POST, "plans").body(plan)?;
        self.transport.call(&request).await
    }

    /// A golden path, at the version that the constraint selects today.
    pub async fn golden_path(
        &self,
        address: &ModuleAddress,
        constraint: Option<&VersionConstraint>,
    ) -> Result<GoldenPath, ClientError> {
        let mut request = Request::new(Method::GET, format!("golden-paths/{address}"));
        if let Some(constraint) = constraint {
            request = request.query("constraint", constraint.as_str());
        }
        self.transport.call(&request).await
    }

    /// A resource as it is; `None` where there is none.
    pub async fn resource(&self, which: &ResourceRef) -> Result<Option<Resource>, ClientError> {
        match self.transport.call(&Request::new(Method::GET, resource_path(which))).await {
            Ok(resource) => Ok(Some(resource)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Asks for a resource to be as described. The same key always answers with the same operation.
    pub async fn put(
        &self,
        which: &ResourceRef,
        wanted: &PutResource,
        expected: Expected,
        key: &str,
    ) -> Result<Operation, ClientError> {
        let request = Request::new(Method::PUT, resource_path(which))
            .expecting(expected)
            .idempotent(key)
            .body(wanted)?;
        self.transport.call(&request).await
    }

    /// Asks for a resource to be removed. The same key always answers with the same operation.
    pub async fn delete(
        &self,
        which: &ResourceRef,
        expected: Expected,
        key: &str,
    ) -> Result<Operation, ClientError> {
        let request =
            Request::new(Method::DELETE, resource_path(which)).expecting(expected).idempotent(key);
        self.transport.call(&request).await
    }

    /// An operation; answers when it ends or after `wait`, whichever is first.
    pub async fn operation(&self, id: &str, wait: Duration) -> Result<Operation, ClientError> {
        let request = Request::new(Method::GET, format!("operations/{id}"))
            .query("wait", &format!("{}s", wait.as_secs()))
            .waiting(wait);
        self.transport.call(&request).await
    }
}

fn resource_path(which: &ResourceRef) -> String {
    format!("resources/{}/{}/{}", which.kind, which.environment, which.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_shows_nothing_of_itself() {
        let token = Token::new(" idp_secret\n");

        assert_eq!(format!("{token:?}"), "Token(…)");
        assert_eq!(token.expose(), "idp_secret");
    }
}
