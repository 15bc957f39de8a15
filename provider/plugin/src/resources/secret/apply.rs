//! Create, update and delete: one request, which the platform carries out at once.
//!
//! The value goes from the configuration into the request and nowhere else.

use provider_framework::context::Private;
use provider_framework::resource::{Applied, CreateRequest, DeleteRequest, UpdateRequest};
use provider_framework::value::{Attr, IntoValue as _, Number, Value};
use provider_framework::{Diagnostics, Failed, Report as _};
use registry_api::platform::{self as api, PutSecret, SecretRef, SecretRotation, Sensitive};

use super::model::{Generate, Remembered, Secret};
use crate::client::{Client, ClientError, Expected, idempotency_key};
use crate::hidden::Hidden;
use crate::report;

/// One apply of one secret.
struct Apply<'a> {
    client: &'a Client,
    label: String,
    reference: SecretRef,
    /// Names this attempt: sent again it is the same request, but the next apply is another.
    key: String,
}

/// Makes a secret.
pub(super) async fn create(
    client: &Client,
    request: &CreateRequest,
    outcome: &mut Applied,
) -> Result<(), Failed> {
    let planned: Secret = request.planned.to_model(&mut outcome.diagnostics)?;
    let value = value(&request.config, &mut outcome.diagnostics)?;
    let apply = Apply::new(client, &planned, &mut outcome.diagnostics)?;
    let body = body(&planned, value.as_ref(), &apply.label, &mut outcome.diagnostics)?;
    match apply.put(&body, Expected::Nothing).await {
        Ok(secret) => {
            settle(planned, &secret, outcome);
            Ok(())
        }
        Err(error) => {
            Err(apply.refused("creating it", &error, value.as_ref(), &mut outcome.diagnostics))
        }
    }
}

/// Changes a secret. What failed leaves the state as the platform then has it.
pub(super) async fn update(
    client: &Client,
    request: &UpdateRequest,
    outcome: &mut Applied,
) -> Result<(), Failed> {
    let prior: Secret = request.prior.to_model(&mut outcome.diagnostics)?;
    let planned: Secret = request.planned.to_model(&mut outcome.diagnostics)?;
    if planned == prior {
        outcome.set(planned);
        return Ok(());
    }
    let value = value(&request.config, &mut outcome.diagnostics)?;
    let apply = Apply::new(client, &planned, &mut outcome.diagnostics)?;
    let body = body(&planned, value.as_ref(), &apply.label, &mut outcome.diagnostics)?;
    let changed = match apply.expected(&request.private).await {
        Ok(expected) => apply.put(&body, expected).await,
        Err(error) => Err(error),
    };
    match changed {
        Ok(secret) => {
            settle(planned, &secret, outcome);
            Ok(())
        }
        Err(error) => {
            apply.look_again(&error, &prior, outcome).await;
            Err(apply.refused("changing it", &error, value.as_ref(), &mut outcome.diagnostics))
        }
    }
}

/// Removes a secret. One that is gone already is what was wanted.
pub(super) async fn delete(
    client: &Client,
    request: &DeleteRequest,
    outcome: &mut Applied,
) -> Result<(), Failed> {
    let prior: Secret = request.prior.to_model(&mut outcome.diagnostics)?;
    let apply = Apply::new(client, &prior, &mut outcome.diagnostics)?;
    let removed = match apply.expected(&request.private).await {
        Ok(expected) => client.delete_secret(&apply.reference, expected, &apply.key).await,
        Err(error) => Err(error),
    };
    match removed {
        Ok(()) => Ok(()),
        Err(error) if error.is_not_found() => Ok(()),
        Err(error) => {
            apply.look_again(&error, &prior, outcome).await;
            Err(apply.refused("removing it", &error, None, &mut outcome.diagnostics))
        }
    }
}

impl<'a> Apply<'a> {
    fn new(
        client: &'a Client,
        secret: &Secret,
        diagnostics: &mut Diagnostics,
    ) -> Result<Self, Failed> {
        let label = secret.label();
        let Some(reference) = secret.reference() else {
            let detail = "Its environment and name must be valid names.";
            return Err(diagnostics.fail(format!("{label}: it cannot be addressed"), detail));
        };
        let key = idempotency_key(&reference.to_string())
            .map_err(|error| report::client_error(diagnostics, &label, "applying", &error))?;
        Ok(Self { client, label, reference, key })
    }

    async fn put(&self, body: &PutSecret, expected: Expected) -> Result<api::Secret, ClientError> {
        self.client.put_secret(&self.reference, body, expected, &self.key).await
    }

    /// What a write expects to find: what the state was read from.
    async fn expected(&self, private: &Private) -> Result<Expected, ClientError> {
        let remembered: Remembered = private.read().unwrap_or_default();
        let generation = match remembered.generation {
            Some(generation) => Some(generation),
            // State that this provider did not write, such as one that was edited by hand.
            None => self.client.secret(&self.reference).await?.map(|secret| secret.generation),
        };
        // Where there is none, the platform says so.
        Ok(Expected::Generation(generation.unwrap_or(0)))
    }

    /// After a failure: what the platform has now is the best that is known.
    async fn look_again(&self, error: &ClientError, prior: &Secret, outcome: &mut Applied) {
        if error.is_passing() {
            return;
        }
        if let Ok(Some(secret)) = self.client.secret(&self.reference).await {
            outcome.set(Secret::of(&secret, prior));
            outcome.private.write(&Remembered::of(&secret));
        }
    }

    /// Tells why, without the value, whoever quoted it.
    fn refused(
        &self,
        doing: &str,
        error: &ClientError,
        value: Option<&Hidden>,
        diagnostics: &mut Diagnostics,
    ) -> Failed {
        let failed = report::client_error(diagnostics, &self.label, doing, error);
        if let Some(value) = value {
            report::withhold(diagnostics, value.reveal());
        }
        failed
    }
}

/// The value that the configuration gives, which only it has.
fn value(config: &Value, diagnostics: &mut Diagnostics) -> Result<Option<Hidden>, Failed> {
    let config: Secret = config.to_model(diagnostics)?;
    Ok(config.value_wo.into_known())
}

fn body(
    planned: &Secret,
    value: Option<&Hidden>,
    label: &str,
    diagnostics: &mut Diagnostics,
) -> Result<PutSecret, Failed> {
    let owner = planned.owner.known().map_or("", String::as_str).parse().map_err(|error| {
        diagnostics.fail(format!("{label}: its owner cannot be sent"), format!("{error}."))
    })?;
    let rotation = planned.rotation.known();
    Ok(PutSecret {
        owner,
        value: value.map(|value| Sensitive::new(value.reveal())),
        value_version: planned.value_wo_version.known().and_then(Number::as_u64),
        generate: planned.generate.known().map(Generate::to_wire),
        rotation: rotation.map(|rotation| SecretRotation {
            trigger: rotation.trigger.known().cloned().unwrap_or_default(),
        }),
        deletion_protection: planned.deletion_protection == Attr::Known(true),
    })
}

/// What was planned, with what only the platform could say.
fn settle(planned: Secret, secret: &api::Secret, outcome: &mut Applied) {
    let version = if planned.version.is_unknown() {
        Attr::Known(secret.version.into())
    } else {
        planned.version
    };
    outcome.set(Secret { version, ..planned }.into_value());
    outcome.private.write(&Remembered::of(secret));
}
