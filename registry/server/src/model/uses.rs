//! What a service uses: ids of other resources, taken apart and checked.
//!
//! Pure. Whether the resources are there, and who may use them, is for others to find out.

use std::collections::BTreeMap;

use registry_api::Name;
use registry_api::platform::{Access, Kind, ResourceRef, SecretRef, Use};
use registry_api::problem::FieldError;
use serde::Serialize;

use super::environment::EnvironmentFacts;
use super::names::DatabaseNames;

/// Longest name under which a service knows what it uses: it becomes part of object names.
const LONGEST_ALIAS: usize = 20;

/// One resource that a service uses, in the words of templates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Used {
    /// The name under which the service knows it.
    pub alias: String,
    /// `database` or `secret`.
    pub kind: &'static str,
    /// What it is called on the platform.
    pub name: Name,
    /// What the service may do there; nothing for a secret.
    pub access: Option<Access>,
    /// Where its values are in the secret store: `service/staging/checkout/orders`.
    pub secret: SecretRef,
    /// What environment variables about it begin with: `ORDERS`.
    pub variable: String,
    /// How it is reached; nothing for a secret.
    pub database: Option<UsedDatabase>,
}

/// A database as the service that uses it reaches it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UsedDatabase {
    /// Host of its server.
    pub host: String,
    /// Port of its server.
    pub port: u16,
    /// Its name there.
    pub name: String,
    /// Address ranges of the server.
    pub cidrs: Vec<String>,
}

impl Used {
    /// The database, where it is one.
    pub fn database_reference(&self, environment: &Name) -> Option<ResourceRef> {
        self.database.as_ref()?;
        Some(ResourceRef {
            kind: Kind::Database,
            environment: environment.clone(),
            name: self.name.clone(),
        })
    }
}

/// Everything that the service `name` uses, by alias; or all that is wrong with it.
pub fn used(
    name: &Name,
    environment: &EnvironmentFacts,
    uses: &BTreeMap<String, Use>,
) -> Result<Vec<Used>, Vec<FieldError>> {
    let mut found = Vec::new();
    let mut wrong = Vec::new();
    for (alias, wanted) in uses {
        match one(name, environment, alias, wanted) {
            Ok(resource) => found.push(resource),
            Err(error) => wrong.push(error),
        }
    }
    if !uses.is_empty() && environment.secrets.is_none() {
        wrong.push(FieldError::new(
            "/spec/uses",
            "uses_needs_secrets",
            format!("environment {:?} has no way to read secrets", environment.name.as_str()),
            "leave uses out, or have the platform team add [environment.secrets]",
        ));
    }
    if wrong.is_empty() { Ok(found) } else { Err(wrong) }
}

fn one(
    service: &Name,
    environment: &EnvironmentFacts,
    alias: &str,
    wanted: &Use,
) -> Result<Used, FieldError> {
    let pointer = format!("/spec/uses/{}", alias.replace('~', "~0").replace('/', "~1"));
    let Some(alias) = parse_alias(alias) else {
        return Err(FieldError::new(
            &pointer,
            "alias",
            format!("{alias:?} is no name for what is used"),
            "write 1 to 20 lower-case letters, digits and dashes, beginning with a letter",
        ));
    };
    let (kind, name) = resource(&pointer, &environment.name, &wanted.resource)?;
    let access = access(&pointer, kind, wanted.access)?;
    let used = Used {
        alias: alias.to_string(),
        kind,
        secret: SecretRef::Secret { environment: environment.name.clone(), name: name.clone() },
        variable: alias.as_str().to_uppercase().replace('-', "_"),
        name,
        access,
        database: None,
    };
    if access.is_none() {
        return Ok(used);
    }
    Ok(Used {
        secret: SecretRef::Service {
            environment: environment.name.clone(),
            name: service.clone(),
            alias,
        },
        database: Some(database(&pointer, environment, &used.name)?),
        ..used
    })
}

fn resource(
    pointer: &str,
    environment: &Name,
    id: &str,
) -> Result<(&'static str, Name), FieldError> {
    let refuse = |rule, detail: String, fix| {
        Err(FieldError::new(format!("{pointer}/resource"), rule, detail, fix))
    };
    let shown: String = id.chars().take(120).collect();
    let parts: Vec<&str> = id.split('/').collect();
    let [kind, place, name] = parts.as_slice() else {
        let fix = "write the id of an idp_database or idp_secret, such as idp_database.orders.id";
        return refuse("uses_resource", format!("{shown:?} is no id of a resource"), fix);
    };
    let kind = match *kind {
        "database" => "database",
        "secret" => "secret",
        _ => {
            let fix = "use a database or a secret";
            return refuse("uses_kind", format!("{shown:?} cannot be used by a service"), fix);
        }
    };
    if *place != environment.as_str() {
        let detail = format!("{shown:?} is not in environment {:?}", environment.as_str());
        let fix = "use what is in the same environment";
        return refuse("uses_environment", detail, fix);
    }
    match name.parse() {
        Ok(name) => Ok((kind, name)),
        Err(cause) => refuse("uses_resource", format!("{shown:?}: {cause}"), "correct the id"),
    }
}

fn access(pointer: &str, kind: &str, access: Option<Access>) -> Result<Option<Access>, FieldError> {
    let pointer = format!("{pointer}/access");
    match (kind, access) {
        ("database", None) => Err(FieldError::new(
            &pointer,
            "uses_access",
            "it is not said what the service may do in the database".to_owned(),
            "write access = \"read\", \"write\" or \"migrate\"",
        )),
        ("secret", Some(_)) => Err(FieldError::new(
            &pointer,
            "uses_access",
            "a secret is only ever read".to_owned(),
            "leave access out",
        )),
        _ => Ok(access),
    }
}

fn database(
    pointer: &str,
    environment: &EnvironmentFacts,
    name: &Name,
) -> Result<UsedDatabase, FieldError> {
    let pointer = format!("{pointer}/resource");
    let Some(postgres) = &environment.postgres else {
        return Err(FieldError::new(
            &pointer,
            "no_databases",
            format!("environment {:?} has no database server", environment.name.as_str()),
            "use another environment, or have the platform team add [environment.postgres]",
        ));
    };
    let names = DatabaseNames::new(&postgres.prefix, name).map_err(|cause| {
        FieldError::new(&pointer, cause.rule(), cause.to_string(), "use another one")
    })?;
    Ok(UsedDatabase {
        host: postgres.host.clone(),
        port: postgres.port,
        name: names.database,
        cidrs: postgres.cidrs.clone(),
    })
}

fn parse_alias(text: &str) -> Option<Name> {
    text.parse().ok().filter(|_| text.len() <= LONGEST_ALIAS)
}

#[cfg(test)]
mod tests {
    use super::super::environment::{PostgresFacts, SecretsFacts, tests::production};
    use super::*;

    fn with_databases() -> EnvironmentFacts {
        EnvironmentFacts {
            postgres: Some(PostgresFacts {
                server: "main".to_owned(),
                host: "db.internal".to_owned(),
                port: 5432,
                prefix: String::new(),
                cidrs: Vec::new(),
                extensions: Vec::new(),
            }),
            secrets: Some(SecretsFacts {
                url: "https://registry.example.com".to_owned(),
                token_secret: "idp-token".to_owned(),
                refresh_seconds: 300,
            }),
            ..production()
        }
    }

    fn rules(
        facts: &EnvironmentFacts,
        alias: &str,
        resource: &str,
        access: Option<Access>,
    ) -> Vec<String> {
        let uses = [(alias.to_owned(), Use { resource: resource.to_owned(), access })].into();
        let checked = used(&"checkout".parse().unwrap(), facts, &uses);
        checked.err().unwrap_or_default().into_iter().map(|error| error.rule).collect()
    }

    #[test]
    fn a_database_that_is_used_says_how_it_is_reached_and_where_the_credentials_are() {
        let uses = [(
            "orders".to_owned(),
            Use {
                resource: "database/production/order-items".to_owned(),
                access: Some(Access::Write),
            },
        )]
        .into();

        let found = used(&"checkout".parse().unwrap(), &with_databases(), &uses).unwrap();

        let [one] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!(one.secret.to_string(), "service/production/checkout/orders");
        assert_eq!(one.database.as_ref().unwrap().name, "order_items");
        assert_eq!(one.variable, "ORDERS");
    }

    #[test]
    fn what_cannot_be_used_is_refused_with_its_rule() {
        let (facts, write) = (with_databases(), Some(Access::Write));
        let database = "database/production/orders";

        assert!(rules(&facts, "orders", database, write).is_empty());
        assert!(rules(&facts, "key", "secret/production/key", None).is_empty());
        assert_eq!(rules(&facts, "Orders", database, write), ["alias"]);
        assert_eq!(rules(&facts, &"a".repeat(21), database, write), ["alias"]);
        assert_eq!(rules(&facts, "orders", "orders", write), ["uses_resource"]);
        assert_eq!(rules(&facts, "orders", "database/production/Or", write), ["uses_resource"]);
        assert_eq!(rules(&facts, "orders", "service/production/a", write), ["uses_kind"]);
        assert_eq!(rules(&facts, "orders", "database/staging/a", write), ["uses_environment"]);
        assert_eq!(rules(&facts, "orders", database, None), ["uses_access"]);
        assert_eq!(rules(&facts, "key", "secret/production/key", write), ["uses_access"]);
        assert_eq!(
            rules(&production(), "key", "secret/production/key", None),
            ["uses_needs_secrets"]
        );
        let nowhere = EnvironmentFacts { postgres: None, ..facts };
        assert_eq!(rules(&nowhere, "orders", database, write), ["no_databases"]);
    }
}
