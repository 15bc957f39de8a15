//! `idp_database_credentials` as configuration and result hold it.

use std::net::Ipv6Addr;

use provider_framework::value::{Attr, Number};
use provider_framework::{Diagnostics, Failed, Report as _, model};
use registry_api::platform::{Access, Credential, CredentialRequest};

use super::TYPE_NAME;
use crate::client::segment;
use crate::duration;
use crate::hidden::Hidden;

model! {
    /// The whole resource.
    pub(super) struct Credentials {
        pub(super) connection_id: Attr<String>,
        pub(super) privilege: Attr<String>,
        pub(super) ttl: Attr<String>,
        pub(super) username: Attr<String>,
        pub(super) password: Attr<Hidden>,
        pub(super) host: Attr<String>,
        pub(super) port: Attr<Number>,
        pub(super) database: Attr<String>,
        pub(super) expires_at: Attr<String>,
        pub(super) url: Attr<Hidden>,
    }
}

impl Credentials {
    /// How messages name it.
    pub(super) fn label(&self) -> String {
        match self.connection_id.known() {
            Some(id) => format!("{TYPE_NAME} {}", id.chars().take(80).collect::<String>()),
            None => TYPE_NAME.to_owned(),
        }
    }

    /// What to ask the platform. The configuration is valid, and nothing in it is unknown.
    pub(super) fn question(
        &self,
        diagnostics: &mut Diagnostics,
    ) -> Result<(String, CredentialRequest), Failed> {
        let (Some(connection_id), Some(privilege)) = (self.connection_id.known(), self.access())
        else {
            let detail = "It needs a `connection_id` and a `privilege`.";
            return Err(diagnostics.fail(format!("{}: it cannot be opened", self.label()), detail));
        };
        let ttl = self.ttl.known().and_then(|text| duration::parse(text).ok());
        let ttl_seconds = ttl.and_then(|ttl| u32::try_from(ttl.as_secs()).ok());
        Ok((connection_id.clone(), CredentialRequest { privilege, ttl_seconds }))
    }

    fn access(&self) -> Option<Access> {
        let given = self.privilege.known()?;
        Access::ALL.into_iter().find(|access| access.as_str() == given)
    }

    /// The result.
    pub(super) fn filled(self, credential: Credential) -> Self {
        let url = url(&credential);
        let Credential { lease, username, password, host, port, database } = credential;
        Self {
            username: Attr::Known(username),
            password: Attr::Known(Hidden::new(password)),
            host: Attr::Known(host),
            port: Attr::Known(port.into()),
            database: Attr::Known(database),
            expires_at: Attr::Known(lease.expires_at),
            url: Attr::Known(Hidden::new(url)),
            ..self
        }
    }
}

/// Everything in one text. It does not say how the connection is encrypted: that is for the reader to demand.
fn url(credential: &Credential) -> String {
    let host = match credential.host.parse::<Ipv6Addr>() {
        Ok(address) => format!("[{address}]"),
        Err(_) => segment(&credential.host),
    };
    format!(
        "postgresql://{}:{}@{host}:{}/{}",
        segment(&credential.username),
        segment(&credential.password),
        credential.port,
        segment(&credential.database)
    )
}

#[cfg(test)]
mod tests {
    use percent_encoding::percent_decode_str;
    use proptest::prelude::*;
    use registry_api::platform::CredentialLease;
    use reqwest::Url;

    use super::*;

    fn credential(host: &str) -> Credential {
        Credential {
            lease: CredentialLease {
                id: "crd_1".to_owned(),
                expires_at: "2026-01-01T00:15:00Z".to_owned(),
                renew_in_seconds: 600,
            },
            username: "run@7".to_owned(),
            password: "p:/?#[]@ %é".to_owned(),
            host: host.to_owned(),
            port: 5432,
            database: "staging/orders".to_owned(),
        }
    }

    #[test]
    fn every_part_of_the_url_is_encoded_by_itself() {
        assert_eq!(
            url(&credential("db.example.com")),
            "postgresql://run%407:p%3A%2F%3F%23%5B%5D%40%20%25%C3%A9@db.example.com:5432/staging%2Forders"
        );
        assert!(url(&credential("::1")).contains("@[::1]:5432/"));
    }

    proptest! {
        #[test]
        fn whatever_is_in_them_the_parts_are_read_from_the_url_as_they_were(
            username in ".{1,20}", password in ".{1,20}", database in "[^.].{0,20}",
        ) {
            let whole = Credential { username, password, database, ..credential("db.example.com") };

            let read: Url = url(&whole).parse().unwrap();

            let decoded = |text: &str| percent_decode_str(text).decode_utf8().unwrap().into_owned();
            prop_assert_eq!(decoded(read.username()), whole.username);
            prop_assert_eq!(decoded(read.password().unwrap()), whole.password);
            prop_assert_eq!(decoded(&read.path()[1..]), whole.database);
            prop_assert_eq!((read.host_str(), read.port()), (Some("db.example.com"), Some(5432)));
        }
    }

    #[test]
    fn no_debug_output_shows_a_password() {
        let config = Credentials {
            connection_id: Attr::from("con_1"),
            privilege: Attr::from("read"),
            ttl: Attr::Null,
            username: Attr::Null,
            password: Attr::Null,
            host: Attr::Null,
            port: Attr::Null,
            database: Attr::Null,
            expires_at: Attr::Null,
            url: Attr::Null,
        };

        let shown = format!("{:?}", config.filled(credential("db.example.com")));

        assert!(shown.contains("run@7"));
        assert!(!shown.contains("p:/") && !shown.contains("p%3A"), "{shown}");
    }
}
