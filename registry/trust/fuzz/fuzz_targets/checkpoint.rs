//! A signed text that opens as a checkpoint begins with the text that this checkpoint has.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use registry_trust::{
    key::{Algorithm, SigningKey},
    log::{
        checkpoint::Checkpoint,
        note::{NoteKey, sign_note},
    },
};

static KEY: LazyLock<SigningKey> =
    LazyLock::new(|| SigningKey::generate(Algorithm::Ed25519).expect("there is randomness"));

fuzz_target!(|bytes: &[u8]| {
    let key = NoteKey::new("o", KEY.verifying_key()).expect("the name is plain");
    assert!(Checkpoint::open(bytes, &key).is_err(), "nobody signed this");
    let Ok(rest) = std::str::from_utf8(bytes) else { return };
    // With the origin that the key has, so that the lines after it are reached.
    let text = format!("o\n{rest}");
    let Ok(signed) = sign_note(&text, "o", &KEY) else { return };
    if let Ok(checkpoint) = Checkpoint::open(&signed, &key) {
        assert!(text.starts_with(&checkpoint.to_text()));
        let again = checkpoint.sign(&KEY).expect("what opens can be signed");
        assert_eq!(Checkpoint::open(&again, &key), Ok(checkpoint));
    }
});
