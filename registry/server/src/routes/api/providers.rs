//! Publishing providers.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::extract::multipart::{Multipart, MultipartRejection};
use axum::http::StatusCode;
use registry_api::ProviderAddress;
use registry_api::providers::{ProviderRelease, PublishedProvider};
use registry_trust::sums;

use super::super::upload::{Parts, missing, unexpected};
use crate::app::App;
use crate::blobs::Staged;
use crate::error::ApiError;
use crate::extract::{Caller, Json, Path};
use crate::ops::publish_provider::{PublishProviderError, Upload, publish_provider};

/// Largest of the small parts, in bytes.
const SMALL: usize = 64 * 1024;

/// Most platforms of one release.
const PLATFORMS: usize = 64;

/// Which release of which provider.
#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
pub struct ReleasePath {
    /// First part of the address.
    namespace: String,
    /// Second part.
    #[serde(rename = "type")]
    kind: String,
    /// Strict semver, without `v`.
    version: String,
}

/// `PUT /api/v1/providers/:namespace/:type/:version`: the whole release in one form.
///
/// 201 where the version is new, 200 where the same content was there already.
pub async fn publish(
    State(app): State<App>,
    caller: Caller,
    Path(ReleasePath { namespace, kind, version }): Path<ReleasePath>,
    form: Result<Multipart, MultipartRejection>,
) -> Result<(StatusCode, Json<PublishedProvider>), ApiError> {
    let token = caller.require_publish(&namespace)?;
    let address = ProviderAddress::new(&namespace, &kind)
        .map_err(|error| ApiError::bad_request("invalid_address", error.to_string()))?;
    let form = read(&app, Parts::open(form)?).await?;
    let upload = Upload {
        address,
        version,
        release: form.release.ok_or_else(|| missing("release"))?,
        key: form.key.ok_or_else(|| missing("key"))?,
        shasums: form.shasums.ok_or_else(|| missing("shasums"))?,
        signature: form.signature.ok_or_else(|| missing("signature"))?,
        packages: form.packages,
        by: token.clone(),
    };
    let published = publish_provider(&app, upload).await?;
    let status = if published.created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(published)))
}

#[derive(Default)]
struct Form {
    release: Option<ProviderRelease>,
    key: Option<Vec<u8>>,
    shasums: Option<Vec<u8>>,
    signature: Option<Vec<u8>>,
    packages: BTreeMap<String, Staged>,
}

async fn read(app: &App, mut parts: Parts) -> Result<Form, ApiError> {
    let mut form = Form::default();
    let mut room = app.config.limits.provider_bytes;
    while let Some(part) = parts.next().await? {
        match part.name.as_str() {
            "release" if form.release.is_none() => {
                let json = part.bytes(SMALL).await?;
                form.release = Some(serde_json::from_slice(&json).map_err(|error| {
                    ApiError::bad_request("invalid_json", format!("the part \"release\": {error}"))
                })?);
            }
            "key" if form.key.is_none() => form.key = Some(part.bytes(SMALL).await?),
            "shasums" if form.shasums.is_none() => {
                form.shasums = Some(part.bytes(sums::MAX_BYTES).await?);
            }
            "signature" if form.signature.is_none() => {
                form.signature = Some(part.bytes(SMALL).await?);
            }
            "package" if form.packages.len() < PLATFORMS => {
                let filename = part.filename.clone().unwrap_or_default();
                let staged = part.stage(app, room).await?;
                room -= staged.bytes;
                if form.packages.insert(filename.clone(), staged).is_some() {
                    return Err(ApiError::bad_request(
                        "duplicate_package",
                        format!("the form has two packages with the file name {filename:?}"),
                    ));
                }
            }
            other => {
                return Err(unexpected(
                    other,
                    "release, key, shasums and signature, and 1 to 64 packages",
                ));
            }
        }
    }
    Ok(form)
}

impl From<PublishProviderError> for ApiError {
    fn from(error: PublishProviderError) -> Self {
        use PublishProviderError as E;

        let detail = error.to_string();
        match error {
            E::Version(_) => Self::unprocessable("invalid_version", detail),
            E::Namespace(_) => Self::not_found("namespace_unknown", detail),
            E::Protocols(_) => Self::unprocessable("invalid_protocols", detail),
            E::Sums(_) | E::PackageName(_) | E::OtherPackage(_) => {
                Self::unprocessable("shasums_invalid", detail)
            }
            E::PackageMissing(_) => Self::unprocessable("package_missing", detail),
            E::PackageUnlisted(_) => Self::unprocessable("package_unlisted", detail),
            E::PackageDiffers { .. } => Self::unprocessable("package_differs", detail),
            E::Package { .. } => Self::unprocessable("package_invalid", detail),
            E::OpenPgp(error) => Self::unprocessable(error.code(), detail),
            E::KeyUnknown { .. } => {
                Self::refused(StatusCode::FORBIDDEN, "provider_key_unknown", detail)
            }
            E::VersionTaken { .. } => Self::conflict("version_taken", detail),
            E::Blobs(error) => error.into(),
            E::Store(error) => error.into(),
            E::Check(error) => Self::internal(error),
            E::Read(error) => Self::internal(error),
        }
    }
}
