//! Signing and sending a change of a namespace's keys.

use std::collections::BTreeMap;

use registry_api::modules::LogProof;
use registry_api::trust::SignedStatement;
use registry_trust::dsse::Envelope;
use registry_trust::key::{KeyId, SigningKey, VerifyingKey};
use registry_trust::statement::{
    Claim, KeyChange, NamespaceKeys, RevocationReason, StatementError, TrustedCi, sign,
};
use serde_json::json;

use super::Signer;
use crate::cli::Context;
use crate::cli::client::Client;

pub(super) fn add(key: VerifyingKey) -> KeyChange {
    KeyChange::Add(Box::new(key))
}

pub(super) fn revoke(key: KeyId, reason: RevocationReason, from: u64) -> KeyChange {
    KeyChange::Revoke { key, reason, from }
}

pub(super) fn ci(issuer: String, claims: BTreeMap<String, String>, trust: bool) -> KeyChange {
    let ci = TrustedCi { issuer, claims };
    if trust { KeyChange::TrustCi(ci) } else { KeyChange::DistrustCi(ci) }
}

/// Signs a change, has it logged, and says so.
pub(super) async fn submit(
    namespace: &str,
    change: KeyChange,
    signer: &Signer,
    context: &Context<'_>,
) -> anyhow::Result<()> {
    let keys = signer.keys(context)?;
    let client = signer.remote.client(context)?;
    let said = words(&change, namespace);
    let proof = send(&client, namespace, change, &keys.iter().collect::<Vec<_>>()).await?;
    context.output.answer(
        &json!({ "namespace": namespace, "index": proof.index }),
        format_args!("{said}; entry {} of the log", proof.index),
    )
}

fn words(change: &KeyChange, namespace: &str) -> String {
    match change {
        KeyChange::Add(key) => format!("key {} may publish into {namespace}", key.id()),
        KeyChange::Revoke { key, from, .. } => {
            format!("key {key} does not count in {namespace} from entry {from} of the log on")
        }
        KeyChange::TrustCi(ci) => format!("CI jobs of {} may publish into {namespace}", ci.issuer),
        KeyChange::DistrustCi(ci) => {
            format!("CI jobs of {} may not publish into {namespace} any more", ci.issuer)
        }
    }
}

/// Signs a change with the next number and has it logged.
pub(super) async fn send(
    client: &Client,
    namespace: &str,
    change: KeyChange,
    signers: &[&SigningKey],
) -> anyhow::Result<LogProof> {
    let known = super::known(client, namespace).await?;
    let statement = NamespaceKeys {
        registry: client.info().await?.hostname,
        namespace: namespace.to_owned(),
        sequence: known.sequence + 1,
        change,
    };
    let envelope = sign_by_all(&statement, signers)?;
    post(client, &envelope).await
}

/// One envelope with a signature of each.
pub(super) fn sign_by_all<C: Claim>(
    claim: &C,
    signers: &[&SigningKey],
) -> Result<Envelope, StatementError> {
    let mut signed = signers.iter().map(|key| sign(claim, key));
    let mut envelope = signed.next().unwrap_or(Err(StatementError::Subjects { count: 0 }))?;
    for other in signed {
        envelope.signatures.extend(other?.signatures);
    }
    Ok(envelope)
}

/// Has a signed statement logged.
pub(super) async fn post(client: &Client, envelope: &Envelope) -> anyhow::Result<LogProof> {
    let statement = envelope.to_canonical_json();
    client.post("/api/v1/statements", &SignedStatement { statement }).await
}
