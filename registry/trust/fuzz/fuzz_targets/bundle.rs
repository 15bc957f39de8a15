//! A bundle that parses is the one that its own JSON parses to, and its payload parses or fails without a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use registry_trust::{
    bundle::Bundle,
    statement::{ModulePublish, parse, to_payload},
};

fuzz_target!(|bytes: &[u8]| {
    let _ = parse::<ModulePublish>(bytes);
    let Ok(bundle) = Bundle::parse(bytes) else { return };
    assert_eq!(Bundle::parse(bundle.to_json().as_bytes()), Ok(bundle.clone()));
    if let Ok(statement) = parse::<ModulePublish>(&bundle.envelope().payload) {
        let payload = to_payload(&statement).expect("what parses can be written");
        assert_eq!(parse::<ModulePublish>(&payload), Ok(statement));
    }
});
