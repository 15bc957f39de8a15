//! A platform with a real PostgreSQL server of its own.

use std::ops::Deref;

use serde_json::{Value, json};
use test_postgres::{Cluster, SUPERUSER, SUPERUSER_PASSWORD, Version};

use crate::harness::{Answer, Platform, config_text};

/// A platform, its database server, and what tests do with both.
pub(crate) struct Databases {
    pub(crate) platform: Platform,
    pub(crate) cluster: Cluster,
}

impl Deref for Databases {
    type Target = Platform;

    fn deref(&self) -> &Platform {
        &self.platform
    }
}

impl Databases {
    /// A running one.
    pub(crate) async fn start() -> Self {
        Self::start_with(|text| text).await
    }

    /// A running one with a changed configuration.
    pub(crate) async fn start_with(edit: impl FnOnce(String) -> String) -> Self {
        let cluster = Cluster::start(Version::Default);
        let text = edit(with_server(&config_text(), cluster.port()));
        let mut platform =
            Platform::idle(&text, &[("postgres.password", SUPERUSER_PASSWORD)]).await;
        platform.publish_database_path().await;
        platform.work();
        Self { platform, cluster }
    }

    /// A write of a database or service as the admin.
    pub(crate) async fn put(&self, kind: &str, name: &str, expected: u64, body: Value) -> Answer {
        let tag = format!("\"{expected}\"");
        let header = if expected == 0 { ("if-none-match", "*") } else { ("if-match", &*tag) };
        self.send("PUT", kind, name, header, Some(body)).await
    }

    /// A delete as the admin.
    pub(crate) async fn remove(&self, kind: &str, name: &str, generation: u64) -> Answer {
        let tag = format!("\"{generation}\"");
        self.send("DELETE", kind, name, ("if-match", &tag), None).await
    }

    async fn send(
        &self,
        method: &str,
        kind: &str,
        name: &str,
        header: (&str, &str),
        body: Option<Value>,
    ) -> Answer {
        let path = format!("/resources/{kind}/staging/{name}");
        self.call_as(self.admin(), method, &path, &[header], body).await
    }

    /// Waits until the operation of an accepted write succeeded; the resource as it is then.
    pub(crate) async fn done(&self, accepted: Answer) -> Value {
        let operation = self.ended(accepted).await;
        assert_eq!(operation["state"], "succeeded", "{operation:#}");
        let resource = &operation["resource"];
        if operation["kind"] == "delete" {
            return operation;
        }
        let (kind, name) = (resource["kind"].as_str(), resource["name"].as_str());
        self.look(kind.unwrap(), name.unwrap()).await
    }

    /// The resource as the API shows it.
    pub(crate) async fn look(&self, kind: &str, name: &str) -> Value {
        self.call("GET", &format!("/resources/{kind}/staging/{name}"), None).await.ok()
    }

    /// Creates the database `orders`.
    pub(crate) async fn orders(&self) -> Value {
        let accepted = self.put("database", "orders", 0, database(json!({}))).await;
        self.done(accepted).await
    }

    /// Creates the service `checkout`, which writes into the database `orders`.
    pub(crate) async fn checkout(&self) -> Value {
        let accepted = self.put("service", "checkout", 0, service_with_orders("write")).await;
        self.done(accepted).await
    }

    /// What a reader of the secret store finds at a reference.
    pub(crate) async fn values(&self, reference: &str) -> Value {
        self.call("GET", &format!("/secret-values/{reference}"), None).await.ok()
    }

    /// Asks the database with the credentials at a reference.
    pub(crate) async fn query_as(&self, reference: &str, sql: &str) -> Result<String, String> {
        let values = self.values(reference).await;
        self.query_with(&values["data"], sql)
    }

    /// Asks a database with credentials.
    pub(crate) fn query_with(&self, credentials: &Value, sql: &str) -> Result<String, String> {
        let text = |field: &str| credentials[field].as_str().unwrap().to_owned();
        self.cluster.query(&text("username"), &text("password"), &text("database"), sql)
    }
}

/// The body of a put of a database, with some parts of its specification changed.
pub(crate) fn database(changes: Value) -> Value {
    let mut body = json!({ "owner": "payments", "spec": { "engine": "postgres" } });
    for (name, value) in changes.as_object().unwrap() {
        body["spec"][name] = value.clone();
    }
    body
}

/// The body of a put of a service that uses the database `orders`.
pub(crate) fn service_with_orders(access: &str) -> Value {
    json!({
        "owner": "payments",
        "spec": {
            "template": "api", "language": "nodejs", "image": "ghcr.io/acme/checkout:1", "port": 8080,
            "uses": { "orders": { "resource": "database/staging/orders", "access": access } },
        },
    })
}

fn with_server(text: &str, port: u16) -> String {
    let text = text.replacen(
        "[[environment]]\nname = \"staging\"",
        "[[environment]]\nname = \"staging\"\n\
         postgres = { server = \"main\", extensions = [\"pgcrypto\", \"hstore\"], drain_seconds = 2 }\n\
         secrets = { url = \"https://registry.example.com\", refresh_seconds = 1 }",
        1,
    );
    assert!(text.contains("drain_seconds"), "the configuration of the tests has another form now");
    format!(
        "{text}\n[[postgres_server]]\nname = \"main\"\nhost = \"127.0.0.1\"\nport = {port}\n\
         admin_user = \"{SUPERUSER}\"\nadmin_password_file = \"postgres.password\"\ntls = \"disable\"\n"
    )
}
