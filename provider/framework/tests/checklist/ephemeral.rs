//! What lasts no longer than a run.

use std::sync::{Arc, Mutex};

use provider_framework::context::Private;
use provider_framework::ephemeral_resource::{
    CloseRequest, EphemeralResource, OpenRequest, Opened, RenewRequest,
};
use provider_framework::schema::{AttributeType, ResourceSchema, required};
use provider_framework::testing::{Held, TestEphemeralResource, TestProvider};
use provider_framework::value::Value;
use provider_framework::{AttributePath, Diagnostics, Failed, Report as _, Timestamp, async_trait};

use crate::scripted::{ScriptedProvider, ScriptedTicket, assert_blamed};

fn provider(ticket: impl EphemeralResource) -> TestProvider {
    let ephemeral_resources: Vec<Arc<dyn EphemeralResource>> = vec![Arc::new(ticket)];
    TestProvider::new(ScriptedProvider { ephemeral_resources, ..ScriptedProvider::default() })
}

fn ticket(provider: &TestProvider) -> TestEphemeralResource<'_> {
    provider.ephemeral_resource("test_ticket")
}

fn config() -> Value {
    Value::object([("topic", "orders")])
}

fn opening(
    open: impl Fn(OpenRequest, &mut Opened) -> Result<(), Failed> + Send + Sync + 'static,
) -> ScriptedTicket {
    ScriptedTicket { open: Box::new(open), ..ScriptedTicket::default() }
}

async fn open(ticket_type: ScriptedTicket, config: Value) -> Held {
    ticket(&provider(ticket_type)).open(&config).await
}

/// The private bytes of every call of close.
#[derive(Clone, Default)]
struct Closed(Arc<Mutex<Vec<String>>>);

impl Closed {
    /// Close that is recorded and succeeds.
    fn recording(&self, ticket: ScriptedTicket) -> ScriptedTicket {
        let closed = self.clone();
        ScriptedTicket {
            close: Box::new(move |request: CloseRequest, _| {
                closed.push(&request.private);
                Ok(())
            }),
            ..ticket
        }
    }

    fn push(&self, private: &Private) {
        let private = private.read().unwrap_or_default();
        self.0.lock().expect("nothing panics in here").push(private);
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().expect("nothing panics in here").clone()
    }
}

#[tokio::test]
async fn what_is_opened_is_the_configuration_and_what_was_computed() {
    let held = open(ScriptedTicket::default(), config()).await;

    assert!(held.diagnostics.errors.is_empty(), "{:?}", held.diagnostics);
    assert_eq!(held.result.get("topic"), Some(&Value::string("orders")));
    assert_eq!(held.result.get("token"), Some(&Value::string("hunter2")));
    assert_eq!(held.renew_at, None);
}

#[tokio::test]
async fn reports_of_validation_reach_the_user_and_nothing_is_opened() {
    let provider = provider(ScriptedTicket {
        validate: Box::new(|request, diagnostics| {
            if request.config.get("note") == Some(&Value::UNKNOWN) {
                return Ok(());
            }
            let path = AttributePath::new("topic");
            Err(diagnostics.fail_at(path, "Bad topic", "There is no such topic."))
        }),
        ..opening(|_, _| panic!("opened"))
    });
    let unknown = Value::object([("topic", Value::string("x")), ("note", Value::UNKNOWN)]);

    assert!(ticket(&provider).validate(&unknown).await.errors.is_empty());
    let held = ticket(&provider).open(&config()).await;

    assert_blamed(&held.diagnostics, "topic", "There is no such topic.");
}

#[tokio::test]
async fn a_configured_attribute_keeps_its_value() {
    let other = opening(|_, opened| {
        opened.result.set_attribute("topic", "other");
        Ok(())
    });
    let held = open(other, config()).await;
    assert_blamed(&held.diagnostics, "topic", "which is not the configured value");

    let grant = Value::object([("role", "reader")]);
    let nested = opening(|_, opened| {
        let grant = Value::object([("role", "writer"), ("hours", "1")]);
        opened.result.set_attribute("grant", grant);
        Ok(())
    });
    let held = open(nested, Value::object([("topic", Value::string("x")), ("grant", grant)])).await;
    assert_blamed(&held.diagnostics, "grant.role", "which is not the configured value");
}

#[tokio::test]
async fn an_attribute_that_is_not_computed_and_not_set_stays_null() {
    let noted = opening(|_, opened| {
        opened.result.set_attribute("note", "by the way");
        Ok(())
    });

    let held = open(noted, config()).await;

    assert_blamed(&held.diagnostics, "note", "not computed and not set");
}

#[tokio::test]
async fn nothing_in_the_result_is_unknown() {
    let unknown = opening(|_, opened| {
        opened.result.set_attribute("token", Value::UNKNOWN);
        Ok(())
    });

    let held = open(unknown, config()).await;

    assert_blamed(&held.diagnostics, "token", "is unknown, which an open resource must not be");
}

#[tokio::test]
async fn the_result_is_an_object_of_the_schema() {
    for (result, words) in [
        (Value::Null, "planned for absence"),
        (Value::string("hunter2"), "an object is required, but a string was given"),
        (config(), "an object with 4 attributes is required"),
    ] {
        let shapeless = opening(move |_, opened| {
            opened.set(result.clone());
            Ok(())
        });

        let held = open(shapeless, config()).await;

        assert!(held.diagnostics.errors[0].detail.contains(words), "{:?}", held.diagnostics);
    }
}

#[tokio::test]
async fn reports_show_nothing_of_what_was_opened() {
    let mixed_up = opening(|_, opened| {
        for name in ["topic", "note", "grant", "token"] {
            opened.result.set_attribute(name, "hunter2");
        }
        opened.result.set_attribute("grant", Value::object([("role", "hunter2"), ("hours", "1")]));
        Ok(())
    });

    let held = open(mixed_up, Value::object([("topic", "hunter1")])).await;

    assert_blamed(&held.diagnostics, "topic", "(sensitive value)");
    assert_blamed(&held.diagnostics, "note", "(sensitive value)");
    assert!(!format!("{held:?}").contains("hunter"), "{held:?}");
}

#[tokio::test]
async fn a_resource_is_renewed_and_closed_with_its_private_bytes() {
    let closed = Closed::default();
    let provider = provider(closed.recording(ScriptedTicket {
        renew: Box::new(|request: RenewRequest, renewed| {
            let generation: String = request.private.read().unwrap();
            renewed.private.write(&format!("{generation}+1"));
            renewed.renew_at = (generation == "0").then(|| Timestamp::from_second(200).unwrap());
            Ok(())
        }),
        ..opening(|_, opened| {
            opened.result.set_attribute("token", "hunter2");
            opened.renew_at = Some(Timestamp::new(100, 5).unwrap());
            opened.private.write(&"0");
            Ok(())
        })
    }));
    let ticket = ticket(&provider);

    let mut held = ticket.open(&config()).await;
    assert_eq!(held.renew_at, Some(Timestamp::new(100, 5).unwrap()));
    ticket.renew(&mut held).await;
    assert_eq!(held.renew_at, Some(Timestamp::from_second(200).unwrap()));
    ticket.renew(&mut held).await;
    assert_eq!((held.renew_at, held.renewal_private.as_slice()), (None, &br#""0+1+1""#[..]));
    let diagnostics = ticket.close(held).await;

    assert!(diagnostics.errors.is_empty(), "{diagnostics:?}");
    assert_eq!(closed.all(), ["0"], "core closes with what open stored");
}

/// A ticket that cannot be renewed, and needs no closing.
struct Plain;

#[async_trait]
impl EphemeralResource for Plain {
    fn type_name(&self) -> &'static str {
        "test_ticket"
    }

    fn schema(&self) -> ResourceSchema {
        ResourceSchema::new(0, "").attribute("topic", required(AttributeType::String, ""))
    }

    async fn open(&self, _: OpenRequest, opened: &mut Opened) -> Result<(), Failed> {
        opened.renew_at = Some(Timestamp::UNIX_EPOCH);
        Ok(())
    }
}

#[tokio::test]
async fn where_nothing_else_is_said_renewing_is_an_error_and_closing_does_nothing() {
    let provider = provider(Plain);
    let mut held = ticket(&provider).open(&config()).await;

    let renewed = ticket(&provider).renew(&mut held).await;
    let closed = ticket(&provider).close(held.clone()).await;

    assert_eq!(renewed.errors[0].summary, "test_ticket cannot be renewed");
    assert_eq!(held.renew_at, None, "core renews no more after an error");
    assert!(closed.errors.is_empty(), "{closed:?}");
}

#[tokio::test]
async fn an_error_of_close_reaches_the_user() {
    let provider = provider(ScriptedTicket {
        close: Box::new(|_, diagnostics| Err(diagnostics.fail("Still open", "Try again."))),
        ..ScriptedTicket::default()
    });
    let held = ticket(&provider).open(&config()).await;

    let diagnostics = ticket(&provider).close(held).await;

    assert_eq!(diagnostics.errors[0].summary, "Still open");
}

#[tokio::test]
async fn what_was_made_before_open_failed_is_closed_at_once() {
    type Ending = fn(&mut Opened) -> Result<(), Failed>;
    let endings: [(Ending, &str); 3] = [
        (|opened| Err(opened.diagnostics.fail("Refused", "No such topic.")), "Refused"),
        (|_| panic!("out of bounds"), "Opening test_ticket crashed"),
        (
            |opened| {
                opened.result.set_attribute("topic", "other");
                Ok(())
            },
            "Opening test_ticket gave an invalid object",
        ),
    ];
    for (ending, summary) in endings {
        let closed = Closed::default();
        let failing = opening(move |_, opened| {
            opened.private.write(&"made");
            ending(opened)
        });

        let held = open(closed.recording(failing), config()).await;

        assert_eq!(held.diagnostics.errors[0].summary, summary);
        assert_eq!(closed.all(), ["made"]);
        assert!(held.result.is_null() && held.private.is_empty());
    }
}

#[tokio::test]
async fn where_nothing_was_made_before_open_failed_nothing_is_closed() {
    let closed = Closed::default();
    let failing = opening(|_, opened| Err(opened.diagnostics.fail("Refused", "No such topic.")));

    open(closed.recording(failing), config()).await;

    assert_eq!(closed.all(), Vec::<String>::new());
}

#[tokio::test]
async fn an_invalid_object_is_closed_though_it_came_without_private_bytes() {
    let closed = Closed::default();
    let invalid = opening(|_, opened| {
        opened.set(Value::Null);
        Ok(())
    });

    open(closed.recording(invalid), config()).await;

    assert_eq!(closed.all(), [""]);
}

#[tokio::test]
async fn what_goes_wrong_while_clearing_up_is_reported_too() {
    let failing = ScriptedTicket {
        close: Box::new(|_, diagnostics| Err(diagnostics.fail("Still open", "Try again."))),
        ..opening(|_, opened| {
            opened.private.write(&"made");
            Err(opened.diagnostics.fail("Refused", "No such topic."))
        })
    };

    let held = open(failing, config()).await;

    let summaries: Vec<&str> =
        held.diagnostics.errors.iter().map(|error| error.summary.as_ref()).collect();
    assert_eq!(summaries, ["Refused", "Still open"]);
}

#[tokio::test]
async fn a_panic_in_any_operation_is_an_error_that_names_it() {
    let crashing = provider(ScriptedTicket {
        validate: Box::new(|request, _| {
            assert_eq!(request.config.get("note"), Some(&Value::Null), "oops");
            Ok(())
        }),
        open: Box::new(|_, opened| {
            opened.result.set_attribute("token", "hunter2");
            opened.renew_at = Some(Timestamp::UNIX_EPOCH);
            Ok(())
        }),
        renew: Box::new(|_, _| panic!("oops")),
        close: Box::new(|_, _| panic!("oops")),
        ..ScriptedTicket::default()
    });
    let ticket = ticket(&crashing);
    let noted = Value::object([("topic", "x"), ("note", "y")]);
    let crashed = |diagnostics: &Diagnostics| diagnostics.errors[0].summary.clone().into_owned();

    let invalid = ticket.open(&noted).await;
    let mut held = ticket.open(&config()).await;
    let renewed = ticket.renew(&mut held).await;
    let closed = ticket.close(held).await;

    assert_eq!(crashed(&invalid.diagnostics), "Validating test_ticket crashed");
    assert_eq!(crashed(&renewed), "Renewing test_ticket crashed");
    assert_eq!(crashed(&closed), "Closing test_ticket crashed");
}

/// A ticket that is never ready, and takes its time to close.
struct Slow(Closed);

#[async_trait]
impl EphemeralResource for Slow {
    fn type_name(&self) -> &'static str {
        "test_ticket"
    }

    fn schema(&self) -> ResourceSchema {
        ResourceSchema::new(0, "").attribute("topic", required(AttributeType::String, ""))
    }

    async fn open(&self, request: OpenRequest, opened: &mut Opened) -> Result<(), Failed> {
        opened.private.write(&"made");
        match request.context.cancellation.unless_cancelled(std::future::pending::<()>()).await {
            Some(()) => Ok(()),
            None => Err(opened.diagnostics.fail("Interrupted", "It is not ready.")),
        }
    }

    async fn close(
        &self,
        request: CloseRequest,
        diagnostics: &mut Diagnostics,
    ) -> Result<(), Failed> {
        let closing = async {
            tokio::task::yield_now().await;
            self.0.push(&request.private);
        };
        match request.context.cancellation.unless_cancelled(closing).await {
            Some(()) => Ok(()),
            None => Err(diagnostics.fail("Interrupted", "It is not closed.")),
        }
    }
}

#[tokio::test]
async fn an_open_that_is_asked_to_stop_ends_and_is_cleared_up_though_everything_stops() {
    let closed = Closed::default();
    let provider = provider(Slow(closed.clone()));
    let (config, ticket) = (config(), ticket(&provider));

    let (held, ()) = tokio::join!(ticket.open(&config), async {
        tokio::task::yield_now().await;
        provider.stop().await;
    });

    assert_eq!(held.diagnostics.errors.len(), 1, "{:?}", held.diagnostics);
    assert_eq!(held.diagnostics.errors[0].summary, "Interrupted");
    assert_eq!(closed.all(), ["made"]);
}

#[tokio::test]
async fn a_resource_is_closed_after_a_stop() {
    let closed = Closed::default();
    let provider = provider(Slow(closed.clone()));
    let diagnostics = Diagnostics::default();
    let held = Held {
        result: config(),
        renew_at: None,
        private: br#""made""#.to_vec(),
        renewal_private: Vec::new(),
        diagnostics,
    };
    provider.stop().await;

    let diagnostics = ticket(&provider).close(held).await;

    assert!(diagnostics.errors.is_empty(), "{diagnostics:?}");
    assert_eq!(closed.all(), ["made"]);
}

#[tokio::test]
async fn what_core_leaves_open_is_closed_when_the_process_ends() {
    let closed = Closed::default();
    let opened = std::sync::atomic::AtomicU8::new(0);
    let provider = provider(closed.recording(opening(move |_, open| {
        open.result.set_attribute("token", "hunter2");
        let number = opened.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        open.private.write(&number.to_string());
        Ok(())
    })));
    let first = ticket(&provider).open(&config()).await;
    ticket(&provider).open(&config()).await;
    ticket(&provider).close(first).await;
    assert_eq!(closed.all(), ["0"]);

    provider.shut_down().await;
    provider.shut_down().await;

    assert_eq!(closed.all(), ["0", "1"], "each is closed once");
}

#[tokio::test]
async fn clearing_up_after_a_failed_open_does_not_forget_another_that_looks_the_same() {
    let closed = Closed::default();
    let provider = provider(closed.recording(opening(|request, opened| {
        if request.config.get("topic") == Some(&Value::string("bad")) {
            opened.set(Value::Null);
        }
        Ok(())
    })));
    ticket(&provider).open(&config()).await;
    ticket(&provider).open(&Value::object([("topic", "bad")])).await;
    assert_eq!(closed.all(), [""]);

    provider.shut_down().await;

    assert_eq!(closed.all(), ["", ""]);
}
