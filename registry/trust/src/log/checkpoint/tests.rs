use proptest::prelude::*;

use super::*;
use crate::{key::Algorithm, log::merkle::leaf_hash};

const ORIGIN: &str = "idp.example/log";

struct Log {
    key: SigningKey,
    verifier: NoteKey,
}

impl Log {
    fn new() -> Self {
        let key = SigningKey::generate(Algorithm::Ed25519).unwrap();
        let verifier = NoteKey::new(ORIGIN, key.verifying_key()).unwrap();
        Self { key, verifier }
    }

    /// Signs a text that need not be a checkpoint.
    fn signed(&self, text: &str) -> String {
        note::sign_note(text, ORIGIN, &self.key).unwrap()
    }

    fn open(&self, text: &str) -> Result<Checkpoint, CheckpointError> {
        Checkpoint::open(&self.signed(text), &self.verifier)
    }
}

fn checkpoint() -> Checkpoint {
    Checkpoint { origin: ORIGIN.into(), size: 20_852_163, root: leaf_hash(b"root") }
}

#[test]
fn a_checkpoint_is_opened_as_it_was_signed() {
    let log = Log::new();
    let empty = Checkpoint { size: 0, root: empty_root(), ..checkpoint() };

    for checkpoint in [checkpoint(), empty] {
        let signed = checkpoint.sign(&log.key).unwrap();
        assert_eq!(Checkpoint::open(&signed, &log.verifier), Ok(checkpoint));
    }
}

/// The example of C2SP tlog-checkpoint, whose key is not published: its text is read and written.
#[test]
fn the_text_is_that_of_the_specification() {
    let text =
        "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

    let checkpoint = Checkpoint::parse(text).unwrap();

    assert_eq!(
        (checkpoint.origin.as_str(), checkpoint.size),
        ("example.com/behind-the-sofa", 20_852_163)
    );
    assert_eq!(
        checkpoint.root.to_string(),
        "0ac5186a91863e8e1d90c808014aa89bf5da8e3ee1d9f07630f0378f68f1ab62"
    );
    assert_eq!(checkpoint.to_text(), text);
}

#[test]
fn witnesses_and_further_lines_are_passed_over() {
    let log = Log::new();
    let witness = SigningKey::generate(Algorithm::Ed25519).unwrap();
    let text = checkpoint().to_text() + "an extension\nand another\n";
    let cosigned = note::sign_note(&text, "witness.example/w", &witness).unwrap();
    let line = cosigned.lines().last().unwrap();

    let opened = Checkpoint::open(&format!("{}{line}\n", log.signed(&text)), &log.verifier);

    assert_eq!(opened, Ok(checkpoint()));
}

#[test]
fn what_is_not_a_checkpoint_is_refused_though_it_is_signed() {
    let log = Log::new();
    let root = STANDARD.encode(leaf_hash(b"root").as_bytes());
    let code = |text: &str| log.open(text).unwrap_err().code();

    for text in [
        "\n".to_owned(),
        format!("{ORIGIN}\n"),
        format!("{ORIGIN}\n5\n"),
        format!("\n5\n{root}\n"),
        format!("{ORIGIN}\n\n{root}\n"),
        format!("{ORIGIN}\n5\n{root}\n\n"),
        format!("{ORIGIN}\n5\n{root}\n\nx\n"),
        format!("{ORIGIN}\n05\n{root}\n"),
        format!("{ORIGIN}\n+5\n{root}\n"),
        format!("{ORIGIN}\n-5\n{root}\n"),
        format!("{ORIGIN}\n5 \n{root}\n"),
        format!("{ORIGIN}\n0x5\n{root}\n"),
        format!("{ORIGIN}\n18446744073709551616\n{root}\n"),
        format!("{ORIGIN}\n5\n{}\n", root.trim_end_matches('=')),
        format!("{ORIGIN}\n5\n{root}=\n"),
        format!("{ORIGIN}\n5\n{}\n", STANDARD.encode([0; 31])),
        format!("{ORIGIN}\n5\n{}\n", STANDARD.encode([0; 33])),
    ] {
        assert_eq!(code(&text), "checkpoint_malformed", "{text:?}");
    }
    assert_eq!(code(&format!("{ORIGIN}\n0\n{root}\n")), "checkpoint_empty_root");
    assert!(log.open(&format!("{ORIGIN}\n18446744073709551615\n{root}\n")).is_ok());
}

#[test]
fn a_checkpoint_of_another_log_is_refused() {
    let (log, other) = (Log::new(), Log::new());
    let signed = checkpoint().sign(&log.key).unwrap();
    let elsewhere = Checkpoint { origin: "other.example/log".into(), ..checkpoint() };

    let origin = log.open(&elsewhere.to_text()).unwrap_err();
    let key = Checkpoint::open(&signed, &other.verifier).unwrap_err();

    assert_eq!(origin.code(), "checkpoint_origin");
    assert!(origin.to_string().contains("other.example/log"), "{origin}");
    assert_eq!(key.code(), "note_unverified");
}

#[test]
fn only_what_would_be_opened_is_signed() {
    let log = Log::new();
    let p256 = SigningKey::generate(Algorithm::EcdsaP256).unwrap();
    let code = |checkpoint: Checkpoint, key| checkpoint.sign(key).unwrap_err().code();

    assert_eq!(code(Checkpoint { size: 0, ..checkpoint() }, &log.key), "checkpoint_empty_root");
    assert_eq!(code(Checkpoint { origin: "a b".into(), ..checkpoint() }, &log.key), "note_name");
    assert_eq!(code(Checkpoint { origin: "a\nb".into(), ..checkpoint() }, &log.key), "note_name");
    assert_eq!(code(checkpoint(), &p256), "note_algorithm");
}

proptest! {
    #[test]
    fn every_checkpoint_is_opened_as_it_was_signed(size in 1..=u64::MAX, root: [u8; 32]) {
        let log = Log::new();
        let checkpoint = Checkpoint { origin: ORIGIN.into(), size, root: Sha256::from_bytes(root) };

        let signed = checkpoint.sign(&log.key).unwrap();

        prop_assert_eq!(Checkpoint::open(&signed, &log.verifier), Ok(checkpoint));
    }

    #[test]
    fn a_text_that_parses_is_the_one_that_would_be_written(text in "[a-z./]{0,9}\n[0-9+]{0,3}\n[A-Za-z0-9+/]{42}[A-Z]=\n", any in "(.*\n){0,5}") {
        for text in [text, any] {
            if let Ok(checkpoint) = Checkpoint::parse(&text) {
                prop_assert!(text.starts_with(&checkpoint.to_text()));
            }
        }
    }

    #[test]
    fn a_changed_checkpoint_is_refused_or_says_the_same(at in any::<prop::sample::Index>(), byte: u8) {
        let log = Log::new();
        let mut bytes = checkpoint().sign(&log.key).unwrap().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;

        if let Ok(opened) = Checkpoint::open(&bytes, &log.verifier) {
            prop_assert_eq!(opened, checkpoint());
        }
    }
}

#[test]
fn without_its_signature_a_checkpoint_says_the_same() {
    let (key, checkpoint) = (SigningKey::generate(Algorithm::Ed25519).unwrap(), checkpoint());
    let note = checkpoint.sign(&key).unwrap();

    assert_eq!(Checkpoint::unverified(&note), Ok(checkpoint));
    assert_eq!(Checkpoint::unverified("x\n").unwrap_err().code(), "note_malformed");
    assert_eq!(Checkpoint::unverified("x\n1\n\n-").unwrap_err().code(), "checkpoint_malformed");
}
