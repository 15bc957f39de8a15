//! When a version may break those who call the module, and the exception to it.

use registry_api::interface::InterfaceChange;
use semver::Version;

/// Whether the step from `base` to `new` says that callers must look: the major version, below 1.0.0 the minor one.
pub fn may_break(base: &Version, new: &Version) -> bool {
    new.major > base.major || (new.major == 0 && base.major == 0 && new.minor > base.minor)
}

/// The lowest version above `base` that may break callers.
pub fn next_breaking(base: &Version) -> Version {
    if base.major == 0 {
        Version::new(0, base.minor.saturating_add(1), 0)
    } else {
        Version::new(base.major.saturating_add(1), 0, 0)
    }
}

/// The version that `new` is compared with: the highest release below it.
pub fn base<'a, T>(
    published: impl IntoIterator<Item = T>,
    version: impl Fn(&T) -> &'a Version,
    new: &Version,
) -> Option<T> {
    published
        .into_iter()
        .filter(|item| version(item).pre.is_empty() && version(item) < new)
        .max_by(|left, right| version(left).cmp(version(right)))
}

/// Why somebody breaks callers without raising the major version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BreakingReason(String);

impl BreakingReason {
    /// Longest reason, in characters.
    pub const MAX_CHARS: usize = 500;

    /// Reads what a publisher writes.
    pub fn parse(text: &str) -> Result<Self, InvalidReason> {
        let text = text.trim();
        if !(1..=Self::MAX_CHARS).contains(&text.chars().count()) || !text.chars().all(is_printable)
        {
            return Err(InvalidReason);
        }
        Ok(Self(text.to_owned()))
    }

    /// The reason as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Nothing that moves, hides or reorders the text around it.
fn is_printable(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// A reason that cannot stand on record; its display says how to write one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the reason of allow_breaking is not one line of 1 to 500 printable characters")]
pub struct InvalidReason;

/// What was published although it breaks callers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    /// Why.
    pub reason: BreakingReason,
    /// How it breaks them.
    pub changes: Vec<InterfaceChange>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn only_a_major_step_breaks_and_below_one_a_minor_step() {
        for (base, new, expected) in [
            ("1.4.2", "1.5.0", false),
            ("1.4.2", "2.0.0", true),
            ("1.4.2", "2.0.0-rc.1", true),
            ("0.4.2", "0.4.3", false),
            ("0.4.2", "0.5.0", true),
            ("0.4.2", "0.5.0-rc.1", true),
            ("0.4.2", "1.0.0", true),
        ] {
            assert_eq!(may_break(&version(base), &version(new)), expected, "{base} to {new}");
        }
    }

    #[test]
    fn a_version_is_compared_with_the_highest_release_below_it() {
        let published = ["1.0.0", "2.0.0", "1.2.0", "1.3.0-rc.1", "1.10.0"].map(version);
        let base =
            |new: &str| base(&published, |item| *item, &version(new)).map(ToString::to_string);

        assert_eq!(base("1.3.0").as_deref(), Some("1.2.0"));
        assert_eq!(base("3.0.0").as_deref(), Some("2.0.0"));
        assert_eq!(base("2.0.0-rc.1").as_deref(), Some("1.10.0"));
        assert_eq!(base("1.0.0"), None);
    }

    #[test]
    fn a_reason_is_one_printable_line() {
        assert_eq!(
            BreakingReason::parse(" nobody calls it yet ").unwrap().as_str(),
            "nobody calls it yet"
        );
        let long = "é".repeat(500);
        assert!(BreakingReason::parse(&long).is_ok());
        for text in ["", "  ", "two\nlines", "bell\u{7}", "\u{202e}txet", &format!("{long}é")] {
            assert!(BreakingReason::parse(text).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn the_next_breaking_version_may_break_and_none_before_it(
            base in (0..3_u64, 0..4_u64, 0..4_u64), new in (0..4_u64, 0..6_u64, 0..6_u64),
        ) {
            let base = Version::new(base.0, base.1, base.2);
            let new = Version::new(new.0, new.1, new.2);
            prop_assert!(may_break(&base, &next_breaking(&base)));
            if new > base && new < next_breaking(&base) {
                prop_assert!(!may_break(&base, &new));
            }
        }
    }
}
