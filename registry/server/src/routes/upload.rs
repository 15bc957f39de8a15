//! Reading an upload: `multipart/form-data`, so that curl can send one too.
//!
//! Large parts go straight into the blob store, hashed on the way; small ones stay in memory, up to a limit.

use axum::extract::multipart::{Field, Multipart, MultipartError, MultipartRejection};
use axum::http::StatusCode;

use crate::app::App;
use crate::blobs::Staged;
use crate::error::ApiError;

/// The parts of one request.
pub(super) struct Parts(Multipart);

/// A part under way.
pub(super) struct Part<'a> {
    /// Its name.
    pub(super) name: String,
    /// The file name that came with it.
    pub(super) filename: Option<String>,
    field: Field<'a>,
}

impl Parts {
    /// Refuses a body that is no form.
    pub(super) fn open(form: Result<Multipart, MultipartRejection>) -> Result<Self, ApiError> {
        form.map(Self).map_err(|rejection| {
            ApiError::refused(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "not_multipart",
                format!("send the upload as multipart/form-data: {}", rejection.body_text()),
            )
        })
    }

    /// The next part; none at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Part<'_>>, ApiError> {
        let Some(field) = self.0.next_field().await? else { return Ok(None) };
        let name = field.name().unwrap_or_default().to_owned();
        let filename = field.file_name().map(str::to_owned);
        Ok(Some(Part { name, filename, field }))
    }
}

impl Part<'_> {
    /// Reads the part into memory.
    pub(super) async fn bytes(mut self, limit: usize) -> Result<Vec<u8>, ApiError> {
        let mut content = Vec::new();
        while let Some(chunk) = self.field.chunk().await? {
            if content.len() + chunk.len() > limit {
                return Err(too_large(&self.name, limit as u64));
            }
            content.extend_from_slice(&chunk);
        }
        Ok(content)
    }

    /// Reads the part into the blob store, not kept yet.
    pub(super) async fn stage(mut self, app: &App, limit: u64) -> Result<Staged, ApiError> {
        let mut writer = app.blobs.writer().await?;
        while let Some(chunk) = self.field.chunk().await? {
            if writer.bytes() + chunk.len() as u64 > limit {
                return Err(too_large(&self.name, limit));
            }
            writer.write(&chunk).await?;
        }
        Ok(writer.finish().await?)
    }
}

/// A part that nobody asked for.
pub(super) fn unexpected(name: &str, wanted: &str) -> ApiError {
    ApiError::bad_request(
        "unexpected_part",
        format!("the form has a part {:?}; it must have {wanted}, each once", clip(name)),
    )
}

/// A part that is not there.
pub(super) fn missing(name: &str) -> ApiError {
    ApiError::bad_request("missing_part", format!("the form has no part {name:?}"))
}

fn too_large(name: &str, limit: u64) -> ApiError {
    ApiError::refused(
        StatusCode::PAYLOAD_TOO_LARGE,
        "part_too_large",
        format!("the part {:?} is larger than the {limit} bytes allowed", clip(name)),
    )
}

fn clip(name: &str) -> String {
    name.chars().take(80).collect()
}

impl From<MultipartError> for ApiError {
    fn from(error: MultipartError) -> Self {
        if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
            return Self::refused(
                StatusCode::PAYLOAD_TOO_LARGE,
                "body_too_large",
                "the upload is larger than the limits of this server allow",
            );
        }
        Self::bad_request("broken_upload", format!("the upload broke off: {}", error.body_text()))
    }
}
