//! The trust policy, `idp.policy`: which registry a configuration believes, and on whose word.
//!
//! A text file to be read and reviewed by people:
//!
//! ```text
//! registry registry.example.com
//! root 1 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=
//! max-age 7d
//! ```
//!
//! `root` says how many of which root keys must have signed what the registry says of its own keys. `max-age` says how
//! old the registry's word on what is deprecated or revoked may be; without it, as old as the registry itself allows.

use std::{collections::BTreeSet, fmt, str::FromStr};

use crate::{
    authority::Pin,
    digest::shortened,
    key::{KeyId, VerifyingKey},
    release::{InvalidRelease, check_registry},
    statement::TrustRoot,
};

/// The policy's file name, in the root module's folder.
pub const FILE_NAME: &str = "idp.policy";
/// The largest policy that is read.
pub const MAX_BYTES: usize = 64 * 1024;

const DAY: i64 = 24 * 60 * 60 * 1000;

/// Which registry is believed, and on whose word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The registry's hostname.
    pub registry: String,
    /// The root keys.
    pub root: Pin,
    /// How old the registry's word may be, in milliseconds.
    pub max_age: Option<i64>,
}

impl Policy {
    /// The policy of somebody who takes a registry's root at its word.
    pub fn of(root: &TrustRoot) -> Self {
        let keys = root.keys.iter().map(VerifyingKey::id).collect();
        Self {
            registry: root.registry.clone(),
            root: Pin { threshold: root.threshold, keys },
            max_age: None,
        }
    }
}

/// Why a text is no policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {reason}", place = line.map_or("the policy".to_owned(), |line| format!("line {line} of the policy")))]
pub struct PolicyError {
    line: Option<usize>,
    reason: String,
}

impl FromStr for Policy {
    type Err = PolicyError;

    fn from_str(text: &str) -> Result<Self, PolicyError> {
        if text.len() > MAX_BYTES {
            let reason = format!("it is larger than the {MAX_BYTES} bytes allowed");
            return Err(PolicyError { line: None, reason });
        }
        let mut draft = Draft::default();
        for (index, line) in text.lines().enumerate() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let read = match words.as_slice() {
                [] => Ok(()),
                [comment, ..] if comment.starts_with('#') => Ok(()),
                [keyword, words @ ..] => draft.read(keyword, words),
            };
            read.map_err(|reason| PolicyError { line: Some(index + 1), reason })?;
        }
        draft.finish().map_err(|reason| PolicyError { line: None, reason })
    }
}

#[derive(Default)]
struct Draft {
    registry: Option<String>,
    root: Option<Pin>,
    max_age: Option<i64>,
}

impl Draft {
    fn read(&mut self, keyword: &str, words: &[&str]) -> Result<(), String> {
        match keyword {
            "registry" => set(&mut self.registry, keyword, registry(words)?),
            "root" => set(&mut self.root, keyword, root(words)?),
            "max-age" => set(&mut self.max_age, keyword, max_age(words)?),
            other => Err(format!(
                "there is no {:?} in a policy; there are registry, root and max-age",
                shortened(other)
            )),
        }
    }

    fn finish(self) -> Result<Policy, String> {
        let missing = |what| format!("it has no `{what}` line; `idp trust` prints a whole policy");
        Ok(Policy {
            registry: self.registry.ok_or_else(|| missing("registry"))?,
            root: self.root.ok_or_else(|| missing("root"))?,
            max_age: self.max_age,
        })
    }
}

fn set<T>(place: &mut Option<T>, keyword: &str, value: T) -> Result<(), String> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(format!("`{keyword}` is there twice")),
    }
}

fn registry(words: &[&str]) -> Result<String, String> {
    let [hostname] = words else { return Err("write `registry HOSTNAME`".to_owned()) };
    check_registry(hostname).map_err(|error: InvalidRelease| error.to_string())?;
    Ok((*hostname).to_owned())
}

fn root(words: &[&str]) -> Result<Pin, String> {
    let usage = || "write `root NUMBER KEY…`: how many of which keys must have signed".to_owned();
    let [threshold, keys @ ..] = words else { return Err(usage()) };
    let threshold: usize = threshold.parse().map_err(|_| usage())?;
    let parsed: BTreeSet<KeyId> = keys
        .iter()
        .map(|key| key.parse().map_err(|error: crate::key::KeyError| error.to_string()))
        .collect::<Result<_, _>>()?;
    if parsed.len() != keys.len() {
        return Err("a key is there twice; each counts once".to_owned());
    }
    if !(1..=parsed.len()).contains(&threshold) {
        return Err(format!("{threshold} of {} keys cannot be; {}", parsed.len(), usage()));
    }
    Ok(Pin { threshold, keys: parsed })
}

fn max_age(words: &[&str]) -> Result<i64, String> {
    let usage = "write `max-age` and a time such as 12h or 7d";
    let [text] = words else { return Err(usage.to_owned()) };
    parse_age(text).map_err(|_| usage.to_owned())
}

/// Reads a time such as `12h` or `7d`, in milliseconds.
pub fn parse_age(text: &str) -> Result<i64, String> {
    let usage = || "write a time such as 12h or 7d".to_owned();
    let (number, unit) = match (text.strip_suffix('d'), text.strip_suffix('h')) {
        (Some(number), _) => (number, DAY),
        (_, Some(number)) => (number, DAY / 24),
        _ => return Err(usage()),
    };
    let number: u16 = number.parse().map_err(|_| usage())?;
    if number == 0 { Err(usage()) } else { Ok(i64::from(number) * unit) }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "registry {}", self.registry)?;
        write!(f, "root {}", self.root.threshold)?;
        self.root.keys.iter().try_for_each(|key| write!(f, " {key}"))?;
        writeln!(f)?;
        match self.max_age {
            Some(age) if age % DAY == 0 => writeln!(f, "max-age {}d", age / DAY),
            Some(age) => writeln!(f, "max-age {}h", age / (DAY / 24)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

    fn error(text: &str) -> String {
        text.parse::<Policy>().unwrap_err().to_string()
    }

    #[test]
    fn a_policy_reads_back_as_it_was_written() {
        let text =
            format!("# ours\n\n  registry registry.example.com\nroot 1 {KEY} # not a comment\n");
        assert!(error(&text).starts_with("line 4"));

        for text in [
            format!("registry registry.example.com\nroot 1 {KEY}\nmax-age 7d\n"),
            format!("registry registry.example.com:8443\nroot 1 {KEY}\nmax-age 36h\n"),
            format!("registry registry.example.com\nroot 1 {KEY}\n"),
        ] {
            assert_eq!(text.parse::<Policy>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_wrong_is_named_by_its_line() {
        let good = format!("registry registry.example.com\nroot 1 {KEY}\n");
        for (text, expected) in [
            (good.replace("root 1", "root 2"), "line 2 of the policy: 2 of 1 keys"),
            (good.replace("root 1", "root 0"), "line 2 of the policy: 0 of 1 keys"),
            (good.replace(KEY, &format!("{KEY} {KEY}")), "twice"),
            (good.replace(KEY, "abc"), "line 2"),
            (good.replace("registry.example.com", "Registry"), "line 1"),
            (good.clone() + "max-age 0d", "line 3"),
            (good.clone() + "registry other.example.com", "`registry` is there twice"),
            (good.clone() + "reserve acme/*", "there is no \"reserve\""),
            (format!("root 1 {KEY}"), "no `registry` line"),
            ("registry registry.example.com".to_owned(), "no `root` line"),
        ] {
            assert!(error(&text).contains(expected), "{expected}: {}", error(&text));
        }
    }

    #[test]
    fn an_age_is_a_number_of_days_or_hours() {
        let age = |text: &str| {
            let text = format!("registry registry.example.com\nroot 1 {KEY}\nmax-age {text}\n");
            text.parse::<Policy>().map(|policy| policy.max_age.unwrap())
        };
        assert_eq!(age("1h"), Ok(60 * 60 * 1000));
        assert_eq!(age("65535d"), Ok(65_535 * DAY));
        for text in ["0h", "-1d", "65536d", "1.5d", "1w", "7", "d", "7d 1h", "", "９d"] {
            let error = age(text).unwrap_err().to_string();
            assert!(error.contains("line 3") && error.contains("max-age"), "{text}: {error}");
        }
    }

    #[test]
    fn several_roots_read_back_in_one_order() {
        let other = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        let text = |keys: &str| format!("registry registry.example.com\r\nroot 2 {keys}\r\n");
        let policy: Policy = text(&format!("{KEY} {other}")).parse().unwrap();

        assert_eq!(policy.root.threshold, 2);
        assert_eq!(text(&format!("{other}\t {KEY}")).parse(), Ok(policy.clone()));
        assert_eq!(policy.to_string().parse(), Ok(policy));
        let huge = format!("root {} {KEY}", u128::MAX);
        assert!(error(&huge).contains("write `root NUMBER KEY"));
    }

    #[test]
    fn hostile_text_is_short_and_plain_in_messages() {
        let long = "\u{202e}".to_owned() + &"x".repeat(10_000);
        for text in [
            long.clone(),
            format!("registry {long}"),
            format!("root 1 {long}"),
            format!("root {long} {KEY}"),
            format!("max-age {long}"),
        ] {
            let error = error(&text);
            assert!(error.len() < 400 && !error.contains('\u{202e}'), "{error}");
        }
        assert!(error(&"#".repeat(MAX_BYTES + 1)).contains("larger than the 65536 bytes"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(registry|root|max-age| |1|[a-z0-9=]{1,5}|\n|.){0,60}") {
            if let Ok(policy) = text.parse::<Policy>() {
                prop_assert_eq!(policy.to_string().parse(), Ok(policy));
            }
        }
    }
}
