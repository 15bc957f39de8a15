//! Work on many things at once.

use std::{num::NonZero, panic, thread};

/// Verifying signatures is what takes time; so few are not worth a thread.
const WORTH_A_THREAD: usize = 16;

/// Does the same with each, on as many threads as there are; the order stays.
pub(crate) fn in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let share = items.len().div_ceil(threads).max(WORTH_A_THREAD);
    if items.len() <= share {
        return items.iter().map(work).collect();
    }
    let work = &work;
    thread::scope(|scope| {
        let run = |items| scope.spawn(move || -> Vec<R> { <[T]>::iter(items).map(work).collect() });
        let running: Vec<_> = items.chunks(share).map(run).collect();
        let done = running.into_iter().map(thread::ScopedJoinHandle::join);
        done.flat_map(|done| done.unwrap_or_else(|panic| panic::resume_unwind(panic))).collect()
    })
}
