//! A bundle that parses is the one that its own JSON parses to, and its payload parses or fails without a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use registry_trust::{bundle::Bundle, statement::ModulePublish};

fuzz_target!(|bytes: &[u8]| {
    let _ = ModulePublish::parse(bytes);
    let Ok(bundle) = Bundle::parse(bytes) else { return };
    assert_eq!(Bundle::parse(bundle.to_json().as_bytes()), Ok(bundle.clone()));
    if let Ok(statement) = ModulePublish::parse(&bundle.envelope().payload) {
        let payload = statement.to_payload().expect("what parses can be written");
        assert_eq!(ModulePublish::parse(&payload), Ok(statement));
    }
});
