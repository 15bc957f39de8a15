//! Ephemeral credentials: a login to a database that ends by itself.

use registry_api::platform::{Credential, CredentialLease, CredentialRequest};
use reqwest::Method;

use super::transport::Request;
use super::{Client, ClientError, segment};

impl Client {
    /// Makes a login.
    ///
    /// Where the answer is lost another one is made: the first was told to nobody, and ends by itself.
    pub async fn open_credential(
        &self,
        connection_id: &str,
        wanted: &CredentialRequest,
    ) -> Result<Credential, ClientError> {
        let path = format!("connections/{}/credentials", segment(connection_id));
        let request = Request::new(Method::POST, path).body(wanted)?.confidential();
        self.transport.call(&request).await
    }

    /// Makes a login last longer.
    pub async fn renew_credential(&self, id: &str) -> Result<CredentialLease, ClientError> {
        let path = format!("credentials/{}/renew", segment(id));
        self.transport.call(&Request::new(Method::POST, path)).await
    }

    /// Ends a login; one that ended already is what was wanted.
    pub async fn close_credential(&self, id: &str) -> Result<(), ClientError> {
        let path = format!("credentials/{}", segment(id));
        match self.transport.send(&Request::new(Method::DELETE, path)).await {
            Err(error) if error.is_not_found() => Ok(()),
            done => done,
        }
    }
}
