//! Roles as they are and as they shall be: one line of text each, and the SQL between the two.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};

use serde::Deserialize;

use super::identifier::{quote_name, quote_text};
use crate::clock::rfc3339;

/// What is known of a role, apart from its name, its comment and its password.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct RoleState {
    pub(super) login: bool,
    /// Attributes that a role of ours never has, such as `createdb`.
    pub(super) attributes: BTreeSet<String>,
    /// -1 for no limit.
    pub(super) connection_limit: i32,
    /// Seconds since 1970; none for ever.
    pub(super) valid_until: Option<i64>,
    pub(super) member_of: BTreeSet<String>,
    /// Database, or nothing for all → setting → value.
    pub(super) settings: BTreeMap<String, BTreeMap<String, String>>,
}

impl RoleState {
    /// A role that nobody logs in as.
    pub(super) fn group(member_of: &[&str]) -> Self {
        let member_of = member_of.iter().map(|role| (*role).to_owned()).collect();
        Self { connection_limit: -1, member_of, ..Self::default() }
    }

    /// The statements that make the role.
    pub(super) fn create(&self, name: &str, verifier: Option<&str>) -> String {
        let password = verifier.map(|verifier| format!(" PASSWORD {}", quote_text(verifier)));
        let options = self.options() + &password.unwrap_or_default();
        let rest = self.difference(name, &Self::default());
        format!("CREATE ROLE {}{options};{rest}", quote_name(name))
    }

    /// The statements that bring a role from another state to this one.
    pub(super) fn alter(&self, name: &str, from: &Self) -> String {
        let mut sql = String::new();
        if (self.login, self.connection_limit, self.valid_until)
            != (from.login, from.connection_limit, from.valid_until)
        {
            let _ = write!(sql, "ALTER ROLE {}{};", quote_name(name), self.options());
        }
        sql + &self.difference(name, from)
    }

    fn options(&self) -> String {
        let login = if self.login { " LOGIN" } else { " NOLOGIN" };
        let until = self.valid_until.map_or("infinity".to_owned(), |at| rfc3339(at * 1000));
        let limit = self.connection_limit;
        format!("{login} CONNECTION LIMIT {limit} VALID UNTIL {}", quote_text(&until))
    }

    /// Attributes, memberships and settings; each statement only where it changes something, because
    /// an administrator may lack the right even to say what holds already.
    fn difference(&self, name: &str, from: &Self) -> String {
        let role = quote_name(name);
        let mut sql = String::new();
        for attribute in from.attributes.difference(&self.attributes) {
            let _ = write!(sql, "ALTER ROLE {role} NO{};", attribute.to_uppercase());
        }
        for group in from.member_of.difference(&self.member_of) {
            let _ = write!(sql, "REVOKE {} FROM {role};", quote_name(group));
        }
        for group in self.member_of.difference(&from.member_of) {
            let _ = write!(sql, "GRANT {} TO {role};", quote_name(group));
        }
        for (database, settings) in &from.settings {
            for setting in settings.keys().filter(|key| !self.has_setting(database, key)) {
                let place = in_database(database);
                let _ = write!(sql, "ALTER ROLE {role}{place} RESET {};", setting_name(setting));
            }
        }
        for (database, settings) in &self.settings {
            for (setting, value) in settings {
                if from.settings.get(database).and_then(|found| found.get(setting)) != Some(value) {
                    let (place, value) = (in_database(database), quote_text(value));
                    let setting = setting_name(setting);
                    let _ = write!(sql, "ALTER ROLE {role}{place} SET {setting} = {value};");
                }
            }
        }
        sql
    }

    fn has_setting(&self, database: &str, setting: &str) -> bool {
        self.settings.get(database).is_some_and(|settings| settings.contains_key(setting))
    }
}

/// A setting's name from the catalogs; a module's setting has a dot between two names.
pub(super) fn setting_name(name: &str) -> String {
    name.split('.').map(quote_name).collect::<Vec<_>>().join(".")
}

fn in_database(database: &str) -> String {
    if database.is_empty() {
        String::new()
    } else {
        format!(" IN DATABASE {}", quote_name(database))
    }
}

impl fmt::Display for RoleState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.login { "login" } else { "no login" })?;
        for attribute in &self.attributes {
            write!(f, ", {attribute}")?;
        }
        if self.connection_limit >= 0 {
            write!(f, ", at most {} connections", self.connection_limit)?;
        }
        if let Some(until) = self.valid_until {
            write!(f, ", valid until {}", rfc3339(until * 1000))?;
        }
        for group in &self.member_of {
            write!(f, ", member of {group}")?;
        }
        for (database, settings) in &self.settings {
            let place = if database.is_empty() { "everywhere" } else { database };
            for (setting, value) in settings {
                write!(f, ", {setting} = {value} in {place}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_that_is_as_it_shall_be_needs_no_statement() {
        let role = RoleState::group(&["orders_migrate"]);

        assert_eq!(role.alter("orders_owner", &role.clone()), "");
        assert_eq!(role.to_string(), "no login, member of orders_migrate");
    }

    #[test]
    fn what_was_added_to_a_role_by_hand_is_taken_away_again() {
        let wish = RoleState::group(&[]);
        let mut found = RoleState::group(&["pg_monitor"]);
        found.login = true;
        found.attributes.insert("createdb".to_owned());
        let settings = BTreeMap::from([("search_path".to_owned(), "evil".to_owned())]);
        found.settings.insert("orders".to_owned(), settings);

        let sql = wish.alter("orders_read", &found);

        assert_eq!(
            sql,
            "ALTER ROLE \"orders_read\" NOLOGIN CONNECTION LIMIT -1 VALID UNTIL 'infinity';\
             ALTER ROLE \"orders_read\" NOCREATEDB;\
             REVOKE \"pg_monitor\" FROM \"orders_read\";\
             ALTER ROLE \"orders_read\" IN DATABASE \"orders\" RESET \"search_path\";"
        );
    }
}
