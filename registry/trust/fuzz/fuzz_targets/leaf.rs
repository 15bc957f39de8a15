//! A leaf of the log that parses is, byte for byte, the one that its envelope has.
#![no_main]

use libfuzzer_sys::fuzz_target;
use registry_trust::dsse::Envelope;

fuzz_target!(|bytes: &[u8]| {
    let Ok(envelope) = Envelope::parse_canonical(bytes) else { return };
    assert_eq!(envelope.to_canonical_json().as_bytes(), bytes);
});
