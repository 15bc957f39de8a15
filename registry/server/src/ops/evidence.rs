//! Gathering what clients judge modules by.

use std::collections::{BTreeMap, BTreeSet};

use registry_api::trust::EvidenceRequest;
use registry_trust::evidence::{Evidence, ProvenEntry};
use registry_trust::statement::Statement;

use crate::app::App;
use crate::store::log::{self, Logged};
use crate::store::{Connection, StoreError};
use crate::trust::{self, TrustError};

/// Most releases in one request.
pub const MOST_MODULES: usize = 1000;

/// Everything about some releases that the log has, with proofs under one head. What is not published is not in it.
pub async fn gather(app: &App, request: &EvidenceRequest) -> Result<Evidence, TrustError> {
    let snapshot = app.trust.snapshot(&app.store, &app.clock).await?;
    let size = snapshot.head.checkpoint.size;
    let mut conn = app.store.snapshot().await?;
    let logged = entries(&mut conn, request).await?;
    // What came after the head was signed is for the next one.
    let logged: Vec<Logged> = logged.into_iter().filter(|entry| entry.position < size).collect();
    let positions: Vec<u64> = logged.iter().map(|entry| entry.position).collect();
    let proofs = trust::inclusion(&mut conn, &positions, size).await?;
    let consistency = if request.since <= size {
        trust::consistency(&mut conn, request.since, size).await?
    } else {
        Vec::new()
    };
    let entries = logged.into_iter().zip(proofs).map(|(entry, proof)| ProvenEntry {
        index: entry.position,
        leaf: entry.leaf,
        proof,
    });
    Ok(Evidence {
        checkpoint: snapshot.head.note,
        consistency,
        snapshot: snapshot.bundle,
        document: snapshot.document,
        entries: entries.collect(),
    })
}

/// In the log's order, each once.
async fn entries(
    conn: &mut Connection,
    request: &EvidenceRequest,
) -> Result<Vec<Logged>, StoreError> {
    let namespaces: BTreeSet<&str> =
        request.modules.iter().map(|module| module.address.namespace()).collect();
    let modules: BTreeSet<String> =
        request.modules.iter().map(|module| module.address.to_string()).collect();
    let mut found = BTreeMap::new();
    for entry in log::authorities(conn).await? {
        let is_wanted = match entry.read()?.statement {
            Statement::Keys(keys) => namespaces.contains(keys.namespace.as_str()),
            _ => true,
        };
        if is_wanted {
            found.insert(entry.position, entry);
        }
    }
    for module in &modules {
        found.extend(by_position(log::statuses(conn, module).await?));
    }
    let mut signers = BTreeSet::new();
    for wanted in &request.modules {
        let (module, version) = (wanted.address.to_string(), wanted.version.to_string());
        let Some(release) = log::release(conn, &module, &version).await? else { continue };
        signers
            .extend(release.read()?.envelope.signatures.iter().map(|one| one.key_id.to_string()));
        found.insert(release.position, release);
    }
    for signer in &signers {
        found.extend(by_position(log::ci_key(conn, signer).await?));
    }
    Ok(found.into_values().collect())
}

fn by_position(entries: impl IntoIterator<Item = Logged>) -> impl Iterator<Item = (u64, Logged)> {
    entries.into_iter().map(|entry| (entry.position, entry))
}
