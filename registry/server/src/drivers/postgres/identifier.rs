//! Names and texts inside SQL: checked where they are ours, quoted wherever they come from.

use std::fmt;

use super::error::PostgresError;

/// Longest name that PostgreSQL keeps whole.
const MAX_BYTES: usize = 63;

/// Names that exist on every server.
const RESERVED: [&str; 4] = ["postgres", "template0", "template1", "public"];

/// A name that we give to a database, a schema or a role: `a-z`, digits and underscores, a letter
/// first, at most 63 bytes, none that PostgreSQL keeps for itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identifier(String);

impl Identifier {
    pub fn new(text: &str) -> Result<Self, PostgresError> {
        match problem(text) {
            None => Ok(Self(text.to_owned())),
            Some(problem) => Err(PostgresError::InvalidName { name: text.to_owned(), problem }),
        }
    }

    /// This name with more at its end, such as a database's `orders` and its role `orders_read`.
    pub fn with_suffix(&self, suffix: &str) -> Result<Self, PostgresError> {
        Self::new(&format!("{self}_{suffix}"))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn quoted(&self) -> String {
        quote_name(&self.0)
    }
}

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn problem(text: &str) -> Option<String> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if text.len() > MAX_BYTES {
        let over = text.len() - MAX_BYTES;
        return Some(format!(
            "it is {over} bytes over the {MAX_BYTES} that PostgreSQL keeps; shorten it"
        ));
    }
    if !text.starts_with(|c: char| c.is_ascii_lowercase()) || !text.chars().all(allowed) {
        return Some("use a-z, 0-9 and underscores, a letter first".to_owned());
    }
    let reserved = RESERVED.contains(&text) || text.starts_with("pg_");
    reserved.then(|| "PostgreSQL keeps this name for itself; take another".to_owned())
}

/// A name from anywhere, for use in SQL. PostgreSQL's names hold no NUL, and none gets through.
pub(super) fn quote_name(name: &str) -> String {
    format!("\"{}\"", name.replace('\0', "").replace('"', "\"\""))
}

/// A text from anywhere, for use in SQL, whatever `standard_conforming_strings` says.
pub(super) fn quote_text(text: &str) -> String {
    let text = text.replace('\0', "").replace('\'', "''");
    if text.contains('\\') {
        format!("E'{}'", text.replace('\\', "\\\\"))
    } else {
        format!("'{text}'")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_keeps_to_lower_case_and_63_bytes() {
        let longest = format!("a{}", "b".repeat(62));

        assert!(Identifier::new(&longest).is_ok());
        for name in ["orders", "orders_2", "o"] {
            assert!(Identifier::new(name).is_ok(), "{name}");
        }
        for name in [
            "",
            "Orders",
            "2orders",
            "_orders",
            "or-ders",
            "or ders",
            "or\"ders",
            "or;ders",
            "bestélling",
            "a\0b",
        ] {
            assert!(Identifier::new(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn a_name_that_is_too_long_or_reserved_says_so() {
        let long = Identifier::new(&"a".repeat(64)).unwrap_err().to_string();
        let suffixed = Identifier::new(&"a".repeat(60)).unwrap().with_suffix("owner").unwrap_err();
        let reserved = ["postgres", "template0", "template1", "public", "pg_read_all_data"];

        assert!(long.contains("1 bytes over the 63"), "{long}");
        assert!(suffixed.to_string().contains("3 bytes over"), "{suffixed}");
        for name in reserved {
            let error = Identifier::new(name).unwrap_err().to_string();
            assert!(error.contains("keeps this name"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn an_accepted_name_needs_no_quotes(text in "\\PC{0,70}") {
            if let Ok(name) = Identifier::new(&text) {
                prop_assert_eq!(name.quoted(), format!("\"{text}\""));
                prop_assert!(name.as_str().len() <= 63);
            }
        }

        #[test]
        fn a_quoted_text_ends_only_at_its_end(text in "[\\\\'\"a\\x00;-]{0,12}") {
            let quoted = quote_text(&text);
            let escapes = quoted.starts_with('E');
            let inner = &quoted[if escapes { 2 } else { 1 }..quoted.len() - 1];

            let mut chars = inner.chars();
            while let Some(c) = chars.next() {
                if c == '\'' || (c == '\\' && escapes) {
                    prop_assert_eq!(chars.next(), Some(c));
                }
                prop_assert!(c != '\\' || escapes);
            }
        }
    }
}
