//! Opening, renewing and closing what lasts no longer than a run.

use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::future::join_all;

use super::guard::{guard, succeeded};
use super::{Ephemeral, Server, blame};
use crate::Timestamp;
use crate::context::Private;
use crate::diagnostics::{Diagnostics, Report as _};
use crate::ephemeral_resource::{CloseRequest, OpenRequest, Opened, RenewRequest, Renewed};
use crate::path::AttributePath;
use crate::rules::{conform, ephemeral_valid};
use crate::value::Value;

/// What was opened.
#[derive(Default)]
pub(crate) struct OpenOutput {
    /// Null if there are errors.
    pub(crate) result: Value,
    pub(crate) renew_at: Option<Timestamp>,
    pub(crate) private: Private,
    pub(crate) diagnostics: Diagnostics,
}

/// Something to close before the process ends.
pub(super) struct OpenResource {
    type_name: String,
    private: Private,
}

/// What was renewed.
pub(crate) struct RenewOutput {
    pub(crate) renew_at: Option<Timestamp>,
    pub(crate) private: Private,
    pub(crate) diagnostics: Diagnostics,
}

impl Ephemeral<'_> {
    /// Opens it. Core closes only what it got: where there are errors, what was made for it is closed here.
    pub(crate) async fn open(&self, config: Value) -> OpenOutput {
        if let Some(path) = config.first_unknown() {
            let diagnostics = self.refuse_unknown(path);
            return OpenOutput { diagnostics, ..OpenOutput::default() };
        }
        let mut opened = Opened {
            result: config.clone(),
            renew_at: None,
            private: Private::default(),
            diagnostics: Diagnostics::default(),
        };
        let request = OpenRequest { config: config.clone(), context: self.context.clone() };
        let result = guard(self.resource.open(request, &mut opened)).await;
        let operation = format!("Opening {}", self.resource.type_name());
        let is_open = succeeded(result, &mut opened.diagnostics, &operation);
        let Opened { result, renew_at, private, mut diagnostics } = opened;
        let result =
            if is_open { self.complete(&config, result, &mut diagnostics) } else { Value::Null };
        self.compiled.mend_paths(&mut diagnostics);
        if diagnostics.errors.is_empty() {
            let type_name = self.resource.type_name().to_owned();
            lock(self.open_resources).push(OpenResource { type_name, private: private.clone() });
            return OpenOutput { result, renew_at, private, diagnostics };
        }
        if is_open || !private.is_empty() {
            let closed = self.clear_up(private).await;
            diagnostics.errors.extend(closed.errors);
            diagnostics.warnings.extend(closed.warnings);
        }
        OpenOutput { diagnostics, ..OpenOutput::default() }
    }

    fn refuse_unknown(&self, path: AttributePath) -> Diagnostics {
        let mut diagnostics = Diagnostics::default();
        diagnostics.fail_at(
            path,
            format!("{} cannot be opened yet", self.resource.type_name()),
            "Its configuration depends on something that is known only after apply. Apply that first with -target.",
        );
        self.compiled.mend_paths(&mut diagnostics);
        diagnostics
    }

    /// The result in the shape that core takes, having recorded what core would refuse of it.
    fn complete(&self, config: &Value, result: Value, diagnostics: &mut Diagnostics) -> Value {
        let (result, problems) = match conform(result, &self.compiled.ty) {
            Ok(result) => {
                let problems = ephemeral_valid(&self.compiled.schema, config, &result);
                (result, problems)
            }
            Err(problem) => (Value::Null, vec![problem]),
        };
        for problem in problems {
            let summary = format!("Opening {} gave an invalid object", self.resource.type_name());
            blame(diagnostics, summary, problem);
        }
        result
    }

    /// Renews it. Core stops renewing after an error.
    pub(crate) async fn renew(&self, private: Private) -> RenewOutput {
        let mut renewed = Renewed {
            renew_at: None,
            private: private.clone(),
            diagnostics: Diagnostics::default(),
        };
        let request = RenewRequest { private, context: self.context.clone() };
        let result = guard(self.resource.renew(request, &mut renewed)).await;
        let operation = format!("Renewing {}", self.resource.type_name());
        let success = succeeded(result, &mut renewed.diagnostics, &operation);
        let Renewed { renew_at, private, mut diagnostics } = renewed;
        self.compiled.mend_paths(&mut diagnostics);
        RenewOutput { renew_at: renew_at.filter(|_| success), private, diagnostics }
    }

    /// Closes it.
    pub(crate) async fn close(&self, private: Private) -> Diagnostics {
        self.forget(&private);
        self.clear_up(private).await
    }

    fn forget(&self, private: &Private) {
        let mut open = lock(self.open_resources);
        let is_this = |resource: &OpenResource| {
            resource.type_name == self.resource.type_name() && resource.private == *private
        };
        if let Some(index) = open.iter().position(is_this) {
            open.swap_remove(index);
        }
    }

    async fn clear_up(&self, private: Private) -> Diagnostics {
        let mut diagnostics = Diagnostics::default();
        let request = CloseRequest { private, context: self.context.clone().clearing_up() };
        let result = guard(self.resource.close(request, &mut diagnostics)).await;
        succeeded(result, &mut diagnostics, &format!("Closing {}", self.resource.type_name()));
        self.compiled.mend_paths(&mut diagnostics);
        diagnostics
    }
}

impl Server {
    /// Closes what core left open. Where a run fails, Terraform 1.11 ends the process without another word.
    pub(crate) async fn close_what_is_open(&self) {
        let open = std::mem::take(&mut *lock(&self.open_resources));
        join_all(open.into_iter().map(|OpenResource { type_name, private }| async move {
            let Ok(ephemeral) = self.ephemeral_resource(&type_name, None) else { return };
            tracing::debug!(type_name, "closing what the host left open");
            // Nobody is left to report to.
            for error in ephemeral.clear_up(private).await.errors {
                tracing::error!(type_name, "could not be closed: {}", error.summary);
            }
        }))
        .await;
    }
}

fn lock(open: &Mutex<Vec<OpenResource>>) -> MutexGuard<'_, Vec<OpenResource>> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}
