//! What the platform says, as diagnostics: where, what is wrong, which rule, how to fix it.
//!
//! Summaries begin with the name of the object, because core folds warnings whose summaries are equal.

use std::fmt::Write as _;

use provider_framework::value::Attr;
use provider_framework::{AttributePath, AttributePathStep, Diagnostics, Failed, Report as _};
use registry_api::Problem;
use registry_api::platform::{Cost, Effect, Level, Notice, Verdict};
use registry_api::problem::FieldError;

use crate::client::{ClientError, Refusal};
use crate::json::{attribute_step, pointer_steps};
use crate::settings::Notices;

/// How messages name a resource.
pub fn label(type_name: &str, environment: &Attr<String>, name: &Attr<String>) -> String {
    let part = |attribute: &Attr<String>| match attribute.known() {
        Some(text) => text.chars().take(80).collect(),
        None => "(unknown)".to_owned(),
    };
    format!("{type_name} {}/{}", part(environment), part(name))
}

/// Where a JSON pointer into a request leads in a configuration; the root where it leads nowhere.
pub fn attribute_path(pointer: &str) -> AttributePath {
    let steps = pointer_steps(pointer);
    let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
    match steps.as_slice() {
        ["golden_path", ..] => AttributePath::new("golden_path_version"),
        ["spec", "env", name, ..] => AttributePath::new("env").key((*name).to_owned()),
        // The attribute is dynamic: core cannot follow a path into it.
        ["spec", "parameters", ..] => AttributePath::new("parameters"),
        ["spec", "uses", name, below @ ..] => {
            let mut path = AttributePath::new("uses").key((*name).to_owned());
            path.steps.extend(below.iter().map(|step| attribute_step(step)));
            path
        }
        ["value"] => AttributePath::new("value_wo"),
        ["value_version"] => AttributePath::new("value_wo_version"),
        ["spec", name @ ("slo" | "replicas" | "rotation"), below @ ..]
        | [name @ ("generate" | "rotation"), below @ ..] => {
            let mut path = AttributePath::new((*name).to_owned());
            path.steps.extend(below.iter().map(|step| attribute_step(step)));
            path
        }
        [name @ ("name" | "environment" | "owner")] | ["spec", name, ..] => {
            AttributePath::new((*name).to_owned())
        }
        _ => AttributePath::root(),
    }
}

/// Where core shows what a path leads to: it finds the line of an attribute, but of nothing inside one.
pub fn line_of(mut path: AttributePath) -> AttributePath {
    path.steps.truncate(1);
    path
}

/// How a person would name what a JSON pointer leads to: `parameters.queue`, `env["A"]`.
pub fn attribute_name(pointer: &str) -> Option<String> {
    let steps = pointer_steps(pointer);
    let mut path = attribute_path(pointer);
    if let ["spec", "parameters", below @ ..] =
        steps.iter().map(String::as_str).collect::<Vec<_>>().as_slice()
    {
        path.steps.extend(below.iter().map(|step| match step.parse() {
            Ok(index) => AttributePathStep::Index(index),
            Err(_) => attribute_step(step),
        }));
    }
    (!path.steps.is_empty()).then(|| provider_framework::path::show(&path))
}

const TOKEN_ADVICE: &str = "Set the environment variable IDP_TOKEN, or `token` in the provider block, to a token that \
    the platform team made with `idp token create`.";

/// Records why a call failed, one error for each thing that is wrong.
pub fn client_error(
    diagnostics: &mut Diagnostics,
    label: &str,
    doing: &str,
    error: &ClientError,
) -> Failed {
    let Some(refusal) = error.refusal() else {
        let summary = match error {
            ClientError::Untrusted(_) => {
                format!("{label}: the platform's certificate is not trusted")
            }
            ClientError::Unreachable(_) => format!("{label}: the platform cannot be reached"),
            _ => format!("{label}: {doing} failed"),
        };
        return diagnostics.fail(summary, error.to_string());
    };
    for wrong in &refusal.problem.errors {
        field_error(diagnostics, label, wrong, refusal);
    }
    if refusal.problem.errors.is_empty() {
        let summary = format!("{label}: {}", refusal_summary(&refusal.problem, doing));
        let detail = match refusal.problem.status {
            401 => format!("{}\n\n{TOKEN_ADVICE}", refusal.problem.detail),
            _ => refusal.problem.detail.clone(),
        };
        return diagnostics.fail(summary, with_request_id(&detail, refusal));
    }
    // Each of them was recorded.
    match diagnostics.so_far() {
        Err(failed) => failed,
        Ok(()) => diagnostics.fail(format!("{label}: {doing} failed"), refusal.to_string()),
    }
}

/// What a problem without parts is about. Codes that are not here speak for themselves.
fn refusal_summary(problem: &Problem, doing: &str) -> String {
    let text = match problem.code.as_str() {
        "already_exists" => "it exists already",
        "approval_required" => "it needs approval",
        "conflict" => "it was changed by someone else",
        "deletion_protected" => "it is protected from deletion",
        "environment_moved" => "its environment was changed",
        "name_taken" => "its name is taken",
        "operation_in_progress" => "another change of it is under way",
        "policy_denied" => "policy refuses it",
        "sequence" => "something else was said of it meanwhile",
        code => match problem.status {
            401 => "the platform does not accept the token",
            403 => return format!("{doing} is not allowed"),
            _ => return format!("{doing} was refused ({code})"),
        },
    };
    text.to_owned()
}

fn field_error(diagnostics: &mut Diagnostics, label: &str, wrong: &FieldError, refusal: &Refusal) {
    let name = attribute_name(&wrong.pointer);
    let what = name.map_or_else(|| "the request".to_owned(), |name| format!("`{name}`"));
    let mut detail = format!("{}\n\nRule: {}.", sentence(&wrong.detail), wrong.rule);
    if let Some(fix) = &wrong.fix {
        // Writing to a string cannot fail.
        let _ = write!(detail, "\nHow to fix it: {}", sentence(fix));
    }
    let summary = format!("{label}: {what} is refused");
    let path = line_of(attribute_path(&wrong.pointer));
    diagnostics.fail_at(path, summary, with_request_id(&detail, refusal));
}

fn with_request_id(text: &str, refusal: &Refusal) -> String {
    match &refusal.request_id {
        Some(id) => format!("{}\nRequest id: {id}", sentence(text)),
        None => sentence(text),
    }
}

/// A text that ends as a sentence does.
pub fn sentence(text: &str) -> String {
    let text = text.trim_end();
    if text.ends_with(['.', '!', '?', ':', '…', '}']) || text.is_empty() {
        text.to_owned()
    } else {
        format!("{text}.")
    }
}

/// Says how to unprotect what a plan would remove.
pub fn protected(diagnostics: &mut Diagnostics, label: &str, fate: &str) -> Failed {
    let detail = format!(
        "This plan would have it {fate}. If that is intended, set `deletion_protection = false`, apply that alone, and \
         plan again."
    );
    let path = AttributePath::new("deletion_protection");
    diagnostics.fail_at(path, format!("{label}: it is protected from deletion"), detail)
}

/// Says that a state is used without having been looked at.
pub fn not_refreshed(diagnostics: &mut Diagnostics, label: &str) {
    let detail =
        "The provider's configuration is not known yet. The state is used as it was last stored.";
    diagnostics.warn(format!("{label}: not refreshed"), detail);
}

/// Says that a state does not name what it is of.
pub fn damaged(diagnostics: &mut Diagnostics, label: &str) -> Failed {
    let detail = "Its environment or name is missing or not valid there. Remove it with `terraform state rm` and import it \
                  again.";
    diagnostics.fail(format!("{label}: the state is damaged"), detail)
}

/// Says that something leaves the state because it is not there any more.
pub fn gone(diagnostics: &mut Diagnostics, label: &str, kind: &str) {
    let detail = format!(
        "The platform has no {kind} of that name in that environment any more; someone else removed it. It leaves the \
         state, and the next apply creates it again if the configuration still has it."
    );
    diagnostics.warn(format!("{label}: it is gone"), detail);
}

/// Takes a secret out of everything that was recorded, should someone else have quoted it.
pub fn withhold(diagnostics: &mut Diagnostics, secret: &str) {
    if secret.is_empty() {
        return;
    }
    let quoted = format!("{secret:?}");
    let escaped = &quoted[1..quoted.len() - 1];
    let without = |text: &str| text.replace(secret, WITHHELD).replace(escaped, WITHHELD);
    for report in diagnostics.errors.iter_mut().chain(&mut diagnostics.warnings) {
        report.summary = without(&report.summary).into();
        report.detail = without(&report.detail).into();
    }
}

const WITHHELD: &str = "(sensitive value)";

/// Records what policy says. Refusals are errors whatever the choice of notices.
pub fn verdicts(
    diagnostics: &mut Diagnostics,
    label: &str,
    verdicts: &[Verdict],
    notices: Notices,
) -> Result<(), Failed> {
    let mut outcome = Ok(());
    for verdict in verdicts {
        let path = verdict.pointer.as_deref().map_or_else(AttributePath::root, attribute_path);
        let path = line_of(path);
        let mut detail = format!("{}\n\nRule: {}.", sentence(&verdict.message), verdict.rule);
        if !verdict.controls.is_empty() {
            // Writing to a string cannot fail.
            let _ = write!(detail, "\nControls: {}.", verdict.controls.join(", "));
        }
        match verdict.effect {
            Effect::Deny => {
                let summary = format!("{label}: policy {} refuses this", verdict.rule);
                outcome = Err(diagnostics.fail_at(path, summary, detail));
            }
            Effect::RequireApproval if notices >= Notices::Warnings => {
                let summary = format!("{label}: policy {} requires approval", verdict.rule);
                detail.push_str("\nOnly a token with the right `approve` can apply this plan.");
                diagnostics.warn_at(path, summary, detail);
            }
            Effect::Warn if notices >= Notices::Warnings => {
                let summary = format!("{label}: policy {} warns", verdict.rule);
                diagnostics.warn_at(path, summary, detail);
            }
            Effect::RequireApproval | Effect::Warn => {}
        }
    }
    outcome
}

/// What is said of a golden path and not of who uses it: core folds what several resources are told in the same words.
const OF_THE_PATH: [&str; 3] = ["deprecated", "past_sunset", "yanked"];

/// Records notices that someone should act on, and returns the others.
pub fn warnings<'a>(
    diagnostics: &mut Diagnostics,
    label: &str,
    given: &'a [Notice],
    notices: Notices,
) -> Vec<&'a Notice> {
    let (warnings, others): (Vec<_>, Vec<_>) =
        given.iter().partition(|notice| notice.level == Level::Warning);
    if notices >= Notices::Warnings {
        for notice in warnings {
            let summary = if OF_THE_PATH.contains(&notice.code.as_str()) {
                notice.summary.clone()
            } else {
                format!("{label}: {}", notice.summary)
            };
            diagnostics.warn(summary, notice.detail.clone());
        }
    }
    others
}

/// A cost, for people.
pub fn cost(cost: &Cost) -> String {
    let Cost { currency, monthly_min, monthly_max } = cost;
    if (monthly_max - monthly_min).abs() < 0.005 {
        format!("{monthly_min:.2} {currency} a month")
    } else {
        format!("{monthly_min:.2} to {monthly_max:.2} {currency} a month")
    }
}

#[cfg(test)]
mod tests {
    use provider_framework::path::show;

    use super::*;

    #[test]
    fn pointers_lead_to_attributes() {
        for (pointer, path) in [
            ("/environment", "environment"),
            ("/golden_path/constraint", "golden_path_version"),
            ("/spec/image", "image"),
            ("/spec/slo/latency/threshold", "slo.latency.threshold"),
            ("/spec/replicas/max", "replicas.max"),
            ("/spec/env/A~1B", "env[\"A/B\"]"),
            ("/spec/uses/orders/access", "uses[\"orders\"].access"),
            ("/spec/rotation/trigger", "rotation.trigger"),
            ("/spec/extensions/0", "extensions"),
            ("/value", "value_wo"),
            ("/value_version", "value_wo_version"),
            ("/generate/length", "generate.length"),
            ("/spec/parameters/queue/0", "parameters"),
            ("/prior/generation", ""),
            ("", ""),
        ] {
            assert_eq!(show(&attribute_path(pointer)), path, "{pointer}");
        }
    }

    #[test]
    fn a_name_goes_further_than_a_path() {
        let name = attribute_name("/spec/parameters/queues/0/name");

        assert_eq!(name.as_deref(), Some("parameters.queues[0].name"));
        assert_eq!(attribute_name("/prior"), None);
    }

    fn refusal(status: u16, errors: Vec<FieldError>) -> ClientError {
        let problem = Problem {
            kind: "about:blank".to_owned(),
            title: "Unprocessable".to_owned(),
            status,
            detail: "the token lacks the right plan:staging:payments".to_owned(),
            code: "refused".to_owned(),
            request_id: Some("req_1".to_owned()),
            errors,
        };
        ClientError::Refused(Box::new(Refusal { problem, request_id: Some("req_1".to_owned()) }))
    }

    #[test]
    fn every_wrong_field_is_an_error_at_its_attribute_with_rule_and_fix() {
        let wrong = |pointer: &str| FieldError {
            pointer: pointer.to_owned(),
            detail: "is not a bucket".to_owned(),
            rule: "latency_bucket".to_owned(),
            fix: Some("use 300ms".to_owned()),
        };
        let mut diagnostics = Diagnostics::default();

        let error = refusal(422, vec![wrong("/spec/slo/latency/threshold"), wrong("/spec/port")]);
        client_error(&mut diagnostics, "idp_service a/b", "planning", &error);

        assert_eq!(diagnostics.errors.len(), 2);
        let first = &diagnostics.errors[0];
        assert_eq!(show(&first.attribute), "slo");
        assert_eq!(first.summary, "idp_service a/b: `slo.latency.threshold` is refused");
        assert_eq!(
            first.detail,
            "is not a bucket.\n\nRule: latency_bucket.\nHow to fix it: use 300ms.\nRequest id: req_1"
        );
    }

    #[test]
    fn a_missing_right_is_told_as_the_platform_told_it() {
        let mut diagnostics = Diagnostics::default();

        client_error(&mut diagnostics, "idp_service a/b", "planning", &refusal(403, Vec::new()));

        let error = &diagnostics.errors[0];
        assert_eq!(error.summary, "idp_service a/b: planning is not allowed");
        assert!(
            error.detail.starts_with("the token lacks the right plan:staging:payments.\nRequest")
        );
    }

    fn verdict(effect: Effect) -> Verdict {
        Verdict {
            rule: "image_by_digest".to_owned(),
            effect,
            message: "name the image by digest".to_owned(),
            pointer: Some("/spec/image".to_owned()),
            controls: vec!["SC-1".to_owned()],
        }
    }

    #[test]
    fn a_refusal_of_policy_cannot_be_silenced() {
        let all = [Effect::Deny, Effect::RequireApproval, Effect::Warn].map(verdict);
        let mut diagnostics = Diagnostics::default();

        let outcome = verdicts(&mut diagnostics, "x", &all, Notices::None);

        assert!(outcome.is_err());
        assert_eq!((diagnostics.errors.len(), diagnostics.warnings.len()), (1, 0));
        assert!(diagnostics.errors[0].detail.contains("Controls: SC-1."));
    }

    #[test]
    fn what_is_said_of_a_golden_path_is_said_of_every_resource_in_the_same_words() {
        let notice = |code: &str, summary: &str| Notice {
            level: Level::Warning,
            code: code.to_owned(),
            summary: summary.to_owned(),
            detail: "Use 1.1.0.".to_owned(),
        };
        let given = [
            notice(
                "deprecated",
                "Golden path golden/api/nodejs 1.0.0 is deprecated until 2027-01-31",
            ),
            notice("other", "mind the gap"),
        ];
        let mut diagnostics = Diagnostics::default();

        for label in ["idp_service a/b", "idp_service a/c"] {
            warnings(&mut diagnostics, label, &given, Notices::Warnings);
        }
        warnings(&mut diagnostics, "idp_service a/d", &given, Notices::None);

        let summaries: Vec<&str> =
            diagnostics.warnings.iter().map(|warning| warning.summary.as_ref()).collect();
        let path = "Golden path golden/api/nodejs 1.0.0 is deprecated until 2027-01-31";
        assert_eq!(
            summaries,
            [path, "idp_service a/b: mind the gap", path, "idp_service a/c: mind the gap"]
        );
    }

    #[test]
    fn a_secret_is_taken_out_however_it_was_quoted() {
        let secret = "pass\"word\"";
        let mut diagnostics = Diagnostics::default();
        diagnostics.fail(format!("{secret} is short"), format!("value: {secret:?}"));
        diagnostics.warn("fine", "nothing of it");

        withhold(&mut diagnostics, secret);
        withhold(&mut diagnostics, "");

        assert_eq!(diagnostics.errors[0].summary, "(sensitive value) is short");
        assert_eq!(diagnostics.errors[0].detail, "value: \"(sensitive value)\"");
        assert_eq!(diagnostics.warnings[0].detail, "nothing of it");
    }

    #[test]
    fn a_cost_without_range_is_one_number() {
        let between = |monthly_min, monthly_max| {
            cost(&Cost { currency: "EUR".to_owned(), monthly_min, monthly_max })
        };

        assert_eq!(between(20.0, 60.5), "20.00 to 60.50 EUR a month");
        assert_eq!(between(20.0, 20.0), "20.00 EUR a month");
    }
}
