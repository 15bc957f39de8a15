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

impl Context {
    /// The context of a call that clears up: what came to an end by a stop must be cleared up too.
    pub(crate) fn clearing_up(self) -> Self {
        Self { cancellation: self.cancellation.without_past_stops(), ..self }
    }
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
    /// How often calls were asked to stop.
    stops: watch::Receiver<u64>,
    /// How many of those do not concern this call.
    ignored: u64,
}

impl Cancellation {
    /// A cancellation that never comes.
    pub fn never() -> Self {
        CancellationSource::new().token()
    }

    /// Whether the call should stop.
    pub fn is_cancelled(&self) -> bool {
        *self.stops.borrow() > self.ignored
    }

    /// Completes when the call should stop.
    pub async fn cancelled(&self) {
        let mut stops = self.stops.clone();
        if stops.wait_for(|stops| *stops > self.ignored).await.is_err() {
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

    /// The same for work that clears up after a stop: only another one cancels it.
    fn without_past_stops(&self) -> Self {
        Self { stops: self.stops.clone(), ignored: *self.stops.borrow() }
    }
}

/// The other end of [`Cancellation`].
#[derive(Debug)]
pub(crate) struct CancellationSource {
    stops: watch::Sender<u64>,
}

impl CancellationSource {
    pub(crate) fn new() -> Self {
        Self { stops: watch::Sender::new(0) }
    }

    pub(crate) fn token(&self) -> Cancellation {
        Cancellation { stops: self.stops.subscribe(), ignored: 0 }
    }

    pub(crate) fn cancel(&self) {
        self.stops.send_modify(|stops| *stops += 1);
    }
}

/// Bytes that Terraform keeps with a resource and never looks at.
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

    #[tokio::test]
    async fn clearing_up_is_cancelled_only_by_a_stop_that_is_still_to_come() {
        let source = CancellationSource::new();
        source.cancel();
        let token = source.token().without_past_stops();
        assert!(!token.is_cancelled());
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
