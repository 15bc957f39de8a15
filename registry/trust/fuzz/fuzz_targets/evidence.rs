//! Evidence that parses travels unchanged, and is judged without a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use registry_trust::{
    evidence::{Evidence, Now},
    policy::Policy,
    tree::FileList,
};

const POLICY: &str =
    "registry registry.example.com\nroot 1 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n";

fuzz_target!(|bytes: &[u8]| {
    let hash = FileList::default().hash();
    let _ = FileList::parse(bytes, hash);
    let Ok(evidence) = Evidence::parse(bytes) else { return };
    let text = serde_json::to_vec(&evidence).expect("what parses can be written");
    assert_eq!(Evidence::parse(&text), Ok(evidence.clone()));
    let policy: Policy = POLICY.parse().expect("a policy");
    // The key that is pinned is nobody's, so nothing can be believed.
    assert!(evidence.verify(&policy, None, Now { millis: 0, refuses_old: false }).is_err());
});
