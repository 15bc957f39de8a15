//! Version constraints with Terraform's meaning, which is not that of the `semver` crate.
//!
//! Clauses joined by commas must all hold. Operators: `=` (or none), `!=`, `>`, `>=`, `<`, `<=`, `~>`.
//! A pre-release is selected only by an exact clause that names it.

use std::fmt;
use std::str::FromStr;

use semver::Version;
use serde::{Deserialize, Serialize};

/// A parsed constraint such as `~> 1.2, != 1.2.5`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VersionConstraint {
    text: String,
    clauses: Vec<Clause>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Clause {
    operator: Operator,
    version: Version,
    /// How many of major, minor, patch were written; `~>` depends on it.
    written: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Pessimistic,
}

/// A text that is not a constraint; its display says which clause and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidConstraint {
    clause: String,
    reason: &'static str,
}

impl VersionConstraint {
    /// Exactly this version.
    pub fn exactly(version: &Version) -> Self {
        let clause = Clause { operator: Operator::Equal, version: version.clone(), written: 3 };
        Self { text: version.to_string(), clauses: vec![clause] }
    }

    /// Whether `version` may be selected.
    pub fn matches(&self, version: &Version) -> bool {
        let named = self.clauses.iter().any(|clause| {
            clause.operator == Operator::Equal && same_precedence(&clause.version, version)
        });
        (version.pre.is_empty() || named)
            && self.clauses.iter().all(|clause| clause.allows(version))
    }

    /// The only version that can match, if one clause names it exactly.
    pub fn exact(&self) -> Option<&Version> {
        match self.clauses.as_slice() {
            [Clause { operator: Operator::Equal, version, .. }] => Some(version),
            _ => None,
        }
    }

    /// The highest of `versions` that matches.
    pub fn select<'a>(
        &self,
        versions: impl IntoIterator<Item = &'a Version>,
    ) -> Option<&'a Version> {
        versions.into_iter().filter(|version| self.matches(version)).max()
    }

    /// A version that this allows and `other` does not; none where `other` allows everything that this does.
    ///
    /// Exact: between two neighbouring bounds of either, every release is as good as the one that follows the lower
    /// bound, and of pre-releases only those that are named count.
    pub fn allows_beyond(&self, other: &Self) -> Option<Version> {
        let bounds = self.clauses.iter().chain(&other.clauses).flat_map(Clause::bounds);
        let mut samples: Vec<Version> = std::iter::once(Version::new(0, 0, 0))
            .chain(bounds.flat_map(|bound| {
                let next = Version::new(bound.major, bound.minor, bound.patch.saturating_add(1));
                let release = Version::new(bound.major, bound.minor, bound.patch);
                [bound, release, next]
            }))
            .collect();
        samples.sort();
        samples.into_iter().find(|version| self.matches(version) && !other.matches(version))
    }

    /// The constraint as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl Clause {
    fn allows(&self, version: &Version) -> bool {
        let order = version.cmp_precedence(&self.version);
        match self.operator {
            Operator::Equal => order.is_eq(),
            Operator::NotEqual => order.is_ne(),
            Operator::Greater => order.is_gt(),
            Operator::GreaterOrEqual => order.is_ge(),
            Operator::Less => order.is_lt(),
            Operator::LessOrEqual => order.is_le(),
            Operator::Pessimistic => order.is_ge() && self.shares_all_but_last_written(version),
        }
    }

    /// Where what it allows may begin or end.
    fn bounds(&self) -> [Version; 3] {
        let Version { major, minor, .. } = self.version;
        [
            self.version.clone(),
            Version::new(major, minor.saturating_add(1), 0),
            Version::new(major.saturating_add(1), 0, 0),
        ]
    }

    /// `~> 1.2` stays within 1, `~> 1.2.3` within 1.2; `~> 1` is only a lower bound.
    fn shares_all_but_last_written(&self, version: &Version) -> bool {
        match self.written {
            1 => true,
            2 => version.major == self.version.major,
            _ => version.major == self.version.major && version.minor == self.version.minor,
        }
    }
}

fn same_precedence(left: &Version, right: &Version) -> bool {
    left.cmp_precedence(right).is_eq()
}

crate::text_schema!(VersionConstraint);

impl FromStr for VersionConstraint {
    type Err = InvalidConstraint;

    fn from_str(text: &str) -> Result<Self, InvalidConstraint> {
        if text.len() > 256 {
            let clause = text.chars().take(40).collect();
            return Err(InvalidConstraint {
                clause,
                reason: "a constraint has at most 256 characters",
            });
        }
        let clauses = text.split(',').map(parse_clause).collect::<Result<_, _>>()?;
        Ok(Self { text: text.trim().to_owned(), clauses })
    }
}

fn parse_clause(text: &str) -> Result<Clause, InvalidConstraint> {
    let text = text.trim();
    let refuse = |reason| InvalidConstraint { clause: text.to_owned(), reason };
    let digits = text.find(|c: char| c.is_ascii_alphanumeric()).unwrap_or(text.len());
    let (operator, number) = text.split_at(digits);
    let operator = match operator.trim() {
        "" | "=" => Operator::Equal,
        "!=" => Operator::NotEqual,
        ">" => Operator::Greater,
        ">=" => Operator::GreaterOrEqual,
        "<" => Operator::Less,
        "<=" => Operator::LessOrEqual,
        "~>" => Operator::Pessimistic,
        _ => return Err(refuse("the operators are =, !=, >, >=, <, <= and ~>")),
    };
    let (version, written) = parse_partial(number)
        .ok_or_else(|| refuse("after the operator comes a version such as 1, 1.2 or 1.2.3"))?;
    Ok(Clause { operator, version, written })
}

/// A version whose minor and patch may be missing; also says how many parts were written.
fn parse_partial(text: &str) -> Option<(Version, usize)> {
    let split = text.find(['-', '+']).unwrap_or(text.len());
    let (numbers, suffix) = text.split_at(split);
    let written = numbers.split('.').count();
    if written > 3 {
        return None;
    }
    let version = format!("{numbers}{}{suffix}", ".0".repeat(3 - written));
    Some((Version::parse(&version).ok()?, written))
}

impl TryFrom<String> for VersionConstraint {
    type Error = InvalidConstraint;

    fn try_from(text: String) -> Result<Self, InvalidConstraint> {
        text.parse()
    }
}

impl From<VersionConstraint> for String {
    fn from(constraint: VersionConstraint) -> Self {
        constraint.text
    }
}

impl fmt::Display for VersionConstraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for InvalidConstraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not a version constraint: {}", self.clause, self.reason)
    }
}

impl std::error::Error for InvalidConstraint {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(constraint: &str, version: &str) -> bool {
        constraint.parse::<VersionConstraint>().unwrap().matches(&Version::parse(version).unwrap())
    }

    #[test]
    fn the_pessimistic_operator_moves_only_the_last_written_part() {
        assert!(
            matches("~> 1.2", "1.9.0")
                && !matches("~> 1.2", "2.0.0")
                && !matches("~> 1.2", "1.1.9")
        );
        assert!(matches("~> 1.2.3", "1.2.9") && !matches("~> 1.2.3", "1.3.0"));
        assert!(matches("~> 1", "7.0.0") && !matches("~> 1", "0.9.0"));
    }

    #[test]
    fn clauses_must_all_hold() {
        assert!(matches(">= 1.0, < 2.0, != 1.5.0", "1.4.0"));
        assert!(!matches(">= 1.0, < 2.0, != 1.5.0", "1.5.0"));
    }

    #[test]
    fn a_prerelease_is_selected_only_by_name() {
        assert!(matches("1.0.0-rc.1", "1.0.0-rc.1"));
        assert!(!matches(">= 1.0.0-rc.1", "1.0.0-rc.2"));
        assert!(!matches("~> 1.0", "1.1.0-beta"));
    }

    #[test]
    fn exact_is_known_only_for_one_exact_clause() {
        let exact = |text: &str| {
            text.parse::<VersionConstraint>().unwrap().exact().map(ToString::to_string)
        };
        assert_eq!(exact("= 1.2").as_deref(), Some("1.2.0"));
        assert_eq!(exact("1.2.3").as_deref(), Some("1.2.3"));
        assert_eq!(exact("~> 1.2"), None);
    }

    #[test]
    fn nonsense_is_refused_with_the_clause_that_is_wrong() {
        for (text, clause) in
            [("", "\"\""), (">= 1.0,", "\"\""), ("=> 1", "=> 1"), ("1.2.3.4", "1.2.3.4")]
        {
            let error = text.parse::<VersionConstraint>().unwrap_err().to_string();
            assert!(error.contains(clause), "{text:?}: {error}");
        }
    }

    fn beyond(wide: &str, narrow: &str) -> Option<String> {
        let [wide, narrow] = [wide, narrow].map(|text| text.parse::<VersionConstraint>().unwrap());
        wide.allows_beyond(&narrow).map(|version| version.to_string())
    }

    #[test]
    fn a_constraint_is_compared_by_what_it_allows() {
        for (wide, narrow, expected) in [
            (">= 1.0", ">= 1.0.0", None),
            ("~> 1.2", ">= 1.2, < 2.0", None),
            (">= 1.2, < 2", "~> 1.2", None),
            ("~> 1.2.3", "~> 1.2", None),
            ("~> 1.2", "~> 1.2.3", Some("1.2.0")),
            (">= 1.0", ">= 1.1", Some("1.0.0")),
            (">= 1.0", "~> 1.0", Some("2.0.0")),
            ("~> 1", ">= 1.0", None),
            (">= 1.0", "> 1.0, != 3.0.0", Some("1.0.0")),
            ("> 1.0", "> 1.0, != 3.0.0", Some("3.0.0")),
            (">= 1.0, < 1.0", "1.5.0", None),
            ("1.0.0-rc.1", ">= 0.0.0", Some("1.0.0-rc.1")),
            (">= 1.0.0-rc.1", ">= 1.0.0", None),
        ] {
            assert_eq!(beyond(wide, narrow).as_deref(), expected, "{wide} within {narrow}");
        }
    }

    /// Small numbers, so that bounds meet.
    const CONSTRAINT: &str = "(=|!=|>|>=|<|<=|~>) ?[0-3](\\.[0-3](\\.[0-3](-rc)?)?)?(, (=|!=|>|>=|<|<=|~>) ?[0-3](\\.[0-3](\\.[0-3])?)?)?";

    proptest! {
        #[test]
        fn what_a_constraint_allows_beyond_another_is_never_missed(wide in CONSTRAINT, narrow in CONSTRAINT) {
            let found = beyond(&wide, &narrow).is_some();
            let numbers = (0..6_u64).flat_map(|a| (0..6_u64).flat_map(move |b| (0..6_u64).map(move |c| (a, b, c))));
            let exists = numbers
                .flat_map(|(a, b, c)| [format!("{a}.{b}.{c}"), format!("{a}.{b}.{c}-rc")])
                .any(|version| matches(&wide, &version) && !matches(&narrow, &version));
            prop_assert_eq!(found, exists);
        }

        #[test]
        fn any_text_parses_or_is_refused(text in ".{0,40}") {
            let _ = text.parse::<VersionConstraint>();
        }
    }
}
