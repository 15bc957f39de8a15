//! The host's way of saying that it is done.

use tokio::sync::watch;
use tonic::{Request, Response, Status};

use super::plugin::Empty;
use super::plugin::grpc_controller_server::{GrpcController, GrpcControllerServer};

/// Answers `GRPCController`.
pub(crate) struct Controller {
    shutdown: watch::Sender<bool>,
}

impl Controller {
    /// A controller that tells the other end of the channel when to shut down.
    pub(crate) fn service(shutdown: watch::Sender<bool>) -> GrpcControllerServer<Self> {
        GrpcControllerServer::new(Self { shutdown })
    }
}

#[tonic::async_trait]
impl GrpcController for Controller {
    async fn shutdown(&self, _: Request<Empty>) -> Result<Response<Empty>, Status> {
        tracing::debug!("the host asks the provider to shut down");
        self.shutdown.send_replace(true);
        Ok(Response::new(Empty {}))
    }
}
