//! Signed texts, as C2SP signed-note has them: a text, an empty line, a line for each signature. Ed25519 only.

#[cfg(test)]
mod tests;

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::{
    digest::{Sha256, shortened},
    key::{Algorithm, SigningKey, VerifyingKey},
};

/// The largest note that is read or signed.
pub const MAX_BYTES: usize = 64 * 1024;
/// The most signature lines that are read.
pub const MAX_SIGNATURES: usize = 100;
/// The longest name of a key, in bytes.
pub const MAX_NAME: usize = 512;

/// The signature type of Ed25519 over the text; the others (cosignatures among them) are not ours to verify.
const ED25519: u8 = 0x01;
const DIVIDED: &str = "an empty line must divide its text and signatures";
const SIGNATURE: &str = "— ";

/// Why a text is not a note that a known key signed, or cannot become one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// A name that a signature line cannot hold.
    #[error(
        "{given:?} cannot be a key's name; it must be 1 to {MAX_NAME} bytes without spaces, plus signs and control characters"
    )]
    Name {
        /// What was given, shortened.
        given: String,
    },
    /// A key of another algorithm.
    #[error(
        "a note is signed with an ed25519 key, this one is {algorithm}; make one with `openssl genpkey -algorithm ed25519`"
    )]
    Algorithm {
        /// The key's algorithm.
        algorithm: Algorithm,
    },
    /// Not a verifier key.
    #[error("{given:?} is not a verifier key: {rule}")]
    Key {
        /// What was given, shortened.
        given: String,
        /// What it must be.
        rule: &'static str,
    },
    /// Too long.
    #[error("the note is {size} bytes, more than the {MAX_BYTES} allowed")]
    TooLarge {
        /// Its size.
        size: usize,
    },
    /// Not of a note's shape.
    #[error("the note is malformed: {rule}")]
    Malformed {
        /// What it must be.
        rule: &'static str,
    },
    /// Too many signatures.
    #[error("the note has more than the {MAX_SIGNATURES} signatures allowed")]
    TooManySignatures,
    /// A signature line that cannot be read.
    #[error("signature line {line} of the note is malformed: {rule}")]
    Line {
        /// Which, counted from one.
        line: usize,
        /// What it must be.
        rule: &'static str,
    },
    /// A known key's signature over something else.
    #[error("the note's signature by {name:?} does not verify: it was changed, or forged")]
    Invalid {
        /// The key's name.
        name: String,
    },
    /// Nobody known signed.
    #[error("none of the note's signatures is by a known key ({known})")]
    Unverified {
        /// The keys that are known, by name and hash.
        known: String,
    },
}

impl NoteError {
    /// A stable name of the rule that was broken.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Name { .. } => "note_name",
            Self::Algorithm { .. } => "note_algorithm",
            Self::Key { .. } => "note_key",
            Self::TooLarge { .. } => "note_too_large",
            Self::Malformed { .. } | Self::Line { .. } => "note_malformed",
            Self::TooManySignatures => "note_signatures",
            Self::Invalid { .. } => "note_signature",
            Self::Unverified { .. } => "note_unverified",
        }
    }
}

/// A key that verifies notes, with the name it signs under; written `NAME+HASH+KEY`.
#[derive(Clone, PartialEq, Eq)]
pub struct NoteKey {
    name: String,
    key: VerifyingKey,
    public: [u8; 32],
    hash: [u8; 4],
}

impl NoteKey {
    /// Names a key.
    pub fn new(name: &str, key: VerifyingKey) -> Result<Self, NoteError> {
        check_name(name)?;
        let public = *key
            .ed25519_bytes()
            .ok_or_else(|| NoteError::Algorithm { algorithm: key.algorithm() })?;
        let named = [name.as_bytes(), b"\n", &[ED25519], &public].concat();
        let [a, b, c, d, ..] = *Sha256::of(&named).as_bytes();
        Ok(Self { name: name.to_owned(), key, public, hash: [a, b, c, d] })
    }

    /// The name it signs under.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key itself.
    pub fn key(&self) -> &VerifyingKey {
        &self.key
    }

    /// What signature lines name it by, beside its name: a hint, not a digest to rely on.
    pub fn hash(&self) -> [u8; 4] {
        self.hash
    }
}

impl fmt::Display for NoteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let encoded = STANDARD.encode([&[ED25519][..], &self.public].concat());
        write!(f, "{}+{}+{encoded}", self.name, hex::encode(self.hash))
    }
}

impl fmt::Debug for NoteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NoteKey({self})")
    }
}

impl FromStr for NoteKey {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let refused = |rule| NoteError::Key { given: shortened(text), rule };
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(hash), Some(encoded)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(refused(
                "it must be a name, eight hexadecimal digits and base64, with `+` between",
            ));
        };
        let key = STANDARD.decode(encoded).map_err(|_| refused("its last part must be base64"))?;
        let key = match key.split_first() {
            Some((&ED25519, public)) => public,
            Some(_) => return Err(refused("only Ed25519 keys (type 1) verify here")),
            None => return Err(refused("its last part must be a type and a key")),
        };
        let key = <&[u8; 32]>::try_from(key).map_err(|_| refused("its key must be 32 bytes"))?;
        let key = VerifyingKey::from_ed25519_bytes(key)
            .map_err(|_| refused("its last part is not an Ed25519 public key"))?;
        let key = Self::new(name, key)?;
        if hash == hex::encode(key.hash) {
            Ok(key)
        } else {
            Err(refused("its hash is not that of its name and key; copy the whole line again"))
        }
    }
}

fn check_name(name: &str) -> Result<(), NoteError> {
    let is_refused = |c: char| c.is_whitespace() || c.is_control() || c == '+';
    if name.is_empty() || name.len() > MAX_NAME || name.contains(is_refused) {
        return Err(NoteError::Name { given: shortened(name) });
    }
    Ok(())
}

/// Signs a text under a name. Every line of the text ends with a line feed, the last one too.
pub fn sign_note(body: &str, name: &str, key: &SigningKey) -> Result<String, NoteError> {
    let public = NoteKey::new(name, key.verifying_key())?;
    check_text(body.as_bytes())?;
    if !body.ends_with('\n') {
        return Err(NoteError::Malformed { rule: "its text must end with a line feed" });
    }
    let signature = [&public.hash[..], &key.sign(body.as_bytes())].concat();
    let note = format!("{body}\n{SIGNATURE}{name} {}\n", STANDARD.encode(signature));
    check_size(note.len())?;
    Ok(note)
}

/// A text with those who verifiably signed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note<'t, 'k> {
    /// The signed text, with the line feed that ends it.
    pub body: &'t str,
    /// Which of the known keys signed: each once, at least one.
    pub signers: Vec<&'k NoteKey>,
}

/// Reads a note that at least one of `keys` signed.
///
/// Lines of other keys are ignored; a line of one of `keys` that does not verify refuses the whole note.
pub fn open_note<'t, 'k>(
    note: &'t (impl AsRef<[u8]> + ?Sized),
    keys: &'k [NoteKey],
) -> Result<Note<'t, 'k>, NoteError> {
    let text = check_text(note.as_ref())?;
    // The last empty line: the text may have others.
    let (body, lines) = text
        .rfind("\n\n")
        .map(|end| (&text[..=end], &text[end + 2..]))
        .ok_or(NoteError::Malformed { rule: DIVIDED })?;
    let lines = lines
        .strip_suffix('\n')
        .ok_or(NoteError::Malformed { rule: "it must end with a signature and a line feed" })?;
    let mut signers: Vec<&NoteKey> = Vec::new();
    for (number, line) in lines.split('\n').enumerate() {
        if number == MAX_SIGNATURES {
            return Err(NoteError::TooManySignatures);
        }
        let line = SignatureLine::parse(line)
            .map_err(|rule| NoteError::Line { line: number + 1, rule })?;
        if let Some(signer) = line.signer(body, keys)?
            && !signers.contains(&signer)
        {
            signers.push(signer);
        }
    }
    if signers.is_empty() {
        let known = keys.iter().map(|key| format!("{}+{}", key.name, hex::encode(key.hash)));
        return Err(NoteError::Unverified { known: known.collect::<Vec<_>>().join(", ") });
    }
    Ok(Note { body, signers })
}

/// The text of a note, whoever signed it: nothing that may be believed.
pub(super) fn unverified_body(note: &(impl AsRef<[u8]> + ?Sized)) -> Result<&str, NoteError> {
    let text = check_text(note.as_ref())?;
    text.rfind("\n\n").map(|end| &text[..=end]).ok_or(NoteError::Malformed { rule: DIVIDED })
}

fn check_size(size: usize) -> Result<(), NoteError> {
    if size > MAX_BYTES { Err(NoteError::TooLarge { size }) } else { Ok(()) }
}

fn check_text(bytes: &[u8]) -> Result<&str, NoteError> {
    check_size(bytes.len())?;
    if bytes.iter().any(|byte| *byte < b' ' && *byte != b'\n') {
        return Err(NoteError::Malformed { rule: "it must have no control characters" });
    }
    std::str::from_utf8(bytes).map_err(|_| NoteError::Malformed { rule: "it must be UTF-8" })
}

struct SignatureLine<'t> {
    name: &'t str,
    hash: [u8; 4],
    signature: Vec<u8>,
}

impl<'t> SignatureLine<'t> {
    fn parse(line: &'t str) -> Result<Self, &'static str> {
        let (name, encoded) = line
            .strip_prefix(SIGNATURE)
            .and_then(|line| line.split_once(' '))
            .ok_or("it must be a dash (U+2014), a name and base64, with single spaces between")?;
        check_name(name).map_err(|_| "its name cannot be a key's")?;
        let bytes = STANDARD.decode(encoded).map_err(|_| "its signature must be base64")?;
        match bytes.split_first_chunk() {
            Some((hash, signature)) if !signature.is_empty() => {
                Ok(Self { name, hash: *hash, signature: signature.to_vec() })
            }
            _ => Err("its signature must be four bytes of the key's hash and more"),
        }
    }

    /// Which of `keys` made it; none if it names none of them.
    fn signer<'k>(
        &self,
        body: &str,
        keys: &'k [NoteKey],
    ) -> Result<Option<&'k NoteKey>, NoteError> {
        let mut named =
            keys.iter().filter(|key| key.name == self.name && key.hash == self.hash).peekable();
        if named.peek().is_none() {
            return Ok(None);
        }
        named
            .find(|key| key.key.verifies(body.as_bytes(), &self.signature))
            .map(Some)
            .ok_or_else(|| NoteError::Invalid { name: shortened(self.name) })
    }
}
