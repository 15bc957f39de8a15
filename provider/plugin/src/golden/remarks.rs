//! What a plan says to people besides its values.

use std::fmt::Write as _;

use provider_framework::{Diagnostics, Failed, Report as _};
use registry_api::platform::{self as api, DriftKind};

use super::GoldenResource;
use super::draft::Draft;
use super::model::action;
use crate::report;
use crate::settings::Notices;

/// Most objects that one message lists.
const LISTED: usize = 40;

/// Records what the platform says about a change.
pub(super) fn tell<R: GoldenResource>(
    draft: &Draft<R>,
    answer: &api::Plan,
    label: &str,
    changes: bool,
    notices: Notices,
    diagnostics: &mut Diagnostics,
) -> Result<(), Failed> {
    report::verdicts(diagnostics, label, &answer.policy, notices)?;
    let others = report::warnings(diagnostics, label, &answer.notices, notices);
    if draft.takes_over(answer) && notices >= Notices::Warnings {
        diagnostics.warn(
            format!("{label}: an earlier apply made it already"),
            format!(
                "That apply ended before it could store the {kind} in Terraform's state. This one takes the {kind} over \
                 and changes what differs. Where Terraform calls a plan that was saved before inconsistent now, plan \
                 again.",
                kind = R::KIND,
            ),
        );
    }
    // Where nothing changes there is nothing to decide: no remark is worth repeating with every plan.
    if changes && notices == Notices::All {
        let text = remarks(draft, answer, &others);
        if !text.is_empty() {
            let what = match (draft.is_create(), draft.adopts()) {
                (true, _) => "creating it",
                (false, true) => "taking it over",
                (false, false) => "changing it",
            };
            diagnostics.warn(format!("{label}: what to know before {what}"), text);
        }
    }
    Ok(())
}

fn remarks<R: GoldenResource>(
    draft: &Draft<R>,
    answer: &api::Plan,
    others: &[&api::Notice],
) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    if let Some(path) = &answer.golden_path {
        let _ = writeln!(
            text,
            "Golden path: {} {}, signed by {}.",
            path.address, path.version, path.publisher
        );
    }
    if let Some(cost) = &answer.cost {
        let _ = writeln!(text, "Cost: {}.", report::cost(cost));
    }
    if draft.adopts() {
        text.push_str("It exists without the platform, and is taken over as it is.\n");
    }
    if !draft.is_settled() && !answer.changes.is_empty() {
        text.push_str("With that version, an apply would:\n");
        text.push_str(&listed_changes(&answer.changes));
    }
    list_drift(&mut text, draft.drift());
    add_notices(&mut text, others);
    text
}

fn list_drift(text: &mut String, drift: &[api::Drift]) {
    if drift.is_empty() {
        return;
    }
    text.push_str(if drift.iter().any(is_on_a_server) {
        "Since the last apply, someone else changed what the platform put there:\n"
    } else {
        "Since the last apply, someone else changed files in the repository:\n"
    });
    for drift in drift.iter().take(LISTED) {
        let what = match drift.kind {
            DriftKind::Missing => "was removed, and is put back",
            DriftKind::Modified => "was edited, and is put back",
            DriftKind::Unexpected if is_on_a_server(drift) => "was added, and is taken away",
            DriftKind::Unexpected => "was added, and is left alone",
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {} {what}", drift.path);
    }
}

/// Files have paths; what is on a server has the name of its driver before a colon.
fn is_on_a_server(drift: &api::Drift) -> bool {
    drift.path.contains(':')
}

/// Adds what the platform says, a line each.
pub(super) fn add_notices(text: &mut String, notices: &[&api::Notice]) {
    for notice in notices {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{} {}",
            report::sentence(&notice.summary),
            report::sentence(&notice.detail)
        );
    }
}

/// What happens to which object, a line each.
pub(super) fn listed_changes(changes: &[api::Change]) -> String {
    let mut text = String::new();
    for change in changes.iter().take(LISTED) {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {} {}", action(change.action), change.object);
    }
    if changes.len() > LISTED {
        let _ = writeln!(text, "  and {} more", changes.len() - LISTED);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_added_is_left_alone_in_git_and_taken_away_on_a_server() {
        let added = |path: &str| api::Drift { path: path.to_owned(), kind: DriftKind::Unexpected };
        let mut text = String::new();

        list_drift(&mut text, &[added("notes.md"), added("postgres:Grant/orders.PUBLIC")]);

        assert!(text.contains("notes.md was added, and is left alone"), "{text}");
        assert!(
            text.contains("postgres:Grant/orders.PUBLIC was added, and is taken away"),
            "{text}"
        );
    }
}
