//! How long the transparency log takes when it is large: `cargo bench -p registry-server --bench log`.
//!
//! Prints one JSON object: milliseconds, medians. Asserts nothing.

#![expect(clippy::print_stdout, reason = "the answer of a benchmark")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use registry_server::app::open_store;
use registry_server::config::Config;
use registry_server::store::{Store, log};
use registry_server::trust::{self, Trust, establish};
use registry_trust::key::{Algorithm, SigningKey};
use registry_trust::release::ModuleId;
use registry_trust::statement::{ModuleStatus, State, Statement};

/// How many entries the log gets.
const ENTRIES: u64 = 100_000;
/// How often each thing is done that is timed one by one.
const TIMES: u64 = 200;

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = "[server]\nhostname = \"registry.example.com\"\n";
    let config =
        Config::parse(text, &folder.path().join("idp.toml"), folder.path(), &BTreeMap::new())
            .expect("a configuration");
    let store = open_store(&config).await.expect("a database");
    let root = SigningKey::generate(Algorithm::EcdsaP256).expect("a key");
    establish(&config, &store, &root, &[], 0).await.expect("a log");
    let trust = Trust::open(&config, &store).await.expect("the log opens");

    let filled = fill(&store, &trust).await;
    let appended = each(async |number| append(&store, &trust, ENTRIES + number, 1).await).await;
    let size =
        log::frontier(&mut store.read().await.expect("a reader")).await.expect("a head").size();
    let proven = each(async |number| {
        let mut conn = store.read().await.expect("a reader");
        let at = number * (size / TIMES);
        trust::inclusion(&mut conn, &[at], size).await.expect("a proof");
    })
    .await;
    let grown = each(async |number| {
        let mut conn = store.read().await.expect("a reader");
        trust::consistency(&mut conn, 1 + number * (size / TIMES), size).await.expect("a proof");
    })
    .await;
    let signed = each(async |number| {
        append(&store, &trust, ENTRIES + TIMES + number, 1).await;
        let start = Instant::now();
        trust.newest_head(&store).await.expect("a head");
        start.elapsed()
    });
    let signed = median(signed.await.1);
    println!(
        "{}",
        serde_json::json!({
            "entries": size,
            "append_in_batch_ms": millis(filled) / f64::from(u32::try_from(ENTRIES).unwrap_or(1)),
            "append_and_commit_ms": millis(median(appended.0)),
            "inclusion_proof_ms": millis(median(proven.0)),
            "consistency_proof_ms": millis(median(grown.0)),
            "checkpoint_ms": millis(signed),
        })
    );
}

/// Fills the log, a thousand entries a transaction.
async fn fill(store: &Store, trust: &Trust) -> Duration {
    let start = Instant::now();
    for batch in 0..ENTRIES / 1000 {
        append(store, trust, batch * 1000, 1000).await;
    }
    start.elapsed()
}

async fn append(store: &Store, trust: &Trust, first: u64, count: u64) {
    let statements: Vec<_> =
        (first..first + count).map(|number| statement(trust, number)).collect();
    let mut tx = store.write().await.expect("a writer");
    for (leaf, statement) in &statements {
        log::append(&mut tx, leaf, statement, 0).await.expect("an entry");
    }
    tx.commit().await.expect("a commit");
}

/// A status of a module of its own; signing it is not what is measured, so one signature serves all.
fn statement(trust: &Trust, number: u64) -> (String, Statement) {
    let name = format!("m{number}");
    let module = ModuleId::new(trust.hostname(), "golden", &name, "test").expect("an address");
    let status = ModuleStatus {
        module,
        version: None,
        sequence: 1,
        state: State::Yanked,
        reason: Some("to fill a log with entries of the usual size".to_owned()),
        replacement: None,
        contact: None,
        sunset: None,
    };
    let payload = registry_trust::statement::to_payload(&status).expect("a statement");
    let leaf = format!("{}{}", "x".repeat(400), String::from_utf8_lossy(&payload));
    (leaf, Statement::Status(status))
}

/// Does something [`TIMES`] times; how long each took, and what each gave.
async fn each<T>(work: impl AsyncFn(u64) -> T) -> (Vec<Duration>, Vec<T>) {
    let (mut times, mut given) = (Vec::new(), Vec::new());
    for number in 0..TIMES {
        let start = Instant::now();
        given.push(work(number).await);
        times.push(start.elapsed());
    }
    (times, given)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
