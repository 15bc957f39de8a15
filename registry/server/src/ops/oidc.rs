//! A CI job's ID token becomes a token of ours and a key that may sign, for a quarter of an hour and one namespace.
//!
//! The job proves that it holds the private half of its key by a signature that names the ID token, so that whoever
//! steals one of the two can do nothing with it. The ID token counts once: what is granted and what is used up are
//! one transaction, of which the log has the grant.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use registry_api::Name;
use registry_api::oidc::{ExchangeRequest, Exchanged, proof_message};
use registry_trust::authority::Authority;
use registry_trust::key::{KeyError, VerifyingKey};
use registry_trust::statement::{CiKey, TrustedCi};
use registry_trust::time::Moment;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::ci_key::{self, GrantError};
use crate::app::App;
use crate::auth::oidc::{Claims, IdToken, TokenError, VerifiedToken, shown};
use crate::auth::{self, Maker, NewToken};
use crate::clock::rfc3339;
use crate::drivers::oidc::Unreachable;
use crate::model::audit::Event;
use crate::model::right::{InvalidRight, Rights};
use crate::store::tokens::{self, TokenRow};
use crate::store::{Connection, StoreError, audit, oidc};
use crate::trust::TrustError;
use crate::{failpoint, request_id};

/// How long what is granted works.
const LIFE_MILLIS: i64 = 15 * 60 * 1000;
/// How long tokens of jobs are listed after their end.
const LISTED_MILLIS: i64 = 24 * 60 * 60 * 1000;
/// How long a used token is remembered beyond its end: another exchange may have looked at its times and be waiting
/// for the database.
const REMEMBERED_MILLIS: i64 = 15 * 60 * 1000;
/// Who made a token that came out of an exchange.
const MAKER: &str = "oidc";

/// Why an ID token was not exchanged.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// The token itself.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// Of somebody whom nobody configured.
    #[error("iss: expected {expected}, the ID token has {actual:?}")]
    Issuer {
        /// Who is believed.
        expected: String,
        /// Who made it, shortened.
        actual: String,
    },
    /// Signed by a key that its issuer does not have.
    #[error(
        "kid: {issuer} has no key named {kid:?} (its keys are read again at most every 30 seconds)"
    )]
    Key {
        /// Who made it.
        issuer: String,
        /// The name of the key, shortened.
        kid: String,
    },
    /// The issuer does not answer.
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
    /// A second time.
    #[error(
        "jti: the ID token was exchanged already, and each counts once; ask the CI system for a new one"
    )]
    Used,
    /// Not a key.
    #[error("public_key: {0}")]
    PublicKey(#[from] KeyError),
    /// The job does not hold the key.
    #[error(
        "proof: it is not the base64 of a signature by public_key over {expected:?}, where \\n is a line feed"
    )]
    Proof {
        /// What is to be signed.
        expected: String,
    },
    /// A key that cannot be granted.
    #[error(transparent)]
    Grant(#[from] GrantError),
    /// A namespace that no right can name.
    #[error(transparent)]
    Right(#[from] InvalidRight),
    /// The log.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Exchanges an ID token.
pub async fn exchange(app: &App, wanted: ExchangeRequest) -> Result<Exchanged, ExchangeError> {
    let ExchangeRequest { token, namespace, public_key, proof } = wanted;
    let now = app.clock.now();
    let (issuer, verified) = verify(app, &token, now).await?;
    let authority = app.trust.authority(&mut *app.store.read().await?).await?;
    let ci = trusted(app, &authority, &namespace, &issuer, &verified.claims)?;
    let key = VerifyingKey::from_pem(&public_key)?;
    let expires_at = now + LIFE_MILLIS;
    let new = new_token(&namespace, &verified.claims.subject(ci), expires_at)?;
    let grant = CiKey {
        registry: app.trust.hostname().to_owned(),
        namespace,
        key,
        issuer,
        claims: verified.claims.logged(ci),
        expires_at: Moment::of(expires_at),
    };

    let mut tx = app.store.write().await?;
    oidc::forget_tokens(&mut tx, now - REMEMBERED_MILLIS).await?;
    tokens::forget_tokens_made_by(&mut tx, MAKER, now - LISTED_MILLIS).await?;
    let VerifiedToken { fingerprint, usable_until, .. } = &verified;
    if !oidc::use_token(&mut tx, &grant.issuer, fingerprint, *usable_until).await? {
        return Err(ExchangeError::Used);
    }
    // After it is known to be unused and before it is used up: a job whose proof is wrong may try again.
    check_proof(&grant.key, &app.config.server.hostname, &token, &proof)?;
    let (row, secret) = auth::create_token_in(&mut tx, now, new).await?;
    let index = ci_key::grant(app, &mut tx, grant.clone(), now).await?;
    audit::append(&mut tx, event(now, &row, &grant, index)).await?;
    tx.commit().await.map_err(StoreError::from)?;
    failpoint::hit("oidc.exchanged");
    tracing::info!(
        oidc.issuer = %grant.issuer,
        token.id = %row.id,
        token.name = %row.name,
        key = %grant.key.id(),
        namespace = %grant.namespace,
        log.index = index,
        "exchanged an ID token"
    );
    Ok(Exchanged {
        token: secret,
        expires_at: rfc3339(expires_at),
        rights: row.rights.texts(),
        key_id: grant.key.id().to_string(),
        index,
        issuer: grant.issuer,
        claims: grant.claims,
    })
}

/// Takes back the tokens of all jobs that work in a namespace: which of them are distrusted now, their names do not say,
/// and those that are not start again.
pub(super) async fn take_back(
    tx: &mut Connection,
    namespace: &str,
    now: i64,
) -> Result<(), StoreError> {
    match rights(namespace) {
        Ok(rights) => tokens::revoke_tokens_made_by(tx, MAKER, &rights, now).await,
        // Where no right can name the namespace, no job ever got one.
        Err(_) => Ok(()),
    }
}

/// The token as its issuer's own, of now and for this server; and who that is.
async fn verify(app: &App, text: &str, now: i64) -> Result<(String, VerifiedToken), ExchangeError> {
    let token = IdToken::parse(text)?;
    let Some(issuer) = app.config.oidc_issuer(token.issuer()) else {
        let urls: Vec<&str> = app.config.oidc_issuers.iter().map(|one| one.url.as_str()).collect();
        let expected = if urls.is_empty() {
            "an [[oidc_issuer]] of this server, which has none".to_owned()
        } else {
            urls.join(" or ")
        };
        return Err(ExchangeError::Issuer { expected, actual: shown(token.issuer()) });
    };
    // Before its key is looked for: nobody is asked for a token that no key could save.
    token.algorithm(&issuer.algorithms)?;
    let key = app.issuers.key(&issuer.url, token.kid(), now).await?;
    let key = key.ok_or_else(|| ExchangeError::Key {
        issuer: issuer.url.clone(),
        kid: shown(token.kid()),
    })?;
    Ok((issuer.url.clone(), token.verify(&key, issuer, now)?))
}

/// The kind of trusted jobs that the job is.
fn trusted<'a>(
    app: &App,
    authority: &'a Authority,
    namespace: &str,
    issuer: &str,
    claims: &Claims,
) -> Result<&'a TrustedCi, TokenError> {
    let mut kinds = authority.held(namespace).ci;
    kinds.retain(|ci| ci.issuer == issuer);
    if kinds.is_empty() || app.config.namespace(namespace).is_none() {
        return Err(TokenError::Mismatch(format!(
            "namespace {:?} trusts no jobs of {issuer}; whoever has a key of it lets them: idp keys trust-ci",
            shown(namespace)
        )));
    }
    let none = BTreeMap::new();
    let refuse = app.config.oidc_issuer(issuer).map_or(&none, |issuer| &issuer.refuse_claims);
    claims.matching(&kinds, refuse)
}

fn check_proof(
    key: &VerifyingKey,
    hostname: &str,
    token: &str,
    proof: &str,
) -> Result<(), ExchangeError> {
    let message = proof_message(hostname, &hex::encode(Sha256::digest(token)));
    let signature = STANDARD.decode(proof).unwrap_or_default();
    if key.verifies(message.as_bytes(), &signature) {
        return Ok(());
    }
    Err(ExchangeError::Proof { expected: message })
}

fn new_token(namespace: &str, subject: &str, expires_at: i64) -> Result<NewToken, InvalidRight> {
    let rights = rights(namespace)?;
    let maker = Maker { id: MAKER.to_owned(), name: MAKER.to_owned() };
    Ok(NewToken { name: token_name(subject), rights, expires_at: Some(expires_at), maker })
}

fn rights(namespace: &str) -> Result<Rights, InvalidRight> {
    Rights::parse(&[format!("publish:{namespace}")])
}

/// `ci-acme-vpc` for a job of `acme/vpc`.
fn token_name(subject: &str) -> Name {
    let mut name = String::from("ci");
    for part in subject.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty())
    {
        name.push('-');
        name.push_str(&part.to_ascii_lowercase());
    }
    name.truncate(Name::MAX);
    let name = name.trim_end_matches('-');
    name.parse()
        .expect("starts with a letter, then letters, digits and dashes, and ends in no dash")
}

fn event(at: i64, token: &TokenRow, grant: &CiKey, index: u64) -> Event {
    Event {
        at,
        actor: token.name.clone(),
        action: "oidc.exchange".to_owned(),
        subject: grant.namespace.clone(),
        detail: json!({
            "issuer": grant.issuer,
            "claims": grant.claims,
            "key": grant.key.id(),
            "index": index,
            "token": token.id,
            "expires_at": rfc3339(grant.expires_at.millis()),
        }),
        request_id: request_id::current(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_token_is_named_after_its_job() {
        assert_eq!(token_name("Acme/vpc_aws").as_str(), "ci-acme-vpc-aws");
        assert_eq!(token_name("").as_str(), "ci");
    }

    proptest! {
        #[test]
        fn any_job_has_a_name(subject in ".{0,80}|[a-z/-]{30,80}") {
            prop_assert!(token_name(&subject).as_str().starts_with("ci"));
        }
    }
}
