//! What the platform proves about modules. Nothing is believed before it was verified against the pinned policy.

use std::collections::{BTreeMap, BTreeSet};

use registry_api::ModuleAddress;
use registry_api::trust::{EvidenceModule, EvidenceRequest};
use registry_trust::evidence::{Evidence, EvidenceError, Now, Seen, Trusted};
use registry_trust::policy::Policy;
use registry_trust::release::ReleaseId;
use registry_trust::report::{Report, Unproven};
use registry_trust::tree::FileList;

use crate::client::{Client, ClientError};

/// Of how many modules it is asked which files differ.
const MOST_LISTS: usize = 20;

/// The reason where the platform gave nothing.
pub(super) const UNAVAILABLE: &str = "evidence_unavailable";

/// Asks for the proofs of some releases, and that the log has grown from what was `seen` of it.
pub(super) async fn get(
    client: &Client,
    releases: &BTreeSet<ReleaseId>,
    policy: &Policy,
    seen: Option<&Seen>,
    now: i64,
) -> Result<Trusted, Unproven> {
    let modules = releases.iter().filter_map(asked).collect();
    let request = EvidenceRequest { modules, since: seen.map_or(0, |seen| seen.checkpoint.size) };
    let bytes = client.evidence(&request).await.map_err(|error| unavailable(&error))?;
    verify(&bytes, policy, seen, now).map_err(|error| Unproven::from(&error))
}

/// What cannot be asked about has no proof, and is judged so.
fn asked(release: &ReleaseId) -> Option<EvidenceModule> {
    let address = ModuleAddress::new(release.namespace(), release.name(), release.system()).ok()?;
    Some(EvidenceModule { address, version: release.version().clone() })
}

fn unavailable(error: &ClientError) -> Unproven {
    Unproven { code: UNAVAILABLE, message: error.to_string() }
}

/// Where no module needs any.
pub(super) fn unneeded() -> Unproven {
    Unproven { code: "evidence_unneeded", message: String::new() }
}

fn verify(
    bytes: &[u8],
    policy: &Policy,
    seen: Option<&Seen>,
    now: i64,
) -> Result<Trusted, EvidenceError> {
    let now = Now { millis: now, refuses_old: true };
    Evidence::parse(bytes)?.verify(policy, seen, now)
}

/// The published files of what was tampered with. Where there is no list, that it was tampered with is told all the same.
pub(super) async fn lists(
    client: &Client,
    trusted: &Trusted,
    report: &Report,
) -> BTreeMap<ReleaseId, FileList> {
    let mut lists = BTreeMap::new();
    for release in report.unexplained().take(MOST_LISTS) {
        match list(client, trusted, release).await {
            Ok(list) => drop(lists.insert(release.clone(), list)),
            Err(cause) => {
                tracing::warn!(%release, %cause, "it cannot be said which files differ");
            }
        }
    }
    lists
}

async fn list(client: &Client, trusted: &Trusted, release: &ReleaseId) -> Result<FileList, String> {
    let signed = trusted.release(release).map_err(|error| error.to_string())?;
    let bytes = client.module_files(&release.module().path(), release.version()).await;
    let bytes = bytes.map_err(|error| error.to_string())?;
    FileList::parse(&bytes, signed.archive.dir_hash1).map_err(|error| error.to_string())
}
