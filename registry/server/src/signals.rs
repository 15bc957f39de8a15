//! Wake-ups within this process: work was queued, an operation ended.
//!
//! Only a shortcut: whoever waits also looks into the database now and then, because another replica, or this
//! one before a restart, may have done what they wait for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::Notify;

/// Above this many entries, those nobody waits for are swept.
const SWEEP_ABOVE: usize = 4096;

/// Who waits for what.
#[derive(Debug, Default)]
pub struct Signals {
    queued: Notify,
    ended: Mutex<HashMap<String, Weak<Notify>>>,
}

impl Signals {
    /// Says that an operation is due.
    pub fn queued(&self) {
        self.queued.notify_one();
    }

    /// Ends when an operation became due since the last time this ended.
    pub async fn wait_queued(&self) {
        self.queued.notified().await;
    }

    /// Says that an operation ended.
    pub fn ended(&self, operation: &str) {
        let waiting = self.lock().remove(operation).and_then(|waiting| waiting.upgrade());
        if let Some(waiting) = waiting {
            waiting.notify_waiters();
        }
    }

    /// What tells of the operation's end; call [`Notify::notified`] on it before looking whether it ended.
    pub fn end_of(&self, operation: &str) -> Arc<Notify> {
        let mut ended = self.lock();
        if let Some(known) = ended.get(operation).and_then(Weak::upgrade) {
            return known;
        }
        if ended.len() > SWEEP_ABOVE {
            ended.retain(|_, waiting| waiting.strong_count() > 0);
        }
        let fresh = Arc::new(Notify::new());
        ended.insert(operation.to_owned(), Arc::downgrade(&fresh));
        fresh
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Weak<Notify>>> {
        // The map is never left half-changed.
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn everyone_who_waits_for_an_operation_hears_of_its_end() {
        let signals = Signals::default();
        let (first, second) = (signals.end_of("a"), signals.end_of("a"));
        let mut heard = (Box::pin(first.notified()), Box::pin(second.notified()));
        heard.0.as_mut().enable();
        heard.1.as_mut().enable();

        signals.ended("b");
        signals.ended("a");

        heard.0.await;
        heard.1.await;
    }

    #[test]
    fn waits_that_were_given_up_are_swept() {
        let signals = Signals::default();

        for n in 0..=SWEEP_ABOVE + 1 {
            drop(signals.end_of(&n.to_string()));
        }

        assert!(signals.lock().len() < 4);
    }
}
