//! Create, update and delete: one request that the platform accepts or refuses, then waiting for its operation.

use std::time::Duration;

use provider_framework::context::Context;
use provider_framework::resource::{Applied, CreateRequest, DeleteRequest, UpdateRequest};
use provider_framework::value::{Attr, IntoValue as _, Value};
use provider_framework::{Diagnostics, Failed, Report as _};
use registry_api::platform::{Operation, OperationState, PutResource, ResourceRef, Selection};

use super::GoldenResource;
use super::failure::{Doing, Failure};
use super::model::{Found, Golden, Timeouts, id, settle};
use super::read::refreshed;
use super::remembered::Remembered;
use super::wait::{self, Stopped};
use crate::client::{Client, ClientError, Expected, idempotency_key};
use crate::settings::Platform;
use crate::{duration, report};

const DEFAULT_TIMEOUT: Duration = Duration::from_mins(10);

/// One apply of one resource.
struct Apply<'a> {
    client: &'a Client,
    context: &'a Context,
    label: String,
    reference: ResourceRef,
    id: String,
    /// Names this attempt: sent again it is the same request, but the next apply is another.
    key: String,
    limit: Duration,
}

/// Makes a resource. It enters the state only when it is whole: core would have what is half made destroyed, while the
/// platform keeps it and goes on.
pub(super) async fn create<R: GoldenResource>(
    platform: &Platform,
    request: &CreateRequest,
    outcome: &mut Applied,
) -> Result<(), Failed> {
    let planned: Golden<R> = request.planned.to_model(&mut outcome.diagnostics)?;
    let limit = timeout(&planned, |timeouts| &timeouts.create);
    let apply = Apply::new(platform, &request.context, &planned, limit, &mut outcome.diagnostics)?;
    let remembered = Remembered::read(&request.private);
    let body = body(&planned, &remembered, &apply.label, &mut outcome.diagnostics)?;
    let made = apply.put(&body, Expected::Nothing).await;
    let found =
        made.map_err(|stopped| apply.report(stopped, Doing::Create, &mut outcome.diagnostics))?;
    outcome.set(applied(planned, &found));
    outcome.private.write(&Remembered::of(&found.resource, apply.id));
    Ok(())
}

/// Changes a resource, or takes over what exists without the platform. What failed leaves the state as the platform then
/// has it.
pub(super) async fn update<R: GoldenResource>(
    platform: &Platform,
    request: &UpdateRequest,
    outcome: &mut Applied,
) -> Result<(), Failed> {
    let prior: Golden<R> = request.prior.to_model(&mut outcome.diagnostics)?;
    let planned: Golden<R> = request.planned.to_model(&mut outcome.diagnostics)?;
    if planned.without_handling() == prior.without_handling() {
        outcome.set(planned);
        return Ok(());
    }
    let limit = timeout(&planned, |timeouts| &timeouts.update);
    let apply = Apply::new(platform, &request.context, &planned, limit, &mut outcome.diagnostics)?;
    let remembered = Remembered::read(&request.private);
    let mut body = body(&planned, &remembered, &apply.label, &mut outcome.diagnostics)?;
    body.adopt = remembered.unmanaged;
    let changed = match apply.expected(&remembered).await {
        Ok(expected) => apply.put(&body, expected).await,
        Err(stopped) => Err(stopped),
    };
    match changed {
        Ok(found) => {
            outcome.set(applied(planned, &found));
            outcome.private.write(&Remembered::of(&found.resource, apply.id));
            Ok(())
        }
        Err(stopped) => {
            apply.look_again(&stopped, &prior, &remembered, outcome).await;
            let doing = if remembered.unmanaged { Doing::Adopt } else { Doing::Update };
            Err(apply.report(stopped, doing, &mut outcome.diagnostics))
        }
    }
}

/// Removes a resource. One that is gone already is what was wanted; one that was never taken over is only forgotten.
pub(super) async fn delete<R: GoldenResource>(
    platform: &Platform,
    request: &DeleteRequest,
    outcome: &mut Applied,
) -> Result<(), Failed> {
    let prior: Golden<R> = request.prior.to_model(&mut outcome.diagnostics)?;
    let remembered = Remembered::read(&request.private);
    if remembered.unmanaged {
        return Ok(());
    }
    let limit = timeout(&prior, |timeouts| &timeouts.delete);
    let apply = Apply::new(platform, &request.context, &prior, limit, &mut outcome.diagnostics)?;
    let removed = match apply.expected(&remembered).await {
        Ok(expected) => apply.remove(expected).await,
        Err(stopped) => Err(stopped),
    };
    match removed {
        Ok(()) | Err(Stopped::Gone(_)) => Ok(()),
        Err(Stopped::Refused(error)) if error.is_not_found() => Ok(()),
        Err(stopped) => {
            apply.look_again(&stopped, &prior, &remembered, outcome).await;
            Err(apply.report(stopped, Doing::Delete, &mut outcome.diagnostics))
        }
    }
}

impl<'a> Apply<'a> {
    fn new<R: GoldenResource>(
        platform: &'a Platform,
        context: &'a Context,
        golden: &Golden<R>,
        limit: Duration,
        diagnostics: &mut Diagnostics,
    ) -> Result<Self, Failed> {
        let label = golden.label();
        let Some(reference) = golden.reference() else {
            let detail = "Its environment and name must be valid names.";
            return Err(diagnostics.fail(format!("{label}: it cannot be addressed"), detail));
        };
        let id = id::<R>(&reference);
        let key = idempotency_key(&id)
            .map_err(|error| report::client_error(diagnostics, &label, "applying", &error))?;
        Ok(Self { client: &platform.client, context, label, reference, id, key, limit })
    }

    /// What a write expects to find: what the state was read from.
    async fn expected(&self, remembered: &Remembered) -> Result<Expected, Stopped> {
        if remembered.unmanaged {
            return Ok(Expected::Nothing);
        }
        if let Some(generation) = remembered.generation {
            return Ok(Expected::Generation(generation));
        }
        // State that this provider did not write, such as one that was edited by hand.
        let found = self.client.resource(&self.reference).await.map_err(Stopped::Refused)?;
        let resource = found.ok_or_else(|| Stopped::Gone(ClientError::gone(&self.reference)))?;
        Ok(Expected::Generation(resource.generation))
    }

    async fn put<R: GoldenResource>(
        &self,
        body: &PutResource,
        expected: Expected,
    ) -> Result<Found<R>, Stopped> {
        self.carry_out(|| self.client.put(&self.reference, body, expected, &self.key)).await?;
        let look = || Found::look(self.client, &self.reference);
        let cancellation = &self.context.cancellation;
        let found = wait::until_answered(self.client, look, cancellation, self.limit).await;
        found
            .map_err(Stopped::Unread)?
            .ok_or_else(|| Stopped::Gone(ClientError::gone(&self.reference)))
    }

    async fn remove(&self, expected: Expected) -> Result<(), Stopped> {
        self.carry_out(|| self.client.delete(&self.reference, expected, &self.key)).await
    }

    /// Until the operation has ended, for as long as the resource allows and Terraform lets us.
    async fn carry_out<F: Future<Output = Result<Operation, ClientError>>>(
        &self,
        accept: impl Fn() -> F,
    ) -> Result<(), Stopped> {
        let operation =
            wait::until_done(self.client, accept, &self.context.cancellation, self.limit).await?;
        match operation.state {
            OperationState::Failed => Err(Stopped::Failed(Box::new(operation))),
            _ => Ok(()),
        }
    }

    /// After a failure: what the platform has now is the best that is known.
    async fn look_again<R: GoldenResource>(
        &self,
        stopped: &Stopped,
        prior: &Golden<R>,
        remembered: &Remembered,
        outcome: &mut Applied,
    ) {
        // Someone who wants to stop, or a server that is away: the prior state has to do. So it has where nothing was
        // taken over.
        let pointless =
            matches!(stopped, Stopped::Cancelled(_) | Stopped::Lost { .. } | Stopped::Unread(_));
        if pointless || remembered.unmanaged {
            return;
        }
        if let Ok(Some(found)) = Found::look(self.client, &self.reference).await {
            outcome.set(refreshed(&found, prior, remembered));
            outcome.private.write(&Remembered::of(&found.resource, self.id.clone()));
        }
    }

    fn report(&self, stopped: Stopped, doing: Doing, diagnostics: &mut Diagnostics) -> Failed {
        let Self { label, reference, id, limit, .. } = self;
        let failure = Failure { label, reference, id, doing, limit: *limit };
        failure.report(stopped, diagnostics)
    }
}

fn timeout<R>(golden: &Golden<R>, which: impl Fn(&Timeouts) -> &Attr<String>) -> Duration {
    let given = golden.common.timeouts.known().and_then(|timeouts| which(timeouts).known());
    given.and_then(|text| duration::parse(text).ok()).unwrap_or(DEFAULT_TIMEOUT)
}

/// What is asked of the platform: the plan, and that it be this plan.
fn body<R: GoldenResource>(
    planned: &Golden<R>,
    remembered: &Remembered,
    label: &str,
    diagnostics: &mut Diagnostics,
) -> Result<PutResource, Failed> {
    let common = &planned.common;
    let mut fail =
        |why: String| Err(diagnostics.fail(format!("{label}: its owner cannot be sent"), why));
    let owner = match common.owner.known().map(|text| text.parse()) {
        Some(Ok(owner)) => owner,
        Some(Err(error)) => return fail(format!("{error}.")),
        None => return fail("It has none.".to_owned()),
    };
    Ok(PutResource {
        owner,
        spec: planned.specification().0,
        golden_path: selection(planned),
        deletion_protection: common.deletion_protection.known().copied().unwrap_or(R::PROTECTED),
        adopt: false,
        expected_rendered_sha256: common.rendered_sha256.known().cloned(),
        environment_revision: remembered.environment_revision.clone(),
    })
}

fn selection<R>(planned: &Golden<R>) -> Selection {
    let path = planned.common.golden_path.known();
    let constraint = planned.common.golden_path_version.known();
    Selection {
        constraint: constraint.and_then(|text| text.parse().ok()),
        version: path.and_then(|path| path.version.known()?.parse().ok()),
        sha256: path.and_then(|path| path.sha256.known().cloned()),
    }
}

/// What was planned, with what only the platform could say.
fn applied<R: GoldenResource>(planned: Golden<R>, found: &Found<R>) -> Value {
    let mut now = Golden::observed(found, &planned);
    // The files are as the operation left them; whatever happens to them from now on is for the next read to see.
    now.set_attribute("rendered_sha256", found.resource.desired_rendered_sha256.as_str());
    settle(planned.into_value(), &now)
}
