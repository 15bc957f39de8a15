//! The protocol: protobuf messages over gRPC, MessagePack inside them.
//!
//! An RPC is three moves: decode, call `server`, encode. Nothing is decided here.

mod controller;
mod decode;
mod encode;
mod encode_schema;
pub(crate) mod in_process;
pub mod msgpack;
mod service;

pub(crate) use controller::Controller;
pub(crate) use service::Service;

use crate::diagnostics::Diagnostics;

/// Messages may be as large as real states are; tonic's own limit of 4 MiB is not enough.
const LARGEST_MESSAGE: usize = 256 * 1024 * 1024;

/// Generated from `proto/tfplugin6.proto`.
mod tfplugin6 {
    #![expect(clippy::allow_attributes, reason = "generated code")]
    #![expect(clippy::pedantic, reason = "generated code")]
    #![expect(unreachable_pub, reason = "generated code")]
    tonic::include_proto!("tfplugin6");
}

/// Generated from `proto/plugin.proto`.
mod plugin {
    #![expect(clippy::allow_attributes, reason = "generated code")]
    #![expect(clippy::pedantic, reason = "generated code")]
    #![expect(unreachable_pub, reason = "generated code")]
    tonic::include_proto!("plugin");
}

/// What a request cannot be answered for.
type Refusal = Diagnostics;

#[cfg(test)]
mod tests;
