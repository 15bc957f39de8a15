use proptest::prelude::*;

use super::*;

/// A key and a note of the tests of Go's own `sumdb/note`, with its other signer.
const PETER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const ENOCH: &str = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop";
const TEXT: &str = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
const PETER_LINE: &str = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
const ENOCH_LINE: &str = "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n";
/// The secret half of Peter's key: what follows the type byte in his `PRIVATE+KEY+…` line.
const PETER_SECRET: &str = "gQoUAtUUbI2E8kQzMPVAgOv5juF9nHT2JS/F1ccoMXM=";

fn key(text: &str) -> NoteKey {
    text.parse().unwrap()
}

fn note(lines: &[&str]) -> String {
    format!("{TEXT}\n{}", lines.concat())
}

fn code(note: &str) -> &'static str {
    open_note(note, &[key(PETER)]).unwrap_err().code()
}

fn secret_key(seed: &str) -> SigningKey {
    // RFC 8410 §7: what precedes the seed in PKCS#8.
    let prefix = hex::decode("302e020100300506032b657004220420").unwrap();
    let der = [prefix, STANDARD.decode(seed).unwrap()].concat();
    let pem = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        STANDARD.encode(der)
    );
    SigningKey::from_pem(&pem).unwrap()
}

#[test]
fn the_known_keys_are_read_and_written() {
    for text in [PETER, ENOCH] {
        assert_eq!(key(text).to_string(), text);
    }
    assert_eq!(key(PETER).name(), "PeterNeumann");
    assert_eq!(key(PETER).hash(), [0xc7, 0x4f, 0x20, 0xa3]);
    let made = NoteKey::new("PeterNeumann", secret_key(PETER_SECRET).verifying_key()).unwrap();
    assert_eq!(made, key(PETER));
}

#[test]
fn the_known_note_is_signed_byte_for_byte() {
    let signed = sign_note(TEXT, "PeterNeumann", &secret_key(PETER_SECRET)).unwrap();

    assert_eq!(signed, note(&[PETER_LINE]));
}

#[test]
fn a_note_says_which_of_the_known_keys_signed() {
    let both = note(&[PETER_LINE, ENOCH_LINE]);
    let twice = note(&[PETER_LINE, ENOCH_LINE, PETER_LINE]);
    let signers = |keys: &[&str], note: &str| {
        let keys: Vec<_> = keys.iter().map(|text| key(text)).collect();
        let opened = open_note(note, &keys).unwrap();
        assert_eq!(opened.body, TEXT);
        opened.signers.into_iter().map(ToString::to_string).collect::<Vec<_>>()
    };

    assert_eq!(signers(&[PETER], &both), [PETER]);
    assert_eq!(signers(&[ENOCH], &both), [ENOCH]);
    assert_eq!(signers(&[ENOCH, PETER], &both), [PETER, ENOCH]);
    assert_eq!(signers(&[PETER, PETER, ENOCH], &twice), [PETER, ENOCH]);
}

#[test]
fn a_note_of_strangers_names_the_keys_that_were_expected() {
    let error = open_note(&note(&[ENOCH_LINE]), &[key(PETER)]).unwrap_err();

    assert_eq!(error.code(), "note_unverified");
    assert!(error.to_string().contains("PeterNeumann+c74f20a3"), "{error}");
    assert_eq!(open_note(&note(&[PETER_LINE]), &[]).unwrap_err().code(), "note_unverified");
    // Known by name or by hash, but not by both, is unknown.
    let renamed = PETER_LINE.replace("PeterNeumann", "CarmenSandiego");
    assert_eq!(code(&note(&[&renamed])), "note_unverified");
    let rehashed = PETER_LINE.replace("x08g", "xxxx");
    assert_eq!(code(&note(&[&rehashed])), "note_unverified");
}

#[test]
fn cosignatures_and_other_types_are_passed_over() {
    // A cosignature (type 4) is an eight byte time before its signature; larger ones exist too.
    let cosignature = format!("— witness.example/w {}\n", STANDARD.encode([4; 4 + 8 + 64]));
    let large = format!("— post.example/quantum {}\n", STANDARD.encode([9; 4 + 5000]));
    let short = format!("— tiny.example {}\n", STANDARD.encode([1; 5]));

    let lines = note(&[&cosignature, PETER_LINE, &large, &short]);

    assert_eq!(open_note(&lines, &[key(PETER)]).unwrap().signers, [&key(PETER)]);
}

#[test]
fn a_known_keys_line_that_does_not_verify_refuses_the_note() {
    let forged = PETER_LINE.replace("ZJku", "ZJkv");
    let longer = PETER_LINE.replace("AM=", "AMA");

    assert_eq!(code(&note(&[&forged])), "note_signature");
    assert_eq!(code(&note(&[PETER_LINE, &forged])), "note_signature");
    assert_eq!(code(&note(&[&longer])), "note_signature");
    assert_eq!(code(&note(&[PETER_LINE]).replace("problem is", "problem was")), "note_signature");
}

#[test]
fn what_is_not_a_note_is_refused() {
    let signed = note(&[PETER_LINE]);
    let line = |line: &str| code(&note(&[PETER_LINE, line]));

    assert_eq!(code(""), "note_malformed");
    assert_eq!(code(TEXT), "note_malformed");
    assert_eq!(code(&format!("{TEXT}\n")), "note_malformed");
    assert_eq!(code(signed.trim_end()), "note_malformed");
    assert_eq!(code(&format!("\u{1}{signed}")), "note_malformed");
    assert_eq!(code(&signed.replace('\n', "\r\n")), "note_malformed");
    assert_eq!(code(&format!("{signed}\n")), "note_malformed");
    let not_text = [b"\xff", signed.as_bytes()].concat();
    assert_eq!(open_note(&not_text, &[key(PETER)]).unwrap_err().code(), "note_malformed");
    for bad in [
        "Unexpected line.\n",
        "— Bad Name AAAAAAA=\n",
        "— Bad+Name AAAAAAA=\n",
        "—  AAAAAAA=\n",
        "— name\n",
        "— name \n",
        "— name AAAAAA==\n",
        "— name AAAAAAB=\n",
        "— name AAAAAAA\n",
        "- name AAAAAAA=\n",
        "— name AAAAAAA= \n",
        "— na\u{a0}me AAAAAAA=\n",
    ] {
        assert_eq!(line(bad), "note_malformed", "{bad}");
    }
    let error = open_note(&note(&[PETER_LINE, "— name ?\n"]), &[key(PETER)]).unwrap_err();
    assert!(error.to_string().contains("line 2"), "{error}");
}

#[test]
fn a_note_has_bounds() {
    let most = note(&[PETER_LINE; MAX_SIGNATURES]);
    let too_many = note(&[PETER_LINE; MAX_SIGNATURES + 1]);
    let too_large = format!("{}{}", "a\n".repeat(MAX_BYTES / 2), note(&[PETER_LINE]));

    assert_eq!(open_note(&most, &[key(PETER)]).unwrap().signers.len(), 1);
    assert_eq!(code(&too_many), "note_signatures");
    assert_eq!(code(&too_large), "note_too_large");
    let signing = |body: &str| sign_note(body, "n", &secret_key(PETER_SECRET)).unwrap_err().code();
    assert_eq!(signing(&too_large), "note_too_large");
    assert_eq!(signing(&("a".repeat(MAX_BYTES - 1) + "\n")), "note_too_large");
}

#[test]
fn only_a_text_of_lines_under_a_plain_name_is_signed_with_ed25519() {
    let key = SigningKey::generate(Algorithm::Ed25519).unwrap();
    let p256 = SigningKey::generate(Algorithm::EcdsaP256).unwrap();
    let code = |body, name, key| sign_note(body, name, key).unwrap_err().code();

    assert_eq!(code("text", "n", &key), "note_malformed");
    assert_eq!(code("", "n", &key), "note_malformed");
    assert_eq!(code("a\tb\n", "n", &key), "note_malformed");
    for name in ["", "a b", "a+b", "a\nb", "a\u{2003}b", "a\u{7f}", &"n".repeat(MAX_NAME + 1)] {
        assert_eq!(code("a\n", name, &key), "note_name", "{name:?}");
    }
    let refused = sign_note("a\n", "n", &p256).unwrap_err();
    assert_eq!(refused.code(), "note_algorithm");
    assert!(refused.to_string().contains("ecdsa-p256"), "{refused}");
}

#[test]
fn a_key_that_is_written_another_way_is_refused() {
    // Every part of the text, and every byte one higher.
    for begin in 0..PETER.len() {
        for end in begin + 1..=PETER.len() {
            let is_whole = (begin, end) == (0, PETER.len());
            assert_eq!(PETER[begin..end].parse::<NoteKey>().is_ok(), is_whole, "{begin}..{end}");
        }
    }
    for at in 0..PETER.len() {
        let mut bytes = PETER.as_bytes().to_vec();
        bytes[at] += 1;
        assert!(String::from_utf8(bytes).unwrap().parse::<NoteKey>().is_err(), "{at}");
    }
    // Too long, and of another type, both with the hash that belongs to it; and a hash in capitals.
    for text in [
        "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+C74F20A3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    ] {
        assert!(text.parse::<NoteKey>().is_err(), "{text}");
    }
    let message = |text: &str| text.parse::<NoteKey>().unwrap_err().to_string();
    assert!(message(&PETER.replace("c74f", "c74e")).contains("copy the whole line"));
    assert!(message("hello").contains("`+` between"));
}

#[test]
fn a_key_of_small_order_verifies_nothing() {
    let mut identity = [0; 33];
    identity[..2].copy_from_slice(&[1, 1]);
    let hash = &Sha256::of(&[&b"n\n"[..], &identity].concat()).to_string()[..8];

    let error = format!("n+{hash}+{}", STANDARD.encode(identity)).parse::<NoteKey>().unwrap_err();

    assert!(error.to_string().contains("not an Ed25519 public key"), "{error}");
}

/// The example of C2SP signed-note: its text has an empty line of its own. Its key is not published.
#[test]
fn the_last_empty_line_divides_text_and_signatures() {
    let poem = "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n";
    let line = "— quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n";
    let signed = sign_note(poem, "PeterNeumann", &secret_key(PETER_SECRET)).unwrap();

    let opened = open_note(&format!("{signed}{line}"), &[key(PETER)]).map(|note| note.body.len());

    assert_eq!(opened, Ok(poem.len()));
    assert_eq!(code(&format!("{poem}\n{line}")), "note_unverified");
}

proptest! {
    #[test]
    fn what_is_signed_is_opened(body in "([^\\x00-\\x1f]*\n){1,6}", name in "[^\\s\\x00-\\x1f\\x7f-\\x9f+]{1,30}") {
        prop_assume!(!name.contains(char::is_whitespace));
        let key = secret_key(PETER_SECRET);
        let keys = [NoteKey::new(&name, key.verifying_key()).unwrap()];

        let signed = sign_note(&body, &name, &key).unwrap();

        prop_assert_eq!(open_note(&signed, &keys).map(|note| note.body.to_owned()), Ok(body));
        prop_assert_eq!(keys[0].to_string().parse(), Ok(keys[0].clone()));
    }

    #[test]
    fn a_changed_note_is_refused_or_has_the_same_text(at in any::<prop::sample::Index>(), byte: u8) {
        let mut bytes = note(&[PETER_LINE, ENOCH_LINE]).into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let keys = [key(PETER)];

        if let Ok(opened) = open_note(&bytes, &keys) {
            prop_assert_eq!(opened.body, TEXT);
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), text in ".*", line in "[— a+=\n]{0,40}") {
        let keys = [key(PETER)];
        let _ = open_note(&bytes, &keys);
        prop_assert!(open_note(&text, &keys).is_err());
        prop_assert!(open_note(&note(&[&line]), &keys).is_err());
        if let Ok(key) = text.parse::<NoteKey>() {
            prop_assert_eq!(key.to_string(), text);
        }
    }

    #[test]
    fn a_changed_key_is_refused(at in any::<prop::sample::Index>(), byte in 1..0x80_u8) {
        let mut bytes = PETER.as_bytes().to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let text = String::from_utf8(bytes).unwrap();

        prop_assert_eq!(text.parse::<NoteKey>().is_ok(), text == PETER);
    }
}
