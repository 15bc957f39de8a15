//! Answers that are asked for often and change only by a publish, kept in memory.
//!
//! A reader notes the state of the cache before it asks the database and keeps its answer only if nothing was
//! published since: an old answer can never overtake a new version.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Most answers that are kept.
const CAPACITY: usize = 10_000;

/// Answers by address; cheap to clone.
#[derive(Debug)]
pub struct Cache<K, V>(Arc<Mutex<Inner<K, V>>>);

#[derive(Debug)]
struct Inner<K, V> {
    generation: u64,
    answers: HashMap<K, Arc<V>>,
}

/// The state of the cache before a question.
#[derive(Debug, Clone, Copy)]
pub struct Generation(u64);

impl<K, V> Clone for Cache<K, V> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K, V> Default for Cache<K, V> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Inner { generation: 0, answers: HashMap::new() })))
    }
}

impl<K: Hash + Eq, V> Cache<K, V> {
    /// The answer, or what [`Cache::keep`] needs once it is known.
    pub fn get(&self, key: &K) -> Result<Arc<V>, Generation> {
        self.get_if(key, |_| true)
    }

    /// The same, where an answer also ends by itself: one that does not hold any more is none.
    pub fn get_if(&self, key: &K, holds: impl FnOnce(&V) -> bool) -> Result<Arc<V>, Generation> {
        let inner = self.lock();
        let answer = inner.answers.get(key).filter(|answer| holds(answer)).cloned();
        answer.ok_or(Generation(inner.generation))
    }

    /// Keeps an answer, unless something was forgotten since it was asked for.
    pub fn keep(&self, asked: Generation, key: K, answer: Arc<V>) {
        let mut inner = self.lock();
        if inner.generation == asked.0 {
            if inner.answers.len() >= CAPACITY {
                inner.answers.clear();
            }
            inner.answers.insert(key, answer);
        }
    }

    /// Forgets an answer that has changed.
    pub fn forget(&self, key: &K) {
        let mut inner = self.lock();
        inner.generation += 1;
        inner.answers.remove(key);
    }

    /// Forgets everything: something changed that answers of all kinds follow from.
    pub fn forget_all(&self) {
        let mut inner = self.lock();
        inner.generation += 1;
        inner.answers.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Inner<K, V>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_from_before_a_publish_is_not_kept() {
        let cache = Cache::default();
        let Err(before) = cache.get(&"a") else { panic!("the cache is empty") };

        cache.forget(&"a");
        cache.keep(before, "a", Arc::new(1));

        assert!(cache.get(&"a").is_err());
    }

    #[test]
    fn an_answer_that_does_not_hold_any_more_is_replaced() {
        let cache = Cache::default();
        let Err(before) = cache.get(&"a") else { panic!("the cache is empty") };
        cache.keep(before, "a", Arc::new(1));

        let Err(again) = cache.get_if(&"a", |answer| *answer > 1) else {
            panic!("1 does not hold")
        };
        cache.keep(again, "a", Arc::new(2));

        assert_eq!(*cache.get_if(&"a", |answer| *answer > 1).unwrap(), 2);
    }

    #[test]
    fn an_answer_is_kept_until_it_is_forgotten() {
        let cache = Cache::default();
        let Err(before) = cache.get(&"a") else { panic!("the cache is empty") };
        cache.keep(before, "a", Arc::new(1));

        assert_eq!(*cache.get(&"a").unwrap(), 1);
        cache.forget(&"b");
        assert!(cache.get(&"a").is_ok());
        cache.forget_all();
        assert!(cache.get(&"a").is_err());
    }
}
