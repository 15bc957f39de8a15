//! A note opens or fails without a panic; a text that can be signed opens as itself; a key has one text.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use registry_trust::{
    key::{Algorithm, SigningKey},
    log::note::{NoteKey, open_note, sign_note},
};

static KEY: LazyLock<SigningKey> =
    LazyLock::new(|| SigningKey::generate(Algorithm::Ed25519).expect("there is randomness"));

fuzz_target!(|bytes: &[u8]| {
    let keys = [NoteKey::new("idp.example/log", KEY.verifying_key()).expect("the name is plain")];
    assert!(open_note(bytes, &keys).is_err(), "nobody signed this");
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(key) = text.parse::<NoteKey>() {
        assert_eq!(key.to_string(), text);
    }
    // As signatures of others after a valid one, and as the signed text.
    let signed = sign_note("text\n", keys[0].name(), &KEY).expect("the text is plain");
    if let Ok(note) = open_note(&format!("{signed}{text}"), &keys) {
        assert_eq!(note.body, "text\n");
    }
    if let Ok(signed) = sign_note(text, keys[0].name(), &KEY) {
        assert_eq!(open_note(&signed, &keys).expect("what is signed opens").body, text);
    }
});
