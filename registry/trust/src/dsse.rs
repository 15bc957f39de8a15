//! The signed envelope (DSSE v1): a payload, its type, and signatures over both.

use std::collections::BTreeSet;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

use crate::{
    digest::shortened_to,
    key::{KeyId, SigningKey, VerifyingKey},
    log::tile::MAX_ENTRY_BYTES,
};

/// The most signatures that a leaf of the log may have: both thresholds of a change of all root keys. Verifying one is
/// what costs time.
pub const MAX_SIGNATURES: usize = 32;

/// A payload with its signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// What the payload is; signed.
    pub payload_type: String,
    /// What is signed.
    pub payload: Vec<u8>,
    /// Who signed.
    pub signatures: Vec<Signature>,
}

/// One signature of an envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Which key claims to have signed; believed only after it verifies.
    pub key_id: KeyId,
    /// The signature over the pre-authentication encoding.
    pub signature: Vec<u8>,
}

impl Envelope {
    /// Signs a payload with one key.
    pub fn sign(payload_type: &str, payload: Vec<u8>, key: &SigningKey) -> Self {
        let signature = key.sign(&pre_authentication_encoding(payload_type, &payload));
        Self {
            payload_type: payload_type.to_owned(),
            payload,
            signatures: vec![Signature { key_id: key.verifying_key().id(), signature }],
        }
    }

    /// What the signatures are over.
    pub fn signed_bytes(&self) -> Vec<u8> {
        pre_authentication_encoding(&self.payload_type, &self.payload)
    }

    /// Which of `keys` signed. A set: two signatures by one key are one signer.
    pub fn verified_signers(&self, keys: &[VerifyingKey]) -> BTreeSet<KeyId> {
        self.signers_among(|id| keys.iter().find(|key| key.id() == id))
    }

    /// The same with keys that are looked up by their id.
    pub(crate) fn signers_among<'k>(
        &self,
        key: impl Fn(KeyId) -> Option<&'k VerifyingKey>,
    ) -> BTreeSet<KeyId> {
        let message = self.signed_bytes();
        let mut signers = BTreeSet::new();
        for Signature { key_id, signature } in &self.signatures {
            let is_new = !signers.contains(key_id);
            if is_new && key(*key_id).is_some_and(|key| key.verifies(&message, signature)) {
                signers.insert(*key_id);
            }
        }
        signers
    }

    /// The only canonical JSON (RFC 8785) of the envelope: the leaf that the log has of it.
    pub fn to_canonical_json(&self) -> String {
        // Strings and lists only: nothing here that JSON cannot hold.
        serde_json_canonicalizer::to_string(&WireEnvelope::from(self)).unwrap_or_default()
    }

    /// Reads what [`to_canonical_json`](Self::to_canonical_json) writes, and nothing else.
    ///
    /// One statement has one leaf: were two texts of an envelope accepted, a log could hold it twice and show either.
    pub fn parse_canonical(leaf: &[u8]) -> Result<Self, LeafError> {
        if leaf.len() > MAX_ENTRY_BYTES {
            return Err(LeafError::TooLarge { size: leaf.len() });
        }
        let wire: WireEnvelope =
            serde_json::from_slice(leaf).map_err(|error| LeafError::malformed(&error))?;
        let decode = |text: &str, field: &str| {
            let reason = |error| LeafError::malformed(&format!("{field} is not base64: {error}"));
            STANDARD.decode(text).map_err(reason)
        };
        let signature = |one: &WireSignature| {
            let key_id = one.keyid.parse().map_err(|error| LeafError::malformed(&error))?;
            Ok(Signature { key_id, signature: decode(&one.sig, "sig")? })
        };
        let envelope = Self {
            payload: decode(&wire.payload, "payload")?,
            payload_type: wire.payload_type,
            signatures: wire.signatures.iter().map(signature).collect::<Result<_, _>>()?,
        };
        match envelope.signatures.len() {
            0 => return Err(LeafError::Unsigned),
            1..=MAX_SIGNATURES => {}
            count => return Err(LeafError::TooManySignatures { count }),
        }
        if envelope.to_canonical_json().as_bytes() != leaf {
            return Err(LeafError::NotCanonical);
        }
        Ok(envelope)
    }
}

/// Why bytes are not the canonical JSON of a signed envelope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LeafError {
    /// Larger than an entry of the log.
    #[error(
        "the signed envelope is {size} bytes, more than the {MAX_ENTRY_BYTES} that the log holds"
    )]
    TooLarge {
        /// Its size.
        size: usize,
    },
    /// Not JSON, or not of an envelope's shape.
    #[error("the signed envelope is malformed: {reason}")]
    Malformed {
        /// What and where.
        reason: String,
    },
    /// No signatures.
    #[error("the envelope has no signature; what nobody signed is not logged")]
    Unsigned,
    /// More than anybody needs.
    #[error("the envelope has {count} signatures, more than the {MAX_SIGNATURES} allowed")]
    TooManySignatures {
        /// How many.
        count: usize,
    },
    /// The same envelope, written another way.
    #[error(
        "the envelope's JSON is not canonical (RFC 8785): keys sorted, no spaces, padded standard base64"
    )]
    NotCanonical,
}

impl LeafError {
    /// A stable name of the rule that was broken.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "leaf_too_large",
            Self::Malformed { .. } => "leaf_malformed",
            Self::Unsigned => "leaf_unsigned",
            Self::TooManySignatures { .. } => "leaf_signatures",
            Self::NotCanonical => "leaf_not_canonical",
        }
    }

    fn malformed(reason: &impl ToString) -> Self {
        Self::Malformed { reason: shortened_to(300, &reason.to_string()) }
    }
}

/// The envelope as JSON has it, in a bundle and in the log.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct WireEnvelope {
    pub(crate) payload: String,
    pub(crate) payload_type: String,
    pub(crate) signatures: Vec<WireSignature>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WireSignature {
    pub(crate) sig: String,
    #[serde(default)]
    pub(crate) keyid: String,
}

impl From<&Envelope> for WireEnvelope {
    fn from(envelope: &Envelope) -> Self {
        let signature = |one: &Signature| WireSignature {
            sig: STANDARD.encode(&one.signature),
            keyid: one.key_id.to_string(),
        };
        Self {
            payload: STANDARD.encode(&envelope.payload),
            payload_type: envelope.payload_type.clone(),
            signatures: envelope.signatures.iter().map(signature).collect(),
        }
    }
}

/// Lengths before contents, so that no byte of the type can pass for one of the payload.
pub fn pre_authentication_encoding(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut encoded =
        format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    encoded.extend_from_slice(payload);
    encoded
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::key::Algorithm;

    fn signed(payload: &[u8]) -> Envelope {
        let key = SigningKey::generate(Algorithm::Ed25519).unwrap();
        Envelope::sign("application/vnd.in-toto+json", payload.to_vec(), &key)
    }

    fn code(leaf: &str) -> &'static str {
        Envelope::parse_canonical(leaf.as_bytes()).unwrap_err().code()
    }

    #[test]
    fn the_encoding_is_that_of_the_specification() {
        let encoded = pre_authentication_encoding("http://example.com/HelloWorld", b"hello world");

        assert_eq!(encoded, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    }

    #[test]
    fn one_key_that_signs_twice_is_one_signer() {
        let key = SigningKey::generate(Algorithm::Ed25519).unwrap();
        let mut envelope = Envelope::sign("t", b"p".to_vec(), &key);
        envelope.signatures.push(envelope.signatures[0].clone());
        let public = key.verifying_key();

        let signers = envelope.verified_signers(&[public.clone(), public.clone()]);

        assert_eq!(signers, BTreeSet::from([public.id()]));
    }

    #[test]
    fn a_signature_that_does_not_verify_hides_none_that_does() {
        let [key, other] = [(), ()].map(|()| SigningKey::generate(Algorithm::Ed25519).unwrap());
        let mut envelope = Envelope::sign("t", b"p".to_vec(), &key);
        let mut forged = Envelope::sign("t", b"p".to_vec(), &other).signatures;
        forged[0].key_id = key.verifying_key().id();
        envelope.signatures.splice(0..0, forged);
        let keys = [key.verifying_key(), other.verifying_key()];

        assert_eq!(envelope.verified_signers(&keys), BTreeSet::from([keys[0].id()]));
    }

    #[test]
    fn two_keys_are_two_signers_and_a_stranger_is_none() {
        let keys = [Algorithm::EcdsaP256, Algorithm::Ed25519, Algorithm::Ed25519]
            .map(|algorithm| SigningKey::generate(algorithm).unwrap());
        let mut envelope = Envelope::sign("t", b"p".to_vec(), &keys[0]);
        for key in &keys[1..] {
            envelope.signatures.extend(Envelope::sign("t", b"p".to_vec(), key).signatures);
        }
        let known = [keys[0].verifying_key(), keys[1].verifying_key()];

        let signers = envelope.verified_signers(&known);

        assert_eq!(signers, known.iter().map(VerifyingKey::id).collect());
    }

    #[test]
    fn the_type_is_signed() {
        let key = SigningKey::generate(Algorithm::EcdsaP256).unwrap();
        let mut envelope = Envelope::sign("t", b"p".to_vec(), &key);
        envelope.payload_type = "u".into();

        assert!(envelope.verified_signers(&[key.verifying_key()]).is_empty());
    }

    #[test]
    fn a_leaf_is_the_envelopes_only_canonical_json() {
        let envelope = Envelope {
            payload_type: "t\u{1}\"é/".into(),
            payload: b"\xff\xfe\xfd\xfc".to_vec(),
            signatures: vec![Signature {
                key_id: "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=".parse().unwrap(),
                signature: b"s".to_vec(),
            }],
        };

        let leaf = envelope.to_canonical_json();

        // RFC 8785: sorted keys, no spaces, only what must be escaped is, and that in lower case.
        let expected = concat!(
            r#"{"payload":"//79/A==","payloadType":"t\u0001\"é/","signatures":"#,
            r#"[{"keyid":"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=","sig":"cw=="}]}"#
        );
        assert_eq!(leaf, expected);
        assert_eq!(Envelope::parse_canonical(leaf.as_bytes()), Ok(envelope));
    }

    #[test]
    fn a_leaf_keeps_every_signature_in_its_order() {
        let mut envelope = signed(b"p");
        envelope.signatures.extend(signed(b"p").signatures);
        envelope.signatures.extend(envelope.signatures.clone());

        let leaf = envelope.to_canonical_json();

        assert_eq!(Envelope::parse_canonical(leaf.as_bytes()), Ok(envelope));
    }

    #[test]
    fn the_same_envelope_written_another_way_is_refused() {
        let leaf = signed(b"{}").to_canonical_json();
        let (payload, rest) = leaf.split_once(r#","payloadType""#).unwrap();
        let change = |from: &str, to: &str| {
            assert!(leaf.contains(from), "{from}");
            code(&leaf.replace(from, to))
        };

        assert_eq!(code(&format!("{leaf}\n")), "leaf_not_canonical");
        assert_eq!(code(&format!(" {leaf}")), "leaf_not_canonical");
        assert_eq!(change(",", ", "), "leaf_not_canonical");
        assert_eq!(change("in-toto", r"in\u002dtoto"), "leaf_not_canonical");
        assert_eq!(change("application/", r"application\/"), "leaf_not_canonical");
        let payload_last =
            format!(r#"{{"payloadType"{},{}}}"#, &rest[..rest.len() - 1], &payload[1..]);
        assert_eq!(code(&payload_last), "leaf_not_canonical");
    }

    #[test]
    fn what_is_not_a_signed_envelope_is_refused() {
        let envelope = signed(b"{}");
        let leaf = envelope.to_canonical_json();
        let change = |from: &str, to: &str| {
            assert!(leaf.contains(from), "{from}");
            code(&leaf.replace(from, to))
        };
        let sized = |size| Envelope { payload: vec![0; size], ..envelope.clone() };

        assert_eq!(code(""), "leaf_malformed");
        assert_eq!(code("[]"), "leaf_malformed");
        assert_eq!(code(&format!("{leaf}{leaf}")), "leaf_malformed");
        assert_eq!(change(r#""payload":"e30=""#, r#""payload":"e30""#), "leaf_malformed");
        assert_eq!(change(r#""payload":"e30=""#, r#""payload":"e31=""#), "leaf_malformed");
        assert_eq!(change(r#""payload":"e30=","#, ""), "leaf_malformed");
        assert_eq!(change(r#"{"payload""#, r#"{"more":1,"payload""#), "leaf_malformed");
        assert_eq!(change(r#"{"payload""#, r#"{"payload":"e30=","payload""#), "leaf_malformed");
        assert_eq!(change("keyid", "kid"), "leaf_malformed");
        assert_eq!(change(r#""keyid":""#, r#""keyid":"A"#), "leaf_malformed");
        let unsigned = Envelope { signatures: Vec::new(), ..envelope.clone() };
        assert_eq!(code(&unsigned.to_canonical_json()), "leaf_unsigned");
        assert!(Envelope::parse_canonical(sized(48_000).to_canonical_json().as_bytes()).is_ok());
        assert_eq!(code(&sized(50_000).to_canonical_json()), "leaf_too_large");
    }

    fn any_envelope() -> impl Strategy<Value = Envelope> {
        let bytes = || proptest::collection::vec(any::<u8>(), 0..80);
        let signature = (any::<[u8; 32]>(), bytes()).prop_map(|(id, signature)| Signature {
            key_id: STANDARD.encode(id).parse().unwrap(),
            signature,
        });
        (any::<String>(), bytes(), proptest::collection::vec(signature, 1..4)).prop_map(
            |(payload_type, payload, signatures)| Envelope { payload_type, payload, signatures },
        )
    }

    proptest! {
        #[test]
        fn every_signed_envelope_is_read_from_its_leaf(envelope in any_envelope()) {
            let leaf = envelope.to_canonical_json();

            prop_assert_eq!(Envelope::parse_canonical(leaf.as_bytes()), Ok(envelope));
        }

        #[test]
        fn a_leaf_that_parses_is_written_back_byte_for_byte(
            envelope in any_envelope(), at in any::<prop::sample::Index>(), byte: u8, noise in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let mut changed = envelope.to_canonical_json().into_bytes();
            let at = at.index(changed.len());
            changed[at] = byte;
            for bytes in [changed, noise] {
                if let Ok(read) = Envelope::parse_canonical(&bytes) {
                    prop_assert_eq!(read.to_canonical_json().into_bytes(), bytes);
                }
            }
        }
    }
}
