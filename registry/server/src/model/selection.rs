//! Which version of a golden path a change uses.
//!
//! Pure: the versions are given. A named version must exist, meet the constraint and have the bytes
//! that the client remembers; otherwise the highest release that the constraint allows is taken.

use registry_api::platform::{GoldenPathRef, Level, Notice, Selection};
use registry_api::problem::FieldError;
use registry_api::{ModuleAddress, VersionConstraint};
use semver::Version;

/// How many versions an error lists.
const LISTED: usize = 20;

/// What was chosen, and what the reader should know about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The path to use.
    pub path: GoldenPathRef,
    /// `resolved_version`, `newer_version`.
    pub notices: Vec<Notice>,
}

/// A version that is too young to be chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Young {
    /// Which.
    pub version: Version,
    /// From when it can be chosen, for people.
    pub from: String,
}

/// Why no version could be chosen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SelectionError(Box<Problem>);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Problem {
    #[error(
        "no version of {address} meets {constraint:?}; there are {}{}",
        list(available),
        waiting(young)
    )]
    NoneMatches {
        address: ModuleAddress,
        constraint: String,
        available: Vec<Version>,
        young: Vec<Young>,
    },

    #[error("{address} has no release yet; there are {}{}", list(available), waiting(young))]
    NoRelease { address: ModuleAddress, available: Vec<Version>, young: Vec<Young> },

    #[error(
        "version {} of {address} can be used from {} on, when it has the minimum age of its namespace; there are {}",
        young.version, young.from, list(available)
    )]
    TooYoung {
        address: ModuleAddress,
        young: Young,
        available: Vec<Version>,
        /// The part of the selection that names it.
        named_by: &'static str,
    },

    #[error("{address} has no version {version}; there are {}", list(available))]
    Unknown { address: ModuleAddress, version: Version, available: Vec<Version> },

    #[error("version {version} of {address} does not meet {constraint:?}")]
    Excluded { address: ModuleAddress, version: Version, constraint: String },

    #[error(
        "version {version} of {address} has SHA-256 {published} in this registry, but {remembered} was expected"
    )]
    OtherBytes { address: ModuleAddress, version: Version, published: String, remembered: String },
}

/// Chooses among `available`, the published versions of one path, in any order. Those that are too `young` are not
/// among them.
///
/// `current` is the path in use; without a named version it stays while the constraint allows it.
pub fn choose(
    address: &ModuleAddress,
    available: &[GoldenPathRef],
    young: &[Young],
    selection: &Selection,
    current: Option<&GoldenPathRef>,
) -> Result<Choice, SelectionError> {
    let pinned = selection.version.as_ref().or_else(|| {
        current
            .filter(|current| current.address == *address)
            .map(|current| &current.version)
            .filter(|version| allows(selection.constraint.as_ref(), version))
    });
    let path = match pinned {
        Some(version) => named(address, available, young, selection, version)?,
        None => highest(address, available, young, selection)?,
    };
    if let Some(remembered) = &selection.sha256
        && *remembered != path.sha256
    {
        return Err(Problem::OtherBytes {
            address: address.clone(),
            version: path.version.clone(),
            published: path.sha256.clone(),
            remembered: remembered.chars().take(64).collect(),
        }
        .into());
    }
    let resolved = pinned.is_none().then(|| resolved_notice(path, selection)).flatten();
    let newer = newer_notice(path, available, selection);
    Ok(Choice { path: path.clone(), notices: resolved.into_iter().chain(newer).collect() })
}

fn allows(constraint: Option<&VersionConstraint>, version: &Version) -> bool {
    constraint.is_none_or(|constraint| constraint.matches(version))
}

fn named<'a>(
    address: &ModuleAddress,
    available: &'a [GoldenPathRef],
    young: &[Young],
    selection: &Selection,
    version: &Version,
) -> Result<&'a GoldenPathRef, SelectionError> {
    if let Some(constraint) = &selection.constraint
        && !constraint.matches(version)
    {
        return Err(Problem::Excluded {
            address: address.clone(),
            version: version.clone(),
            constraint: constraint.to_string(),
        }
        .into());
    }
    let found = available.iter().find(|path| path.version == *version);
    found.ok_or_else(|| {
        if let Some(young) = young.iter().find(|young| young.version == *version) {
            return too_young(address, available, young, "/golden_path/version");
        }
        Problem::Unknown {
            address: address.clone(),
            version: version.clone(),
            available: versions(available),
        }
        .into()
    })
}

fn too_young(
    address: &ModuleAddress,
    available: &[GoldenPathRef],
    young: &Young,
    named_by: &'static str,
) -> SelectionError {
    Problem::TooYoung {
        address: address.clone(),
        young: young.clone(),
        available: versions(available),
        named_by,
    }
    .into()
}

fn highest<'a>(
    address: &ModuleAddress,
    available: &'a [GoldenPathRef],
    young: &[Young],
    selection: &Selection,
) -> Result<&'a GoldenPathRef, SelectionError> {
    let allowed = |version: &Version| match &selection.constraint {
        Some(constraint) => constraint.matches(version),
        None => version.pre.is_empty(),
    };
    let best = available
        .iter()
        .filter(|path| allowed(&path.version))
        .max_by(|left, right| left.version.cmp(&right.version));
    best.ok_or_else(|| {
        let exact = selection.constraint.as_ref().and_then(VersionConstraint::exact);
        match young.iter().find(|young| Some(&young.version) == exact) {
            Some(young) => too_young(address, available, young, "/golden_path/constraint"),
            None => none_allowed(address, available, young, selection.constraint.as_ref()).into(),
        }
    })
}

fn none_allowed(
    address: &ModuleAddress,
    available: &[GoldenPathRef],
    young: &[Young],
    constraint: Option<&VersionConstraint>,
) -> Problem {
    let young = young.iter().filter(|young| allows(constraint, &young.version)).cloned().collect();
    match constraint {
        Some(constraint) => Problem::NoneMatches {
            address: address.clone(),
            constraint: constraint.to_string(),
            available: versions(available),
            young,
        },
        None => {
            Problem::NoRelease { address: address.clone(), available: versions(available), young }
        }
    }
}

fn resolved_notice(path: &GoldenPathRef, selection: &Selection) -> Option<Notice> {
    if selection.constraint.as_ref().is_some_and(|constraint| constraint.exact().is_some()) {
        return None;
    }
    let asked = match &selection.constraint {
        Some(constraint) => format!("golden_path_version = \"{constraint}\""),
        None => "no golden_path_version".to_owned(),
    };
    Some(Notice {
        level: Level::Info,
        code: "resolved_version".to_owned(),
        summary: format!("{} resolves to version {} today", path.address, path.version),
        detail: format!(
            "The configuration has {asked}, so apply uses the highest version at that moment. \
             Pin it with golden_path_version = \"{}\" or with the lock file (`idp lock`).",
            path.version
        ),
    })
}

fn newer_notice(
    path: &GoldenPathRef,
    available: &[GoldenPathRef],
    selection: &Selection,
) -> Option<Notice> {
    let newest = available
        .iter()
        .map(|path| &path.version)
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

fn versions(available: &[GoldenPathRef]) -> Vec<Version> {
    let mut versions: Vec<Version> = available.iter().map(|path| path.version.clone()).collect();
    versions.sort_by(|left, right| right.cmp(left));
    versions
}

fn waiting(young: &[Young]) -> String {
    let from = |young: &Young| format!("; {} can be used from {} on", young.version, young.from);
    young.iter().take(LISTED).map(from).collect()
}

fn list(versions: &[Version]) -> String {
    if versions.is_empty() {
        return "none".to_owned();
    }
    let mut text =
        versions.iter().take(LISTED).map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if versions.len() > LISTED {
        text.push_str(", …");
    }
    text
}

impl From<Problem> for SelectionError {
    fn from(problem: Problem) -> Self {
        Self(Box::new(problem))
    }
}

impl SelectionError {
    /// The part of a request that is wrong.
    pub fn field(&self) -> FieldError {
        let (pointer, rule, fix) = match &*self.0 {
            Problem::NoneMatches { .. } | Problem::NoRelease { .. } => (
                "/golden_path/constraint",
                "no_version_matches",
                "set golden_path_version to a constraint that one of the published versions meets",
            ),
            Problem::Unknown { .. } => (
                "/golden_path/version",
                "unknown_version",
                "name a published version, or lock again with `idp lock`",
            ),
            Problem::TooYoung { named_by, .. } => {
                (*named_by, "too_young", "wait until then, or name an older version")
            }
            Problem::Excluded { .. } => (
                "/golden_path/version",
                "version_excluded",
                "lock again with `idp lock`, or widen golden_path_version",
            ),
            Problem::OtherBytes { .. } => (
                "/golden_path/sha256",
                "other_bytes",
                "a published version never changes: check that this is the registry you locked against, \
                 and only then lock again",
            ),
        };
        FieldError::new(pointer, rule, self.to_string(), fix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address() -> ModuleAddress {
        "golden/api/nodejs".parse().unwrap()
    }

    fn path(version: &str) -> GoldenPathRef {
        GoldenPathRef {
            address: address(),
            version: version.parse().unwrap(),
            sha256: format!("sha-{version}"),
            publisher: "key".to_owned(),
        }
    }

    fn paths(versions: &[&str]) -> Vec<GoldenPathRef> {
        versions.iter().map(|version| path(version)).collect()
    }

    fn selection(constraint: Option<&str>, version: Option<&str>) -> Selection {
        Selection {
            constraint: constraint.map(|text| text.parse().unwrap()),
            version: version.map(|text| text.parse().unwrap()),
            sha256: None,
        }
    }

    fn codes(choice: &Choice) -> Vec<&str> {
        choice.notices.iter().map(|notice| notice.code.as_str()).collect()
    }

    #[test]
    fn a_bare_range_takes_the_highest_match_and_says_so() {
        let available = paths(&["1.0.0", "1.9.0", "1.10.0", "2.0.0"]);

        let choice =
            choose(&address(), &available, &[], &selection(Some("~> 1.0"), None), None).unwrap();

        assert_eq!(choice.path.version.to_string(), "1.10.0");
        assert_eq!(codes(&choice), ["resolved_version", "newer_version"]);
    }

    #[test]
    fn an_exact_or_named_version_is_taken_without_a_notice() {
        let available = paths(&["1.0.0", "1.1.0"]);

        for selection in [selection(Some("1.1.0"), None), selection(None, Some("1.1.0"))] {
            let choice = choose(&address(), &available, &[], &selection, None).unwrap();

            assert_eq!(choice.path.version.to_string(), "1.1.0");
            assert!(choice.notices.is_empty(), "{:?}", choice.notices);
        }
    }

    #[test]
    fn the_version_in_use_stays_until_the_constraint_excludes_it() {
        let available = paths(&["1.0.0", "1.1.0", "2.0.0"]);
        let current = path("1.0.0");

        let stays =
            choose(&address(), &available, &[], &selection(Some("~> 1.0"), None), Some(&current))
                .unwrap();
        let moves =
            choose(&address(), &available, &[], &selection(Some("~> 2.0"), None), Some(&current))
                .unwrap();

        assert_eq!(stays.path.version.to_string(), "1.0.0");
        assert_eq!(moves.path.version.to_string(), "2.0.0");
    }

    #[test]
    fn a_prerelease_is_taken_only_by_name() {
        let available = paths(&["1.0.0", "1.1.0-rc.1"]);

        let bare = choose(&address(), &available, &[], &selection(None, None), None).unwrap();
        let named = choose(&address(), &available, &[], &selection(Some("1.1.0-rc.1"), None), None)
            .unwrap();

        assert_eq!(bare.path.version.to_string(), "1.0.0");
        assert_eq!(named.path.version.to_string(), "1.1.0-rc.1");
    }

    #[test]
    fn a_version_that_is_too_young_is_not_taken_and_says_from_when_it_is() {
        let available = paths(&["1.0.0"]);
        let young =
            [Young { version: "1.1.0".parse().unwrap(), from: "2026-11-22T10:00:00Z".to_owned() }];
        let chosen =
            |selection: &Selection| choose(&address(), &available, &young, selection, None);

        let bare = chosen(&selection(Some("~> 1.0"), None)).unwrap();
        assert_eq!((bare.path.version.to_string().as_str(), codes(&bare).len()), ("1.0.0", 1));
        for (selection, pointer, rule) in [
            (selection(None, Some("1.1.0")), "/golden_path/version", "too_young"),
            (selection(Some("1.1.0"), None), "/golden_path/constraint", "too_young"),
            (selection(Some(">= 1.1"), None), "/golden_path/constraint", "no_version_matches"),
        ] {
            let field = chosen(&selection).unwrap_err().field();

            assert_eq!((field.pointer.as_str(), field.rule.as_str()), (pointer, rule));
            assert!(field.detail.contains("from 2026-11-22T10:00:00Z on"), "{}", field.detail);
        }
    }

    #[test]
    fn what_cannot_be_chosen_names_the_part_and_the_versions() {
        let available = paths(&["1.0.0", "1.2.0"]);
        let mut remembered = selection(None, Some("1.0.0"));
        remembered.sha256 = Some("other".to_owned());

        for (selection, pointer, part) in [
            (selection(Some("~> 3.0"), None), "/golden_path/constraint", "there are 1.2.0, 1.0.0"),
            (selection(None, Some("9.0.0")), "/golden_path/version", "there are 1.2.0, 1.0.0"),
            (
                selection(Some("~> 1.1"), Some("1.0.0")),
                "/golden_path/version",
                "does not meet \"~> 1.1\"",
            ),
            (remembered, "/golden_path/sha256", "sha-1.0.0"),
        ] {
            let field = choose(&address(), &available, &[], &selection, None).unwrap_err().field();

            assert_eq!(field.pointer, pointer);
            assert!(field.detail.contains(part), "{}", field.detail);
        }
    }
}
