//! One key, and what it seals: AES-256-GCM-SIV, whose random nonces may even repeat without giving anything away but
//! that two sealed values are equal.

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use zeroize::Zeroizing;

use crate::id;

/// Length of a key.
pub(super) const KEY_BYTES: usize = 32;

/// Length of what authenticates a sealed text.
const TAG_BYTES: usize = 16;

/// Tells this store's sealed texts, in this form, from whatever else a key might ever seal.
const DOMAIN: &str = "idp secret store 1";

/// What the proof of a key is bound to.
const PROOF: &str = "proof";

/// A key with its id.
pub(super) struct Key {
    id: String,
    bytes: Zeroizing<[u8; KEY_BYTES]>,
}

impl Key {
    pub(super) const fn new(id: String, bytes: Zeroizing<[u8; KEY_BYTES]>) -> Self {
        Self { id, bytes }
    }

    /// A new one.
    pub(super) fn generate(now: i64) -> Self {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        id::fill_random(bytes.as_mut_slice());
        Self::new(id::new(now), bytes)
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.bytes
    }

    /// Nonce and sealed `plain`, bound to this key and to `about`; nothing where the cipher fails.
    pub(super) fn seal(&self, about: &str, mut plain: Zeroizing<Vec<u8>>) -> Option<Vec<u8>> {
        let cipher = self.cipher()?;
        let aad = Aad::from(self.context(about));
        let (nonce, tag) = cipher.seal_in_place_separate_tag(aad, &mut plain).ok()?;
        Some([nonce.as_ref().as_slice(), &plain, tag.as_ref()].concat())
    }

    /// What [`Key::seal`] sealed under this key, about the same; nothing for anything else.
    pub(super) fn open(&self, about: &str, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, text) = sealed.split_at_checked(NONCE_LEN)?;
        let length = text.len().checked_sub(TAG_BYTES)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut text = Zeroizing::new(text.to_vec());
        self.cipher()?.open_in_place(nonce, Aad::from(self.context(about)), &mut text).ok()?;
        text.truncate(length);
        Some(text)
    }

    /// Something that only this key can have sealed.
    pub(super) fn proof(&self) -> Option<Vec<u8>> {
        self.seal(PROOF, Zeroizing::new(Vec::new()))
    }

    /// Whether this key made the proof.
    pub(super) fn is_proven_by(&self, proof: &[u8]) -> bool {
        self.open(PROOF, proof).is_some()
    }

    fn cipher(&self) -> Option<RandomizedNonceKey> {
        RandomizedNonceKey::new(&AES_256_GCM_SIV, self.bytes.as_slice()).ok()
    }

    fn context(&self, about: &str) -> Vec<u8> {
        format!("{DOMAIN}\n{}\n{about}", self.id).into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(id: &str, byte: u8) -> Key {
        Key::new(id.to_owned(), Zeroizing::new([byte; KEY_BYTES]))
    }

    fn sealed(text: &str) -> Vec<u8> {
        key("k1", 1).seal("here", Zeroizing::new(text.as_bytes().to_vec())).unwrap()
    }

    #[test]
    fn the_same_text_is_never_sealed_the_same_way() {
        assert_ne!(sealed("hunter2"), sealed("hunter2"));
    }

    proptest! {
        #[test]
        fn what_was_sealed_opens_and_is_hidden(text in ".{0,100}") {
            let sealed = sealed(&text);

            let opened = key("k1", 1).open("here", &sealed).unwrap();

            prop_assert_eq!(opened.as_slice(), text.as_bytes());
            prop_assert_eq!(sealed.len(), NONCE_LEN + text.len() + TAG_BYTES);
            let visible = |text: &str| sealed.windows(text.len()).any(|part| part == text.as_bytes());
            prop_assert!(text.len() < 4 || !visible(&text));
        }

        #[test]
        fn another_key_id_or_place_opens_nothing(text in ".{0,40}", other in "[a-z]{0,5}") {
            let sealed = sealed(&text);

            prop_assert!(key("k1", 2).open("here", &sealed).is_none());
            prop_assert!(key("k2", 1).open("here", &sealed).is_none());
            prop_assert!(other == "here" || key("k1", 1).open(&other, &sealed).is_none());
        }

        #[test]
        fn one_changed_bit_anywhere_opens_nothing(text in ".{0,40}", place: prop::sample::Index, bit in 0..8) {
            let mut sealed = sealed(&text);
            let place = place.index(sealed.len());
            sealed[place] ^= 1_u8 << bit;

            prop_assert!(key("k1", 1).open("here", &sealed).is_none());
        }

        #[test]
        fn any_bytes_open_nothing(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            prop_assert!(key("k1", 1).open("here", &bytes).is_none());
        }
    }
}
