//! Ephemeral credentials: a login to a database that ends by itself.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Access, SecretRef};

/// Body of `POST /connections/{connection_id}/credentials`. Needs the right `credentials:<privilege>` for the
/// database's environment and owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct CredentialRequest {
    /// What the login may do.
    pub privilege: Access,
    /// Seconds until it ends unless it is renewed: 60 to 3600, 900 where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_seconds: Option<u32>,
}

/// Answer of `POST /connections/{connection_id}/credentials`: the only time that the password is told.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Credential {
    /// When it ends, and how it is named.
    #[serde(flatten)]
    pub lease: CredentialLease,
    /// Role to log in as.
    pub username: String,
    /// Its password.
    pub password: String,
    /// Host of the server.
    pub host: String,
    /// Port of the server.
    pub port: u16,
    /// The database.
    pub database: String,
}

/// Answer of `POST /credentials/{id}/renew`. `DELETE /credentials/{id}` ends it, and does no harm where it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct CredentialLease {
    /// Names it when it is renewed or closed.
    pub id: String,
    /// When the login stops working, RFC 3339.
    pub expires_at: String,
    /// Seconds until it should be renewed.
    pub renew_in_seconds: u32,
}

/// Body of `POST /rotations`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Rotate {
    /// Where the credentials are: `database/staging/orders` or `service/staging/checkout/orders`.
    pub secret_ref: SecretRef,
}

/// A password is never printed.
impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("lease", &self.lease)
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}
