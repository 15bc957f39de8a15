//! What a secret holds, where that comes from, and how one is made.
//!
//! Pure: chance is an argument.

use std::collections::BTreeMap;

use registry_api::platform::{Generate, SecretOrigin, SecretRotation};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::secret::SecretText;

/// A value: field to text.
pub type Fields = BTreeMap<String, SecretText>;

/// The one field of a team's own secret.
pub const VALUE: &str = "value";

const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";
const DIGITS: &str = "0123456789";
/// Without quotes, brackets, `&`, `$`, `/` and backslash, which connection strings and shells take for their own.
const SYMBOLS: &str = "!#%*+,-.:=?@^_~";

/// Where a value comes from. A generated value from another source is another value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "origin", rename_all = "snake_case")]
pub enum Source {
    /// Its owner gave it.
    Given {
        /// What the owner calls it.
        value_version: Option<u64>,
    },
    /// The server made it.
    Generated {
        /// How.
        generate: Generate,
        /// Until when it stays.
        rotation: Option<SecretRotation>,
    },
    /// The platform made it for a service.
    Platform,
}

impl Source {
    /// The same as a word.
    pub const fn origin(&self) -> SecretOrigin {
        match self {
            Self::Given { .. } => SecretOrigin::Given,
            Self::Generated { .. } => SecretOrigin::Generated,
            Self::Platform => SecretOrigin::Platform,
        }
    }
}

/// The value of a team's own secret.
pub fn single(value: SecretText) -> Fields {
    [(VALUE.to_owned(), value)].into()
}

/// A new text that has each kind of character at least once; `fill` gives random bytes.
pub fn make(generate: Generate, mut fill: impl FnMut(&mut [u8])) -> SecretText {
    let mut kinds = vec![UPPER, LOWER, DIGITS];
    kinds.extend(generate.symbols.then_some(SYMBOLS));
    let alphabet = kinds.concat().into_bytes();
    let length = usize::try_from(generate.length).unwrap_or_default().max(kinds.len());
    loop {
        let text = SecretText::new(draw(&alphabet, length, &mut fill));
        if kinds.iter().all(|kind| text.expose().contains(|c| kind.contains(c))) {
            return text;
        }
    }
}

/// `length` characters of `alphabet`, each as likely as the next.
fn draw(alphabet: &[u8], length: usize, fill: &mut impl FnMut(&mut [u8])) -> String {
    // Bytes from here on would make the first characters of the alphabet likelier.
    let fair = 256 - 256 % alphabet.len();
    let mut text = String::with_capacity(length);
    let mut bytes = Zeroizing::new([0_u8; 64]);
    while text.len() < length {
        fill(bytes.as_mut_slice());
        let usable = bytes.iter().map(|byte| usize::from(*byte)).filter(|byte| *byte < fair);
        let wanted = length - text.len();
        text.extend(usable.take(wanted).map(|byte| char::from(alphabet[byte % alphabet.len()])));
    }
    text
}

/// A value as bytes: each name and text after its length.
pub fn to_bytes(fields: &Fields) -> Zeroizing<Vec<u8>> {
    let texts = || fields.iter().flat_map(|(name, text)| [name.as_str(), text.expose()]);
    // Never grows: the buffer that it would leave behind is not zeroed.
    let mut bytes = Vec::with_capacity(texts().map(|text| LENGTH + text.len()).sum());
    for text in texts() {
        bytes.extend_from_slice(&(text.len() as u64).to_be_bytes());
        bytes.extend_from_slice(text.as_bytes());
    }
    Zeroizing::new(bytes)
}

const LENGTH: usize = size_of::<u64>();

/// A value from the bytes that [`to_bytes`] made; nothing for others.
pub fn from_bytes(mut bytes: &[u8]) -> Option<Fields> {
    let mut fields = Fields::new();
    while !bytes.is_empty() {
        let name = take_text(&mut bytes)?;
        let text = take_text(&mut bytes)?;
        // One order and no repetition, so that a value has one form.
        if fields.last_key_value().is_some_and(|(last, _)| last.as_str() >= name) {
            return None;
        }
        fields.insert(name.to_owned(), SecretText::new(text));
    }
    Some(fields)
}

fn take_text<'b>(bytes: &mut &'b [u8]) -> Option<&'b str> {
    let (length, rest) = bytes.split_first_chunk::<LENGTH>()?;
    let length = usize::try_from(u64::from_be_bytes(*length)).ok()?;
    let (text, rest) = rest.split_at_checked(length)?;
    *bytes = rest;
    std::str::from_utf8(text).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn exposed(fields: &Fields) -> Vec<(&str, &str)> {
        fields.iter().map(|(name, text)| (name.as_str(), text.expose())).collect()
    }

    /// Bytes that look random, from a seed.
    fn seeded(mut state: u64) -> impl FnMut(&mut [u8]) {
        move |bytes| {
            for byte in bytes {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                *byte = u8::try_from(state >> 56).unwrap();
            }
        }
    }

    #[test]
    fn every_byte_that_is_used_leads_to_one_character_as_often_as_to_another() {
        let alphabet = [UPPER, LOWER, DIGITS].concat().into_bytes();
        let mut next = 0_u8;
        let mut every_byte = |bytes: &mut [u8]| {
            for byte in bytes {
                *byte = next;
                next = next.wrapping_add(1);
            }
        };

        let text = draw(&alphabet, 4 * alphabet.len(), &mut every_byte);

        for character in alphabet {
            assert_eq!(text.bytes().filter(|byte| *byte == character).count(), 4);
        }
    }

    proptest! {
        #[test]
        fn a_made_text_is_as_long_as_asked_and_has_every_kind(
            length in 16_u32..=128, symbols: bool, seed in 1_u64..,
        ) {
            let made = make(Generate { length, symbols }, seeded(seed));

            let text = made.expose();
            prop_assert_eq!(text.len(), usize::try_from(length).unwrap());
            for kind in [UPPER, LOWER, DIGITS] {
                prop_assert!(text.contains(|c| kind.contains(c)));
            }
            prop_assert_eq!(text.contains(|c| SYMBOLS.contains(c)), symbols);
        }

        #[test]
        fn a_value_comes_back_from_its_bytes(
            texts in proptest::collection::btree_map("[a-z_]{0,10}", ".{0,40}", 0..6),
        ) {
            let fields: Fields =
                texts.iter().map(|(name, text)| (name.clone(), SecretText::new(text))).collect();

            let back = from_bytes(&to_bytes(&fields)).unwrap();

            prop_assert_eq!(exposed(&back), exposed(&fields));
        }

        #[test]
        fn any_bytes_are_a_value_in_its_one_form_or_none(
            bytes in proptest::collection::vec(0_u8..3, 0..80),
        ) {
            if let Some(fields) = from_bytes(&bytes) {
                let again = to_bytes(&fields);
                prop_assert_eq!(again.as_slice(), bytes.as_slice());
            }
        }
    }
}
