//! Publishing modules, and what was signed about them.

use axum::extract::State;
use axum::extract::multipart::{Multipart, MultipartRejection};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use registry_api::ModuleAddress;
use registry_api::interface::InterfaceChange;
use registry_api::modules::Published;
use registry_api::problem::FieldError;
use registry_trust::authority::Distrust;
use registry_trust::bundle;
use semver::Version;

use super::super::upload::{Parts, missing, unexpected};
use crate::app::App;
use crate::error::ApiError;
use crate::extract::{Caller, Json, Path};
use crate::model::guard::BreakingReason;
use crate::ops::guard::GuardError;
use crate::ops::publish_module::{PublishError, Upload, publish_module};
use crate::store::modules::module_version;

/// Largest part `allow_breaking`: characters of four bytes, and blanks around them.
const REASON_BYTES: usize = 4 * BreakingReason::MAX_CHARS + 100;

/// Which version of which module.
#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
pub struct VersionPath {
    /// First part of the address.
    pub(super) namespace: String,
    /// Second part.
    pub(super) name: String,
    /// Third part.
    pub(super) system: String,
    /// Strict semver, without `v`.
    pub(super) version: String,
}

/// `PUT /api/v1/modules/:namespace/:name/:system/:version`: archive and signed statement in one form.
///
/// 201 where the version is new, 200 where the same content was there already. A version that breaks those who call the
/// one before it and does not raise the major version needs a third part, `allow_breaking`: the reason, which stays on
/// record.
pub async fn publish(
    State(app): State<App>,
    caller: Caller,
    Path(VersionPath { namespace, name, system, version }): Path<VersionPath>,
    form: Result<Multipart, MultipartRejection>,
) -> Result<(StatusCode, Json<Published>), ApiError> {
    let token = caller.require_publish(&namespace)?;
    let address = parse_address(&namespace, &name, &system)?;
    let (mut archive, mut bundle, mut reason) = (None, None, None);
    let mut parts = Parts::open(form)?;
    while let Some(part) = parts.next().await? {
        match part.name.as_str() {
            "archive" if archive.is_none() => {
                archive = Some(part.stage(&app, app.config.limits.archive_bytes).await?);
            }
            "bundle" if bundle.is_none() => bundle = Some(part.bytes(bundle::MAX_BYTES).await?),
            "allow_breaking" if reason.is_none() => reason = Some(part.bytes(REASON_BYTES).await?),
            other => {
                return Err(unexpected(other, "archive and bundle, and may have allow_breaking"));
            }
        }
    }
    let upload = Upload {
        address,
        version,
        archive: archive.ok_or_else(|| missing("archive"))?,
        bundle: bundle.ok_or_else(|| missing("bundle"))?,
        allow_breaking: reason.map(|reason| parse_reason(&reason)).transpose()?,
        by: token.clone(),
    };
    let published = publish_module(&app, upload).await?;
    let status = if published.created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(published)))
}

/// `GET …/:version/bundle`: the publisher's signed statement, for verifiers.
pub async fn bundle(
    State(app): State<App>,
    caller: Caller,
    Path(VersionPath { namespace, name, system, version }): Path<VersionPath>,
) -> Result<Response, ApiError> {
    caller.require_read(&app, &namespace)?;
    let address = parse_address(&namespace, &name, &system)?;
    let not_found = || {
        ApiError::not_found("version_not_found", format!("there is no such version of {address}"))
    };
    let version = Version::parse(&version).map_err(|_| not_found())?;
    let row = module_version(&mut *app.store.read().await?, &address, &version).await?;
    let row = row.ok_or_else(not_found)?;
    Ok(([(header::CONTENT_TYPE, bundle::MEDIA_TYPE)], row.bundle).into_response())
}

fn parse_reason(bytes: &[u8]) -> Result<BreakingReason, ApiError> {
    BreakingReason::parse(&String::from_utf8_lossy(bytes))
        .map_err(|error| ApiError::unprocessable("invalid_reason", error.to_string()))
}

pub(super) fn parse_address(
    namespace: &str,
    name: &str,
    system: &str,
) -> Result<ModuleAddress, ApiError> {
    ModuleAddress::new(namespace, name, system)
        .map_err(|error| ApiError::bad_request("invalid_address", error.to_string()))
}

impl From<PublishError> for ApiError {
    fn from(error: PublishError) -> Self {
        let detail = error.to_string();
        match error {
            PublishError::Version(_) => Self::unprocessable("invalid_version", detail),
            PublishError::Case(_) | PublishError::Release(_) => {
                Self::unprocessable("invalid_address", detail)
            }
            PublishError::Namespace(_) => Self::not_found("namespace_unknown", detail),
            PublishError::Archive(error) => Self::unprocessable(error.code(), detail),
            PublishError::Signature(error) => Self::unprocessable(error.code(), detail),
            PublishError::Syntax(errors) => {
                let first = errors.first().map(ToString::to_string).unwrap_or_default();
                Self::unprocessable("module_does_not_parse", format!("{detail}: {first}"))
                    .with_errors(errors.iter().map(syntax_error).collect())
            }
            PublishError::GoldenPath(errors) => {
                let first = errors.0.first().map(ToString::to_string).unwrap_or_default();
                Self::unprocessable("golden_path_invalid", format!("{detail}: {first}"))
                    .with_errors(errors.0.into_iter().map(path_error).collect())
            }
            PublishError::ManifestVersion { .. } => Self::unprocessable("manifest_version", detail),
            PublishError::Guard(error) => error.into(),
            PublishError::VersionTaken { .. } => Self::conflict("version_taken", detail),
            PublishError::Revoked { .. } => Self::conflict("version_revoked", detail),
            PublishError::Bundle(error) => Self::unprocessable(error.code(), detail),
            PublishError::Statement(error) => Self::unprocessable(error.code(), detail),
            PublishError::Signer { problem: Distrust::Revoked(_), .. } => {
                Self::unprocessable("publisher_key_revoked", detail)
            }
            PublishError::Signer { .. } => Self::unprocessable("publisher_key_unknown", detail),
            PublishError::Expired { .. } => Self::unprocessable("publisher_key_expired", detail),
            PublishError::Trust(error) => error.into(),
            PublishError::Blobs(error) => error.into(),
            PublishError::Store(error) => error.into(),
            PublishError::Check(error) => Self::internal(error),
        }
    }
}

impl From<GuardError> for ApiError {
    fn from(error: GuardError) -> Self {
        let detail = error.to_string();
        match error {
            GuardError::Broken(broken) => Self::unprocessable("interface_broken", detail)
                .with_errors(broken.changes.into_iter().map(broken_part).collect()),
            GuardError::Overtaken { .. } => Self::conflict("overtaken", detail),
            GuardError::Base(error) => Self::internal(error),
            GuardError::Trust(error) => error.into(),
            GuardError::Store(error) => error.into(),
        }
    }
}

fn broken_part(change: InterfaceChange) -> FieldError {
    FieldError {
        pointer: change.subject,
        detail: change.summary,
        rule: change.kind.as_str().to_owned(),
        fix: None,
    }
}

fn syntax_error(error: &crate::model::source::SyntaxError) -> FieldError {
    FieldError {
        pointer: format!("/{}", error.file),
        detail: error.to_string(),
        rule: "hcl_syntax".to_owned(),
        fix: None,
    }
}

fn path_error(error: crate::golden_path::PathError) -> FieldError {
    let detail = format!("{}:{}: {}", error.file, error.line, error.message);
    FieldError::new(format!("/{}", error.file), error.rule, detail, error.fix)
}
