//! One operation: its steps, each recorded before and after, and its end.

use std::time::Duration;

use registry_api::platform::{OperationError, OperationKind, ResourcePhase, StepState};
use serde_json::json;

use super::commit::{self, Files};
use super::{millis, provision};
use crate::app::App;
use crate::drivers::gitops::GitOpsError;
use crate::drivers::postgres::PostgresError;
use crate::error::chain;
use crate::failpoint;
use crate::model::audit::Event;
use crate::model::revision::Revision;
use crate::model::steps::{COMMIT, DROP, PROVISION, RECORD, RELEASE, RENDER, steps};
use crate::ops::refusal::PlatformError;
use crate::ops::standing::{has_dropped, subject};
use crate::store::operations::{self, OperationRow};
use crate::store::{StoreError, Tx, audit, resources};

/// How long what may mend itself is tried again.
const TRY_FOR: Duration = Duration::from_mins(10);
/// How often it is tried at least, however long an attempt takes.
const FEWEST_ATTEMPTS: u32 = 8;
/// Pause before the second attempt; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// Longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// An operation that was claimed this often brings its worker down.
const MOST_ATTEMPTS: u32 = 200;

/// Why a step did not succeed.
#[derive(Debug)]
pub(super) struct StepFailure {
    /// Stable name.
    pub(super) code: &'static str,
    /// What happened and how to mend it.
    pub(super) message: String,
    /// Whether trying again may help.
    pub(super) mends_itself: bool,
}

/// How an attempt ended.
enum Stopped {
    /// Another worker has it now; nothing may be written any more.
    LeaseLost,
    /// The database; the claim runs out and the operation is claimed again.
    Store(StoreError),
    /// A step failed.
    Step(&'static str, StepFailure),
}

impl From<StoreError> for Stopped {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl StepFailure {
    /// A failure that only a person can mend.
    pub(super) fn permanent(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), mends_itself: false }
    }
}

impl From<GitOpsError> for StepFailure {
    fn from(error: GitOpsError) -> Self {
        let code = match &error {
            GitOpsError::Refused { .. } => "remote_refused",
            GitOpsError::Unauthorised { .. } => "remote_unauthorised",
            GitOpsError::NotOwned { .. } => "files_not_owned",
            GitOpsError::Unreachable { .. } | GitOpsError::TimedOut { .. } => "remote_unreachable",
            GitOpsError::Contended { .. } => "remote_contended",
            GitOpsError::DiskFull { .. } => "disk_full",
            _ => "gitops_failed",
        };
        Self { code, mends_itself: error.is_retryable(), message: error.to_string() }
    }
}

impl From<PostgresError> for StepFailure {
    fn from(error: PostgresError) -> Self {
        let code = match &error {
            PostgresError::Unreachable { .. } => "database_unreachable",
            PostgresError::Authentication { .. } | PostgresError::InsufficientRight { .. } => {
                "database_unauthorised"
            }
            PostgresError::NotOurs { .. } => "database_not_owned",
            PostgresError::InUse { .. } => "database_in_use",
            PostgresError::DiskFull { .. } => "database_disk_full",
            PostgresError::Dump { .. }
            | PostgresError::DumpFile { .. }
            | PostgresError::DumpToolTooOld { .. }
            | PostgresError::DumpToolMissing { .. } => "dump_failed",
            _ => "database_failed",
        };
        // Who is connected is there to stay until somebody asks them to go.
        let mends_itself = error.is_retryable() && !matches!(error, PostgresError::InUse { .. });
        Self { code, mends_itself, message: error.to_string() }
    }
}

impl From<PlatformError> for StepFailure {
    fn from(error: PlatformError) -> Self {
        match error {
            PlatformError::Refused(refusal) => {
                Self::permanent(refusal.reason.code(), refusal.detail.clone())
            }
            PlatformError::GitOps(error) => error.into(),
            PlatformError::Postgres(error) => error.into(),
            other => {
                tracing::error!(error = %chain(&other), "a step failed");
                Self {
                    code: "internal_error",
                    message: "the server failed; its log says why".to_owned(),
                    mends_itself: true,
                }
            }
        }
    }
}

/// Works on a claimed operation until it ended, has to wait, or belongs to somebody else.
pub(super) async fn carry_out(app: &App, row: &OperationRow, lease: &str) {
    let attempt = Attempt { app, row, lease };
    let done = match attempt.run().await {
        Ok(()) => Ok(()),
        Err(Stopped::Step(step, failure)) => attempt.give_way(step, failure).await,
        Err(other) => Err(other),
    };
    match done {
        Ok(()) => app.platform.signals.ended(&row.id),
        Err(Stopped::LeaseLost) => {
            tracing::warn!(operation.id = %row.id, "another worker took over");
        }
        Err(Stopped::Store(error)) => {
            tracing::error!(operation.id = %row.id, error = %chain(&error), "the database failed; the operation is claimed again");
        }
        Err(Stopped::Step(step, failure)) => {
            tracing::error!(operation.id = %row.id, step, code = failure.code, "a failure could not be recorded");
        }
    }
}

/// One claim of one operation.
struct Attempt<'a> {
    app: &'a App,
    row: &'a OperationRow,
    lease: &'a str,
}

/// What the steps before have come to.
#[derive(Default)]
struct Progress {
    files: Files,
    commit: Option<String>,
    /// Version of the database's server.
    engine_version: Option<String>,
}

impl Attempt<'_> {
    async fn run(&self) -> Result<(), Stopped> {
        let steps = self.steps().await?;
        if self.row.attempts > MOST_ATTEMPTS {
            let why = "the server stopped at this operation again and again; its log says why";
            return Err(Stopped::Step(steps[0], StepFailure::permanent("too_many_attempts", why)));
        }
        let mut progress = Progress::default();
        let mut ended = None;
        for step in steps {
            self.begin(ended.take(), step).await?;
            if *step == RECORD {
                break;
            }
            let done = self.perform(step, &mut progress).await;
            ended = Some((*step, done.map_err(|failure| Stopped::Step(step, failure))?));
        }
        failpoint::hit("platform.recording");
        self.record(progress).await
    }

    /// The steps as they were queued: a newer server may know others.
    async fn steps(&self) -> Result<&'static [&'static str], Stopped> {
        let mut conn = self.app.store.read().await?;
        let queued = operations::steps(&mut conn, &self.row.id).await?;
        let uses_databases =
            queued.iter().any(|step| matches!(step.name.as_str(), PROVISION | RELEASE));
        Ok(steps(self.row.kind, self.row.resource.kind, uses_databases))
    }

    /// Does one step and says what came of it.
    async fn perform(&self, step: &str, progress: &mut Progress) -> Result<String, StepFailure> {
        let (app, row) = (self.app, self.row);
        match (step, &row.target) {
            (RENDER, Some(target)) => {
                progress.files = commit::render(app, &row.resource, target).await?;
                failpoint::hit("platform.rendered");
                Ok(format!("{} files", progress.files.len()))
            }
            (PROVISION, Some(target)) => {
                let provisioned = provision::provision(app, row, target).await?;
                progress.engine_version = provisioned.engine_version;
                failpoint::hit("platform.provisioned");
                Ok(provisioned.detail)
            }
            (COMMIT, _) => {
                failpoint::hit("platform.committing");
                let told = commit::commit(app, row, std::mem::take(&mut progress.files)).await?;
                failpoint::hit("platform.committed");
                progress.commit = told.commit;
                Ok(told.detail)
            }
            (RELEASE, target) => {
                let detail = provision::release(app, row, target.as_ref()).await?;
                failpoint::hit("platform.released");
                Ok(detail)
            }
            (DROP, None) => {
                let detail = provision::drop_database(app, row).await?;
                failpoint::hit("platform.dropped");
                Ok(detail)
            }
            _ => Ok("nothing to do".to_owned()),
        }
    }

    /// The end: the resource, the operation and the audit entry in one transaction.
    async fn record(&self, progress: Progress) -> Result<(), Stopped> {
        let (row, now, commit) = (self.row, self.app.clock.now(), progress.commit);
        let mut tx = self.write().await?;
        operations::set_commit(&mut tx, &row.id, commit.as_deref()).await?;
        if let Some(target) = &row.target {
            let settled = self.settled(target, commit.as_deref(), progress.engine_version);
            resources::settle(&mut tx, &row.resource_id, &settled, now).await?;
        } else {
            let forgotten = provision::forget(self.app, &mut tx, row).await;
            forgotten.map_err(|error| Stopped::Step(RECORD, error.into()))?;
            resources::delete_resource(&mut tx, &row.resource_id).await?;
        }
        operations::end_step(&mut tx, &row.id, RECORD, StepState::Done, "recorded").await?;
        operations::finish(&mut tx, &row.id, None, now).await?;
        audit::append(&mut tx, self.event("operation.succeeded", now, json!({ "commit": commit })))
            .await?;
        tx.commit().await.map_err(StoreError::from)?;
        failpoint::hit("platform.recorded");
        tracing::info!(operation.id = %row.id, operation.kind = ?row.kind, resource = %subject(&row.resource), "operation succeeded");
        Ok(())
    }

    /// What was asked for, with what only came to be known by doing it.
    fn settled(
        &self,
        target: &Revision,
        commit: Option<&str>,
        engine_version: Option<String>,
    ) -> Revision {
        let mut settled = target.clone();
        let gitops = &mut settled.outputs.gitops;
        gitops.commit = gitops.commit.take().or_else(|| commit.map(str::to_owned));
        if let Some(database) = &mut settled.outputs.database {
            database.connection_id = Some(self.row.resource_id.clone());
            // What the plan promised stays; reading tells of an upgrade.
            database.engine_version = database.engine_version.take().or(engine_version);
        }
        settled
    }

    /// Records the end of one step and the beginning of the next, in one transaction.
    async fn begin(&self, ended: Option<(&str, String)>, step: &str) -> Result<(), Stopped> {
        let mut tx = self.write().await?;
        if let Some((name, detail)) = ended {
            operations::end_step(&mut tx, &self.row.id, name, StepState::Done, &detail).await?;
        }
        operations::begin_step(&mut tx, &self.row.id, step).await?;
        Ok(tx.commit().await.map_err(StoreError::from)?)
    }

    /// A transaction in which this worker still holds the operation.
    async fn write(&self) -> Result<Tx, Stopped> {
        let mut tx = self.app.store.write().await?;
        if operations::holds(&mut tx, &self.row.id, self.lease).await? {
            Ok(tx)
        } else {
            Err(Stopped::LeaseLost)
        }
    }

    /// After a failure: later again, or for good.
    async fn give_way(&self, step: &'static str, failure: StepFailure) -> Result<(), Stopped> {
        let now = self.app.clock.now();
        // A step before may have taken long: a few attempts are made in any case.
        let is_early = now < self.row.created_at + millis(TRY_FOR);
        if failure.mends_itself && (is_early || self.row.attempts < FEWEST_ATTEMPTS) {
            return self.put_back(step, &failure, now).await;
        }
        self.fail(step, failure, now).await
    }

    async fn put_back(
        &self,
        step: &'static str,
        failure: &StepFailure,
        now: i64,
    ) -> Result<(), Stopped> {
        let pause = FIRST_PAUSE * 2_u32.saturating_pow(self.row.attempts.saturating_sub(1).min(10));
        let pause = pause.min(LONGEST_PAUSE);
        let detail =
            format!("attempt {} failed, trying again: {}", self.row.attempts, failure.message);
        tracing::warn!(operation.id = %self.row.id, step, code = failure.code, attempt = self.row.attempts, "trying again: {}", failure.message);
        let mut tx = self.write().await?;
        operations::end_step(&mut tx, &self.row.id, step, StepState::Running, &detail).await?;
        operations::put_back(&mut tx, &self.row.id, now + millis(pause)).await?;
        Ok(tx.commit().await.map_err(StoreError::from)?)
    }

    async fn fail(
        &self,
        step: &'static str,
        failure: StepFailure,
        now: i64,
    ) -> Result<(), Stopped> {
        let row = self.row;
        let error = OperationError {
            step: step.to_owned(),
            code: failure.code.to_owned(),
            message: failure.message,
            remaining: self.remaining().await?,
        };
        tracing::warn!(operation.id = %row.id, step, code = failure.code, "operation failed: {}", error.message);
        let mut tx = self.write().await?;
        operations::end_step(&mut tx, &row.id, step, StepState::Failed, &error.message).await?;
        operations::finish(&mut tx, &row.id, Some(&error), now).await?;
        resources::fall_back(&mut tx, &row.resource_id, now).await?;
        let detail = json!({ "step": error.step, "code": error.code });
        audit::append(&mut tx, self.event("operation.failed", now, detail)).await?;
        Ok(tx.commit().await.map_err(StoreError::from)?)
    }

    /// What is left as it was, for the one who has to mend it.
    async fn remaining(&self) -> Result<String, Stopped> {
        let mut conn = self.app.store.read().await?;
        let resource = resources::resource(&mut conn, &self.row.resource).await?;
        let stands = resource.is_some_and(|resource| {
            resource.revision.is_some() && resource.phase != ResourcePhase::Unfinished
        });
        let steps = operations::steps(&mut conn, &self.row.id).await?;
        Ok(match (self.row.kind, stands) {
            (OperationKind::Delete, _) if has_dropped(&steps) => {
                "the database is gone, its files are not; delete it again once this is mended"
            }
            (OperationKind::Delete, _) => "nothing was removed; delete it again once this is mended",
            (_, true) => "the last good version stays in place; the next apply tries again",
            (_, false) => {
                "the resource stays unfinished: the owner's next apply continues it, `idp resources abandon` rolls it back"
            }
        }
        .to_owned())
    }

    fn event(&self, action: &str, now: i64, mut detail: serde_json::Value) -> Event {
        detail["operation"] = json!(self.row.id);
        detail["generation"] = json!(self.row.generation);
        detail["on_behalf_of"] = json!(self.row.actor);
        Event {
            at: now,
            actor: "platform".to_owned(),
            action: action.to_owned(),
            subject: subject(&self.row.resource),
            detail,
            request_id: self.row.request_id.clone(),
        }
    }
}
