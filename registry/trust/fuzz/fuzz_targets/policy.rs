//! A policy that parses is the one that its own text parses to.
#![no_main]

use libfuzzer_sys::fuzz_target;
use registry_trust::policy::Policy;

fuzz_target!(|text: &str| {
    let Ok(policy) = text.parse::<Policy>() else { return };
    assert_eq!(policy.to_string().parse(), Ok(policy));
});
