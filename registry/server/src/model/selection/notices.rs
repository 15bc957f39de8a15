//! What the reader of a plan should know about a chosen version.

use registry_api::platform::{GoldenPathRef, Level, Notice, Selection};
use registry_trust::statement::State;

use super::{Candidate, allows};

/// A range means another version tomorrow.
pub(super) fn resolved(path: &GoldenPathRef, selection: &Selection) -> Notice {
    let asked = match &selection.constraint {
        Some(constraint) => format!("golden_path_version = \"{constraint}\""),
        None => "no golden_path_version".to_owned(),
    };
    Notice {
        level: Level::Info,
        code: "resolved_version".to_owned(),
        summary: format!("{} resolves to version {} today", path.address, path.version),
        detail: format!(
            "The configuration has {asked}, so apply uses the highest version at that moment. \
             Pin it with golden_path_version = \"{}\" or with the lock file (`idp lock`).",
            path.version
        ),
    }
}

/// There is a newer one.
pub(super) fn newer(
    path: &GoldenPathRef,
    published: &[Candidate],
    selection: &Selection,
) -> Option<Notice> {
    let newest = published
        .iter()
        .filter(|candidate| candidate.is_offered())
        .map(|candidate| &candidate.path.version)
        .filter(|version| version.pre.is_empty())
        .max()
        .filter(|newest| newest.cmp_precedence(&path.version).is_gt())?;
    let how = if allows(selection.constraint.as_ref(), newest) {
        format!(
            "The constraint allows it: `idp lock` or golden_path_version = \"{newest}\" moves to it."
        )
    } else {
        format!("golden_path_version = \"{newest}\" moves to it.")
    };
    Some(Notice {
        level: Level::Info,
        code: "newer_version".to_owned(),
        summary: format!("{} {newest} is newer than {}", path.address, path.version),
        detail: format!("{how} Read its change log first."),
    })
}

/// It is on its way out. The same words for every resource on that version, so that they show once.
pub(super) fn standing(candidate: &Candidate) -> Option<Notice> {
    let Candidate { path, standing, is_past_sunset, .. } = candidate;
    let what = format!("Golden path {} {}", path.address, path.version);
    let (code, summary, follows) = match (standing.state, standing.sunset, is_past_sunset) {
        (State::Deprecated, Some(day), true) => (
            "past_sunset",
            format!("{what} is past its sunset of {day}"),
            "What uses it goes on as it is; nothing new or changed may use it.",
        ),
        (State::Deprecated, Some(day), false) => (
            "deprecated",
            format!("{what} is deprecated and works until {day}"),
            "From then on nothing new or changed may use it.",
        ),
        (State::Deprecated, None, _) => ("deprecated", format!("{what} is deprecated"), ""),
        (State::Yanked, ..) => ("yanked", format!("{what} was yanked"), "Nobody new gets it."),
        (State::Active | State::Revoked, ..) => return None,
    };
    let detail = [super::problem::words(standing), follows.to_owned()];
    Some(Notice {
        level: Level::Warning,
        code: code.to_owned(),
        summary,
        detail: detail.join(" ").trim().to_owned(),
    })
}
