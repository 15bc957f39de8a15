//! Accepting what others signed: key changes, statuses, roots. What is accepted is an entry of the log.

use registry_api::modules::LogProof;
use registry_trust::authority::Refusal;
use registry_trust::bundle::{Bundle, BundleError};
use registry_trust::dsse::{Envelope, LeafError};
use registry_trust::statement::{KeyChange, NamespaceKeys, Statement, StatementError, TrustRoot};
use serde_json::json;

use super::module_status::{self, StatusError};
use super::oidc;
use crate::app::App;
use crate::auth::Token;
use crate::auth::oidc::{InvalidCi, check_trusted};
use crate::model::audit::Event;
use crate::store::{Connection, StoreError, Tx, audit, log};
use crate::trust::{self, TrustError};
use crate::{failpoint, request_id};

/// Why a statement was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// Neither a bundle nor an envelope.
    #[error(
        "the statement is neither a Sigstore bundle ({0}) nor an envelope in canonical JSON ({1})"
    )]
    Form(BundleError, LeafError),
    /// Not a statement.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// One that goes elsewhere, or that the registry alone makes.
    #[error("{0} is not accepted here")]
    Kind(&'static str),
    /// A namespace that nobody configured.
    #[error("there is no namespace {0:?}; the operator adds a [[namespace]] to the configuration")]
    Namespace(String),
    /// A key change that is refused.
    #[error("the key change is refused: {0}")]
    Keys(#[from] Refusal),
    /// CI jobs that cannot be trusted.
    #[error("the key change is refused: {0}")]
    Ci(#[from] InvalidCi),
    /// A root that is refused.
    #[error("the root is refused: {0}")]
    Root(String),
    /// A status that is refused.
    #[error(transparent)]
    Status(#[from] StatusError),
    /// A token that may not.
    #[error("the token {token:?} lacks the right {right}")]
    Forbidden {
        /// Its name.
        token: String,
        /// What it would need.
        right: String,
    },
    /// The log.
    #[error("the statement could not be logged")]
    Trust(#[from] TrustError),
    /// The database.
    #[error("the statement could not be recorded")]
    Store(#[from] StoreError),
    /// The work itself failed.
    #[error("accepting the statement ended early")]
    Work(#[from] tokio::task::JoinError),
}

/// Accepts a signed statement; the same one again changes nothing and succeeds.
pub async fn accept(app: &App, text: &str, by: &Token) -> Result<LogProof, AcceptError> {
    let envelope = read(text)?;
    let statement = Statement::parse(&envelope)?;
    authorise(app, &statement, by)?;
    let (app, by) = (app.clone(), by.clone());
    request_id::to_the_end(async move {
        let position = record(&app, &envelope, &statement, &by).await?;
        Ok(app.trust.proof(&app.store, position).await?)
    })
    .await?
}

fn read(text: &str) -> Result<Envelope, AcceptError> {
    let text = text.trim_end();
    match (Bundle::parse(text.as_bytes()), Envelope::parse_canonical(text.as_bytes())) {
        (Ok(bundle), _) => Ok(bundle.envelope().clone()),
        (Err(_), Ok(envelope)) => Ok(envelope),
        (Err(bundle), Err(envelope)) => Err(AcceptError::Form(bundle, envelope)),
    }
}

/// The signature decides; the token keeps strangers from trying.
fn authorise(app: &App, statement: &Statement, by: &Token) -> Result<(), AcceptError> {
    let namespace = match statement {
        Statement::Keys(keys) => &keys.namespace,
        Statement::Status(status) => status.module.namespace(),
        Statement::Root(_) if by.rights.is_admin() => return Ok(()),
        Statement::Root(_) => {
            return Err(AcceptError::Forbidden {
                token: by.name.clone(),
                right: "admin".to_owned(),
            });
        }
        Statement::Publish(_) => return Err(AcceptError::Kind("a release without its archive")),
        Statement::CiKey(_) => return Err(AcceptError::Kind("a grant to a CI job")),
    };
    if app.config.namespace(namespace).is_none() {
        return Err(AcceptError::Namespace(namespace.to_owned()));
    }
    if by.rights.may_publish(namespace) {
        return Ok(());
    }
    let right = format!("publish:{namespace}");
    Err(AcceptError::Forbidden { token: by.name.clone(), right })
}

async fn record(
    app: &App,
    envelope: &Envelope,
    statement: &Statement,
    by: &Token,
) -> Result<u64, AcceptError> {
    let mut tx = app.store.write().await?;
    let leaf = envelope.to_canonical_json();
    if let Some(logged) = log::same(&mut tx, &leaf, statement).await? {
        return Ok(logged.position);
    }
    let now = app.clock.now();
    check(app, &mut tx, envelope, statement).await?;
    let position = trust::append(&mut tx, envelope, statement, now).await?;
    audit::append(&mut tx, event(envelope, statement, position, by, now)).await?;
    if let Statement::Keys(NamespaceKeys { namespace, change: KeyChange::DistrustCi(_), .. }) =
        statement
    {
        oidc::take_back(&mut tx, namespace, now).await?;
    }
    failpoint::hit("statement.logged");
    finish(app, tx, statement).await?;
    Ok(position)
}

/// Commits, and forgets what was answered before.
async fn finish(app: &App, tx: Tx, statement: &Statement) -> Result<(), AcceptError> {
    tx.commit().await.map_err(StoreError::from)?;
    match statement {
        Statement::Status(status) => module_status::forget(app, &status.module),
        // A revocation may reach back to statuses that were answered by.
        Statement::Keys(_) | Statement::Root(_) => app.module_lists.forget_all(),
        Statement::Publish(_) | Statement::CiKey(_) => {}
    }
    Ok(())
}

async fn check(
    app: &App,
    tx: &mut Connection,
    envelope: &Envelope,
    statement: &Statement,
) -> Result<(), AcceptError> {
    let next = log::frontier(tx).await?.size();
    let authority = app.trust.authority(tx).await?;
    match statement {
        Statement::Keys(keys) => {
            authority.admit(envelope, keys, next)?;
            match &keys.change {
                KeyChange::TrustCi(ci) => Ok(check_trusted(ci, &app.config)?),
                // What is trusted can always be distrusted, whatever the configuration says by now.
                KeyChange::Add(_) | KeyChange::Revoke { .. } | KeyChange::DistrustCi(_) => Ok(()),
            }
        }
        Statement::Root(root) => {
            authority.admit_root(envelope, root).map_err(AcceptError::Root)?;
            app.trust.check_own_keys(root).map_err(AcceptError::Root)
        }
        Statement::Status(status) => {
            Ok(module_status::check(tx, &authority, envelope, status, next).await?)
        }
        Statement::Publish(_) | Statement::CiKey(_) => Ok(()),
    }
}

fn event(envelope: &Envelope, statement: &Statement, position: u64, by: &Token, now: i64) -> Event {
    let (action, subject, mut detail) = match statement {
        Statement::Keys(NamespaceKeys { namespace, change, .. }) => {
            let (action, detail) = match change {
                KeyChange::Add(key) => ("keys.add", json!({ "key": key.id() })),
                KeyChange::Revoke { key, reason, from } => {
                    ("keys.revoke", json!({ "key": key, "reason": reason, "from": from }))
                }
                KeyChange::TrustCi(ci) => ("keys.trust_ci", json!({ "ci": ci })),
                KeyChange::DistrustCi(ci) => ("keys.distrust_ci", json!({ "ci": ci })),
            };
            (action, namespace.clone(), detail)
        }
        Statement::Root(TrustRoot { registry, version, .. }) => {
            ("keys.root", registry.clone(), json!({ "version": version }))
        }
        Statement::Status(status) => module_status::audited(status),
        Statement::Publish(_) | Statement::CiKey(_) => ("statement", String::new(), json!({})),
    };
    let signers: Vec<_> = envelope.signatures.iter().map(|signature| signature.key_id).collect();
    detail["signers"] = json!(signers);
    detail["index"] = json!(position);
    detail["token"] = json!(by.id);
    Event {
        at: now,
        actor: by.name.clone(),
        action: action.to_owned(),
        subject,
        detail,
        request_id: request_id::current(),
    }
}
