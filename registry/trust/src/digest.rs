//! The two digests of a release: the archive's SHA-256 and the tree's `dirHash1`.

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256 as Hasher};

/// A text that is not the digest it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDigest {
    /// Not 64 lower-case hexadecimal digits.
    #[error("expected 64 lower-case hexadecimal digits, got {given:?}")]
    Hex {
        /// What was given, shortened.
        given: String,
    },
    /// Not `h1:` and the base64 of 32 bytes.
    #[error("expected `h1:` and the base64 of 32 bytes, got {given:?}")]
    H1 {
        /// What was given, shortened.
        given: String,
    },
}

/// A SHA-256 digest; written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256([u8; 32]);

impl Sha256 {
    /// Hashes `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Hasher::digest(bytes).into())
    }

    /// Wraps a digest that was computed elsewhere.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{self}")
    }
}

impl FromStr for Sha256 {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, InvalidDigest> {
        let mut bytes = [0; 32];
        let lower_case = !text.bytes().any(|b| b.is_ascii_uppercase());
        if lower_case && hex::decode_to_slice(text, &mut bytes).is_ok() {
            Ok(Self(bytes))
        } else {
            Err(InvalidDigest::Hex { given: shortened(text) })
        }
    }
}

/// Go's directory hash `Hash1`: the SHA-256 of the sorted lines `sha256␠␠path`, over a tree's regular files.
///
/// Terraform writes it `h1:` and base64; statements and API answers write it as hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DirHash1(Sha256);

impl DirHash1 {
    /// Wraps the SHA-256 of a tree's sorted lines.
    pub fn from_sha256(lines: Sha256) -> Self {
        Self(lines)
    }

    /// The form that in-toto statements use: 64 hexadecimal digits.
    pub fn to_hex(self) -> String {
        self.0.to_string()
    }

    /// The form that Terraform's own hashes use: `h1:` and base64.
    pub fn to_h1(self) -> String {
        format!("h1:{}", STANDARD.encode(self.0.as_bytes()))
    }

    /// Reads the hexadecimal form.
    pub fn from_hex(text: &str) -> Result<Self, InvalidDigest> {
        text.parse().map(Self)
    }

    /// Reads the `h1:` form.
    pub fn from_h1(text: &str) -> Result<Self, InvalidDigest> {
        text.strip_prefix("h1:")
            .and_then(|encoded| STANDARD.decode(encoded).ok())
            .and_then(|bytes| <[u8; 32]>::try_from(bytes).ok())
            .map(|bytes| Self(Sha256(bytes)))
            .ok_or_else(|| InvalidDigest::H1 { given: shortened(text) })
    }

    /// The digest as the SHA-256 that it is.
    pub fn as_sha256(&self) -> &Sha256 {
        &self.0
    }
}

impl fmt::Display for DirHash1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_h1())
    }
}

impl fmt::Debug for DirHash1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_h1())
    }
}

/// Both digests are hexadecimal in JSON, as the in-toto `DigestSet` has them.
macro_rules! hexadecimal_in_json {
    ($digest:ty, $parse:expr, $print:expr) => {
        impl Serialize for $digest {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&$print(self))
            }
        }

        impl<'de> Deserialize<'de> for $digest {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                $parse(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

hexadecimal_in_json!(Sha256, Sha256::from_str, Sha256::to_string);
hexadecimal_in_json!(DirHash1, DirHash1::from_hex, |hash: &DirHash1| hash.to_hex());

/// Characters that make a line read as something else than it is: those that control a terminal, turn the direction of
/// writing, begin a line, or take no space. The two joiners are left, which some scripts cannot be written without.
pub(crate) fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
                | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        )
}

/// Hostile input appears in messages; its length and its deceptive characters must not.
pub(crate) fn shortened(text: &str) -> String {
    shortened_to(80, text)
}

/// The same for a sentence that contains hostile input.
pub(crate) fn shortened_to(most: usize, text: &str) -> String {
    let printable = |c: char| if is_deceptive(c) { char::REPLACEMENT_CHARACTER } else { c };
    let mut shown: String = text.chars().take(most).map(printable).collect();
    if text.chars().nth(most).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SHA-256 of nothing, FIPS 180-4.
    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn a_digest_prints_and_parses_as_lower_case_hex() {
        let digest = Sha256::of(b"");

        assert_eq!(digest.to_string(), EMPTY);
        assert_eq!(EMPTY.parse(), Ok(digest));
        assert!(EMPTY.to_uppercase().parse::<Sha256>().is_err());
        assert!(EMPTY[1..].parse::<Sha256>().is_err());
        assert_eq!(serde_json::to_string(&digest).unwrap(), format!("\"{EMPTY}\""));
    }

    #[test]
    fn a_tree_hash_has_a_terraform_form_and_a_hex_form() {
        let hash = DirHash1::from_sha256(Sha256::of(b""));

        assert_eq!(hash.to_h1(), "h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
        assert_eq!(DirHash1::from_h1(&hash.to_h1()), Ok(hash));
        assert_eq!(DirHash1::from_hex(EMPTY), Ok(hash));
        assert!(DirHash1::from_h1("h1:AAAA").is_err());
        assert!(DirHash1::from_h1(EMPTY).is_err());
    }

    #[test]
    fn long_hostile_text_is_shortened_in_messages() {
        let message = "é".repeat(10_000).parse::<Sha256>().unwrap_err().to_string();

        assert!(message.len() < 300, "{message}");
        assert_eq!(shortened("a\u{1b}[2J"), "a\u{fffd}[2J");
        assert_eq!(shortened("a\u{202e}b\u{2028}"), "a\u{fffd}b\u{fffd}");
    }
}
