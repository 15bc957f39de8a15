//! Names that people choose for services, environments and owners.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A lower-case DNS label of at most [`Name::MAX`] characters: `a-z`, `0-9` and `-`, starting with a letter
/// and not ending in a dash.
///
/// Shorter than DNS allows (63), because objects derived from a name carry a suffix.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

/// A text that is not a [`Name`]; its display says which rule it breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidName {
    /// What was given.
    pub given: String,
    /// The rule it breaks, as a phrase that follows "must".
    pub rule: &'static str,
}

impl Name {
    /// Most characters a name may have.
    pub const MAX: usize = 40;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

crate::text_schema!(Name);

impl FromStr for Name {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let refuse = |rule| Err(InvalidName { given: text.chars().take(80).collect(), rule });
        if text.is_empty() || text.len() > Self::MAX {
            return refuse("have 1 to 40 characters");
        }
        if !text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
            return refuse("use only lower-case letters, digits and dashes (a DNS label)");
        }
        if !text.starts_with(|c: char| c.is_ascii_lowercase()) {
            return refuse("start with a letter");
        }
        if text.ends_with('-') {
            return refuse("not end in a dash");
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for Name {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for InvalidName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not a valid name: it must {}", self.given, self.rule)
    }
}

impl std::error::Error for InvalidName {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dns_labels_are_names() {
        for text in ["a", "checkout", "a1-b2", &"a".repeat(40)] {
            assert_eq!(text.parse::<Name>().unwrap().as_str(), text);
        }
    }

    #[test]
    fn what_kubernetes_or_dns_would_refuse_is_refused_with_its_rule() {
        for (text, rule) in [
            ("", "1 to 40"),
            (&*"a".repeat(41), "1 to 40"),
            ("Checkout", "lower-case"),
            ("check_out", "lower-case"),
            ("über", "lower-case"),
            ("a\nb", "lower-case"),
            ("1st", "start with a letter"),
            ("-a", "start with a letter"),
            ("a-", "not end in a dash"),
        ] {
            let error = text.parse::<Name>().unwrap_err();
            assert!(error.to_string().contains(rule), "{text:?}: {error}");
        }
    }
}
