//! The RPCs without a network between: what [`crate::testing`] drives a provider through.
//!
//! Requests are built and answers read as the real messages, values encoded in them; only the socket is missing.

use std::sync::Arc;

use prost::bytes::Bytes;
use tonic::Request;

use super::Service;
use super::tfplugin6 as wire;
use super::tfplugin6::provider_server::Provider as _;
use crate::Timestamp;
use crate::context::ClientCapabilities;
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::function::FunctionError;
use crate::path::{AttributePath, AttributePathStep};
use crate::provider::Provider;
use crate::server::Server;

/// Asks a provider in this process.
pub(crate) struct InProcess {
    server: Arc<Server>,
    service: Service,
    /// What the client announces in every call that has room for it.
    pub(crate) client: ClientCapabilities,
}

/// What became of an ephemeral resource: opened or renewed.
#[derive(Clone, Debug, Default)]
pub(crate) struct EphemeralAnswer {
    /// Empty after a renewal.
    pub(crate) result: Vec<u8>,
    pub(crate) renew_at: Option<Timestamp>,
    pub(crate) private: Vec<u8>,
    pub(crate) diagnostics: Diagnostics,
}

/// An encoded object with what goes with it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    pub(crate) state: Vec<u8>,
    pub(crate) private: Vec<u8>,
    pub(crate) requires_replace: Vec<AttributePath>,
    pub(crate) diagnostics: Diagnostics,
}

fn dynamic(msgpack: &[u8]) -> wire::DynamicValue {
    wire::DynamicValue { msgpack: Bytes::copy_from_slice(msgpack), json: Bytes::new() }
}

fn bytes(value: Option<wire::DynamicValue>) -> Vec<u8> {
    value.map_or(Vec::new(), |value| value.msgpack.to_vec())
}

fn path(path: wire::AttributePath) -> AttributePath {
    use wire::attribute_path::step::Selector;
    let step = |step: wire::attribute_path::Step| {
        Some(match step.selector? {
            Selector::AttributeName(name) => AttributePathStep::Attribute(name.into()),
            Selector::ElementKeyString(key) => AttributePathStep::Key(key.into()),
            Selector::ElementKeyInt(index) => AttributePathStep::Index(index),
        })
    };
    AttributePath { steps: path.steps.into_iter().filter_map(step).collect() }
}

fn reports(wire: Vec<wire::Diagnostic>) -> Diagnostics {
    let mut diagnostics = Diagnostics::default();
    for report in wire {
        let severity = report.severity();
        let attribute = report.attribute.map(path).unwrap_or_default();
        let report =
            Diagnostic { summary: report.summary.into(), detail: report.detail.into(), attribute };
        match severity {
            wire::diagnostic::Severity::Warning => diagnostics.warnings.push(report),
            _ => diagnostics.errors.push(report),
        }
    }
    diagnostics
}

fn timestamp(wire: prost_types::Timestamp) -> Option<Timestamp> {
    Timestamp::new(wire.seconds, wire.nanos).ok()
}

/// In this process, an RPC fails only if it is not implemented.
fn answered<T>(answer: Result<tonic::Response<T>, tonic::Status>) -> Result<T, String> {
    answer
        .map(tonic::Response::into_inner)
        .map_err(|status| format!("{}: {}", status.code(), status.message()))
}

/// A change to plan, encoded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change<'a> {
    pub(crate) prior: &'a [u8],
    pub(crate) config: &'a [u8],
    /// The proposal when planning, the plan when applying.
    pub(crate) next: &'a [u8],
    pub(crate) private: &'a [u8],
}

impl InProcess {
    pub(crate) fn new(provider: Arc<dyn Provider>) -> Self {
        let client =
            ClientCapabilities { deferral_allowed: false, write_only_attributes_allowed: true };
        let server = Arc::new(Server::new(provider));
        Self { service: Service::new(Arc::clone(&server)), server, client }
    }

    fn capabilities(&self) -> wire::ClientCapabilities {
        wire::ClientCapabilities {
            deferral_allowed: self.client.deferral_allowed,
            write_only_attributes_allowed: self.client.write_only_attributes_allowed,
        }
    }

    pub(crate) async fn get_provider_schema(&self) -> Result<Diagnostics, String> {
        let request = Request::new(wire::get_provider_schema::Request {});
        let answer = answered(self.service.get_provider_schema(request).await)?;
        Ok(reports(answer.diagnostics))
    }

    pub(crate) async fn validate_provider(&self, config: &[u8]) -> Result<Diagnostics, String> {
        let request = wire::validate_provider_config::Request { config: Some(dynamic(config)) };
        let answer = answered(self.service.validate_provider_config(Request::new(request)).await)?;
        Ok(reports(answer.diagnostics))
    }

    pub(crate) async fn configure(
        &self,
        config: &[u8],
        terraform_version: &str,
    ) -> Result<Diagnostics, String> {
        let request = wire::configure_provider::Request {
            config: Some(dynamic(config)),
            terraform_version: terraform_version.to_owned(),
            client_capabilities: Some(self.capabilities()),
        };
        let answer = answered(self.service.configure_provider(Request::new(request)).await)?;
        Ok(reports(answer.diagnostics))
    }

    pub(crate) async fn stop(&self) -> Result<String, String> {
        let answer = answered(
            self.service.stop_provider(Request::new(wire::stop_provider::Request {})).await,
        )?;
        Ok(answer.error)
    }

    /// What the process does at its end.
    pub(crate) async fn shut_down(&self) {
        self.server.stop();
        self.server.close_what_is_open().await;
    }

    pub(crate) async fn validate_resource(
        &self,
        type_name: &str,
        config: &[u8],
    ) -> Result<Diagnostics, String> {
        let request = wire::validate_resource_config::Request {
            type_name: type_name.to_owned(),
            config: Some(dynamic(config)),
            client_capabilities: Some(self.capabilities()),
        };
        let answer = answered(self.service.validate_resource_config(Request::new(request)).await)?;
        Ok(reports(answer.diagnostics))
    }

    pub(crate) async fn plan(&self, type_name: &str, change: Change<'_>) -> Result<Answer, String> {
        let request = wire::plan_resource_change::Request {
            type_name: type_name.to_owned(),
            prior_state: Some(dynamic(change.prior)),
            proposed_new_state: Some(dynamic(change.next)),
            config: Some(dynamic(change.config)),
            prior_private: Bytes::copy_from_slice(change.private),
            client_capabilities: Some(self.capabilities()),
            ..Default::default()
        };
        let answer = answered(self.service.plan_resource_change(Request::new(request)).await)?;
        Ok(Answer {
            state: bytes(answer.planned_state),
            private: answer.planned_private.to_vec(),
            requires_replace: answer.requires_replace.into_iter().map(path).collect(),
            diagnostics: reports(answer.diagnostics),
        })
    }

    pub(crate) async fn apply(
        &self,
        type_name: &str,
        change: Change<'_>,
    ) -> Result<Answer, String> {
        let request = wire::apply_resource_change::Request {
            type_name: type_name.to_owned(),
            prior_state: Some(dynamic(change.prior)),
            planned_state: Some(dynamic(change.next)),
            config: Some(dynamic(change.config)),
            planned_private: Bytes::copy_from_slice(change.private),
            ..Default::default()
        };
        let answer = answered(self.service.apply_resource_change(Request::new(request)).await)?;
        Ok(Answer {
            state: bytes(answer.new_state),
            private: answer.private.to_vec(),
            requires_replace: Vec::new(),
            diagnostics: reports(answer.diagnostics),
        })
    }

    pub(crate) async fn read(
        &self,
        type_name: &str,
        state: &[u8],
        private: &[u8],
    ) -> Result<Answer, String> {
        let request = wire::read_resource::Request {
            type_name: type_name.to_owned(),
            current_state: Some(dynamic(state)),
            private: Bytes::copy_from_slice(private),
            client_capabilities: Some(self.capabilities()),
            ..Default::default()
        };
        let answer = answered(self.service.read_resource(Request::new(request)).await)?;
        Ok(Answer {
            state: bytes(answer.new_state),
            private: answer.private.to_vec(),
            requires_replace: Vec::new(),
            diagnostics: reports(answer.diagnostics),
        })
    }

    /// Every imported object.
    pub(crate) async fn import(
        &self,
        type_name: &str,
        id: &str,
    ) -> Result<(Vec<Answer>, Diagnostics), String> {
        let request = wire::import_resource_state::Request {
            type_name: type_name.to_owned(),
            id: id.to_owned(),
            client_capabilities: Some(self.capabilities()),
            ..Default::default()
        };
        let answer = answered(self.service.import_resource_state(Request::new(request)).await)?;
        let imported = answer.imported_resources.into_iter().map(|imported| Answer {
            state: bytes(imported.state),
            private: imported.private.to_vec(),
            ..Answer::default()
        });
        Ok((imported.collect(), reports(answer.diagnostics)))
    }

    pub(crate) async fn upgrade(
        &self,
        type_name: &str,
        version: i64,
        json: &[u8],
    ) -> Result<Answer, String> {
        let raw_state = wire::RawState { json: Bytes::copy_from_slice(json), ..Default::default() };
        let request = wire::upgrade_resource_state::Request {
            type_name: type_name.to_owned(),
            version,
            raw_state: Some(raw_state),
        };
        let answer = answered(self.service.upgrade_resource_state(Request::new(request)).await)?;
        Ok(Answer {
            state: bytes(answer.upgraded_state),
            diagnostics: reports(answer.diagnostics),
            ..Answer::default()
        })
    }

    pub(crate) async fn move_state(&self, source: &str, target: &str) -> Result<Answer, String> {
        let request = wire::move_resource_state::Request {
            source_provider_address: "registry.example.com/acme/other".to_owned(),
            source_type_name: source.to_owned(),
            target_type_name: target.to_owned(),
            ..Default::default()
        };
        let answer = answered(self.service.move_resource_state(Request::new(request)).await)?;
        Ok(Answer {
            state: bytes(answer.target_state),
            diagnostics: reports(answer.diagnostics),
            ..Answer::default()
        })
    }

    pub(crate) async fn validate_data_source(
        &self,
        type_name: &str,
        config: &[u8],
    ) -> Result<Diagnostics, String> {
        let request = wire::validate_data_resource_config::Request {
            type_name: type_name.to_owned(),
            config: Some(dynamic(config)),
        };
        let answer =
            answered(self.service.validate_data_resource_config(Request::new(request)).await)?;
        Ok(reports(answer.diagnostics))
    }

    pub(crate) async fn read_data_source(
        &self,
        type_name: &str,
        config: &[u8],
    ) -> Result<Answer, String> {
        let request = wire::read_data_source::Request {
            type_name: type_name.to_owned(),
            config: Some(dynamic(config)),
            client_capabilities: Some(self.capabilities()),
            ..Default::default()
        };
        let answer = answered(self.service.read_data_source(Request::new(request)).await)?;
        Ok(Answer {
            state: bytes(answer.state),
            diagnostics: reports(answer.diagnostics),
            ..Answer::default()
        })
    }

    pub(crate) async fn validate_ephemeral(
        &self,
        type_name: &str,
        config: &[u8],
    ) -> Result<Diagnostics, String> {
        let request = wire::validate_ephemeral_resource_config::Request {
            type_name: type_name.to_owned(),
            config: Some(dynamic(config)),
        };
        let answer =
            answered(self.service.validate_ephemeral_resource_config(Request::new(request)).await)?;
        Ok(reports(answer.diagnostics))
    }

    pub(crate) async fn open(
        &self,
        type_name: &str,
        config: &[u8],
    ) -> Result<EphemeralAnswer, String> {
        let request = wire::open_ephemeral_resource::Request {
            type_name: type_name.to_owned(),
            config: Some(dynamic(config)),
            client_capabilities: Some(self.capabilities()),
        };
        let answer = answered(self.service.open_ephemeral_resource(Request::new(request)).await)?;
        Ok(EphemeralAnswer {
            result: bytes(answer.result),
            renew_at: answer.renew_at.and_then(timestamp),
            private: answer.private.unwrap_or_default().to_vec(),
            diagnostics: reports(answer.diagnostics),
        })
    }

    pub(crate) async fn renew(
        &self,
        type_name: &str,
        private: &[u8],
    ) -> Result<EphemeralAnswer, String> {
        let request = wire::renew_ephemeral_resource::Request {
            type_name: type_name.to_owned(),
            private: Some(Bytes::copy_from_slice(private)),
        };
        let answer = answered(self.service.renew_ephemeral_resource(Request::new(request)).await)?;
        Ok(EphemeralAnswer {
            result: Vec::new(),
            renew_at: answer.renew_at.and_then(timestamp),
            private: answer.private.unwrap_or_default().to_vec(),
            diagnostics: reports(answer.diagnostics),
        })
    }

    pub(crate) async fn close(
        &self,
        type_name: &str,
        private: &[u8],
    ) -> Result<Diagnostics, String> {
        let request = wire::close_ephemeral_resource::Request {
            type_name: type_name.to_owned(),
            private: Some(Bytes::copy_from_slice(private)),
        };
        let answer = answered(self.service.close_ephemeral_resource(Request::new(request)).await)?;
        Ok(reports(answer.diagnostics))
    }

    pub(crate) async fn call(
        &self,
        name: &str,
        arguments: &[Vec<u8>],
    ) -> Result<Result<Vec<u8>, FunctionError>, String> {
        let arguments = arguments.iter().map(|argument| dynamic(argument)).collect();
        let request = wire::call_function::Request { name: name.to_owned(), arguments };
        let answer = answered(self.service.call_function(Request::new(request)).await)?;
        Ok(match answer.error {
            Some(error) => Err(FunctionError {
                text: error.text,
                argument: error
                    .function_argument
                    .and_then(|position| usize::try_from(position).ok()),
            }),
            None => Ok(bytes(answer.result)),
        })
    }
}
