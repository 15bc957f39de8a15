//! Planning a change.

use super::default_plan::default_plan;
use super::guard::{guard, succeeded};
use super::{Managed, blame};
use crate::context::Private;
use crate::diagnostics::Diagnostics;
use crate::path::AttributePath;
use crate::resource::{Plan, PlanDestroy, PlanDestroyRequest, PlanRequest};
use crate::rules::{Problem, conform, path_exists, plan_valid, strip_write_only};
use crate::value::Value;

/// A change to plan, as core asks for it.
#[derive(Debug)]
pub(crate) struct PlanInput {
    pub(crate) prior: Value,
    pub(crate) config: Value,
    /// Null if the object is to be destroyed.
    pub(crate) proposed: Value,
    pub(crate) private: Private,
}

/// The plan.
#[derive(Debug, Default)]
pub(crate) struct PlanOutput {
    pub(crate) planned: Value,
    pub(crate) requires_replace: Vec<AttributePath>,
    pub(crate) private: Private,
    pub(crate) diagnostics: Diagnostics,
}

impl Managed<'_> {
    /// Plans a change.
    pub(crate) async fn plan(&self, input: PlanInput) -> PlanOutput {
        let mut output = if input.proposed.is_null() {
            self.plan_destroy(input).await
        } else {
            self.plan_change(input).await
        };
        self.compiled.mend_paths(&mut output.diagnostics);
        output
    }

    async fn plan_destroy(&self, input: PlanInput) -> PlanOutput {
        let PlanInput { prior, private, .. } = input;
        let mut plan =
            PlanDestroy { private: private.clone(), diagnostics: Diagnostics::default() };
        let request = PlanDestroyRequest { prior, private, context: self.context.clone() };
        let result = guard(self.resource.plan_destroy(request, &mut plan)).await;
        let operation = format!("Planning to destroy {}", self.resource.type_name());
        succeeded(result, &mut plan.diagnostics, &operation);
        PlanOutput { private: plan.private, diagnostics: plan.diagnostics, ..PlanOutput::default() }
    }

    async fn plan_change(&self, input: PlanInput) -> PlanOutput {
        let PlanInput { prior, config, proposed, private } = input;
        let planned = default_plan(&self.compiled.schema, &prior, &config, proposed.clone());
        let mut plan = Plan {
            planned,
            requires_replace: Vec::new(),
            private: private.clone(),
            diagnostics: Diagnostics::default(),
        };
        let request = PlanRequest {
            config: config.clone(),
            prior: prior.clone(),
            proposed,
            private,
            context: self.context.clone(),
        };
        let result = guard(self.resource.plan(request, &mut plan)).await;
        let operation = format!("Planning {}", self.resource.type_name());
        if succeeded(result, &mut plan.diagnostics, &operation) {
            self.checked_plan(&prior, &config, plan)
        } else {
            // Core does not look at a plan that comes with errors.
            PlanOutput { diagnostics: plan.diagnostics, ..PlanOutput::default() }
        }
    }

    /// Refuses what core would refuse.
    fn checked_plan(&self, prior: &Value, config: &Value, plan: Plan) -> PlanOutput {
        let Plan { planned, requires_replace, private, mut diagnostics } = plan;
        let nowhere = "replacement is required for a path that does not exist";
        let mut problems: Vec<Problem> = requires_replace
            .iter()
            .filter(|path| !path_exists(&self.compiled.ty, path))
            .map(|path| Problem::new(path, nowhere))
            .collect();
        let planned = match conform(planned, &self.compiled.ty) {
            Ok(planned) => {
                // Authors copy the configuration; core wants nothing of it that is not to be stored.
                let planned = strip_write_only(&self.compiled.schema, planned);
                problems.extend(plan_valid(&self.compiled.schema, prior, config, &planned));
                planned
            }
            Err(problem) => {
                problems.push(problem);
                Value::Null
            }
        };
        for problem in problems {
            let summary =
                format!("Provider produced an invalid plan for {}", self.resource.type_name());
            blame(&mut diagnostics, summary, problem);
        }
        if diagnostics.errors.is_empty() {
            PlanOutput { planned, requires_replace, private, diagnostics }
        } else {
            PlanOutput { diagnostics, ..PlanOutput::default() }
        }
    }
}
