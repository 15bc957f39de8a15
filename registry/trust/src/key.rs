//! Publisher keys: ECDSA P-256 (the default, which every Sigstore client verifies) and Ed25519.

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::STANDARD};
use ed25519_dalek::pkcs8::KeypairBytes;
use p256::{
    ecdsa::signature::{Signer, Verifier},
    pkcs8::{
        AssociatedOid, DecodePublicKey, Document, EncodePrivateKey, LineEnding, PrivateKeyInfo,
        SecretDocument,
    },
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::digest::{Sha256, shortened};

/// No key of either algorithm comes near it.
const MAX_PEM: usize = 16 * 1024;

/// A signature algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Algorithm {
    /// ECDSA over NIST P-256 with SHA-256; signatures are ASN.1 DER.
    #[default]
    EcdsaP256,
    /// Ed25519; signatures are 64 bytes.
    Ed25519,
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EcdsaP256 => "ecdsa-p256",
            Self::Ed25519 => "ed25519",
        })
    }
}

impl FromStr for Algorithm {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        match text {
            "ecdsa-p256" => Ok(Self::EcdsaP256),
            "ed25519" => Ok(Self::Ed25519),
            _ => Err(KeyError::Algorithm),
        }
    }
}

/// Why a key cannot be made or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The operating system gives no randomness.
    #[error("the operating system gives no randomness: {reason}")]
    Randomness {
        /// What it says.
        reason: String,
    },
    /// Not PEM, or far too large for a key.
    #[error("not a PEM file; a key begins with `-----BEGIN {expected}-----`")]
    NotPem {
        /// The label that is expected.
        expected: &'static str,
    },
    /// A PEM file with another content.
    #[error("expected a PEM block `{expected}`, got `{found}`{}", hint(found))]
    Label {
        /// The label that is expected.
        expected: &'static str,
        /// The label that was found, shortened.
        found: String,
    },
    /// A key of another algorithm.
    #[error("the key's algorithm is not supported; use ecdsa-p256 or ed25519")]
    Algorithm,
    /// Not a key, or one that is not on its curve or that verifies anything.
    #[error("the key is malformed")]
    Malformed,
    /// Not a key id.
    #[error("a key id is the base64 of 32 bytes, got {given:?}")]
    KeyId {
        /// What was given, shortened.
        given: String,
    },
}

fn hint(label: &str) -> &'static str {
    match label {
        "ENCRYPTED PRIVATE KEY" => "; decrypt it first: openssl pkcs8 -in key.pem -out plain.pem",
        "EC PRIVATE KEY" => {
            "; convert it: openssl pkcs8 -topk8 -nocrypt -in key.pem -out pkcs8.pem"
        }
        "PUBLIC KEY" => "; this is the public half, signing needs the private one",
        "PRIVATE KEY" => "; this is the private half, keep it secret and give the public one",
        _ => "",
    }
}

/// The name of a key: the SHA-256 of its `SubjectPublicKeyInfo` in DER, written as base64.
///
/// Both the Sigstore bundle's `hint` and the DSSE `keyid`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(Sha256);

impl KeyId {
    fn of(spki_der: &[u8]) -> Self {
        Self(Sha256::of(spki_der))
    }

    /// The digest as the SHA-256 that it is.
    pub fn as_sha256(&self) -> &Sha256 {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0.as_bytes()))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for KeyId {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let bytes = STANDARD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
        let bytes = bytes.ok_or_else(|| KeyError::KeyId { given: shortened(text) })?;
        Ok(Self(Sha256::from_bytes(bytes)))
    }
}

impl Serialize for KeyId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for KeyId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A key that signs. Wiped from memory when dropped; prints as its public half's id.
pub struct SigningKey(SigningAlgorithm);

enum SigningAlgorithm {
    EcdsaP256(p256::ecdsa::SigningKey),
    Ed25519(ed25519_dalek::SigningKey),
}

impl SigningKey {
    const LABEL: &'static str = "PRIVATE KEY";

    /// Makes a key from the operating system's randomness: the only place of this crate that takes any.
    pub fn generate(algorithm: Algorithm) -> Result<Self, KeyError> {
        let mut seed = Zeroizing::new([0; 32]);
        loop {
            getrandom::fill(seed.as_mut())
                .map_err(|error| KeyError::Randomness { reason: error.to_string() })?;
            match algorithm {
                Algorithm::Ed25519 => {
                    let key = ed25519_dalek::SigningKey::from_bytes(&seed);
                    return Ok(Self(SigningAlgorithm::Ed25519(key)));
                }
                // One seed in 2^32 is not below the group's order; take another.
                Algorithm::EcdsaP256 => {
                    if let Ok(key) = p256::ecdsa::SigningKey::from_slice(seed.as_ref()) {
                        return Ok(Self(SigningAlgorithm::EcdsaP256(key)));
                    }
                }
            }
        }
    }

    /// Reads an unencrypted PKCS#8 PEM block.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let not_pem = KeyError::NotPem { expected: Self::LABEL };
        if pem.len() > MAX_PEM {
            return Err(not_pem);
        }
        let (label, document) = SecretDocument::from_pem(pem.trim()).map_err(|_| not_pem)?;
        check_label(label, Self::LABEL)?;
        let info =
            PrivateKeyInfo::try_from(document.as_bytes()).map_err(|_| KeyError::Malformed)?;
        let key = if info.algorithm.oid == ed25519_dalek::pkcs8::ALGORITHM_OID {
            ed25519_dalek::SigningKey::try_from(info)
                .map(SigningAlgorithm::Ed25519)
                .map_err(|_| KeyError::Malformed)
        } else if is_p256(&info.algorithm) {
            p256::ecdsa::SigningKey::try_from(info)
                .map(SigningAlgorithm::EcdsaP256)
                .map_err(|_| KeyError::Malformed)
        } else {
            Err(KeyError::Algorithm)
        };
        key.map(Self)
    }

    /// Writes a PKCS#8 PEM block. Ed25519 without the public half, which older OpenSSL versions cannot read.
    pub fn to_pem(&self) -> Result<Zeroizing<String>, KeyError> {
        let pem = match &self.0 {
            SigningAlgorithm::EcdsaP256(key) => key.to_pkcs8_pem(LineEnding::LF),
            SigningAlgorithm::Ed25519(key) => {
                let pair = KeypairBytes { secret_key: key.to_bytes(), public_key: None };
                pair.to_pkcs8_pem(LineEnding::LF)
            }
        };
        pem.map_err(|_| KeyError::Malformed)
    }

    /// The public half.
    pub fn verifying_key(&self) -> VerifyingKey {
        VerifyingKey::new(match &self.0 {
            SigningAlgorithm::EcdsaP256(key) => VerifyingAlgorithm::EcdsaP256(*key.verifying_key()),
            SigningAlgorithm::Ed25519(key) => VerifyingAlgorithm::Ed25519(key.verifying_key()),
        })
    }

    /// Signs. The same message gives the same signature.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        match &self.0 {
            SigningAlgorithm::EcdsaP256(key) => {
                let signature: p256::ecdsa::DerSignature = key.sign(message);
                signature.as_bytes().to_vec()
            }
            SigningAlgorithm::Ed25519(key) => key.sign(message).to_bytes().to_vec(),
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.verifying_key().id())
    }
}

/// A key that verifies.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifyingKey {
    key: VerifyingAlgorithm,
    spki: Vec<u8>,
    id: KeyId,
}

#[derive(Clone, PartialEq, Eq)]
enum VerifyingAlgorithm {
    EcdsaP256(p256::ecdsa::VerifyingKey),
    Ed25519(ed25519_dalek::VerifyingKey),
}

impl VerifyingKey {
    const LABEL: &'static str = "PUBLIC KEY";

    /// The id follows from our own encoding, so that one key has one id however it was written.
    fn new(key: VerifyingAlgorithm) -> Self {
        let spki = spki_der(&key);
        Self { id: KeyId::of(&spki), spki, key }
    }

    /// Reads a `SubjectPublicKeyInfo` in DER.
    pub fn from_spki_der(der: &[u8]) -> Result<Self, KeyError> {
        let info =
            p256::pkcs8::SubjectPublicKeyInfoRef::try_from(der).map_err(|_| KeyError::Malformed)?;
        if info.algorithm.oid == ed25519_dalek::pkcs8::ALGORITHM_OID {
            ed25519_dalek::VerifyingKey::from_public_key_der(der)
                .map_err(|_| KeyError::Malformed)
                .and_then(Self::from_ed25519)
        } else if is_p256(&info.algorithm) {
            p256::ecdsa::VerifyingKey::from_public_key_der(der)
                .map(|key| Self::new(VerifyingAlgorithm::EcdsaP256(key)))
                .map_err(|_| KeyError::Malformed)
        } else {
            Err(KeyError::Algorithm)
        }
    }

    /// Reads the 32 bytes of an Ed25519 key (RFC 8032).
    pub fn from_ed25519_bytes(bytes: &[u8; 32]) -> Result<Self, KeyError> {
        ed25519_dalek::VerifyingKey::from_bytes(bytes)
            .map_err(|_| KeyError::Malformed)
            .and_then(Self::from_ed25519)
    }

    fn from_ed25519(key: ed25519_dalek::VerifyingKey) -> Result<Self, KeyError> {
        // A key of small order verifies signatures that nobody made.
        if key.is_weak() {
            return Err(KeyError::Malformed);
        }
        Ok(Self::new(VerifyingAlgorithm::Ed25519(key)))
    }

    /// The 32 bytes of an Ed25519 key (RFC 8032); none for another algorithm.
    pub fn ed25519_bytes(&self) -> Option<&[u8; 32]> {
        match &self.key {
            VerifyingAlgorithm::EcdsaP256(_) => None,
            VerifyingAlgorithm::Ed25519(key) => Some(key.as_bytes()),
        }
    }

    /// Reads a `SubjectPublicKeyInfo` in PEM.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let not_pem = KeyError::NotPem { expected: Self::LABEL };
        if pem.len() > MAX_PEM {
            return Err(not_pem);
        }
        let (label, document) = Document::from_pem(pem.trim()).map_err(|_| not_pem)?;
        check_label(label, Self::LABEL)?;
        Self::from_spki_der(document.as_bytes())
    }

    /// The `SubjectPublicKeyInfo` in DER.
    pub fn spki_der(&self) -> &[u8] {
        &self.spki
    }

    /// The `SubjectPublicKeyInfo` in PEM.
    pub fn to_pem(&self) -> String {
        let encoded = STANDARD.encode(&self.spki);
        let mut pem = format!("-----BEGIN {}-----\n", Self::LABEL);
        for line in encoded.as_bytes().chunks(64) {
            pem.push_str(&String::from_utf8_lossy(line));
            pem.push('\n');
        }
        pem + "-----END PUBLIC KEY-----\n"
    }

    /// The key's name.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// The key's algorithm.
    pub fn algorithm(&self) -> Algorithm {
        match self.key {
            VerifyingAlgorithm::EcdsaP256(_) => Algorithm::EcdsaP256,
            VerifyingAlgorithm::Ed25519(_) => Algorithm::Ed25519,
        }
    }

    /// Whether `signature` is this key's over `message`.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.key {
            VerifyingAlgorithm::EcdsaP256(key) => p256::ecdsa::Signature::from_der(signature)
                .is_ok_and(|signature| key.verify(message, &signature).is_ok()),
            VerifyingAlgorithm::Ed25519(key) => ed25519_dalek::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_strict(message, &signature).is_ok()),
        }
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({} {})", self.algorithm(), self.id)
    }
}

/// What precedes a P-256 point and an Ed25519 key in their `SubjectPublicKeyInfo` (RFC 5480, RFC 8410).
const P256_SPKI_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
const ED25519_SPKI_PREFIX: [u8; 12] =
    [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

fn spki_der(key: &VerifyingAlgorithm) -> Vec<u8> {
    match key {
        VerifyingAlgorithm::EcdsaP256(key) => {
            [&P256_SPKI_PREFIX[..], key.to_encoded_point(false).as_bytes()].concat()
        }
        VerifyingAlgorithm::Ed25519(key) => [&ED25519_SPKI_PREFIX[..], key.as_bytes()].concat(),
    }
}

fn is_p256(algorithm: &p256::pkcs8::AlgorithmIdentifierRef<'_>) -> bool {
    algorithm.oid == p256::elliptic_curve::ALGORITHM_OID
        && algorithm.parameters_oid().is_ok_and(|curve| curve == p256::NistP256::OID)
}

fn check_label(found: &str, expected: &'static str) -> Result<(), KeyError> {
    if found == expected {
        Ok(())
    } else {
        Err(KeyError::Label { expected, found: shortened(found) })
    }
}

#[cfg(test)]
mod tests {
    use p256::pkcs8::EncodePublicKey;
    use proptest::prelude::*;

    use super::*;

    const BOTH: [Algorithm; 2] = [Algorithm::EcdsaP256, Algorithm::Ed25519];

    /// RFC 8032 §7.1, test 1: its public key, and RFC 8410 §10.1's header before it.
    const RFC_8032_SECRET: &str =
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
    const RFC_8032_PUBLIC: &str =
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

    #[test]
    fn a_key_survives_pem_and_keeps_its_id() {
        for algorithm in BOTH {
            let key = SigningKey::generate(algorithm).unwrap();
            let public = key.verifying_key();

            let again = SigningKey::from_pem(&key.to_pem().unwrap()).unwrap();
            let public_again = VerifyingKey::from_pem(&public.to_pem()).unwrap();

            assert_eq!(again.verifying_key(), public);
            assert_eq!(public_again, public);
            assert_eq!(public.algorithm(), algorithm);
            assert_eq!(public.id().to_string().parse(), Ok(public.id()));
            assert_eq!(*public.id().as_sha256(), Sha256::of(public.spki_der()));
        }
    }

    #[test]
    fn our_public_key_encoding_is_the_libraries_own() {
        let p256 = SigningKey::generate(Algorithm::EcdsaP256).unwrap().verifying_key();
        let ed25519 = SigningKey::generate(Algorithm::Ed25519).unwrap().verifying_key();

        let VerifyingAlgorithm::EcdsaP256(key) = &p256.key else { unreachable!() };
        assert_eq!(key.to_public_key_der().unwrap().as_bytes(), p256.spki_der());
        assert_eq!(key.to_public_key_pem(LineEnding::LF).unwrap(), p256.to_pem());
        let VerifyingAlgorithm::Ed25519(key) = &ed25519.key else { unreachable!() };
        assert_eq!(key.to_public_key_der().unwrap().as_bytes(), ed25519.spki_der());
    }

    #[test]
    fn the_ed25519_vector_of_rfc_8032_signs_and_verifies() {
        let secret: [u8; 32] = hex::decode(RFC_8032_SECRET).unwrap().try_into().unwrap();
        let key =
            SigningKey(SigningAlgorithm::Ed25519(ed25519_dalek::SigningKey::from_bytes(&secret)));

        let signature = key.sign(b"");

        assert!(hex::encode(key.verifying_key().spki_der()).ends_with(RFC_8032_PUBLIC));
        assert!(
            hex::encode(&signature).starts_with("e5564300c360ac729086e2cc806e828a84877f1eb8e5d974")
        );
        assert!(key.verifying_key().verifies(b"", &signature));
    }

    #[test]
    fn an_ed25519_key_is_read_from_its_bytes_and_no_other_key_has_them() {
        let [p256, ed25519] =
            BOTH.map(|algorithm| SigningKey::generate(algorithm).unwrap().verifying_key());
        let mut small_order = [0; 32];
        small_order[0] = 1;

        let bytes = ed25519.ed25519_bytes().unwrap();

        assert_eq!(VerifyingKey::from_ed25519_bytes(bytes), Ok(ed25519.clone()));
        assert_eq!(p256.ed25519_bytes(), None);
        assert_eq!(VerifyingKey::from_ed25519_bytes(&small_order), Err(KeyError::Malformed));
        assert_eq!(VerifyingKey::from_ed25519_bytes(&[2; 32]), Err(KeyError::Malformed));
    }

    #[test]
    fn a_signature_verifies_only_its_message_and_key() {
        for algorithm in BOTH {
            let key = SigningKey::generate(algorithm).unwrap();
            let other = SigningKey::generate(algorithm).unwrap().verifying_key();
            let signature = key.sign(b"message");

            assert!(key.verifying_key().verifies(b"message", &signature));
            assert!(!key.verifying_key().verifies(b"massage", &signature));
            assert!(!key.verifying_key().verifies(b"message", &signature[1..]));
            assert!(!key.verifying_key().verifies(b"message", b""));
            assert!(!other.verifies(b"message", &signature));
            assert_eq!(signature, key.sign(b"message"));
        }
    }

    #[test]
    fn a_weak_ed25519_key_is_refused() {
        let mut identity = [0; 32];
        identity[0] = 1;

        let refused = VerifyingKey::from_spki_der(&[&ED25519_SPKI_PREFIX[..], &identity].concat());

        assert_eq!(refused, Err(KeyError::Malformed));
    }

    #[test]
    fn debug_output_holds_no_secret() {
        let key = SigningKey::generate(Algorithm::EcdsaP256).unwrap();

        assert_eq!(format!("{key:?}"), format!("SigningKey({})", key.verifying_key().id()));
    }

    #[test]
    fn a_wrong_pem_block_says_what_to_do() {
        let key = SigningKey::generate(Algorithm::EcdsaP256).unwrap();
        let public = key.verifying_key().to_pem();
        let relabelled = |label: &str| public.replace("PUBLIC KEY", label);
        let message = |pem: &str| SigningKey::from_pem(pem).unwrap_err().to_string();

        assert!(message(&public).contains("private one"));
        assert!(message(&relabelled("EC PRIVATE KEY")).contains("openssl pkcs8 -topk8"));
        assert!(message(&relabelled("ENCRYPTED PRIVATE KEY")).contains("decrypt"));
        assert!(message("hello").contains("BEGIN PRIVATE KEY"));
        let private = VerifyingKey::from_pem(&key.to_pem().unwrap()).unwrap_err();
        assert!(private.to_string().contains("keep it secret"));
    }

    proptest! {
        #[test]
        fn arbitrary_keys_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in ".*") {
            let _ = VerifyingKey::from_spki_der(&bytes);
            let _ = VerifyingKey::from_spki_der(&[&P256_SPKI_PREFIX[..], &bytes].concat());
            let _ = VerifyingKey::from_spki_der(&[&ED25519_SPKI_PREFIX[..], &bytes].concat());
            let _ = (SigningKey::from_pem(&text), VerifyingKey::from_pem(&text), text.parse::<KeyId>());
            let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(&bytes));
            let _ = SigningKey::from_pem(&pem);
        }

        #[test]
        fn arbitrary_signatures_never_verify(signature in proptest::collection::vec(any::<u8>(), 0..80)) {
            for algorithm in BOTH {
                let key = SigningKey::generate(algorithm).unwrap().verifying_key();
                prop_assert!(!key.verifies(b"message", &signature));
            }
        }
    }
}
