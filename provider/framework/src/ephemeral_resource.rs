//! Ephemeral resources: what lasts no longer than a run, and is stored nowhere.
//!
//! Their values are secrets as a rule: requests and outcomes have no `Debug`, so that no log shows them by accident.

use async_trait::async_trait;

use crate::Timestamp;
use crate::context::{Context, Private};
use crate::diagnostics::{Diagnostics, Failed, Report as _};
use crate::schema::ResourceSchema;
use crate::value::{IntoValue, Value};

/// A type of ephemeral resource. Clients know them since Terraform 1.10 and OpenTofu 1.11.
///
/// Core opens one while it plans and another while it applies, and closes each as soon as nothing needs it any more.
/// Where a run fails, Terraform 1.11 ends the process instead: what is open then, the engine closes before the process
/// ends, as far as that is done within a second or so. A process that is killed closes nothing, so let what is opened
/// expire too.
#[async_trait]
pub trait EphemeralResource: Send + Sync + 'static {
    /// The whole name: `idp_database_credentials`.
    fn type_name(&self) -> &str;

    /// Its attributes.
    fn schema(&self) -> ResourceSchema;

    /// Checks a configuration. Parts of it may be unknown.
    async fn validate(
        &self,
        request: ValidateEphemeralResourceRequest,
        diagnostics: &mut Diagnostics,
    ) -> Result<(), Failed> {
        let _ = (request, diagnostics);
        Ok(())
    }

    /// Opens it. The outcome starts as the configuration, every attribute of which must stay as it is.
    ///
    /// Core neither keeps nor closes what it did not get. Where this fails, panics, is cancelled or gives an object that
    /// core would refuse, the engine therefore closes at once what was made until then, provided that there are private
    /// bytes or that this reported success: set the private bytes as soon as there is something to close.
    async fn open(&self, request: OpenRequest, opened: &mut Opened) -> Result<(), Failed>;

    /// Makes it last longer. Called only where [`Opened::renew_at`] or [`Renewed::renew_at`] was set, at that time.
    /// After an error core renews no more, but closes all the same.
    async fn renew(&self, request: RenewRequest, renewed: &mut Renewed) -> Result<(), Failed> {
        let _ = request;
        Err(renewed.diagnostics.fail(
            format!("{} cannot be renewed", self.type_name()),
            "This type of ephemeral resource does not support renewal.",
        ))
    }

    /// Closes it: what was made for it should work no longer. An error fails the run, if core is still there to see it.
    ///
    /// A stop that came before does not cancel this, as clearing up is what is left to do then; one that comes meanwhile
    /// does.
    async fn close(
        &self,
        request: CloseRequest,
        diagnostics: &mut Diagnostics,
    ) -> Result<(), Failed> {
        let _ = (request, diagnostics);
        Ok(())
    }
}

/// A configuration to check.
#[derive(Clone)]
pub struct ValidateEphemeralResourceRequest {
    /// The configuration.
    pub config: Value,
    /// What accompanies every call.
    pub context: Context,
}

/// What to open.
#[derive(Clone)]
pub struct OpenRequest {
    /// The configuration. Nothing in it is unknown.
    pub config: Value,
    /// What accompanies every call.
    pub context: Context,
}

/// What was opened.
#[derive(Clone)]
pub struct Opened {
    /// The object. Starts as the configuration; must become an object with everything known.
    pub result: Value,
    /// When to renew it; never, if it is not set. Core asks then and no earlier: leave time before it expires.
    pub renew_at: Option<Timestamp>,
    /// Private bytes for renew and close. Core keeps them in memory only.
    pub private: Private,
    /// Reports to the user.
    pub diagnostics: Diagnostics,
}

impl Opened {
    /// Sets the object.
    pub fn set(&mut self, result: impl IntoValue) {
        self.result = result.into_value();
    }
}

/// What to renew.
#[derive(Clone)]
pub struct RenewRequest {
    /// The private bytes of open, or of the last renewal.
    pub private: Private,
    /// What accompanies every call.
    pub context: Context,
}

/// What was renewed. The object itself cannot change.
#[derive(Clone)]
pub struct Renewed {
    /// When to renew it again; never, if it is not set.
    pub renew_at: Option<Timestamp>,
    /// Private bytes for the next renewal. Starts as those of the request. Close does not get them.
    pub private: Private,
    /// Reports to the user.
    pub diagnostics: Diagnostics,
}

/// What to close.
#[derive(Clone)]
pub struct CloseRequest {
    /// The private bytes of open, whatever renewals stored since: what close needs must be in them.
    pub private: Private,
    /// What accompanies every call.
    pub context: Context,
}
