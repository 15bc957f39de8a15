//! `[[namespace]]`.

use serde::Deserialize;

/// `[[namespace]]`: whether everyone may install from it, and who signs its providers. Whose signatures count for its
/// modules stands in the log: `idp keys`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Namespace {
    /// First part of a module or provider address; lower case.
    pub name: String,
    /// Whether installing needs no token.
    #[serde(default)]
    pub anonymous_read: bool,
    /// How old a module version must be before it can be selected, in hours: time to notice and revoke a bad one before
    /// anybody's plan takes it up. Until then it is not in version lists, not downloaded, and taken by no resource that
    /// does not use it already. 0: at once.
    #[serde(default)]
    pub minimum_age_hours: u32,
    /// Armoured OpenPGP public keys that may sign provider releases: paths, or the text itself. Empty: the key of
    /// the first release is the only one that later releases may use.
    #[serde(default)]
    pub provider_keys: Vec<String>,
}

impl Namespace {
    /// From when a version that was published at `published_at` can be selected; both in milliseconds. A full second,
    /// so that the moment reads as it is.
    pub fn selectable_from(&self, published_at: i64) -> i64 {
        if self.minimum_age_hours == 0 {
            return published_at;
        }
        let from = published_at.saturating_add(i64::from(self.minimum_age_hours) * 3_600_000);
        from.saturating_add(999).div_euclid(1000).saturating_mul(1000)
    }
}
