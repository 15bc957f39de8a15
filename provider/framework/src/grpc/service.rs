//! The RPCs.

mod ephemeral;

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::tfplugin6 as wire;
use super::tfplugin6::provider_server::{Provider, ProviderServer};
use super::{LARGEST_MESSAGE, Refusal, decode, encode, encode_schema};
use crate::context::Private;
use crate::diagnostics::Diagnostics;
use crate::function::FunctionError;
use crate::server::{ApplyInput, PlanInput, Server};

/// Answers Terraform.
#[derive(Clone)]
pub(crate) struct Service {
    server: Arc<Server>,
}

impl Service {
    pub(crate) fn new(server: Arc<Server>) -> Self {
        Self { server }
    }

    /// What tonic serves.
    pub(crate) fn into_service(self) -> ProviderServer<Self> {
        ProviderServer::new(self)
            .max_decoding_message_size(LARGEST_MESSAGE)
            .max_encoding_message_size(LARGEST_MESSAGE)
    }
}

/// An answer that is there whatever happens: a refusal is an answer with diagnostics.
type Answer<T> = Result<Response<T>, Status>;

fn capabilities() -> wire::ServerCapabilities {
    wire::ServerCapabilities {
        plan_destroy: true,
        get_provider_schema_optional: true,
        move_resource_state: false,
    }
}

/// The answer of RPCs that return nothing but reports.
fn reports(outcome: Result<Diagnostics, Refusal>) -> Vec<wire::Diagnostic> {
    encode::diagnostics(outcome.unwrap_or_else(|refusal| refusal))
}

impl Service {
    async fn validate_provider(
        &self,
        request: wire::validate_provider_config::Request,
    ) -> Result<Diagnostics, Refusal> {
        let config = decode::value(request.config, &self.server.provider_schema()?.ty, "config")?;
        Ok(self.server.validate_provider(config).await)
    }

    async fn configure(
        &self,
        request: wire::configure_provider::Request,
    ) -> Result<Diagnostics, Refusal> {
        let config = decode::value(request.config, &self.server.provider_schema()?.ty, "config")?;
        let client = request.client_capabilities.unwrap_or_default().into();
        Ok(self.server.configure(config, request.terraform_version, client).await)
    }

    async fn validate_resource(
        &self,
        request: wire::validate_resource_config::Request,
    ) -> Result<Diagnostics, Refusal> {
        // Clients that say nothing of themselves know nothing of later features.
        let client = request.client_capabilities.unwrap_or_default().into();
        let managed = self.server.resource(&request.type_name, Some(client))?;
        let config = decode::value(request.config, &managed.compiled.ty, "config")?;
        Ok(managed.validate(config).await)
    }

    async fn validate_data_source(
        &self,
        request: wire::validate_data_resource_config::Request,
    ) -> Result<Diagnostics, Refusal> {
        let source = self.server.data_source(&request.type_name, None)?;
        let config = decode::value(request.config, &source.compiled.ty, "config")?;
        Ok(source.validate(config).await)
    }

    async fn upgrade(
        &self,
        request: wire::upgrade_resource_state::Request,
    ) -> Result<wire::upgrade_resource_state::Response, Refusal> {
        let managed = self.server.resource(&request.type_name, None)?;
        let json = decode::raw_state(request.raw_state)?;
        let output = managed.upgrade(request.version, json).await;
        Ok(wire::upgrade_resource_state::Response {
            upgraded_state: Some(encode::value(&output.state, &managed.compiled.ty)),
            diagnostics: encode::diagnostics(output.diagnostics),
        })
    }

    async fn read(
        &self,
        request: wire::read_resource::Request,
    ) -> Result<wire::read_resource::Response, Refusal> {
        let client = request.client_capabilities.map(Into::into);
        let managed = self.server.resource(&request.type_name, client)?;
        let state = decode::value(request.current_state, &managed.compiled.ty, "current state")?;
        let output = managed.read(state, Private(request.private.into())).await;
        Ok(wire::read_resource::Response {
            new_state: Some(encode::value(&output.state, &managed.compiled.ty)),
            diagnostics: encode::diagnostics(output.diagnostics),
            private: output.private.0.into(),
            ..Default::default()
        })
    }

    async fn plan(
        &self,
        request: wire::plan_resource_change::Request,
    ) -> Result<wire::plan_resource_change::Response, Refusal> {
        let client = request.client_capabilities.map(Into::into);
        let managed = self.server.resource(&request.type_name, client)?;
        let ty = &managed.compiled.ty;
        let input = PlanInput {
            prior: decode::value(request.prior_state, ty, "prior state")?,
            config: decode::value(request.config, ty, "config")?,
            proposed: decode::value(request.proposed_new_state, ty, "proposed new state")?,
            private: Private(request.prior_private.into()),
        };
        let output = managed.plan(input).await;
        Ok(wire::plan_resource_change::Response {
            planned_state: Some(encode::value(&output.planned, ty)),
            requires_replace: output.requires_replace.into_iter().map(encode::path).collect(),
            planned_private: output.private.0.into(),
            diagnostics: encode::diagnostics(output.diagnostics),
            ..Default::default()
        })
    }

    async fn apply(
        &self,
        request: wire::apply_resource_change::Request,
    ) -> Result<wire::apply_resource_change::Response, Refusal> {
        let managed = self.server.resource(&request.type_name, None)?;
        let ty = &managed.compiled.ty;
        let input = ApplyInput {
            prior: decode::value(request.prior_state, ty, "prior state")?,
            planned: decode::value(request.planned_state, ty, "planned state")?,
            config: decode::value(request.config, ty, "config")?,
            private: Private(request.planned_private.into()),
        };
        let output = managed.apply(input).await;
        Ok(wire::apply_resource_change::Response {
            new_state: Some(encode::value(&output.state, ty)),
            private: output.private.0.into(),
            diagnostics: encode::diagnostics(output.diagnostics),
            ..Default::default()
        })
    }

    async fn import(
        &self,
        request: wire::import_resource_state::Request,
    ) -> Result<wire::import_resource_state::Response, Refusal> {
        let client = request.client_capabilities.map(Into::into);
        let managed = self.server.resource(&request.type_name, client)?;
        let output = managed.import(request.id).await;
        let imported = wire::import_resource_state::ImportedResource {
            type_name: request.type_name.clone(),
            state: Some(encode::value(&output.state, &managed.compiled.ty)),
            private: output.private.0.into(),
            identity: None,
        };
        Ok(wire::import_resource_state::Response {
            imported_resources: if output.diagnostics.errors.is_empty() {
                vec![imported]
            } else {
                Vec::new()
            },
            diagnostics: encode::diagnostics(output.diagnostics),
            deferred: None,
        })
    }

    async fn read_data(
        &self,
        request: wire::read_data_source::Request,
    ) -> Result<wire::read_data_source::Response, Refusal> {
        let client = request.client_capabilities.map(Into::into);
        let source = self.server.data_source(&request.type_name, client)?;
        let config = decode::value(request.config, &source.compiled.ty, "config")?;
        let (state, diagnostics) = source.read(config).await;
        Ok(wire::read_data_source::Response {
            state: Some(encode::value(&state, &source.compiled.ty)),
            diagnostics: encode::diagnostics(diagnostics),
            deferred: None,
        })
    }

    fn call(
        &self,
        request: wire::call_function::Request,
    ) -> Result<wire::DynamicValue, FunctionError> {
        let (types, result_type) =
            self.server.function_types(&request.name, request.arguments.len())?;
        let mut arguments = Vec::new();
        for (position, (argument, ty)) in request.arguments.into_iter().zip(types).enumerate() {
            let argument = decode::value(Some(argument), ty, "argument").map_err(|refusal| {
                let text =
                    refusal.errors.first().map_or(String::new(), |error| error.detail.to_string());
                FunctionError::argument(position, text)
            })?;
            arguments.push(argument);
        }
        let result = self.server.call(&request.name, arguments)?;
        Ok(encode::value(&result, result_type))
    }

    fn functions(&self) -> Result<wire::get_functions::Response, Refusal> {
        let schemas = self.server.schemas()?;
        let functions = schemas.functions.into_iter();
        Ok(wire::get_functions::Response {
            functions: functions
                .map(|(name, schema)| (name.to_owned(), encode_schema::function(schema)))
                .collect(),
            diagnostics: Vec::new(),
        })
    }

    fn provider_schema(&self) -> Result<wire::get_provider_schema::Response, Refusal> {
        let schemas = self.server.schemas()?;
        let named = |(name, schema): (&str, &_)| (name.to_owned(), encode_schema::schema(schema));
        Ok(wire::get_provider_schema::Response {
            provider: Some(encode_schema::schema(schemas.provider)),
            resource_schemas: schemas.resources.into_iter().map(named).collect(),
            data_source_schemas: schemas.data_sources.into_iter().map(named).collect(),
            ephemeral_resource_schemas: (schemas.ephemeral_resources.into_iter())
                .map(named)
                .collect(),
            functions: (schemas.functions.into_iter())
                .map(|(name, schema)| (name.to_owned(), encode_schema::function(schema)))
                .collect(),
            server_capabilities: Some(capabilities()),
            ..Default::default()
        })
    }

    fn identity_schemas(&self) -> Result<wire::get_resource_identity_schemas::Response, Refusal> {
        let schemas = self.server.schemas()?;
        let identity = |(name, schema): (&str, &crate::schema::ResourceSchema)| {
            Some((name.to_owned(), encode_schema::identity(schema.identity.as_ref()?)))
        };
        Ok(wire::get_resource_identity_schemas::Response {
            identity_schemas: schemas.resources.into_iter().filter_map(identity).collect(),
            diagnostics: Vec::new(),
        })
    }
}

/// Answers with what an RPC gave, or with the same kind of message that holds nothing but the refusal.
macro_rules! answer {
    ($outcome:expr, $message:path) => {
        Ok(Response::new($outcome.unwrap_or_else(|refusal| {
            let mut message = <$message>::default();
            message.diagnostics = encode::diagnostics(refusal);
            message
        })))
    };
}

#[tonic::async_trait]
impl Provider for Service {
    async fn get_metadata(
        &self,
        _: Request<wire::get_metadata::Request>,
    ) -> Answer<wire::get_metadata::Response> {
        use wire::get_metadata::{
            DataSourceMetadata, EphemeralMetadata, FunctionMetadata, ResourceMetadata,
        };
        let server = &self.server;
        Ok(Response::new(wire::get_metadata::Response {
            server_capabilities: Some(capabilities()),
            resources: server
                .resource_names()
                .map(|name| ResourceMetadata { type_name: name.to_owned() })
                .collect(),
            data_sources: server
                .data_source_names()
                .map(|name| DataSourceMetadata { type_name: name.to_owned() })
                .collect(),
            ephemeral_resources: server
                .ephemeral_resource_names()
                .map(|name| EphemeralMetadata { type_name: name.to_owned() })
                .collect(),
            functions: server
                .function_names()
                .map(|name| FunctionMetadata { name: name.to_owned() })
                .collect(),
            diagnostics: Vec::new(),
        }))
    }

    async fn get_provider_schema(
        &self,
        _: Request<wire::get_provider_schema::Request>,
    ) -> Answer<wire::get_provider_schema::Response> {
        answer!(self.provider_schema(), wire::get_provider_schema::Response)
    }

    async fn get_resource_identity_schemas(
        &self,
        _: Request<wire::get_resource_identity_schemas::Request>,
    ) -> Answer<wire::get_resource_identity_schemas::Response> {
        answer!(self.identity_schemas(), wire::get_resource_identity_schemas::Response)
    }

    async fn get_functions(
        &self,
        _: Request<wire::get_functions::Request>,
    ) -> Answer<wire::get_functions::Response> {
        answer!(self.functions(), wire::get_functions::Response)
    }

    async fn validate_provider_config(
        &self,
        request: Request<wire::validate_provider_config::Request>,
    ) -> Answer<wire::validate_provider_config::Response> {
        let diagnostics = reports(self.validate_provider(request.into_inner()).await);
        Ok(Response::new(wire::validate_provider_config::Response { diagnostics }))
    }

    async fn configure_provider(
        &self,
        request: Request<wire::configure_provider::Request>,
    ) -> Answer<wire::configure_provider::Response> {
        let diagnostics = reports(self.configure(request.into_inner()).await);
        Ok(Response::new(wire::configure_provider::Response { diagnostics }))
    }

    async fn stop_provider(
        &self,
        _: Request<wire::stop_provider::Request>,
    ) -> Answer<wire::stop_provider::Response> {
        self.server.stop();
        Ok(Response::new(wire::stop_provider::Response::default()))
    }

    async fn validate_resource_config(
        &self,
        request: Request<wire::validate_resource_config::Request>,
    ) -> Answer<wire::validate_resource_config::Response> {
        let diagnostics = reports(self.validate_resource(request.into_inner()).await);
        Ok(Response::new(wire::validate_resource_config::Response { diagnostics }))
    }

    async fn validate_data_resource_config(
        &self,
        request: Request<wire::validate_data_resource_config::Request>,
    ) -> Answer<wire::validate_data_resource_config::Response> {
        let diagnostics = reports(self.validate_data_source(request.into_inner()).await);
        Ok(Response::new(wire::validate_data_resource_config::Response { diagnostics }))
    }

    async fn upgrade_resource_state(
        &self,
        request: Request<wire::upgrade_resource_state::Request>,
    ) -> Answer<wire::upgrade_resource_state::Response> {
        answer!(self.upgrade(request.into_inner()).await, wire::upgrade_resource_state::Response)
    }

    async fn read_resource(
        &self,
        request: Request<wire::read_resource::Request>,
    ) -> Answer<wire::read_resource::Response> {
        answer!(self.read(request.into_inner()).await, wire::read_resource::Response)
    }

    async fn plan_resource_change(
        &self,
        request: Request<wire::plan_resource_change::Request>,
    ) -> Answer<wire::plan_resource_change::Response> {
        answer!(self.plan(request.into_inner()).await, wire::plan_resource_change::Response)
    }

    async fn apply_resource_change(
        &self,
        request: Request<wire::apply_resource_change::Request>,
    ) -> Answer<wire::apply_resource_change::Response> {
        answer!(self.apply(request.into_inner()).await, wire::apply_resource_change::Response)
    }

    async fn import_resource_state(
        &self,
        request: Request<wire::import_resource_state::Request>,
    ) -> Answer<wire::import_resource_state::Response> {
        answer!(self.import(request.into_inner()).await, wire::import_resource_state::Response)
    }

    async fn move_resource_state(
        &self,
        request: Request<wire::move_resource_state::Request>,
    ) -> Answer<wire::move_resource_state::Response> {
        let request = request.into_inner();
        let diagnostics = self.server.refuse_move(
            &request.source_type_name,
            &request.source_provider_address,
            &request.target_type_name,
        );
        let diagnostics = encode::diagnostics(diagnostics);
        Ok(Response::new(wire::move_resource_state::Response { diagnostics, ..Default::default() }))
    }

    async fn read_data_source(
        &self,
        request: Request<wire::read_data_source::Request>,
    ) -> Answer<wire::read_data_source::Response> {
        answer!(self.read_data(request.into_inner()).await, wire::read_data_source::Response)
    }

    async fn call_function(
        &self,
        request: Request<wire::call_function::Request>,
    ) -> Answer<wire::call_function::Response> {
        let (result, error) = match self.call(request.into_inner()) {
            Ok(result) => (Some(result), None),
            Err(error) => (None, Some(encode::function_error(error))),
        };
        Ok(Response::new(wire::call_function::Response { result, error }))
    }

    async fn upgrade_resource_identity(
        &self,
        _: Request<wire::upgrade_resource_identity::Request>,
    ) -> Answer<wire::upgrade_resource_identity::Response> {
        Err(Status::unimplemented("identities have no earlier versions"))
    }

    async fn validate_ephemeral_resource_config(
        &self,
        request: Request<wire::validate_ephemeral_resource_config::Request>,
    ) -> Answer<wire::validate_ephemeral_resource_config::Response> {
        let diagnostics = reports(self.validate_ephemeral(request.into_inner()).await);
        Ok(Response::new(wire::validate_ephemeral_resource_config::Response { diagnostics }))
    }

    async fn open_ephemeral_resource(
        &self,
        request: Request<wire::open_ephemeral_resource::Request>,
    ) -> Answer<wire::open_ephemeral_resource::Response> {
        answer!(self.open(request.into_inner()).await, wire::open_ephemeral_resource::Response)
    }

    async fn renew_ephemeral_resource(
        &self,
        request: Request<wire::renew_ephemeral_resource::Request>,
    ) -> Answer<wire::renew_ephemeral_resource::Response> {
        answer!(self.renew(request.into_inner()).await, wire::renew_ephemeral_resource::Response)
    }

    async fn close_ephemeral_resource(
        &self,
        request: Request<wire::close_ephemeral_resource::Request>,
    ) -> Answer<wire::close_ephemeral_resource::Response> {
        let diagnostics = reports(self.close(request.into_inner()).await);
        Ok(Response::new(wire::close_ephemeral_resource::Response { diagnostics }))
    }
}
