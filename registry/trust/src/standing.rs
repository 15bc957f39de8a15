//! How a version stands, from what was said of it and of its module.

use semver::Version;

use crate::{
    statement::{ModuleStatus, State},
    time::Day,
};

/// How a version stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// How.
    pub state: State,
    /// Why, for people.
    pub reason: Option<String>,
    /// What to use instead, for people.
    pub replacement: Option<String>,
    /// Who to ask, for people.
    pub contact: Option<String>,
    /// From when on nothing new may use it.
    pub sunset: Option<Day>,
    /// Whether it is the module as a whole that stands so.
    pub is_whole_module: bool,
}

impl Standing {
    /// From the statuses of one module: of those about the same, the one with the highest sequence counts; of what is
    /// said of the version and of the module, the worse.
    pub fn of<'a>(statuses: impl IntoIterator<Item = &'a ModuleStatus>, version: &Version) -> Self {
        let (mut of_module, mut of_version): (Option<&ModuleStatus>, _) = (None, None);
        for status in statuses {
            let place = match &status.version {
                None => &mut of_module,
                Some((other, _)) if other == version => &mut of_version,
                Some(_) => continue,
            };
            if place.is_none_or(|before| before.sequence < status.sequence) {
                *place = Some(status);
            }
        }
        let of_module = of_module.map(Self::from).unwrap_or_default();
        of_module.or_worse(of_version.map(Self::from).unwrap_or_default())
    }

    /// The worse of two; of two that are deprecated, the one whose sunset comes first.
    #[must_use]
    pub fn or_worse(self, other: Self) -> Self {
        let days = |standing: &Self| standing.sunset.map_or(i64::MAX, Day::start);
        let is_worse =
            other.state > self.state || other.state == self.state && days(&other) <= days(&self);
        if is_worse { other } else { self }
    }

    /// Whether nobody gets it.
    pub fn is_revoked(&self) -> bool {
        self.state == State::Revoked
    }

    /// Whether somebody new may get it: it is neither yanked nor revoked, and not past its sunset.
    pub fn is_offered(&self, now: i64) -> bool {
        self.state <= State::Deprecated && !self.is_past_sunset(now)
    }

    /// Whether it is deprecated and nothing new may use it any more.
    pub fn is_past_sunset(&self, now: i64) -> bool {
        self.state == State::Deprecated && self.sunset.is_some_and(|day| day.start() <= now)
    }
}

impl From<&ModuleStatus> for Standing {
    fn from(status: &ModuleStatus) -> Self {
        Self {
            state: status.state,
            reason: status.reason.clone(),
            replacement: status.replacement.clone(),
            contact: status.contact.clone(),
            sunset: status.sunset,
            is_whole_module: status.version.is_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Sha256;

    fn status(
        version: Option<&str>,
        sequence: u64,
        state: State,
        sunset: Option<&str>,
    ) -> ModuleStatus {
        ModuleStatus {
            module: "registry.example.com/acme/vpc/aws".parse().unwrap(),
            version: version.map(|version| (version.parse().unwrap(), Sha256::of(b"a"))),
            sequence,
            state,
            reason: Some(format!("reason {sequence}")),
            replacement: None,
            contact: None,
            sunset: sunset.map(|day| day.parse().unwrap()),
        }
    }

    fn standing(statuses: &[ModuleStatus]) -> Standing {
        Standing::of(statuses, &Version::new(1, 0, 0))
    }

    #[test]
    fn nothing_said_is_active() {
        assert_eq!(standing(&[]), Standing::default());
        let other = status(Some("1.1.0"), 1, State::Revoked, None);
        assert_eq!(standing(&[other]).state, State::Active);
    }

    #[test]
    fn the_highest_sequence_counts_in_any_order() {
        let restored = status(Some("1.0.0"), 3, State::Active, None);
        let revoked = status(Some("1.0.0"), 2, State::Revoked, None);

        assert_eq!(standing(&[restored.clone(), revoked.clone()]).state, State::Active);
        assert_eq!(standing(&[revoked, restored]).state, State::Active);
    }

    #[test]
    fn the_worse_of_version_and_module_counts() {
        let module = status(None, 1, State::Deprecated, None);
        let version = status(Some("1.0.0"), 2, State::Revoked, None);

        let both = standing(&[module.clone(), version]);

        assert_eq!((both.state, both.is_whole_module), (State::Revoked, false));
        assert!(standing(&[module]).is_whole_module);
    }

    #[test]
    fn the_module_as_a_whole_counts_for_versions_that_are_active() {
        let module = status(None, 1, State::Revoked, None);
        let version = status(Some("1.0.0"), 2, State::Active, None);
        assert!(standing(&[module.clone(), version.clone()]).is_whole_module);
        assert_eq!(standing(&[module, version.clone()]).state, State::Revoked);

        // A later word on the module is none on the version, nor the reverse.
        let module = status(None, 3, State::Active, None);
        let version = ModuleStatus { state: State::Yanked, ..version };
        assert_eq!(standing(&[version, module]).state, State::Yanked);
    }

    #[test]
    fn of_two_that_stand_alike_the_versions_own_word_is_told() {
        let module = status(None, 2, State::Deprecated, None);
        let version = status(Some("1.0.0"), 1, State::Deprecated, None);
        assert_eq!(standing(&[module.clone(), version]).reason.as_deref(), Some("reason 1"));

        // A sunset comes before none.
        let module = ModuleStatus { sunset: "2027-02-01".parse().ok(), ..module };
        let version = status(Some("1.0.0"), 1, State::Deprecated, None);
        assert_eq!(standing(&[module, version]).reason.as_deref(), Some("reason 2"));
    }

    #[test]
    fn only_what_is_deprecated_is_past_its_sunset() {
        let past: Day = "2000-01-01".parse().unwrap();
        for state in State::ALL {
            let standing = Standing { state, sunset: Some(past), ..Standing::default() };
            assert_eq!(standing.is_past_sunset(past.start()), state == State::Deprecated);
        }
        let without = Standing { state: State::Deprecated, ..Standing::default() };
        assert!(!without.is_past_sunset(i64::MAX));
    }

    #[test]
    fn a_version_is_its_whole_text() {
        let other_build = status(Some("1.0.0+b2"), 1, State::Revoked, None);
        let before = status(Some("1.0.0-rc.1"), 2, State::Revoked, None);

        assert_eq!(standing(&[other_build, before]).state, State::Active);
    }

    #[test]
    fn the_first_sunset_counts_and_acts_from_its_first_second() {
        let module = status(None, 1, State::Deprecated, Some("2027-02-01"));
        let version = status(Some("1.0.0"), 2, State::Deprecated, Some("2027-01-31"));

        let both = standing(&[module, version]);

        let day: Day = "2027-01-31".parse().unwrap();
        assert_eq!(both.sunset, Some(day));
        assert!(!both.is_past_sunset(day.start() - 1));
        assert!(both.is_past_sunset(day.start()));
    }
}
