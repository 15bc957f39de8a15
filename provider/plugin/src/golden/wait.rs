//! Waiting for an operation and for what came of it, however long the server is away in between.

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
    Lost { id: Option<String>, error: ClientError },
    /// It is done, but what came of it cannot be read.
    Unread(ClientError),
    /// It is done, but what came of it was removed since.
    Gone(ClientError),
}

/// Waits until the platform accepted an operation and it ended.
///
/// `accept` is called again where its answer got lost: the platform recognises the request by its key.
pub(super) async fn until_done<F: Future<Output = Result<Operation, ClientError>>>(
    client: &Client,
    accept: impl Fn() -> F,
    cancellation: &Cancellation,
    limit: Duration,
) -> Result<Operation, Stopped> {
    let deadline = Instant::now() + limit;
    let mut heard = Instant::now();
    let mut operation: Option<Operation> = None;
    loop {
        let id = operation.as_ref().map(|operation| operation.id.clone());
        let left = deadline.saturating_duration_since(Instant::now());
        let question = async {
            let answer = match &id {
                Some(id) => client.operation(id, left.min(LONGEST_WAIT)).await,
                None => accept().await,
            };
            // A server that is away is given a moment before it is asked again.
            if answer.as_ref().is_err_and(ClientError::is_passing) {
                tokio::time::sleep(client.patience().first_pause).await;
            }
            answer
        };
        match cancellation.unless_cancelled(tokio::time::timeout_at(deadline, question)).await {
            None => return Err(Stopped::Cancelled(id)),
            Some(Err(_)) => return Err(Stopped::TimedOut(id)),
            Some(Ok(Ok(answer))) if answer.state.is_final() => return Ok(answer),
            Some(Ok(Ok(answer))) => {
                operation = Some(answer);
                heard = Instant::now();
            }
            Some(Ok(Err(error))) if error.is_passing() => {
                if heard.elapsed() >= client.patience().away_for {
                    return Err(Stopped::Lost { id, error });
                }
            }
            Some(Ok(Err(error))) if id.is_some() => return Err(Stopped::Lost { id, error }),
            Some(Ok(Err(error))) => return Err(Stopped::Refused(error)),
        }
    }
}

/// Asks until there is an answer, for as long as a server may be away.
///
/// The first question is asked even where Terraform was told to stop: what was made is lost without its answer.
pub(super) async fn until_answered<T, F: Future<Output = Result<T, ClientError>>>(
    client: &Client,
    ask: impl Fn() -> F,
    cancellation: &Cancellation,
    limit: Duration,
) -> Result<T, ClientError> {
    let patience = client.patience();
    let deadline = Instant::now() + limit.min(patience.away_for);
    let mut pause = patience.first_pause;
    loop {
        let error = match ask().await {
            Err(error) if error.is_passing() && Instant::now() < deadline => error,
            answer => return answer,
        };
        if cancellation.unless_cancelled(tokio::time::sleep(pause)).await.is_none() {
            return Err(error);
        }
        pause = pause.saturating_mul(2).min(patience.longest_pause);
    }
}
