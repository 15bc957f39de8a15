//! Waiting for an operation, however long the server is away in between.

use std::time::Duration;

use provider_framework::context::Cancellation;
use registry_api::platform::Operation;
use tokio::time::Instant;

use crate::client::{Client, ClientError};

/// How long one question about an operation may be held back by the server.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Why an apply ended early.
#[derive(Debug)]
pub(super) enum Stopped {
    /// The platform did not accept it.
    Refused(ClientError),
    /// The platform accepted it, and could not do it.
    Failed(Box<Operation>),
    /// Terraform was told to stop.
    Cancelled(Option<String>),
    /// It takes longer than the resource allows.
    TimedOut(Option<String>),
    /// The server went away and did not come back.
    Lost { id: String, error: ClientError },
    /// It is done, but what came of it cannot be read.
    Unread(ClientError),
}

/// Waits until the platform accepted an operation and it ended.
pub(super) async fn until_done(
    client: &Client,
    accepted: impl Future<Output = Result<Operation, ClientError>>,
    cancellation: &Cancellation,
    limit: Duration,
) -> Result<Operation, Stopped> {
    let deadline = Instant::now() + limit;
    let first = cancellation.unless_cancelled(tokio::time::timeout_at(deadline, accepted)).await;
    let mut operation = match first {
        None => return Err(Stopped::Cancelled(None)),
        Some(Err(_)) => return Err(Stopped::TimedOut(None)),
        Some(Ok(Err(error))) => return Err(Stopped::Refused(error)),
        Some(Ok(Ok(operation))) => operation,
    };
    let mut heard = Instant::now();
    while !operation.state.is_final() {
        let id = operation.id.clone();
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Stopped::TimedOut(Some(id)));
        }
        let question = ask(client, &id, left.min(LONGEST_WAIT));
        match cancellation.unless_cancelled(tokio::time::timeout_at(deadline, question)).await {
            None => return Err(Stopped::Cancelled(Some(id))),
            Some(Err(_)) => return Err(Stopped::TimedOut(Some(id))),
            Some(Ok(Ok(answer))) => {
                operation = answer;
                heard = Instant::now();
            }
            Some(Ok(Err(error)))
                if error.is_passing() && heard.elapsed() < client.patience().away_for => {}
            Some(Ok(Err(error))) => return Err(Stopped::Lost { id, error }),
        }
    }
    Ok(operation)
}

/// Asks once; a server that is away is given a moment before it is asked again.
async fn ask(client: &Client, id: &str, wait: Duration) -> Result<Operation, ClientError> {
    let answer = client.operation(id, wait).await;
    if answer.as_ref().is_err_and(ClientError::is_passing) {
        tokio::time::sleep(client.patience().first_pause).await;
    }
    answer
}
