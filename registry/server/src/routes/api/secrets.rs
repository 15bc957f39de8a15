//! `/secrets` and `/secret-values`.
//!
//! The second is for the webhook provider of External Secrets Operator, whose `{{ .remoteRef.key }}` escapes the slashes
//! of a `secret_ref`; hence the same secret under two paths. In a `SecretStore`:
//!
//! ```yaml
//! provider:
//!   webhook:
//!     url: "https://registry.example.com/api/v1/secret-values/{{ .remoteRef.key }}"
//!     headers: { Authorization: "Bearer {{ .idp.token }}" }
//!     result: { jsonPath: "$.data{{ with .remoteRef.property }}.{{ . }}{{ end }}" }
//!     secrets: [{ name: idp, secretRef: { name: idp-token, key: token } }]
//! ```
//!
//! serves `dataFrom: [{ extract: { key: service/staging/checkout/orders } }]`, which takes every field, and
//! `data: [{ remoteRef: { key: secret/staging/stripe, property: value } }]`, which takes one.

use axum::extract::State;
use registry_api::Name;
use registry_api::platform::{PutSecret, Secret, SecretList, SecretRef, SecretValues};
use serde::{Deserialize, Serialize};

use super::write::{Tagged, Unstored, WriteHeaders};
use crate::app::App;
use crate::error::ApiError;
use crate::extract::{Caller, Json, Path, Query};
use crate::ops::accept::Request;
use crate::ops::secrets;
use crate::request_id;
use crate::store::secrets::{SecretFilter, SecretRow};

/// A secret that a team keeps.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
pub struct SecretPath {
    /// Where it is.
    environment: Name,
    /// What it is called there.
    name: Name,
}

impl From<SecretPath> for SecretRef {
    fn from(SecretPath { environment, name }: SecretPath) -> Self {
        Self::Secret { environment, name }
    }
}

/// Which secrets to list; all that the caller may see where nothing is given.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    /// Only this environment.
    environment: Option<Name>,
    /// Only this owner.
    owner: Option<Name>,
}

/// Lists the secrets that the caller may see, by reference; never a value.
pub async fn list_secrets(
    State(app): State<App>,
    caller: Caller,
    Query(ListQuery { environment, owner }): Query<ListQuery>,
) -> Result<Json<SecretList>, ApiError> {
    let filter = SecretFilter { environment, owner };
    Ok(Json(secrets::list(&app, caller.token()?, &filter).await?))
}

/// Shows what is known of a secret; never its value.
///
/// The `ETag` is its generation.
pub async fn get_secret(
    State(app): State<App>,
    caller: Caller,
    Path(path): Path<SecretPath>,
) -> Result<Tagged<Secret>, ApiError> {
    let secret = secrets::secret(&app, caller.token()?, &path.into()).await?;
    Ok(Tagged(secret.generation, secret))
}

/// Creates or changes a secret, at once.
///
/// Needs the right `apply`. The value is taken and never shown again: only `/secret-values` gives it out.
pub async fn put_secret(
    State(app): State<App>,
    caller: Caller,
    Path(path): Path<SecretPath>,
    headers: WriteHeaders,
    Json(mut body): Json<PutSecret>,
) -> Result<Tagged<Secret>, ApiError> {
    let (path, expected) = (path.into(), headers.expected()?);
    // The digest of a request is kept, and that of a short value gives it away.
    let value = body.value.take();
    let request = request(&caller, headers, "put", &path, &body)?;
    body.value = value;
    Ok(shown(secrets::put_secret(&app, &request, &path, body, expected).await?))
}

/// Removes a secret and every version of its value; answers with what was known of it.
///
/// Needs the right `destroy` and `If-Match`. Refused while deletion protection is on.
pub async fn delete_secret(
    State(app): State<App>,
    caller: Caller,
    Path(path): Path<SecretPath>,
    headers: WriteHeaders,
) -> Result<Tagged<Secret>, ApiError> {
    let (path, generation) = (path.into(), headers.generation()?);
    let request = request(&caller, headers, "delete", &path, &generation)?;
    Ok(shown(secrets::delete_secret(&app, &request, &path, generation).await?))
}

/// Makes the value of a secret anew that the server made.
///
/// Needs the right `apply`; `If-Match` is not needed. With an `Idempotency-Key`, a request that is sent again makes no
/// second value.
pub async fn rotate_secret(
    State(app): State<App>,
    caller: Caller,
    Path(path): Path<SecretPath>,
    headers: WriteHeaders,
) -> Result<Tagged<Secret>, ApiError> {
    let path = path.into();
    let generation = headers.expected.map(|_| headers.generation()).transpose()?;
    let request = request(&caller, headers, "rotate", &path, &generation)?;
    Ok(shown(secrets::rotate_secret(&app, &request, &path, generation).await?))
}

fn request<'c>(
    caller: &'c Caller,
    headers: WriteHeaders,
    what: &'static str,
    path: &SecretRef,
    body: &impl Serialize,
) -> Result<Request<'c>, ApiError> {
    let asked = (what, path, body);
    Ok(Request::new(caller.token()?, request_id::current(), headers.idempotency_key, &asked))
}

fn shown(row: SecretRow) -> Tagged<Secret> {
    Tagged(row.generation, secrets::to_wire(row))
}

/// A reference in one segment.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
pub struct ReferencePath {
    /// As `secret_ref` has it, with `%2F` for each slash.
    reference: SecretRef,
}

/// A secret in three segments.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
pub struct ValuePath {
    /// `secret`.
    kind: String,
    /// Where it is.
    environment: Name,
    /// What it is called there.
    name: Name,
}

/// The credentials of a service in four segments.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
pub struct ServiceValuePath {
    /// `service`.
    kind: String,
    /// Where the service is.
    environment: Name,
    /// The service.
    name: Name,
    /// What the service calls the thing it uses.
    alias: Name,
}

/// Reads a secret by the reference that `secret_ref` outputs have.
///
/// Needs the right `secrets`. The first read of each version by each token is in the audit log.
pub async fn get_value_by_reference(
    State(app): State<App>,
    caller: Caller,
    Path(ReferencePath { reference }): Path<ReferencePath>,
) -> Result<Unstored<SecretValues>, ApiError> {
    read(&app, &caller, &reference).await
}

/// Reads a secret.
///
/// Needs the right `secrets`. The first read of each version by each token is in the audit log.
pub async fn get_value(
    State(app): State<App>,
    caller: Caller,
    Path(path): Path<ValuePath>,
) -> Result<Unstored<SecretValues>, ApiError> {
    let ValuePath { kind, environment, name } = path;
    read(&app, &caller, &reference(&format!("{kind}/{environment}/{name}"))?).await
}

/// Reads the credentials that the platform made for a service.
///
/// Needs the right `secrets`. The first read of each version by each token is in the audit log.
pub async fn get_service_value(
    State(app): State<App>,
    caller: Caller,
    Path(path): Path<ServiceValuePath>,
) -> Result<Unstored<SecretValues>, ApiError> {
    let ServiceValuePath { kind, environment, name, alias } = path;
    read(&app, &caller, &reference(&format!("{kind}/{environment}/{name}/{alias}"))?).await
}

async fn read(
    app: &App,
    caller: &Caller,
    reference: &SecretRef,
) -> Result<Unstored<SecretValues>, ApiError> {
    Ok(Unstored(secrets::read_value(app, caller.token()?, reference).await?))
}

fn reference(text: &str) -> Result<SecretRef, ApiError> {
    text.parse::<SecretRef>()
        .map_err(|error| ApiError::bad_request("invalid_path", error.to_string()))
}
