//! The signed envelope (DSSE v1): a payload, its type, and signatures over both.

use std::collections::BTreeSet;

use crate::key::{KeyId, SigningKey, VerifyingKey};

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
        let message = self.signed_bytes();
        let by_key = |signature: &Signature| {
            let mut named = keys.iter().filter(|key| key.id() == signature.key_id);
            named.find(|key| key.verifies(&message, &signature.signature)).map(VerifyingKey::id)
        };
        self.signatures.iter().filter_map(by_key).collect()
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
    use super::*;
    use crate::key::Algorithm;

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
}
