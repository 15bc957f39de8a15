//! How databases and logins are called on a server, derived from how they are called on the platform.
//!
//! A platform name has dashes where an SQL name has underscores; neither has the other's, so no two databases meet.

use registry_api::Name;
use registry_api::platform::Access;
use sha2::{Digest, Sha256};

/// Longest name that PostgreSQL keeps, in bytes; it cuts longer ones off without an error.
pub const LONGEST: usize = 63;
/// Suffix of the longest role that a database has.
const LONGEST_SUFFIX: &str = "_migrate";
/// Databases that every server has, and a schema whose name would mislead.
const RESERVED: [&str; 4] = ["postgres", "template0", "template1", "public"];

/// The names of one database and its roles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseNames {
    /// The database itself.
    pub database: String,
}

/// A name that no database of ours can have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnusableName {
    /// PostgreSQL would cut it.
    #[error("{longest:?} would be a role of it, and has {} characters; PostgreSQL keeps {LONGEST}", longest.len())]
    TooLong {
        /// The longest of the names.
        longest: String,
    },
    /// PostgreSQL has one of that name itself.
    #[error("{name:?} cannot be a database: PostgreSQL keeps this name for itself")]
    Reserved {
        /// Which.
        name: String,
    },
}

impl UnusableName {
    /// The rule that it breaks.
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::TooLong { .. } => "name_too_long",
            Self::Reserved { .. } => "name_reserved",
        }
    }
}

impl DatabaseNames {
    /// Longest prefix that an environment may have.
    pub const LONGEST_PREFIX: usize = 24;

    /// The names of the database `name` where names begin with `prefix`.
    pub fn new(prefix: &str, name: &Name) -> Result<Self, UnusableName> {
        let database = format!("{prefix}{}", name.as_str().replace('-', "_"));
        let longest = format!("{database}{LONGEST_SUFFIX}");
        if longest.len() > LONGEST {
            return Err(UnusableName::TooLong { longest });
        }
        if RESERVED.contains(&database.as_str()) || database.starts_with("pg_") {
            return Err(UnusableName::Reserved { name: database });
        }
        Ok(Self { database })
    }

    /// What the two logins are called, without their slot, that read the credentials of the database itself:
    /// `orders_app`.
    pub fn own_login(&self) -> String {
        format!("{}_app", self.database)
    }

    /// The same of a service that knows the database as `alias`. Names of several parts can run into each other, so this
    /// one ends in a digest of them: `orders_checkout_orders_1f0c2d`.
    pub fn consumer_login(&self, service: &Name, alias: &str) -> String {
        let digest =
            hex::encode(&Sha256::digest(format!("{}/{service}/{alias}", self.database))[..3]);
        let whole = format!("{}_{service}_{alias}", self.database).replace('-', "_");
        let most = LONGEST - Slot::SUFFIX - digest.len() - 1;
        let kept: String = whole.chars().take(most).collect();
        format!("{kept}_{digest}")
    }
}

/// What an ephemeral login is called. Its id, which tells it apart, is never cut.
pub fn ephemeral_login(database: &str, id: &str) -> String {
    let kept: String = database.chars().take(LONGEST.saturating_sub(id.len() + 3)).collect();
    format!("{kept}_x_{id}")
}

/// The role that owns a database; nobody logs in as it.
pub fn owner_role(database: &str) -> String {
    format!("{database}_owner")
}

/// The role whose members have an access to a database.
pub fn access_role(database: &str, access: Access) -> String {
    format!("{database}_{access}")
}

/// One of the two logins of a consumer: while one is in use the other can be made new.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Slot {
    /// The first.
    A,
    /// The second.
    B,
}

impl Slot {
    /// Length of what a slot adds to a name.
    const SUFFIX: usize = 2;

    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// The login of this slot.
    pub fn of(self, login: &str) -> String {
        let letter = match self {
            Self::A => 'a',
            Self::B => 'b',
        };
        format!("{login}_{letter}")
    }
}

/// Whether a text may begin the names of databases.
pub fn is_prefix(text: &str) -> bool {
    text.is_empty()
        || (text.len() <= DatabaseNames::LONGEST_PREFIX
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && !text.starts_with("pg_")
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    #[test]
    fn a_database_and_its_roles_share_a_beginning() {
        let names = DatabaseNames::new("dev_", &name("order-items")).unwrap();

        assert_eq!(names.database, "dev_order_items");
        assert_eq!(owner_role(&names.database), "dev_order_items_owner");
        assert_eq!(access_role(&names.database, Access::Write), "dev_order_items_write");
        assert_eq!(Slot::A.of(&names.own_login()), "dev_order_items_app_a");
        let consumer = names.consumer_login(&name("check-out"), "orders");
        assert!(consumer.starts_with("dev_order_items_check_out_orders_"), "{consumer}");
    }

    #[test]
    fn a_name_that_postgresql_would_cut_is_refused() {
        let longest = name(&"a".repeat(Name::MAX));

        assert!(DatabaseNames::new("", &longest).is_ok());
        let error = DatabaseNames::new(&"p".repeat(24), &longest).unwrap_err();
        assert!(error.to_string().contains("72 characters"), "{error}");
    }

    #[test]
    fn what_postgresql_keeps_for_itself_is_refused() {
        for text in ["postgres", "template1", "public", "pg-x"] {
            let error = DatabaseNames::new("", &name(text)).unwrap_err();
            assert_eq!(error.rule(), "name_reserved", "{text}");
        }
        assert!(DatabaseNames::new("dev_", &name("postgres")).is_ok());
    }

    proptest! {
        #[test]
        fn a_login_always_fits_and_differs_where_consumers_differ(
            database in "[a-z][a-b-]{0,38}[a-z]",
            one in "[a-b](-?[a-b]){0,3}", one_alias in "[a-b](-?[a-b]){0,3}",
            other in "[a-b](-?[a-b]){0,3}", other_alias in "[a-b](-?[a-b]){0,3}",
        ) {
            let names = DatabaseNames::new("", &name(&database)).unwrap();
            let login = |service: &str, alias: &str| Slot::B.of(&names.consumer_login(&name(service), alias));
            let (left, right) = (login(&one, &one_alias), login(&other, &other_alias));
            prop_assert!(left.len() <= LONGEST);
            prop_assert_eq!(left == right, (one, one_alias) == (other, other_alias));
        }
    }
}
