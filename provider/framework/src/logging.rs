//! Logs in the form that the host reads: one JSON object a line, on standard error.
//!
//! The host shows them under `TF_LOG` or `TF_LOG_PROVIDER` only, and decides by their level.

use std::fmt::{self, Write as _};
use std::io::{self, Write as _};

use jiff::Timestamp;
use serde_json::{Map, Value as Json};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

/// The host takes longer lines apart, wherever that may be.
const LONGEST_LINE: usize = 60 * 1024;
/// What is left of a text field in a record that is too long for a line. Escaping may take six bytes for one.
const LONGEST_FIELD: usize = 128;
/// What of the message fits a line then.
const LONGEST_PART: usize = 4 * 1024;

/// Libraries whose every packet is of no interest to anybody who debugs a provider.
const CHATTY: [&str; 7] = ["h2", "hyper", "hyper_util", "rustls", "tokio_util", "tonic", "tower"];

/// Sends logs to the host, as far as it will show them, and panics among them.
pub(crate) fn start<'a>(variable: impl Fn(&str) -> Option<&'a str>) {
    let level = level(variable("TF_LOG_PROVIDER").or_else(|| variable("TF_LOG")));
    let chatty = CHATTY.map(|target| (target, level.min(LevelFilter::WARN)));
    let filter = Targets::new().with_default(level).with_targets(chatty);
    // A subscriber may be there already where a provider runs inside another program.
    let _ = tracing_subscriber::registry().with(HostLayer.with_filter(filter)).try_init();
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let text = panic.payload_as_str().unwrap_or("no message");
        tracing::error!(panic.place = place, "panicked: {text}");
    }));
}

/// The level below which the host shows nothing. What it does not understand is everything, as it is for the host.
fn level(name: Option<&str>) -> LevelFilter {
    match name.map(str::to_ascii_uppercase).as_deref() {
        Some("OFF") => LevelFilter::OFF,
        Some("ERROR") => LevelFilter::ERROR,
        // Where nothing is shown, warnings are kept for hosts that keep them anyway.
        None | Some("" | "WARN") => LevelFilter::WARN,
        Some("INFO") => LevelFilter::INFO,
        Some("DEBUG") => LevelFilter::DEBUG,
        Some(_) => LevelFilter::TRACE,
    }
}

struct HostLayer;

impl<S: Subscriber> Layer<S> for HostLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        #[expect(
            clippy::disallowed_methods,
            reason = "a log line says when it was written; nothing depends on it"
        )]
        let now = Timestamp::now();
        let mut record = Record::default();
        event.record(&mut record);
        let metadata = event.metadata();
        let lines = record.into_lines(*metadata.level(), metadata.target(), now);
        // There is nowhere to report that reports cannot be written.
        let _ = io::stderr().lock().write_all(lines.as_bytes());
    }
}

/// What one event says.
#[derive(Default)]
struct Record {
    message: String,
    fields: Map<String, Json>,
}

impl Record {
    fn insert(&mut self, field: &Field, value: impl Into<Json>) {
        // Names that begin with @ are the host's.
        let name = field.name().trim_start_matches('@');
        self.fields.insert(name.to_owned(), value.into());
    }

    /// One line; several if it is too long for the host.
    fn into_lines(self, level: Level, module: &str, now: Timestamp) -> String {
        let line = |message: &str, fields: Map<String, Json>| {
            let mut object = fields;
            // Exactly six digits: the host takes the line for plain text otherwise.
            let timestamp = now.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
            object.insert("@level".to_owned(), level.as_str().to_ascii_lowercase().into());
            object.insert("@message".to_owned(), message.into());
            object.insert("@module".to_owned(), module.into());
            object.insert("@timestamp".to_owned(), timestamp.into());
            format!("{}\n", Json::Object(object))
        };
        let whole = line(&self.message, self.fields.clone());
        if whole.len() <= LONGEST_LINE {
            return whole;
        }
        let mut fields = self.fields;
        for value in fields.values_mut() {
            if let Json::String(text) = value {
                text.truncate(text.floor_char_boundary(LONGEST_FIELD));
            }
        }
        parts(&self.message, LONGEST_PART)
            .map(|part| line(part, std::mem::take(&mut fields)))
            .collect()
    }
}

/// Cuts text into parts of at most so many bytes, never inside a character. There is always one, if an empty one.
fn parts(text: &str, longest: usize) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let (part, more) = text.split_at(text.floor_char_boundary(longest));
        rest = (!more.is_empty()).then_some(more);
        Some(part)
    })
}

impl Visit for Record {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            // Writing to a string cannot fail.
            let _ = write!(self.message, "{value:?}");
        } else {
            self.insert(field, format!("{value:?}"));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message.push_str(value);
        } else {
            self.insert(field, value);
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.insert(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.insert(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.insert(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.insert(field, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(message: &str, fields: &[(&str, Json)]) -> Vec<String> {
        let fields =
            fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let record = Record { message: message.to_owned(), fields };
        let now = Timestamp::from_microsecond(1_700_000_000_000_120).unwrap();
        record.into_lines(Level::INFO, "mq::topic", now).lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_record_is_one_line_in_the_hosts_form() {
        let lines =
            lines("made\na topic", &[("size_bytes", 7.into()), ("topic.name", "orders".into())]);

        let json: Json = serde_json::from_str(&lines[0]).unwrap();
        assert_eq!(lines.len(), 1);
        assert_eq!(json["@level"], "info");
        assert_eq!(json["@message"], "made\na topic");
        assert_eq!(json["@module"], "mq::topic");
        assert_eq!(json["@timestamp"], "2023-11-14T22:13:20.000120Z");
        assert_eq!(json["size_bytes"], 7);
        assert_eq!(json["topic.name"], "orders");
    }

    #[test]
    fn a_record_too_long_for_a_line_becomes_several_and_loses_no_part_of_its_message() {
        let message = "ü\u{0}".repeat(50_000);

        let lines = lines(&message, &[("body", "x".repeat(100_000).into())]);

        let parts = lines.iter().map(|line| serde_json::from_str::<Json>(line).unwrap());
        let rejoined: String =
            parts.map(|json| json["@message"].as_str().unwrap().to_owned()).collect();
        assert_eq!(rejoined, message);
        assert!(lines.iter().all(|line| line.len() < 64 * 1024));
    }

    #[test]
    fn the_hosts_level_decides_what_is_sent() {
        assert_eq!(level(Some("debug")), LevelFilter::DEBUG);
        assert_eq!(level(Some("JSON")), LevelFilter::TRACE);
        assert_eq!(level(Some("off")), LevelFilter::OFF);
        assert_eq!(level(None), LevelFilter::WARN);
    }
}
