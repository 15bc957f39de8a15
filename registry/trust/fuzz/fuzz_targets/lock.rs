//! A lock file that parses is the one that its own text parses to.
#![no_main]

use libfuzzer_sys::fuzz_target;
use registry_trust::{lock::Lock, sums::Sums};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(sums) = Sums::parse(bytes) {
        assert_eq!(Sums::parse(sums.to_text().as_bytes()), Ok(sums));
    }
    let Ok(lock) = Lock::parse(bytes) else { return };
    assert_eq!(Lock::parse(lock.to_json().as_bytes()), Ok(lock));
});
