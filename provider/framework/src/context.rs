//! What every call carries besides its values: whether to stop, what the client can do, private bytes.

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::watch;

/// What accompanies every call.
#[derive(Clone, Debug)]
pub struct Context {
    /// Says when Terraform wants the provider to stop.
    pub cancellation: Cancellation,
    /// What the client on the other side can handle.
    pub client: ClientCapabilities,
}

/// Features that a client announces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientCapabilities {
    /// The client accepts "not yet" for an answer.
    pub deferral_allowed: bool,
    /// The client knows write-only attributes.
    pub write_only_attributes_allowed: bool,
}

/// Says when a call should stop: finish the step at hand, and return what is known.
#[derive(Clone, Debug)]
pub struct Cancellation {
    cancelled: watch::Receiver<bool>,
}

impl Cancellation {
    /// A cancellation that never comes.
    pub fn never() -> Self {
        CancellationSource::new().token()
    }

    /// Whether the call should stop.
    pub fn is_cancelled(&self) -> bool {
        *self.cancelled.borrow()
    }

    /// Completes when the call should stop.
    pub async fn cancelled(&self) {
        let mut cancelled = self.cancelled.clone();
        if cancelled.wait_for(|cancelled| *cancelled).await.is_err() {
            // Nobody is left who could cancel.
            std::future::pending::<()>().await;
        }
    }

    /// Runs the work until it is done or the call should stop, whichever is first; `None` if it was stopped.
    pub async fn unless_cancelled<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.cancelled() => None,
            done = work => Some(done),
        }
    }
}

/// The other end of [`Cancellation`].
#[derive(Debug)]
pub(crate) struct CancellationSource {
    cancelled: watch::Sender<bool>,
}

impl CancellationSource {
    pub(crate) fn new() -> Self {
        Self { cancelled: watch::Sender::new(false) }
    }

    pub(crate) fn token(&self) -> Cancellation {
        Cancellation { cancelled: self.cancelled.subscribe() }
    }

    pub(crate) fn cancel(&self) {
        self.cancelled.send_replace(true);
    }
}

/// Bytes that Terraform stores beside a resource's state and never looks at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Private(pub Vec<u8>);

impl Private {
    /// Whether nothing is stored.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads what [`Private::write`] stored; `None` when nothing is stored or it is of another shape.
    pub fn read<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&self.0).ok()
    }

    /// Stores a value as JSON. A value that JSON cannot express (a map with keys that are not text) stores nothing.
    pub fn write<T: Serialize>(&mut self, value: &T) {
        self.0 = serde_json::to_vec(value).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_stops_when_cancelled_and_not_before() {
        let source = CancellationSource::new();
        let token = source.token();
        assert_eq!(token.unless_cancelled(async { 7 }).await, Some(7));

        source.cancel();

        assert!(token.is_cancelled());
        assert_eq!(token.unless_cancelled(std::future::pending::<u8>()).await, None);
    }

    #[test]
    fn private_bytes_of_another_shape_read_as_nothing() {
        let mut private = Private::default();
        assert_eq!(private.read::<Vec<u8>>(), None);

        private.write(&vec![1, 2]);

        assert_eq!(private.read::<Vec<u8>>(), Some(vec![1, 2]));
        assert_eq!(private.read::<String>(), None);
    }
}
