//! `idp_database_credentials`: a login to a database that lasts as long as a run needs it.
//!
//! The password is in the result, which core keeps in memory, and nowhere else. Private bytes hold the id of the login
//! only.

mod model;
mod schema;
mod validate;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use provider_framework::ephemeral_resource::{
    CloseRequest, EphemeralResource, OpenRequest, Opened, RenewRequest, Renewed,
    ValidateEphemeralResourceRequest,
};
use provider_framework::provider::Configured;
use provider_framework::schema::ResourceSchema;
use provider_framework::{Diagnostics, Failed, Report as _, Timestamp, async_trait};
use registry_api::platform::CredentialLease;
use serde::{Deserialize, Serialize};

use self::model::Credentials;
use crate::report;
use crate::settings::Platform;

const TYPE_NAME: &str = "idp_database_credentials";

/// Says what time it is.
pub(crate) type Clock = fn() -> Timestamp;

/// The type of ephemeral resource.
#[derive(Debug)]
pub(crate) struct DatabaseCredentials {
    platform: Configured<Platform>,
    clock: Clock,
    /// When each open login ends by itself, by its id: a renewal moves it, of which close is not told.
    ends: Mutex<HashMap<String, String>>,
}

/// What core hands back to renew and to close.
#[derive(Debug, Serialize, Deserialize)]
struct Login {
    id: String,
}

impl DatabaseCredentials {
    /// Works with whatever platform the provider is configured for.
    pub(crate) fn new(platform: Configured<Platform>, clock: Clock) -> Self {
        Self { platform, clock, ends: Mutex::default() }
    }

    /// Takes note of when a login ends; says when to renew it.
    fn note(&self, lease: &CredentialLease) -> Option<Timestamp> {
        self.ends().insert(lease.id.clone(), lease.expires_at.clone());
        renew_at((self.clock)(), lease)
    }

    fn ends(&self) -> std::sync::MutexGuard<'_, HashMap<String, String>> {
        // Nothing panics while it holds the lock.
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl EphemeralResource for DatabaseCredentials {
    fn type_name(&self) -> &'static str {
        TYPE_NAME
    }

    fn schema(&self) -> ResourceSchema {
        schema::schema()
    }

    async fn validate(
        &self,
        request: ValidateEphemeralResourceRequest,
        diagnostics: &mut Diagnostics,
    ) -> Result<(), Failed> {
        validate::validate(&request.config.to_model(diagnostics)?, diagnostics)
    }

    async fn open(&self, request: OpenRequest, opened: &mut Opened) -> Result<(), Failed> {
        let platform = self.platform.require(&mut opened.diagnostics)?;
        let config: Credentials = request.config.to_model(&mut opened.diagnostics)?;
        let label = config.label();
        let (connection_id, wanted) = config.question(&mut opened.diagnostics)?;
        let answer = platform.client.open_credential(&connection_id, &wanted).await;
        let credential = answer.map_err(|error| {
            report::client_error(&mut opened.diagnostics, &label, "opening a login", &error)
        })?;
        opened.private.write(&Login { id: credential.lease.id.clone() });
        opened.renew_at = self.note(&credential.lease);
        opened.set(config.filled(credential));
        Ok(())
    }

    async fn renew(&self, request: RenewRequest, renewed: &mut Renewed) -> Result<(), Failed> {
        let platform = self.platform.require(&mut renewed.diagnostics)?;
        let Some(Login { id }) = request.private.read() else {
            return Err(unnamed("renewed", &mut renewed.diagnostics));
        };
        let answer = platform.client.renew_credential(&id).await;
        let lease = answer.map_err(|error| {
            let label = format!("{TYPE_NAME} {id}");
            report::client_error(&mut renewed.diagnostics, &label, "renewing the login", &error)
        })?;
        renewed.renew_at = self.note(&lease);
        Ok(())
    }

    async fn close(
        &self,
        request: CloseRequest,
        diagnostics: &mut Diagnostics,
    ) -> Result<(), Failed> {
        let platform = self.platform.require(diagnostics)?;
        let Some(Login { id }) = request.private.read() else {
            return Err(unnamed("closed", diagnostics));
        };
        let ends = self.ends().remove(&id);
        let label = format!("{TYPE_NAME} {id}");
        match platform.client.close_credential(&id).await {
            Ok(()) => Ok(()),
            Err(error) if error.is_passing() => {
                let when = ends.map_or_else(
                    || "when its time is over".to_owned(),
                    |expires_at| format!("at {expires_at}"),
                );
                let detail = format!("The login ends by itself {when}.\n\n{error}");
                diagnostics.warn(format!("{label}: it was not closed"), detail);
                Ok(())
            }
            Err(error) => {
                Err(report::client_error(diagnostics, &label, "closing the login", &error))
            }
        }
    }
}

/// Private bytes that this provider did not write.
fn unnamed(what: &str, diagnostics: &mut Diagnostics) -> Failed {
    let detail =
        "Terraform handed back nothing that names it. It ends by itself when its time is over.";
    diagnostics.fail(format!("{TYPE_NAME}: a login cannot be {what}"), detail)
}

/// When to renew a login, by the clock of this side: the other may go differently. Never, where it does not say.
fn renew_at(now: Timestamp, lease: &CredentialLease) -> Option<Timestamp> {
    let seconds = i64::from(lease.renew_in_seconds);
    if seconds == 0 {
        return None;
    }
    Timestamp::from_second(now.as_second().checked_add(seconds)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(renew_in_seconds: u32) -> CredentialLease {
        CredentialLease {
            id: "crd_1".to_owned(),
            expires_at: "2026-01-01T00:15:00Z".to_owned(),
            renew_in_seconds,
        }
    }

    #[test]
    fn a_login_is_renewed_so_many_seconds_from_now_whatever_the_platforms_clock_says() {
        let now: Timestamp = "2031-05-05T10:00:00Z".parse().unwrap();

        assert_eq!(renew_at(now, &lease(600)).unwrap().to_string(), "2031-05-05T10:10:00Z");
        assert_eq!(renew_at(now, &lease(0)), None);
        assert_eq!(renew_at(Timestamp::MAX, &lease(600)), None);
    }
}
