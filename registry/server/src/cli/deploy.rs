//! `idp deploy`.

use clap::Args;
use registry_api::platform::{DeployRequest, Operation, OperationState};

use super::Context;
use super::client::Remote;
use super::reference::{Reference, wait};

/// Move the image of a running service, from a pipeline.
///
/// Only for services with `image_source = "pipeline"`; Terraform leaves their image alone. The same golden path,
/// policies and audit log apply as to every other change. Ends when the change is committed, or says why it is not.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  idp deploy staging/checkout --image ghcr.io/acme/checkout@sha256:…
  idp deploy staging/checkout --image … --no-wait    only hand it over; prints the operation

Exit codes:
  0  committed (with --no-wait: accepted)
  1  refused or failed; the message says why and what is left
  2  the command itself is wrong")]
pub(super) struct Deploy {
    /// Which service
    #[arg(value_name = "ENVIRONMENT/NAME")]
    service: Reference,
    /// The image that shall run
    #[arg(long)]
    image: String,
    /// Do not wait for the end
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    remote: Remote,
}

impl Deploy {
    pub(super) async fn run(self, context: &Context<'_>) -> anyhow::Result<()> {
        let client = self.remote.client(context)?;
        let path = format!("{}/deployments", self.service.path());
        let request = DeployRequest { image: self.image };
        let accepted: Operation = client.post_once(context, &path, &request).await?;
        let operation =
            if self.no_wait { accepted } else { wait(&client, context, accepted).await? };
        let text = if operation.state == OperationState::Succeeded {
            format!("{} runs {}", self.service, request.image)
        } else {
            format!("accepted as operation {}", operation.id)
        };
        context.output.answer(&operation, text)
    }
}
