//! The platform API as this provider uses it.
//!
//! One client is shared by every call of a process. It is built on first use, so that a process that only
//! answers with its schema opens nothing. Knows the API's types; knows nothing of Terraform.

mod credentials;
mod endpoint;
mod error;
mod modules;
mod retry;
mod secrets;
mod tls;
mod transport;

use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
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

/// A key that names one attempt to change something: sent again it is the same request, but the next is another.
pub fn idempotency_key(id: &str) -> Result<String, ClientError> {
    let mut chance = [0_u8; 16];
    getrandom::fill(&mut chance).map_err(|error| {
        ClientError::Setup(format!("The system gives no random numbers: {error}."))
    })?;
    Ok(format!("{id}-{:032x}", u128::from_be_bytes(chance)))
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
        found(self.transport.call(&Request::new(Method::GET, resource_path(which))).await)
    }

    /// What exists under that name without the platform, in the words of a resource; `None` where there is nothing.
    pub async fn unmanaged(&self, which: &ResourceRef) -> Result<Option<Resource>, ClientError> {
        let path = format!("{}/unmanaged", resource_path(which));
        found(self.transport.call(&Request::new(Method::GET, path)).await)
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

/// What is not there is an answer, not a failure.
fn found<T>(answer: Result<T, ClientError>) -> Result<Option<T>, ClientError> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// A text as one segment of a path, or one part of another URL.
pub(crate) fn segment(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// Everything but what means itself wherever it stands in a URL.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

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
