//! What a resource shall have on database servers: a database, or logins to some.
//!
//! Pure: follows from the specification as its golden path filled it in, and from the environment's facts. A driver
//! makes it true.

use std::collections::{BTreeMap, BTreeSet};

use registry_api::Name;
use registry_api::platform::{Access, DatabaseSpec, ResourceRef, SecretRef};
use registry_api::problem::FieldError;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::environment::{EnvironmentFacts, PostgresFacts};
use super::names::DatabaseNames;
use super::spec::Spec;
use super::uses::{Used, used};

/// Everything of one resource.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provision {
    /// A database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<DatabaseWish>,
    /// Logins to databases, with their credentials in the secret store.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logins: Vec<LoginWish>,
}

/// A database as it shall be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseWish {
    /// The server in the server's configuration.
    pub server: String,
    /// Its name there.
    pub name: String,
    /// Schema that logins work in; the driver's own where absent. One that was taken over keeps its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// Most connections at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_limit: Option<u32>,
    /// Extensions.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub extensions: BTreeSet<String>,
    /// Settings that hold for whoever connects.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, String>,
}

/// The login of one consumer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginWish {
    /// Where its credentials are in the secret store.
    pub secret: SecretRef,
    /// Name of the database's resource, in the same environment.
    pub database: Name,
    /// The server in the server's configuration.
    pub server: String,
    /// Name of the database there.
    pub database_name: String,
    /// What its two roles are called, without their slot.
    pub role: String,
    /// What it may do.
    pub access: Access,
}

impl Provision {
    /// Whether there is nothing to have.
    pub const fn is_empty(&self) -> bool {
        self.database.is_none() && self.logins.is_empty()
    }

    /// What `reference` shall have. `filled` is its specification with the golden path's defaults.
    pub fn of(
        reference: &ResourceRef,
        spec: &Spec,
        filled: &Value,
        environment: &EnvironmentFacts,
    ) -> Result<Self, Vec<FieldError>> {
        match spec {
            Spec::Service(service) => {
                let uses = used(&reference.name, environment, &service.uses)?;
                let logins = uses.iter().filter_map(|used| consumer(reference, environment, used));
                Ok(Self { database: None, logins: logins.collect() })
            }
            Spec::Database(_) => database(reference, filled, environment),
        }
    }

    /// The same, for a database that works in this schema.
    #[must_use]
    pub fn with_schema(mut self, schema: Option<String>) -> Self {
        if let Some(database) = &mut self.database {
            database.schema = schema;
        }
        self
    }

    /// In what way this would be elsewhere than `before` is; nothing where it is in the same place.
    pub fn moved_from(&self, before: &Self) -> Option<String> {
        let place = |server: &str, name: &str| format!("database {name} of server {server}");
        let own = self
            .database
            .iter()
            .zip(&before.database)
            .map(|(now, was)| (place(&now.server, &now.name), place(&was.server, &was.name)));
        let used = self.logins.iter().filter_map(|now| {
            let was = before.logins.iter().find(|was| was.secret == now.secret)?;
            let name = |login: &LoginWish| place(&login.server, &login.database_name);
            (was.database == now.database).then(|| (name(now), name(was)))
        });
        let moved = own.chain(used).find(|(now, was)| now != was);
        moved.map(|(now, was)| {
            format!(
                "the data is in {was}, but the environment's configuration says {now} now; the platform team has to \
                 bring environment.postgres back, because data does not move by itself"
            )
        })
    }

    /// The logins that `self` has and `other` has not.
    pub fn logins_without<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a LoginWish> {
        self.logins.iter().filter(|login| other.logins.iter().all(|kept| kept.role != login.role))
    }
}

/// What a service needs for a database that it uses; nothing for a secret.
fn consumer(
    reference: &ResourceRef,
    environment: &EnvironmentFacts,
    used: &Used,
) -> Option<LoginWish> {
    let (postgres, database) = (environment.postgres.as_ref()?, used.database.as_ref()?);
    let names = DatabaseNames::new(&postgres.prefix, &used.name).ok()?;
    Some(LoginWish {
        secret: used.secret.clone(),
        database: used.name.clone(),
        server: postgres.server.clone(),
        database_name: database.name.clone(),
        role: names.consumer_login(&reference.name, &used.alias),
        access: used.access?,
    })
}

fn database(
    reference: &ResourceRef,
    filled: &Value,
    environment: &EnvironmentFacts,
) -> Result<Provision, Vec<FieldError>> {
    let Some(postgres) = &environment.postgres else {
        return Err(vec![FieldError::new(
            "/environment",
            "no_databases",
            format!("environment {:?} has no database server", environment.name.as_str()),
            "use another environment, or have the platform team add [environment.postgres]",
        )]);
    };
    let names = DatabaseNames::new(&postgres.prefix, &reference.name).map_err(|cause| {
        vec![FieldError::new("/name", cause.rule(), cause.to_string(), "choose another name")]
    })?;
    let spec: DatabaseSpec = serde_json::from_value(filled.clone()).map_err(|cause| {
        vec![FieldError::new("/spec", "type", cause.to_string(), "correct the specification")]
    })?;
    let wrong = not_allowed(&spec, postgres, environment);
    if !wrong.is_empty() {
        return Err(wrong);
    }
    let own = LoginWish {
        secret: own_secret(reference),
        database: reference.name.clone(),
        server: postgres.server.clone(),
        database_name: names.database.clone(),
        role: names.own_login(),
        access: Access::Write,
    };
    Ok(Provision {
        database: Some(DatabaseWish {
            server: postgres.server.clone(),
            name: names.database,
            schema: None,
            connection_limit: spec.connection_limit,
            settings: settings(&spec)?,
            extensions: spec.extensions,
        }),
        logins: vec![own],
    })
}

/// Where the credentials of a database's own consumer are.
pub fn own_secret(reference: &ResourceRef) -> SecretRef {
    SecretRef::Database { environment: reference.environment.clone(), name: reference.name.clone() }
}

fn not_allowed(
    spec: &DatabaseSpec,
    postgres: &PostgresFacts,
    environment: &EnvironmentFacts,
) -> Vec<FieldError> {
    let allowed = if postgres.extensions.is_empty() {
        "none".to_owned()
    } else {
        postgres.extensions.join(", ")
    };
    let unknown = spec.extensions.iter().filter(|name| !postgres.extensions.contains(*name));
    unknown
        .map(|name| {
            FieldError::new(
                "/spec/extensions",
                "extension_not_allowed",
                format!(
                    "environment {:?} does not allow extension {name:?}; it allows: {allowed}",
                    environment.name.as_str()
                ),
                "use one of them, or have the platform team add it to environment.postgres.extensions",
            )
        })
        .collect()
}

/// The specification's time limits as the server's settings.
fn settings(spec: &DatabaseSpec) -> Result<BTreeMap<String, String>, Vec<FieldError>> {
    let parameter = |name: &str| spec.parameters.get(name).and_then(Value::as_str);
    let limits = [
        ("statement_timeout", "/spec/statement_timeout", spec.statement_timeout.as_deref()),
        ("lock_timeout", "/spec/parameters/lock_timeout", parameter("lock_timeout")),
        (
            "idle_in_transaction_session_timeout",
            "/spec/parameters/idle_in_transaction_timeout",
            parameter("idle_in_transaction_timeout"),
        ),
    ];
    let mut settings = BTreeMap::new();
    let mut wrong = Vec::new();
    for (setting, pointer, given) in limits {
        let Some(text) = given else { continue };
        match milliseconds(text) {
            Some(millis) => {
                settings.insert(setting.to_owned(), format!("{millis}ms"));
            }
            None => wrong.push(FieldError::new(
                pointer,
                "duration",
                format!("{text:?} is no duration that the server takes"),
                "write it like 500ms, 30s, 10m or 1h, at most 24h",
            )),
        }
    }
    if wrong.is_empty() { Ok(settings) } else { Err(wrong) }
}

/// `30s` and the like, at most a day.
fn milliseconds(text: &str) -> Option<u32> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let factor = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    let millis = number.parse::<u32>().ok()?.checked_mul(factor)?;
    (1..=86_400_000).contains(&millis).then_some(millis)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use registry_api::platform::Kind;
    use serde_json::json;

    use super::super::environment::tests::production;
    use super::*;

    fn facts() -> EnvironmentFacts {
        EnvironmentFacts {
            postgres: Some(PostgresFacts {
                server: "main".to_owned(),
                host: "db.internal".to_owned(),
                port: 5432,
                prefix: "shop_".to_owned(),
                cidrs: Vec::new(),
                extensions: vec!["pgcrypto".to_owned()],
            }),
            ..production()
        }
    }

    fn orders() -> ResourceRef {
        ResourceRef {
            kind: Kind::Database,
            environment: "production".parse().unwrap(),
            name: "orders".parse().unwrap(),
        }
    }

    fn provision(filled: &Value) -> Result<Provision, Vec<FieldError>> {
        let spec = Spec::parse(Kind::Database, json!({"engine": "postgres"})).unwrap();
        Provision::of(&orders(), &spec, filled, &facts())
    }

    fn rules(filled: &Value) -> Vec<String> {
        provision(filled).unwrap_err().into_iter().map(|error| error.rule).collect()
    }

    #[test]
    fn a_database_has_its_limits_and_one_consumer_of_its_own() {
        let filled = json!({
            "engine": "postgres", "connection_limit": 20, "statement_timeout": "30s",
            "extensions": ["pgcrypto"], "parameters": {"lock_timeout": "500ms"},
        });

        let wanted = provision(&filled).unwrap();

        let database = wanted.database.unwrap();
        assert_eq!(database.name, "shop_orders");
        assert_eq!(database.settings["statement_timeout"], "30000ms");
        assert_eq!(database.settings["lock_timeout"], "500ms");
        let [own] = wanted.logins.as_slice() else { panic!("{:?}", wanted.logins) };
        assert_eq!(own.secret.to_string(), "database/production/orders");
        assert_eq!((own.role.as_str(), own.access), ("shop_orders_app", Access::Write));
    }

    #[test]
    fn what_the_environment_does_not_offer_is_refused() {
        let with = |key: &str, value: Value| {
            let mut spec = json!({"engine": "postgres"});
            spec[key] = value;
            spec
        };

        assert_eq!(rules(&with("extensions", json!(["plperlu"]))), ["extension_not_allowed"]);
        assert_eq!(rules(&with("statement_timeout", json!("25h"))), ["duration"]);
        assert_eq!(rules(&with("parameters", json!({"lock_timeout": "fast"}))), ["duration"]);
    }

    #[test]
    fn data_that_would_be_elsewhere_is_told_with_both_places() {
        let before = provision(&json!({"engine": "postgres"})).unwrap();
        let mut elsewhere = before.clone();
        elsewhere.database.as_mut().unwrap().server = "other".to_owned();

        assert_eq!(before.moved_from(&before), None);
        let told = elsewhere.moved_from(&before).unwrap();
        assert!(
            told.contains("shop_orders of server main") && told.contains("server other"),
            "{told}"
        );
    }

    proptest! {
        #[test]
        fn any_text_is_a_duration_of_at_most_a_day_or_none(text in "[0-9]{0,12}(ms|s|m|h|x)?|.{0,10}") {
            if let Some(millis) = milliseconds(&text) {
                prop_assert!((1..=86_400_000).contains(&millis));
            }
        }
    }
}
