//! Entries of the log for people: one line each.

use registry_trust::audit::{Audit, Counts};
use registry_trust::authority::Entry;
use registry_trust::statement::{KeyChange, ModuleStatus, RevocationReason, Statement};
use serde_json::{Value, json};

/// Most lines of one kind.
const MOST: usize = 50;

/// What an entry says, and who signed it.
pub(super) fn line(index: u64, leaf: &[u8]) -> String {
    let entry = match Entry::parse(index, leaf) {
        Ok(entry) => entry,
        Err(error) => return format!("{index}  no statement: {}", error.problem),
    };
    let what = match &entry.statement {
        Statement::Publish(publish) => format!(
            "release {}@{} (SHA-256 {})",
            publish.release.module().path(),
            publish.release.version(),
            publish.archive.sha256
        ),
        Statement::Status(status) => stated(status),
        Statement::Keys(keys) => format!("{}: {}", keys.namespace, changed(&keys.change)),
        Statement::CiKey(grant) => format!(
            "{}: key {} granted to a CI job of {} until {}",
            grant.namespace,
            grant.key.id(),
            grant.issuer,
            grant.expires_at
        ),
        Statement::Root(root) => format!(
            "root {} of {}: {} of {} keys",
            root.version,
            root.registry,
            root.threshold,
            root.keys.len()
        ),
    };
    format!("{index}  {what}, signed by {}", signers(&entry).join(" and "))
}

fn stated(status: &ModuleStatus) -> String {
    let version = status.version.as_ref().map(|(version, _)| format!("@{version}"));
    let mut text =
        format!("{}{} is {}", status.module.path(), version.unwrap_or_default(), status.state);
    let parts = [("", &status.reason), ("use ", &status.replacement), ("ask ", &status.contact)];
    let parts = parts
        .iter()
        .filter_map(|(before, part)| part.as_ref().map(|part| format!("{before}{part}")));
    let sunset = status.sunset.map(|day| format!("sunset {day}"));
    let said: Vec<String> = parts.chain(sunset).collect();
    if !said.is_empty() {
        text.push_str(": ");
        text.push_str(&said.join("; "));
    }
    text
}

fn changed(change: &KeyChange) -> String {
    match change {
        KeyChange::Add(key) => format!("key {} added", key.id()),
        KeyChange::Revoke { key, reason, from } => {
            let reason = match reason {
                RevocationReason::Superseded => "superseded",
                RevocationReason::Compromised => "compromised",
            };
            format!("key {key} revoked from entry {from} on, {reason}")
        }
        KeyChange::TrustCi(ci) => {
            format!("CI jobs of {} trusted {}", ci.issuer, claims(&ci.claims))
        }
        KeyChange::DistrustCi(ci) => {
            format!("CI jobs of {} not trusted any more {}", ci.issuer, claims(&ci.claims))
        }
    }
}

fn claims(claims: &std::collections::BTreeMap<String, String>) -> String {
    let claims: Vec<String> =
        claims.iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!("({})", claims.join(", "))
}

fn signers(entry: &Entry) -> Vec<String> {
    entry.envelope.signatures.iter().map(|signature| signature.key_id.to_string()).collect()
}

/// An entry for scripts: where it is, who signed, the statement itself.
pub(super) fn value(index: u64, leaf: &[u8]) -> Value {
    match Entry::parse(index, leaf) {
        Ok(entry) => {
            let statement: Value =
                serde_json::from_slice(&entry.envelope.payload).unwrap_or_default();
            json!({ "index": index, "signers": signers(&entry), "statement": statement })
        }
        Err(error) => json!({ "index": index, "problem": error.problem.to_string() }),
    }
}

/// What is in a log, in one line.
pub(super) fn counts(counts: &Counts) -> String {
    let Counts { roots, key_changes, releases, statuses, ci_keys } = counts;
    format!(
        "{releases} releases, {statuses} statuses, {key_changes} key changes, {ci_keys} CI keys, {roots} roots"
    )
}

/// What was found and what fell, one line each.
pub(super) fn findings(audit: &Audit) -> Vec<String> {
    let findings = audit.findings.iter().map(|one| format!("FINDING  {one}"));
    let fallen = audit.fallen.iter().map(|one| format!("does not count any more  {one}"));
    let (findings, fallen): (Vec<_>, Vec<_>) = (findings.collect(), fallen.collect());
    [shortened(findings), shortened(fallen)].concat()
}

fn shortened(mut lines: Vec<String>) -> Vec<String> {
    if lines.len() > MOST {
        let more = lines.len() - MOST;
        lines.truncate(MOST);
        lines.push(format!("… and {more} more; --json has all"));
    }
    lines
}
