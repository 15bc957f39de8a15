//! Secrets: written and removed at once, and read without their values.

use registry_api::platform::{PutSecret, Secret, SecretRef};
use reqwest::Method;

use super::transport::Request;
use super::{Client, ClientError, Expected, found};

impl Client {
    /// What is known of a secret; `None` where there is none.
    pub async fn secret(&self, which: &SecretRef) -> Result<Option<Secret>, ClientError> {
        found(self.transport.call(&Request::new(Method::GET, path(which))).await)
    }

    /// Creates or changes a secret. The same key always answers with what the first such request made.
    pub async fn put_secret(
        &self,
        which: &SecretRef,
        wanted: &PutSecret,
        expected: Expected,
        key: &str,
    ) -> Result<Secret, ClientError> {
        let request = Request::new(Method::PUT, path(which))
            .expecting(expected)
            .idempotent(key)
            .body(wanted)?;
        self.transport.call(&request).await
    }

    /// Removes a secret and every version of its value.
    pub async fn delete_secret(
        &self,
        which: &SecretRef,
        expected: Expected,
        key: &str,
    ) -> Result<(), ClientError> {
        let request = Request::new(Method::DELETE, path(which)).expecting(expected).idempotent(key);
        self.transport.send(&request).await
    }
}

fn path(which: &SecretRef) -> String {
    format!("secrets/{}/{}", which.environment(), which.name())
}
