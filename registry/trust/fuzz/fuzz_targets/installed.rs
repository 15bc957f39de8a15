//! What Terraform recorded is read or refused, and no module is there twice.
#![no_main]

use std::collections::BTreeSet;

use libfuzzer_sys::fuzz_target;
use registry_trust::installed::{ModuleSource, parse};

fuzz_target!(|bytes: &[u8]| {
    let Ok(records) = parse(bytes) else { return };
    let keys: BTreeSet<_> = records.iter().map(|record| &record.key).collect();
    assert_eq!(keys.len(), records.len());
    for record in &records {
        assert!(!record.key.contains(['/', '\\']));
        let source = ModuleSource::read(&record.source);
        assert!(!source.to_string().contains(char::is_control));
    }
});
