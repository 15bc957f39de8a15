//! A lock file that parses, or comes together from a merge, is the one that its own text parses to.
#![no_main]

use libfuzzer_sys::fuzz_target;
use registry_trust::{
    lock::{Lock, Resolved},
    sums::Sums,
};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(sums) = Sums::parse(bytes) {
        assert_eq!(Sums::parse(sums.to_text().as_bytes()), Ok(sums));
    }
    let resolved = Lock::resolve_conflict(bytes).map(|Resolved { lock, .. }| lock);
    for lock in [Lock::parse(bytes), resolved].into_iter().flatten() {
        assert_eq!(Lock::parse(lock.to_json().as_bytes()), Ok(lock));
    }
});
