//! A planted password turns up where it belongs and nowhere else: not in any other answer, not in the log at its finest.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail their test")]

mod scripted;

use std::io;
use std::sync::{Arc, Mutex};

use provider_framework::Diagnostics;
use provider_framework::testing::{Stored, object};
use provider_framework::value::Value;
use scripted::driven::provider;
use scripted::{Reply, Scripted, Seen, problem};
use serde_json::json;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::fmt::MakeWriter;

const PASSWORD: &str = "pl4nted \"pass\"/word";

/// Everything that is logged on this thread, which is all of it: the tests' runtime has no other.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn begin() -> (Self, DefaultGuard) {
        let log = Self::default();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(log.clone())
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// The password is not in a text, in none of the forms that something may give it.
fn assert_clean(what: &str, text: &str) {
    let quoted = format!("{PASSWORD:?}");
    let bytes = format!("{:?}", PASSWORD.as_bytes());
    let encoded = "pl4nted%20%22pass%22%2Fword";
    for form in [PASSWORD, quoted.trim_matches('"'), bytes.trim_matches(['[', ']']), encoded] {
        assert!(!text.contains(form), "the password is in {what}: {text}");
    }
}

fn assert_clean_reports(what: &str, diagnostics: &Diagnostics) {
    assert_clean(what, &format!("{diagnostics:?}"));
    for report in diagnostics.errors.iter().chain(&diagnostics.warnings) {
        assert_clean(what, &format!("{}\n{}", report.summary, report.detail));
    }
}

fn assert_clean_stored(what: &str, stored: &Stored) {
    assert_clean(what, &format!("{:?} {}", stored.state, stored.state));
    assert_clean(what, &String::from_utf8_lossy(&stored.private));
    assert_clean_reports(what, &stored.diagnostics);
}

fn secret(generation: usize) -> Reply {
    let body = json!({
        "secret_ref": "secret/staging/stripe", "owner": "payments", "generation": generation,
        "version": generation, "origin": "given", "value_version": generation,
        "deletion_protection": false, "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z",
    });
    Reply::Json(200, body)
}

/// A platform that first fails, then works, and then refuses with the value in its words.
fn talkative(seen: &Seen, before: usize) -> Reply {
    match (seen.what.split(' ').next(), before) {
        (Some("PUT"), 0) => Reply::HangUp,
        (Some("PUT"), 1 | 2) => secret(before),
        (Some("PUT"), 3) => problem(400, "invalid_request", &format!("{PASSWORD} is too short")),
        (Some("PUT"), _) => {
            problem(400, "invalid_request", &format!("value: {PASSWORD:?} is too short"))
        }
        _ => secret(2),
    }
}

fn given(version: u16) -> Value {
    object([
        ("name", Value::string("stripe")),
        ("environment", Value::string("staging")),
        ("owner", Value::string("payments")),
        ("value_wo", Value::string(PASSWORD)),
        ("value_wo_version", Value::Number(version.into())),
    ])
}

#[tokio::test]
async fn a_given_secret_is_in_what_is_sent_and_nowhere_else() {
    let (log, _guard) = Log::begin();
    let server = Scripted::start(talkative).await;
    let provider = provider(&server).await;
    let secrets = provider.resource("idp_secret");

    assert_clean_reports("a validation", &secrets.validate(&given(1)).await);
    let plan = secrets.plan(None, &given(1)).await;
    assert_clean("a plan", &format!("{:?}", plan.planned));
    assert_clean("a plan's private bytes", &String::from_utf8_lossy(&plan.private));
    assert_clean_reports("a plan", &plan.diagnostics);
    let made = secrets.apply(&plan, &given(1)).await;
    assert_clean_stored("a create", &made);
    let changed = secrets.update(&made, &given(2)).await;
    assert_clean_stored("an update", &changed);
    let read = secrets.read(&changed).await;
    assert_clean_stored("a read", &read);
    for version in [3, 4] {
        let refused = secrets.update(&read, &given(version)).await;
        assert!(refused.diagnostics.errors[0].detail.contains("(sensitive value)"));
        assert_clean_stored("a refused update", &refused);
    }

    assert_eq!(server.seen_of("PUT")[0].body["value"], PASSWORD, "it was sent");
    assert!(log.text().contains("a request failed and is sent again"), "the log is kept");
    assert_clean("the log", &log.text());
}

#[tokio::test]
async fn a_lent_password_is_in_the_result_and_nowhere_else() {
    let (log, _guard) = Log::begin();
    let server = Scripted::start(|seen, before| match seen.what.as_str() {
        what if what.ends_with("/credentials") && before == 0 => Reply::HangUp,
        what if what.ends_with("/credentials") => Reply::Json(
            201,
            json!({
                "id": "crd_1", "expires_at": "2026-01-01T00:15:00Z", "renew_in_seconds": 600,
                "username": "run-7", "password": PASSWORD, "host": "db.example.com", "port": 5432,
                "database": "orders",
            }),
        ),
        what if what.ends_with("/renew") => problem(409, "ended", "it ended"),
        _ => Reply::HangUp,
    })
    .await;
    let provider = provider(&server).await;
    let credentials = provider.ephemeral_resource("idp_database_credentials");
    let config = object([("connection_id", "con_1"), ("privilege", "read")]);

    let mut held = credentials.open(&config).await;
    assert_eq!(held.result.get("password"), Some(&Value::string(PASSWORD)));
    assert_clean("private bytes", &String::from_utf8_lossy(&held.private));
    assert_clean_reports("an open", &held.diagnostics);
    let renewed = credentials.renew(&mut held).await;
    assert_clean_reports("a renewal", &renewed);
    let closed = credentials.close(held).await;
    assert_clean_reports("a close", &closed);

    assert_eq!((renewed.errors.len(), closed.warnings.len()), (1, 1));
    assert!(log.text().contains("a request failed and is sent again"), "the log is kept");
    assert_clean("the log", &log.text());
}
