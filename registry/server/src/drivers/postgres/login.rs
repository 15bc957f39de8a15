//! A login as it shall be: a role that somebody connects as, with the rights of one of the
//! database's own roles. Pure.

use std::collections::BTreeMap;

use registry_api::platform::Access;

use super::database::Facts;
use super::error::PostgresError;
use super::identifier::Identifier;
use super::mark::Mark;
use super::role::RoleState;
use crate::model::names::access_role;

/// One login to one database; its password is not part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    name: Identifier,
    database: Identifier,
    resource: String,
    access: Access,
    connection_limit: Option<u32>,
    valid_until: Option<i64>,
}

impl Login {
    /// `resource` names it in the platform, such as `login/staging/orders/checkout`.
    pub fn new(
        name: &str,
        database: &Identifier,
        access: Access,
        resource: &str,
    ) -> Result<Self, PostgresError> {
        Mark::new("platform", resource)?;
        Ok(Self {
            name: Identifier::new(name)?,
            database: database.clone(),
            resource: resource.to_owned(),
            access,
            connection_limit: None,
            valid_until: None,
        })
    }

    /// Most connections at once.
    #[must_use]
    pub fn with_connection_limit(mut self, limit: u32) -> Self {
        self.connection_limit = Some(limit);
        self
    }

    /// The password is refused from this moment on, in milliseconds since 1970.
    #[must_use]
    pub fn with_valid_until(mut self, millis: i64) -> Self {
        self.valid_until = Some(millis.div_euclid(1000));
        self
    }

    pub fn name(&self) -> &Identifier {
        &self.name
    }

    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// How the login shall be.
    pub fn facts(&self) -> Facts {
        Facts::from([(self.object(), self.state().to_string())])
    }

    pub(super) fn object(&self) -> String {
        login_object(self.name.as_str())
    }

    pub(super) fn state(&self) -> RoleState {
        let group = access_role(self.database.as_str(), self.access);
        let mut state = RoleState::group(&[&group]);
        state.login = true;
        state.valid_until = self.valid_until;
        let limit = self.connection_limit.and_then(|limit| i32::try_from(limit).ok());
        state.connection_limit = limit.unwrap_or(-1);
        if self.access == Access::Migrate {
            // What a migration makes belongs to all migrations, and may take its time.
            let settings = [("role", group.as_str()), ("statement_timeout", "0")];
            let settings: BTreeMap<String, String> =
                settings.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
            state.settings.insert(self.database.as_str().to_owned(), settings);
        }
        state
    }
}

pub(super) fn login_object(name: &str) -> String {
    format!("Login/{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_for_migrations_acts_as_the_role_that_owns_the_schema() {
        let orders = Identifier::new("orders").unwrap();
        let login =
            Login::new("orders_m1", &orders, Access::Migrate, "login/staging/orders/m1").unwrap();

        let facts = login.with_connection_limit(2).with_valid_until(1_700_000_000_999).facts();

        assert_eq!(
            facts["Login/orders_m1"],
            "login, at most 2 connections, valid until 2023-11-14T22:13:20Z, member of orders_migrate, \
             role = orders_migrate in orders, statement_timeout = 0 in orders"
        );
    }
}
