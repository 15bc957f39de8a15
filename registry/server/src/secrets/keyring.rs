//! The text of the key file: a key a line, the newest first.

use std::fmt::Write as _;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::key::{KEY_BYTES, Key};

/// Stands at the top of every file.
const HEADER: &str = "\
# Keys of the secret store of idp, the newest first. `idp secret keys` changes this file; do not edit it.
# Whoever has it and the database reads every secret; without it nobody does. Keep a copy of each state of it, apart
# from the copies of the database.
";

/// Keys, the newest first; at least one.
pub(super) struct Keyring(Vec<Arc<Key>>);

/// Why a text is not a keyring; quotes nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKeyring {
    /// A line that is neither a comment nor a key.
    #[error("line {0} is not an id, a space and 32 bytes in base64")]
    Line(usize),
    /// The same id twice.
    #[error("line {0} repeats the id of an earlier line")]
    Repeated(usize),
    /// No key at all.
    #[error("it holds no key")]
    Empty,
    /// Not a text.
    #[error("it is not text")]
    NotText,
}

impl From<Key> for Keyring {
    fn from(key: Key) -> Self {
        Self(vec![Arc::new(key)])
    }
}

impl Keyring {
    /// Reads the text of a file.
    pub(super) fn parse(text: &str) -> Result<Self, InvalidKeyring> {
        let mut keys: Vec<Arc<Key>> = Vec::new();
        let lines =
            text.lines().zip(1..).filter(|(line, _)| !line.starts_with('#') && !line.is_empty());
        for (line, number) in lines {
            let key = parse_key(line).ok_or(InvalidKeyring::Line(number))?;
            if keys.iter().any(|earlier| earlier.id() == key.id()) {
                return Err(InvalidKeyring::Repeated(number));
            }
            keys.push(Arc::new(key));
        }
        if keys.is_empty() { Err(InvalidKeyring::Empty) } else { Ok(Self(keys)) }
    }

    /// The text of a file.
    pub(super) fn to_text(&self) -> Zeroizing<String> {
        // Never grows: the buffer that it would leave behind is not zeroed.
        let line = |key: &Arc<Key>| key.id().len() + KEY_BYTES.div_ceil(3) * 4 + 2;
        let length = HEADER.len() + self.0.iter().map(line).sum::<usize>();
        let mut text = Zeroizing::new(String::with_capacity(length));
        text.push_str(HEADER);
        for key in &self.0 {
            let encoded = Zeroizing::new(STANDARD.encode(key.bytes()));
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{} {}", key.id(), encoded.as_str());
        }
        text
    }

    /// The first one.
    pub(super) fn newest(&self) -> &Key {
        &self.0[0]
    }

    /// The key of that id.
    pub(super) fn get(&self, id: &str) -> Option<Arc<Key>> {
        self.0.iter().find(|key| key.id() == id).cloned()
    }

    /// Puts a key in front.
    pub(super) fn add(&mut self, key: Arc<Key>) {
        self.0.retain(|earlier| earlier.id() != key.id());
        self.0.insert(0, key);
    }

    /// Drops every key that is not in `ids`, if one stays.
    pub(super) fn keep(&mut self, ids: &[String]) {
        let is_kept = |key: &Arc<Key>| ids.iter().any(|id| id == key.id());
        if self.0.iter().any(is_kept) {
            self.0.retain(is_kept);
        }
    }

    /// The id of each key.
    pub(super) fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|key| key.id())
    }
}

fn parse_key(line: &str) -> Option<Key> {
    let (id, encoded) = line.split_once(' ')?;
    let id_ok = (1..=40).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    // One more than a key has, so that nothing that is longer is cut to one.
    let mut bytes = Zeroizing::new([0; KEY_BYTES.div_ceil(3) * 3]);
    let length = STANDARD.decode_slice(encoded, bytes.as_mut_slice()).ok()?;
    if !id_ok || length != KEY_BYTES {
        return None;
    }
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    key.copy_from_slice(&bytes[..KEY_BYTES]);
    Some(Key::new(id.to_owned(), key))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const K1: &str = "k1 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    const K2: &str = "k2 AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

    #[test]
    fn keys_stand_one_a_line_with_the_newest_first() {
        let keyring = Keyring::parse(&format!("# note\n{K2}\n\n{K1}\n")).unwrap();

        assert_eq!(keyring.newest().id(), "k2");
        assert_eq!(keyring.get("k1").unwrap().bytes(), &[0; KEY_BYTES]);
        assert!(keyring.get("k3").is_none());
    }

    #[test]
    fn what_is_not_a_keyring_is_refused_by_its_line_and_without_a_word_of_it() {
        for (text, expected) in [
            (String::new(), InvalidKeyring::Empty),
            ("# only words\n".to_owned(), InvalidKeyring::Empty),
            (format!("{K1}\n{K1}\n"), InvalidKeyring::Repeated(2)),
            (format!("{K1}\n {K2}"), InvalidKeyring::Line(2)),
            (format!("{K1} "), InvalidKeyring::Line(1)),
            (K1.replace("k1", "K1"), InvalidKeyring::Line(1)),
            (K1.replace("k1 ", "k1\t"), InvalidKeyring::Line(1)),
            (K1.replace('=', ""), InvalidKeyring::Line(1)),
            (K1.replace("AAAA=", "="), InvalidKeyring::Line(1)),
            (K1.replace("A=", "AAAAAAAAA="), InvalidKeyring::Line(1)),
        ] {
            let error = Keyring::parse(&text).err().unwrap();

            assert_eq!(error, expected, "{text}");
            assert!(!error.to_string().contains("AAAA"));
        }
    }

    #[test]
    fn the_last_key_cannot_be_dropped() {
        let mut keyring = Keyring::parse(&format!("{K2}\n{K1}\n")).unwrap();

        keyring.keep(&["k1".to_owned()]);
        keyring.keep(&["k9".to_owned()]);

        assert_eq!(keyring.ids().collect::<Vec<_>>(), ["k1"]);
    }

    proptest! {
        #[test]
        fn any_text_is_refused_or_comes_back_with_the_same_keys(
            text in proptest::collection::vec(
                prop_oneof![
                    "[a-z0-9]{1,4} [A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=",
                    "#.{0,10}",
                    "[a-z0-9]{0,4} ?[A-Za-z0-9+/=]{0,50}",
                    ".{0,30}",
                ],
                0..5,
            ).prop_map(|lines| lines.join("\n"))
        ) {
            if let Ok(keyring) = Keyring::parse(&text) {
                let written = keyring.to_text();
                let back = Keyring::parse(&written).unwrap();

                let all = |keyring: &Keyring| -> Vec<(String, [u8; KEY_BYTES])> {
                    keyring.0.iter().map(|key| (key.id().to_owned(), *key.bytes())).collect()
                };
                prop_assert_eq!(all(&back), all(&keyring));
            }
        }
    }
}
