//! The mark that says whose an object is: a comment on a database, a role or an extension.

use std::fmt;

use super::error::PostgresError;
use super::identifier::quote_text;

const BEFORE: &str = "Managed by idp on ";
const BETWEEN: &str = ": ";

/// Which platform made an object, and for which of its resources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    platform: String,
    resource: String,
}

impl Mark {
    /// `platform` is the registry's hostname, `resource` such as `database/staging/orders`.
    pub fn new(platform: &str, resource: &str) -> Result<Self, PostgresError> {
        let plain = |text: &str| {
            !text.is_empty() && text.chars().all(|c| !c.is_control() && !c.is_whitespace())
        };
        if plain(platform) && plain(resource) && !platform.contains(BETWEEN) {
            return Ok(Self { platform: platform.to_owned(), resource: resource.to_owned() });
        }
        Err(PostgresError::InvalidName {
            name: format!("{platform} {resource}"),
            problem: "a platform and a resource are words without spaces".to_owned(),
        })
    }

    /// What a comment says, where it is a mark.
    pub fn parse(comment: &str) -> Option<Self> {
        let (platform, resource) = comment.strip_prefix(BEFORE)?.split_once(BETWEEN)?;
        Self::new(platform, resource).ok()
    }

    /// How every mark of a platform begins.
    pub(super) fn before(platform: &str) -> String {
        format!("{BEFORE}{platform}{BETWEEN}")
    }

    /// The statement that marks an object, such as `ROLE "orders_read"`.
    pub(super) fn sql(&self, object: &str) -> String {
        format!("COMMENT ON {object} IS {};", quote_text(&self.to_string()))
    }

    pub fn platform(&self) -> &str {
        &self.platform
    }

    pub fn resource(&self) -> &str {
        &self.resource
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", Self::before(&self.platform), self.resource)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn other_comments_are_no_marks() {
        for comment in [
            "",
            "the orders database",
            "Managed by idp on ",
            "Managed by idp on x: ",
            "Managed by idp on a b: c",
        ] {
            assert_eq!(Mark::parse(comment), None, "{comment:?}");
        }
    }

    proptest! {
        #[test]
        fn a_mark_reads_back(platform in "[a-z0-9.:-]{1,20}", resource in "[a-z0-9/_.:-]{1,30}") {
            let mark = Mark::new(&platform, &resource).unwrap();

            prop_assert_eq!(Mark::parse(&mark.to_string()), Some(mark));
        }

        #[test]
        fn no_comment_makes_the_parser_panic(comment in "\\PC*") {
            if let Some(mark) = Mark::parse(&comment) {
                prop_assert_eq!(mark.to_string(), comment);
            }
        }
    }
}
