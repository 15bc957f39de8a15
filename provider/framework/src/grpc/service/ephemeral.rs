//! The RPCs of ephemeral resources.

use super::{Refusal, Service, decode, encode, wire};
use crate::context::Private;
use crate::diagnostics::Diagnostics;

impl Service {
    pub(super) async fn validate_ephemeral(
        &self,
        request: wire::validate_ephemeral_resource_config::Request,
    ) -> Result<Diagnostics, Refusal> {
        let ephemeral = self.server.ephemeral_resource(&request.type_name, None)?;
        let config = decode::value(request.config, &ephemeral.compiled.ty, "config")?;
        Ok(ephemeral.validate(config).await)
    }

    pub(super) async fn open(
        &self,
        request: wire::open_ephemeral_resource::Request,
    ) -> Result<wire::open_ephemeral_resource::Response, Refusal> {
        let client = request.client_capabilities.map(Into::into);
        let ephemeral = self.server.ephemeral_resource(&request.type_name, client)?;
        let config = decode::value(request.config, &ephemeral.compiled.ty, "config")?;
        let output = ephemeral.open(config).await;
        Ok(wire::open_ephemeral_resource::Response {
            diagnostics: encode::diagnostics(output.diagnostics),
            renew_at: output.renew_at.map(encode::timestamp),
            result: Some(encode::value(&output.result, &ephemeral.compiled.ty)),
            private: Some(output.private.0.into()),
            deferred: None,
        })
    }

    pub(super) async fn renew(
        &self,
        request: wire::renew_ephemeral_resource::Request,
    ) -> Result<wire::renew_ephemeral_resource::Response, Refusal> {
        let ephemeral = self.server.ephemeral_resource(&request.type_name, None)?;
        let output = ephemeral.renew(Private(request.private.unwrap_or_default().into())).await;
        Ok(wire::renew_ephemeral_resource::Response {
            diagnostics: encode::diagnostics(output.diagnostics),
            renew_at: output.renew_at.map(encode::timestamp),
            private: Some(output.private.0.into()),
        })
    }

    pub(super) async fn close(
        &self,
        request: wire::close_ephemeral_resource::Request,
    ) -> Result<Diagnostics, Refusal> {
        let ephemeral = self.server.ephemeral_resource(&request.type_name, None)?;
        Ok(ephemeral.close(Private(request.private.unwrap_or_default().into())).await)
    }
}
