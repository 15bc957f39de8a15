use registry_api::platform::GoldenPathRef;

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

fn candidate(version: &str) -> Candidate {
    Candidate {
        path: path(version),
        standing: Standing::default(),
        is_past_sunset: false,
        young_until: None,
    }
}

fn paths(versions: &[&str]) -> Vec<Candidate> {
    versions.iter().map(|version| candidate(version)).collect()
}

/// One that stands so, beside 1.1.0, which is offered.
fn beside(
    version: &str,
    state: State,
    sunset: Option<&str>,
    is_past_sunset: bool,
) -> Vec<Candidate> {
    let standing = Standing {
        state,
        reason: Some("Node 18 is out of support".to_owned()),
        replacement: Some("1.1.0".to_owned()),
        contact: Some("#platform".to_owned()),
        sunset: sunset.map(|day| day.parse().unwrap()),
        is_whole_module: false,
    };
    let one = Candidate { standing, is_past_sunset, ..candidate(version) };
    vec![one, candidate("1.1.0")]
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

    let choice = choose(&address(), &available, &selection(Some("~> 1.0"), None), None).unwrap();

    assert_eq!(choice.path.version.to_string(), "1.10.0");
    assert_eq!(codes(&choice), ["resolved_version", "newer_version"]);
}

#[test]
fn an_exact_or_named_version_is_taken_without_a_notice() {
    let available = paths(&["1.0.0", "1.1.0"]);

    for selection in [selection(Some("1.1.0"), None), selection(None, Some("1.1.0"))] {
        let choice = choose(&address(), &available, &selection, None).unwrap();

        assert_eq!(choice.path.version.to_string(), "1.1.0");
        assert!(choice.notices.is_empty(), "{:?}", choice.notices);
    }
}

#[test]
fn the_version_in_use_stays_until_the_constraint_excludes_it() {
    let available = paths(&["1.0.0", "1.1.0", "2.0.0"]);
    let current = path("1.0.0");

    let stays =
        choose(&address(), &available, &selection(Some("~> 1.0"), None), Some(&current)).unwrap();
    let moves =
        choose(&address(), &available, &selection(Some("~> 2.0"), None), Some(&current)).unwrap();

    assert_eq!(stays.path.version.to_string(), "1.0.0");
    assert_eq!(moves.path.version.to_string(), "2.0.0");
}

#[test]
fn a_prerelease_is_taken_only_by_name() {
    let available = paths(&["1.0.0", "1.1.0-rc.1"]);

    let bare = choose(&address(), &available, &selection(None, None), None).unwrap();
    let named = choose(&address(), &available, &selection(Some("1.1.0-rc.1"), None), None).unwrap();

    assert_eq!(bare.path.version.to_string(), "1.0.0");
    assert_eq!(named.path.version.to_string(), "1.1.0-rc.1");
}

#[test]
fn a_version_that_is_too_young_is_not_taken_and_says_from_when_it_is() {
    let young =
        Candidate { young_until: Some("2026-11-22T10:00:00Z".to_owned()), ..candidate("1.1.0") };
    let available = [candidate("1.0.0"), young];
    let chosen = |selection: &Selection| choose(&address(), &available, selection, None);

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
        let field = choose(&address(), &available, &selection, None).unwrap_err().field();

        assert_eq!(field.pointer, pointer);
        assert!(field.detail.contains(part), "{}", field.detail);
    }
}
#[test]
fn a_deprecated_version_is_chosen_with_a_warning_that_is_the_same_for_everyone() {
    let available = beside("1.2.0", State::Deprecated, Some("2027-01-31"), false);

    let choice = choose(&address(), &available, &selection(None, None), None).unwrap();

    assert_eq!(choice.path.version.to_string(), "1.2.0");
    assert_eq!(codes(&choice), ["resolved_version", "deprecated"]);
    let notice = &choice.notices[1];
    assert_eq!(
        notice.summary,
        "Golden path golden/api/nodejs 1.2.0 is deprecated and works until 2027-01-31"
    );
    assert_eq!(
        notice.detail,
        "Node 18 is out of support. Use 1.1.0. Ask #platform. From then on nothing new or changed may use it."
    );
    assert!(choice.sunset.is_none());
}

#[test]
fn what_is_yanked_or_past_its_sunset_is_not_chosen_by_a_range_and_says_why() {
    for (available, words) in [
        (beside("1.2.0", State::Yanked, None, false), "1.2.0 was yanked"),
        (beside("1.2.0", State::Revoked, None, false), "1.2.0 was revoked"),
        (beside("1.2.0", State::Deprecated, Some("2020-01-01"), true), "1.2.0 is past its sunset"),
    ] {
        let bare = choose(&address(), &available, &selection(None, None), None).unwrap();
        let only = choose(&address(), &available, &selection(Some("> 1.1"), None), None);

        assert_eq!(bare.path.version.to_string(), "1.1.0", "{words}");
        assert!(only.unwrap_err().to_string().contains(words), "{words}");
    }
}

#[test]
fn what_is_in_use_stays_though_it_is_yanked_or_past_its_sunset() {
    let current = path("1.0.0");
    for (available, code, is_over) in [
        (beside("1.0.0", State::Yanked, None, false), "yanked", false),
        (beside("1.0.0", State::Deprecated, Some("2020-01-01"), true), "past_sunset", true),
    ] {
        let choice =
            choose(&address(), &available, &selection(Some("~> 1.0"), None), Some(&current))
                .unwrap();

        assert_eq!(choice.path.version.to_string(), "1.0.0");
        assert_eq!(codes(&choice), ["newer_version", code]);
        assert_eq!(choice.sunset.is_some(), is_over);
    }
}

#[test]
fn a_version_past_its_sunset_is_refused_with_what_is_offered() {
    let available = beside("1.0.0", State::Deprecated, Some("2020-01-01"), true);

    let choice = choose(&address(), &available, &selection(Some("1.0.0"), None), None).unwrap();
    let field = choice.sunset.unwrap().refusal().field();

    assert_eq!(
        (field.pointer.as_str(), field.rule.as_str()),
        ("/golden_path/constraint", "past_sunset")
    );
    assert!(
        field.detail.contains("sunset of 2020-01-01") && field.detail.contains("There are 1.1.0"),
        "{}",
        field.detail
    );
}

#[test]
fn a_revoked_version_is_refused_also_where_it_is_in_use() {
    let available = beside("1.0.0", State::Revoked, None, false);

    for (selection, current) in [
        (selection(Some("~> 1.0"), None), Some(path("1.0.0"))),
        (selection(None, Some("1.0.0")), None),
        (selection(Some("1.0.0"), None), None),
    ] {
        let field =
            choose(&address(), &available, &selection, current.as_ref()).unwrap_err().field();

        assert_eq!(field.rule, "version_revoked");
        assert!(field.detail.contains("Node 18 is out of support"), "{}", field.detail);
    }
}
