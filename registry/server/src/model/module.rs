//! Module and provider versions: what may be published, and what answers once it is.

use semver::Version;

/// Whether a version can be installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// Listed and installable.
    Active,
    /// Not listed; whoever names it exactly may install it.
    Yanked {
        /// Why, for people.
        reason: String,
    },
    /// Installable by nobody. Still listed: Terraform shows the reason only when it asks for the version.
    Revoked {
        /// Why, for people.
        reason: String,
    },
}

impl Status {
    /// Reads the two columns of a row; none for a word that is no status.
    pub fn from_columns(status: &str, reason: &str) -> Option<Self> {
        let reason = reason.to_owned();
        match status {
            "active" => Some(Self::Active),
            "yanked" => Some(Self::Yanked { reason }),
            "revoked" => Some(Self::Revoked { reason }),
            _ => None,
        }
    }

    /// Whether version lists name it.
    pub fn is_listed(&self) -> bool {
        matches!(self, Self::Active | Self::Revoked { .. })
    }
}

/// Reads a version as this registry writes them: strict semver, no `v`, no build metadata.
pub fn parse_version(text: &str) -> Result<Version, InvalidVersion> {
    let refuse = |rule| InvalidVersion { given: text.chars().take(80).collect(), rule };
    let version = Version::parse(text)
        .map_err(|_| refuse("write three numbers, such as 1.2.3 or 1.2.3-rc.1, without a v"))?;
    if !version.build.is_empty() {
        return Err(refuse(
            "leave out what follows the +: clients take versions that differ only there for the same one",
        ));
    }
    if text.len() > 64 {
        return Err(refuse("use at most 64 characters"));
    }
    Ok(version)
}

/// A text that is no version here; its display says how to write one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is not a version that can be published: {rule}")]
pub struct InvalidVersion {
    given: String,
    rule: &'static str,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_strict_versions_can_be_published() {
        assert!(parse_version("1.2.3").is_ok());
        assert!(parse_version("1.2.3-rc.1").is_ok());
        for text in ["", "1", "1.2", "v1.2.3", "1.2.3+build", "01.2.3", "1.2.3 ", "../1.2.3"] {
            assert!(parse_version(text).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn an_accepted_version_prints_as_it_was_written(text in "[0-9.a-z+-]{0,20}|.{0,20}") {
            if let Ok(version) = parse_version(&text) {
                prop_assert_eq!(version.to_string(), text);
            }
        }
    }
}
