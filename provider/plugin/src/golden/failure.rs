//! Why an apply ended early, in words for the person at the terminal: what happened, what is left, what comes next.

use std::time::Duration;

use provider_framework::{Diagnostics, Failed, Report as _};
use registry_api::platform::{Kind, Operation, ResourceRef};

use super::wait::Stopped;
use crate::client::ClientError;
use crate::report;

/// An apply that ended early.
pub(super) struct Failure<'a> {
    pub(super) label: &'a str,
    pub(super) reference: &'a ResourceRef,
    pub(super) id: &'a str,
    pub(super) doing: Doing,
    pub(super) limit: Duration,
}

/// What an apply is doing.
#[derive(Debug, Clone, Copy)]
pub(super) enum Doing {
    Create,
    Adopt,
    Update,
    Delete,
}

impl Failure<'_> {
    /// Records it.
    pub(super) fn report(&self, stopped: Stopped, diagnostics: &mut Diagnostics) -> Failed {
        let (label, noun) = (self.label, self.doing.noun());
        let going_on = self.doing.going_on(self.reference.kind);
        let (summary, detail) = match stopped {
            Stopped::Refused(error) => return self.refused(&error, diagnostics),
            Stopped::Failed(operation) => self.failed(&operation),
            Stopped::Cancelled(id) => {
                (format!("{label}: {noun} was interrupted"), format!("{going_on}{}", named(id)))
            }
            Stopped::TimedOut(id) => (
                format!("{label}: {noun} takes longer than {} s", self.limit.as_secs()),
                format!(
                    "{going_on} `timeouts.{}` says how long to wait.{}",
                    self.doing.timeout(),
                    named(id)
                ),
            ),
            Stopped::Lost { id, error } => (
                format!("{label}: the platform went away during {noun}"),
                format!("{error}\n\n{going_on}{}", named(id)),
            ),
            Stopped::Unread(error) => (
                format!("{label}: {noun} succeeded, but the result cannot be read"),
                format!("{error}\n\n{}", self.after_unread()),
            ),
            Stopped::Gone(error) => {
                (format!("{label}: it is gone"), format!("{error}\n\nPlan again."))
            }
        };
        diagnostics.fail(summary, detail)
    }

    fn refused(&self, error: &ClientError, diagnostics: &mut Diagnostics) -> Failed {
        let failed = report::client_error(diagnostics, self.label, self.doing.noun(), error);
        let moved = matches!(error.code(), Some("environment_moved" | "plan_stale" | "conflict"));
        // The hint belongs to the error that was just recorded.
        if let (true, Some(error)) = (moved, diagnostics.errors.last_mut()) {
            error.detail = format!("{}\n\nNothing was changed; plan again.", error.detail).into();
        }
        failed
    }

    /// The platform said that it is done, so it refuses to create it once more.
    fn after_unread(&self) -> String {
        let ResourceRef { kind, name, .. } = self.reference;
        match self.doing {
            Doing::Create => format!(
                "The {kind} exists, but nothing is stored in Terraform's state, and another create would be refused. \
                 When the platform answers again, take the {kind} over: add this block, with the address that the \
                 resource has in your configuration, and apply again.\n\n\
                 import {{\n  to = idp_{kind}.{}\n  id = \"{}\"\n}}",
                name.as_str().replace('-', "_"),
                self.id,
            ),
            Doing::Adopt | Doing::Update | Doing::Delete => {
                format!(
                    "The state is as it was before; the next plan reads what the {kind} is now."
                )
            }
        }
    }

    fn failed(&self, operation: &Operation) -> (String, String) {
        let (label, noun) = (self.label, self.doing.noun());
        let Some(error) = &operation.error else {
            let detail =
                format!("The platform does not say why.{}", named(Some(operation.id.clone())));
            return (format!("{label}: {noun} failed"), detail);
        };
        let mut parts = vec![report::sentence(&error.message)];
        if !error.remaining.is_empty() {
            parts.push(format!("What is left: {}", report::sentence(&error.remaining)));
        }
        parts.push(self.doing.after_failure(self.reference.kind));
        parts.push(format!("Code: {}. Operation: {}", error.code, operation.id));
        (format!("{label}: {noun} failed at step `{}`", error.step), parts.join("\n\n"))
    }
}

fn named(operation: Option<String>) -> String {
    operation.map_or_else(String::new, |id| format!("\n\nOperation: {id}"))
}

impl Doing {
    fn noun(self) -> &'static str {
        match self {
            Self::Create => "creating it",
            Self::Adopt => "taking it over",
            Self::Update => "changing it",
            Self::Delete => "removing it",
        }
    }

    fn timeout(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Adopt | Self::Update => "update",
            Self::Delete => "delete",
        }
    }

    fn going_on(self, kind: Kind) -> String {
        match self {
            Self::Create => format!(
                "If the platform accepted the request, it finishes it without Terraform. Nothing is stored in the \
                 state: the next apply takes up the {kind} where it is then, or says how to import it."
            ),
            Self::Adopt | Self::Update | Self::Delete => {
                "If the platform accepted the request, it finishes it without Terraform. The next plan shows what is \
                 left to do."
                    .to_owned()
            }
        }
    }

    fn after_failure(self, kind: Kind) -> String {
        match self {
            Self::Create => "Nothing is stored in Terraform's state. The platform keeps what is unfinished (`idp \
                             resources --unfinished` lists it), and the next apply continues it."
                .to_owned(),
            Self::Adopt => format!("The state keeps the {kind} as it was imported; the next apply tries again."),
            Self::Update => format!("The {kind} stays as it was; the next apply tries again."),
            Self::Delete => "The next apply tries again.".to_owned(),
        }
    }
}
