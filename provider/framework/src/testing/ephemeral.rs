//! Opens, renews and closes ephemeral resources by core's rules.

use super::{answered, assert_none, assert_paths, complete, decode};
use crate::Timestamp;
use crate::diagnostics::Diagnostics;
use crate::grpc::in_process::InProcess;
use crate::grpc::msgpack;
use crate::rules;
use crate::schema::{ResourceSchema, Type};
use crate::value::Value;

/// A type of ephemeral resource of a provider under test.
pub struct TestEphemeralResource<'a> {
    rpc: &'a InProcess,
    type_name: String,
    schema: ResourceSchema,
    ty: Type,
}

/// What core holds as long as a run needs it.
#[derive(Clone, Debug)]
pub struct Held {
    /// The object; null if it could not be opened.
    pub result: Value,
    /// When core renews it, if ever.
    pub renew_at: Option<Timestamp>,
    /// Private bytes for close.
    pub private: Vec<u8>,
    /// Private bytes for the next renewal.
    pub renewal_private: Vec<u8>,
    /// Reports to the user.
    pub diagnostics: Diagnostics,
}

impl<'a> TestEphemeralResource<'a> {
    pub(super) fn new(rpc: &'a InProcess, type_name: &str, schema: ResourceSchema) -> Self {
        let ty = schema.ty();
        Self { rpc, type_name: type_name.to_owned(), schema, ty }
    }

    /// Validates a configuration.
    pub async fn validate(&self, config: &Value) -> Diagnostics {
        let config = msgpack::encode(&complete(config.clone(), &self.ty), &self.ty);
        let diagnostics = answered(self.rpc.validate_ephemeral(&self.type_name, &config).await);
        assert_paths(&self.ty, &diagnostics);
        diagnostics
    }

    /// Validates a configuration and opens it, as core does one after the other.
    pub async fn open(&self, config: &Value) -> Held {
        let config = complete(config.clone(), &self.ty);
        assert!(config.is_wholly_known(), "core opens nothing whose configuration is unknown");
        let diagnostics = self.validate(&config).await;
        if !diagnostics.errors.is_empty() {
            return Held::nothing(diagnostics);
        }
        let encoded = msgpack::encode(&config, &self.ty);
        let answer = answered(self.rpc.open(&self.type_name, &encoded).await);
        assert_paths(&self.ty, &answer.diagnostics);
        if !answer.diagnostics.errors.is_empty() {
            return Held::nothing(answer.diagnostics);
        }
        let result = decode(&answer.result, &self.ty);
        assert_none(&rules::ephemeral_valid(&self.schema, &config, &result), "the open resource");
        Held {
            result,
            renew_at: answer.renew_at,
            private: answer.private.clone(),
            renewal_private: answer.private,
            diagnostics: answer.diagnostics,
        }
    }

    /// Renews what is held. Panics where core would not.
    pub async fn renew(&self, held: &mut Held) -> Diagnostics {
        assert!(held.renew_at.is_some(), "core renews only what says when to");
        let answer = answered(self.rpc.renew(&self.type_name, &held.renewal_private).await);
        assert_paths(&self.ty, &answer.diagnostics);
        let is_renewed = answer.diagnostics.errors.is_empty();
        held.renew_at = answer.renew_at.filter(|_| is_renewed);
        held.renewal_private = answer.private;
        answer.diagnostics
    }

    /// Closes what is held. Panics where core would not.
    pub async fn close(&self, held: Held) -> Diagnostics {
        assert!(held.diagnostics.errors.is_empty(), "core closes only what it opened");
        let diagnostics = answered(self.rpc.close(&self.type_name, &held.private).await);
        assert_paths(&self.ty, &diagnostics);
        diagnostics
    }
}

impl Held {
    fn nothing(diagnostics: Diagnostics) -> Self {
        Self {
            result: Value::Null,
            renew_at: None,
            private: Vec::new(),
            renewal_private: Vec::new(),
            diagnostics,
        }
    }
}
