//! Create, update and delete: one request that the platform accepts or refuses, then waiting for its operation.

use std::time::Duration;

use provider_framework::context::Context;
use provider_framework::resource::{Applied, CreateRequest, DeleteRequest, UpdateRequest};
use provider_framework::value::Attr;
use provider_framework::{Diagnostics, Failed, Report as _};
use registry_api::platform::{
    Operation, OperationState, PutResource, Resource, ResourceRef, Selection,
};

use super::failure::{Doing, Failure};
use super::model::{GitOps, Service, Timeouts, id};
use super::read::refreshed;
use super::remembered::Remembered;
use super::wait::{self, Stopped};
use crate::client::{Client, ClientError, Expected};
use crate::duration;
use crate::settings::Platform;

const DEFAULT_TIMEOUT: Duration = Duration::from_mins(10);

/// One apply of one service.
struct Apply<'a> {
    client: &'a Client,
    context: &'a Context,
    label: String,
    reference: ResourceRef,
    /// Names this attempt: sent again it is the same request, but the next apply is another.
    key: String,
    limit: Duration,
}

/// Makes a service. It enters the state only when it is whole: core would have what is half made destroyed, while the
/// platform keeps it and goes on.
pub(super) async fn create(
    platform: &Platform,
    request: &CreateRequest,
    outcome: &mut Applied,
) -> Result<(), Failed> {
    let planned: Service = request.planned.to_model(&mut outcome.diagnostics)?;
    let limit = timeout(&planned, |timeouts| &timeouts.create);
    let apply = Apply::new(platform, &request.context, &planned, limit, &mut outcome.diagnostics)?;
    let remembered = Remembered::read(&request.private);
    let body = body(&planned, &remembered, &apply.label, &mut outcome.diagnostics)?;
    let made = apply.put(&body, Expected::Nothing).await;
    let resource =
        made.map_err(|stopped| apply.report(stopped, Doing::Create, &mut outcome.diagnostics))?;
    outcome.set(applied(planned, &resource));
    outcome.private.write(&Remembered::of(&resource));
    Ok(())
}

/// Changes a service. What failed leaves the state as the platform then has it.
pub(super) async fn update(
    platform: &Platform,
    request: &UpdateRequest,
    outcome: &mut Applied,
) -> Result<(), Failed> {
    let prior: Service = request.prior.to_model(&mut outcome.diagnostics)?;
    let planned: Service = request.planned.to_model(&mut outcome.diagnostics)?;
    if planned.without_handling() == prior.without_handling() {
        outcome.set(planned);
        return Ok(());
    }
    let limit = timeout(&planned, |timeouts| &timeouts.update);
    let apply = Apply::new(platform, &request.context, &planned, limit, &mut outcome.diagnostics)?;
    let remembered = Remembered::read(&request.private);
    let body = body(&planned, &remembered, &apply.label, &mut outcome.diagnostics)?;
    let changed = match apply.expected(&remembered).await {
        Ok(expected) => apply.put(&body, expected).await,
        Err(stopped) => Err(stopped),
    };
    match changed {
        Ok(resource) => {
            outcome.set(applied(planned, &resource));
            outcome.private.write(&Remembered::of(&resource));
            Ok(())
        }
        Err(stopped) => {
            apply.look_again(&stopped, &prior, &remembered, outcome).await;
            Err(apply.report(stopped, Doing::Update, &mut outcome.diagnostics))
        }
    }
}

/// Removes a service. One that is gone already is what was wanted.
pub(super) async fn delete(
    platform: &Platform,
    request: &DeleteRequest,
    outcome: &mut Applied,
) -> Result<(), Failed> {
    let prior: Service = request.prior.to_model(&mut outcome.diagnostics)?;
    let limit = timeout(&prior, |timeouts| &timeouts.delete);
    let apply = Apply::new(platform, &request.context, &prior, limit, &mut outcome.diagnostics)?;
    let remembered = Remembered::read(&request.private);
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
    fn new(
        platform: &'a Platform,
        context: &'a Context,
        service: &Service,
        limit: Duration,
        diagnostics: &mut Diagnostics,
    ) -> Result<Self, Failed> {
        let label = service.label();
        let Some(reference) = service.reference() else {
            let detail = "Its environment and name must be valid names.";
            return Err(diagnostics.fail(format!("{label}: it cannot be addressed"), detail));
        };
        let mut chance = [0_u8; 16];
        if let Err(error) = getrandom::fill(&mut chance) {
            let detail = format!("The system gives no random numbers: {error}.");
            return Err(diagnostics.fail(format!("{label}: it cannot be applied"), detail));
        }
        let key = format!("{}-{:032x}", id(&reference), u128::from_be_bytes(chance));
        Ok(Self { client: &platform.client, context, label, reference, key, limit })
    }

    /// What a write expects to find: what the state was read from.
    async fn expected(&self, remembered: &Remembered) -> Result<Expected, Stopped> {
        if let Some(generation) = remembered.generation {
            return Ok(Expected::Generation(generation));
        }
        // State that this provider did not write, such as one that was edited by hand.
        let found = self.client.resource(&self.reference).await.map_err(Stopped::Refused)?;
        let resource = found.ok_or_else(|| Stopped::Gone(ClientError::gone(&self.reference)))?;
        Ok(Expected::Generation(resource.generation))
    }

    async fn put(&self, body: &PutResource, expected: Expected) -> Result<Resource, Stopped> {
        self.carry_out(|| self.client.put(&self.reference, body, expected, &self.key)).await?;
        let look = || self.client.resource(&self.reference);
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
    async fn look_again(
        &self,
        stopped: &Stopped,
        prior: &Service,
        remembered: &Remembered,
        outcome: &mut Applied,
    ) {
        // Someone who wants to stop, or a server that is away: the prior state has to do.
        let pointless =
            matches!(stopped, Stopped::Cancelled(_) | Stopped::Lost { .. } | Stopped::Unread(_));
        if pointless {
            return;
        }
        if let Ok(Some(resource)) = self.client.resource(&self.reference).await {
            outcome.set(refreshed(&resource, prior, remembered));
            outcome.private.write(&Remembered::of(&resource));
        }
    }

    fn report(&self, stopped: Stopped, doing: Doing, diagnostics: &mut Diagnostics) -> Failed {
        let (label, reference, limit) = (&self.label, &self.reference, self.limit);
        let failure = Failure { label, reference, doing, limit };
        failure.report(stopped, diagnostics)
    }
}

fn timeout(service: &Service, which: impl Fn(&Timeouts) -> &Attr<String>) -> Duration {
    let given = service.timeouts.known().and_then(|timeouts| which(timeouts).known());
    given.and_then(|text| duration::parse(text).ok()).unwrap_or(DEFAULT_TIMEOUT)
}

/// What is asked of the platform: the plan, and that it be this plan.
fn body(
    planned: &Service,
    remembered: &Remembered,
    label: &str,
    diagnostics: &mut Diagnostics,
) -> Result<PutResource, Failed> {
    let (spec, _) = planned.specification();
    let mut fail = |what: &str, why: String| {
        Err(diagnostics.fail(format!("{label}: {what} cannot be sent"), why))
    };
    let spec = match serde_json::from_value(spec) {
        Ok(spec) => spec,
        Err(error) => return fail("its specification", format!("{error}.")),
    };
    let owner = match planned.owner.known().map(|text| text.parse()) {
        Some(Ok(owner)) => owner,
        Some(Err(error)) => return fail("its owner", format!("{error}.")),
        None => return fail("its owner", "It has none.".to_owned()),
    };
    Ok(PutResource {
        owner,
        spec,
        golden_path: selection(planned),
        deletion_protection: planned.deletion_protection.known().copied().unwrap_or(false),
        expected_rendered_sha256: planned.rendered_sha256.known().cloned(),
        environment_revision: remembered.environment_revision.clone(),
    })
}

fn selection(planned: &Service) -> Selection {
    let path = planned.golden_path.known();
    Selection {
        constraint: planned.golden_path_version.known().and_then(|text| text.parse().ok()),
        version: path.and_then(|path| path.version.known()?.parse().ok()),
        sha256: path.and_then(|path| path.sha256.known().cloned()),
    }
}

/// What was planned, with what only the platform could say.
fn applied(planned: Service, resource: &Resource) -> Service {
    let mut now = Service::observed(resource, &planned);
    // The files are as the operation left them; whatever happens to them from now on is for the next read to see.
    now.rendered_sha256 = Attr::Known(resource.desired_rendered_sha256.clone());
    Service {
        golden_path: settle(planned.golden_path, now.golden_path),
        url: settle(planned.url, now.url),
        changes: settle(planned.changes, now.changes),
        rendered_sha256: settle(planned.rendered_sha256, now.rendered_sha256),
        running_image: settle(planned.running_image, now.running_image),
        catalog_ref: settle(planned.catalog_ref, now.catalog_ref),
        gitops: settle_gitops(planned.gitops, now.gitops),
        ..planned
    }
}

/// What was promised is kept; what was not is filled in.
fn settle<T>(planned: Attr<T>, now: Attr<T>) -> Attr<T> {
    if planned.is_unknown() { now } else { planned }
}

fn settle_gitops(planned: Attr<GitOps>, now: Attr<GitOps>) -> Attr<GitOps> {
    match (planned, now) {
        (Attr::Known(mut planned), Attr::Known(now)) => {
            planned.commit = settle(planned.commit, now.commit);
            planned.repository = settle(planned.repository, now.repository);
            planned.path = settle(planned.path, now.path);
            Attr::Known(planned)
        }
        (planned, now) => settle(planned, now),
    }
}
