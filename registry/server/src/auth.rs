//! Who asks, and who is believed: bearer tokens kept only as hashes, signed links, keys of providers, ID tokens of CI
//! jobs.

pub mod links;
pub mod oidc;
pub mod provider_keys;

use registry_api::Name;
use serde_json::json;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::clock::{Clock, rfc3339};
use crate::model::audit::Event;
use crate::model::right::Rights;
use crate::store::audit;
use crate::store::tokens::{self, TokenRow};
use crate::store::{Connection, Store, StoreError};
use crate::{id, request_id};

/// What every secret starts with, so that scanners and people recognise one.
pub const PREFIX: &str = "idp_";

/// How stale `last_used_at` may be: a read must not become a write.
const LAST_USED_MILLIS: i64 = 5 * 60 * 1000;

/// A valid token.
#[derive(Debug, Clone)]
pub struct Token {
    /// Id of the token, for the audit log.
    pub id: String,
    /// Its name, for people.
    pub name: String,
    /// What it may do.
    pub rights: Rights,
    /// When it stops working.
    pub expires_at: Option<i64>,
}

/// What presenting a secret came to.
#[derive(Debug, Clone)]
pub enum Presented {
    /// A token that works.
    Valid(Token),
    /// One that does not, and why, for its holder.
    Invalid(String),
}

/// A token to make.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// For people.
    pub name: Name,
    /// What it may do.
    pub rights: Rights,
    /// When it stops working.
    pub expires_at: Option<i64>,
    /// Who makes it.
    pub maker: Maker,
}

/// Who makes or revokes a token.
#[derive(Debug, Clone)]
pub struct Maker {
    /// Id of their token, or `local`.
    pub id: String,
    /// Its name, or `local`.
    pub name: String,
}

impl Maker {
    /// Whoever may write to the server's data folder.
    pub fn local() -> Self {
        Self { id: "local".to_owned(), name: "local".to_owned() }
    }
}

impl From<&Token> for Maker {
    fn from(token: &Token) -> Self {
        Self { id: token.id.clone(), name: token.name.clone() }
    }
}

/// Makes a token; the secret is returned and kept nowhere.
pub async fn create_token(
    store: &Store,
    clock: &Clock,
    new: NewToken,
) -> Result<(TokenRow, String), StoreError> {
    let mut tx = store.write().await?;
    let made = create_token_in(&mut tx, clock.now(), new).await?;
    tx.commit().await?;
    Ok(made)
}

/// As [`create_token`], in the caller's transaction.
pub async fn create_token_in(
    tx: &mut Connection,
    now: i64,
    new: NewToken,
) -> Result<(TokenRow, String), StoreError> {
    let secret = new_secret();
    let row = TokenRow {
        id: id::new(now),
        name: new.name.to_string(),
        secret_sha256: hash(&secret),
        rights: new.rights,
        created_by: new.maker.id.clone(),
        created_at: now,
        expires_at: new.expires_at,
        revoked_at: None,
        last_used_at: None,
    };
    tokens::insert_token(tx, &row).await?;
    let detail = json!({ "name": row.name, "rights": row.rights.texts() });
    audit::append(tx, event(now, &new.maker, "token.create", &row.id, detail)).await?;
    Ok((row, secret))
}

/// Takes a token back; false where there is none with that id.
pub async fn revoke_token(
    store: &Store,
    clock: &Clock,
    id: &str,
    maker: &Maker,
) -> Result<bool, StoreError> {
    let now = clock.now();
    let mut tx = store.write().await?;
    if !tokens::revoke_token(&mut tx, id, now).await? {
        return Ok(false);
    }
    audit::append(&mut tx, event(now, maker, "token.revoke", id, json!({}))).await?;
    tx.commit().await?;
    Ok(true)
}

fn event(now: i64, maker: &Maker, action: &str, id: &str, detail: serde_json::Value) -> Event {
    Event {
        at: now,
        actor: maker.name.clone(),
        action: action.to_owned(),
        subject: id.to_owned(),
        detail,
        request_id: request_id::current(),
    }
}

/// Finds the token of a secret and says whether it works.
pub async fn present(store: &Store, clock: &Clock, secret: &str) -> Result<Presented, StoreError> {
    let hashed = hash(secret);
    let mut conn = store.read().await?;
    let found = tokens::token_by_hash(&mut conn, &hashed).await?;
    drop(conn);
    let Some(row) =
        found.filter(|row| bool::from(row.secret_sha256.as_bytes().ct_eq(hashed.as_bytes())))
    else {
        return Ok(Presented::Invalid("this server does not know the token".to_owned()));
    };
    let now = clock.now();
    if let Some(at) = row.revoked_at {
        return Ok(Presented::Invalid(format!("the token was revoked at {}", rfc3339(at))));
    }
    if let Some(at) = row.expires_at.filter(|at| *at <= now) {
        return Ok(Presented::Invalid(format!("the token expired at {}", rfc3339(at))));
    }
    if let Err(error) = note_use(store, &row, now).await {
        // On a full disk everything can still be read.
        tracing::warn!(token.id = %row.id, %error, "the use of a token could not be noted");
    }
    Ok(Presented::Valid(Token {
        id: row.id,
        name: row.name,
        rights: row.rights,
        expires_at: row.expires_at,
    }))
}

async fn note_use(store: &Store, row: &TokenRow, now: i64) -> Result<(), StoreError> {
    if row.last_used_at.is_some_and(|at| now - at < LAST_USED_MILLIS) {
        return Ok(());
    }
    let mut tx = store.write().await?;
    tokens::touch_token(&mut tx, &row.id, now).await?;
    Ok(tx.commit().await?)
}

fn new_secret() -> String {
    use base64::Engine as _;

    let mut bytes = [0_u8; 32];
    id::fill_random(&mut bytes);
    format!("{PREFIX}{}", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes))
}

/// 256 random bits need no salt and no slow hash.
fn hash(secret: &str) -> String {
    hex::encode(Sha256::digest(secret.as_bytes()))
}
