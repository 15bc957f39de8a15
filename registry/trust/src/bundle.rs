//! The Sigstore bundle, version 0.3, with a self-managed key: how a signed statement travels.

use base64::{
    Engine,
    alphabet::{STANDARD, URL_SAFE},
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde::{Deserialize, Serialize, de::IgnoredAny};

use crate::{
    digest::{shortened, shortened_to},
    dsse::{Envelope, Signature, WireEnvelope},
    key::KeyId,
};

/// The media type of the only accepted version.
pub const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
/// The largest bundle that is read.
pub const MAX_BYTES: usize = 256 * 1024;

/// Why bytes are not a bundle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// Larger than [`MAX_BYTES`].
    #[error("the bundle is {size} bytes, more than the {MAX_BYTES} allowed")]
    TooLarge {
        /// Its size.
        size: usize,
    },
    /// Not JSON, or not of a bundle's shape.
    #[error("the bundle is malformed: {reason}")]
    Malformed {
        /// What and where.
        reason: String,
    },
    /// Another version or format.
    #[error(
        "the bundle's mediaType is {found:?}, only {MEDIA_TYPE:?} is accepted; sign with `idp publish`"
    )]
    MediaType {
        /// What it is.
        found: String,
    },
    /// A certificate instead of a key.
    #[error(
        "the bundle is for a certificate; only self-managed keys (`verificationMaterial.publicKey`) are accepted"
    )]
    Certificate,
    /// A signature over bytes instead of a statement.
    #[error(
        "the bundle signs bytes (`messageSignature`); a statement (`dsseEnvelope`) is required"
    )]
    MessageSignature,
    /// None or several signatures.
    #[error("the bundle has {count} signatures, a bundle has exactly one")]
    Signatures {
        /// How many.
        count: usize,
    },
    /// The hint and the envelope name two keys.
    #[error("the bundle's publicKey.hint {hint:?} and its signature's keyid {key_id:?} differ")]
    KeyId {
        /// `verificationMaterial.publicKey.hint`.
        hint: String,
        /// `dsseEnvelope.signatures[0].keyid`.
        key_id: String,
    },
}

impl BundleError {
    /// A stable name of the rule that was broken.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "bundle_too_large",
            Self::Malformed { .. } => "bundle_malformed",
            Self::MediaType { .. } => "bundle_media_type",
            Self::Certificate | Self::MessageSignature => "bundle_unsupported",
            Self::Signatures { .. } => "bundle_signatures",
            Self::KeyId { .. } => "bundle_key_id",
        }
    }

    fn malformed(reason: &(impl ToString + ?Sized)) -> Self {
        Self::Malformed { reason: shortened_to(300, &reason.to_string()) }
    }
}

/// A statement's envelope with exactly one signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    envelope: Envelope,
    signer: KeyId,
}

impl Bundle {
    /// Wraps an envelope.
    pub fn new(envelope: Envelope) -> Result<Self, BundleError> {
        match envelope.signatures.as_slice() {
            [only] => Ok(Self { signer: only.key_id, envelope }),
            several => Err(BundleError::Signatures { count: several.len() }),
        }
    }

    /// The envelope, with one signature.
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// The key that claims to have signed.
    pub fn signer(&self) -> KeyId {
        self.signer
    }

    /// Reads a bundle. Transparency log entries and timestamps may be present; they are not evaluated.
    pub fn parse(bytes: &[u8]) -> Result<Self, BundleError> {
        if bytes.len() > MAX_BYTES {
            return Err(BundleError::TooLarge { size: bytes.len() });
        }
        let head: Head =
            serde_json::from_slice(bytes).map_err(|error| BundleError::malformed(&error))?;
        if head.media_type != MEDIA_TYPE {
            return Err(BundleError::MediaType { found: shortened(&head.media_type) });
        }
        let wire: Wire =
            serde_json::from_slice(bytes).map_err(|error| BundleError::malformed(&error))?;
        let material = wire.verification_material;
        if material.certificate.is_some() || material.x509_certificate_chain.is_some() {
            return Err(BundleError::Certificate);
        }
        if wire.message_signature.is_some() {
            return Err(BundleError::MessageSignature);
        }
        let hint = material
            .public_key
            .ok_or_else(|| BundleError::malformed("verificationMaterial.publicKey is missing"))?
            .hint;
        let envelope =
            wire.dsse_envelope.ok_or_else(|| BundleError::malformed("dsseEnvelope is missing"))?;
        Self::from_wire_parts(&hint, envelope)
    }

    fn from_wire_parts(hint: &str, wire: WireEnvelope) -> Result<Self, BundleError> {
        let [signature] = wire.signatures.as_slice() else {
            return Err(BundleError::Signatures { count: wire.signatures.len() });
        };
        if signature.keyid != hint {
            return Err(BundleError::KeyId {
                hint: shortened(hint),
                key_id: shortened(&signature.keyid),
            });
        }
        let signer = hint.parse().map_err(|error| BundleError::malformed(&error))?;
        let signature = Signature { key_id: signer, signature: decode(&signature.sig, "sig")? };
        let payload = decode(&wire.payload, "payload")?;
        let envelope =
            Envelope { payload_type: wire.payload_type, payload, signatures: vec![signature] };
        Ok(Self { envelope, signer })
    }

    /// Writes the bundle, always the same way.
    pub fn to_json(&self) -> String {
        let wire = Wire {
            media_type: MEDIA_TYPE.to_owned(),
            verification_material: WireMaterial {
                public_key: Some(WirePublicKey { hint: self.signer.to_string() }),
                ..WireMaterial::default()
            },
            dsse_envelope: Some(WireEnvelope::from(&self.envelope)),
            message_signature: None,
        };
        // Strings and lists only: nothing here that JSON cannot hold.
        serde_json::to_string(&wire).unwrap_or_default()
    }
}

/// Either alphabet, with or without padding, as protobuf's JSON mapping and DSSE both ask of readers.
fn decode(text: &str, field: &str) -> Result<Vec<u8>, BundleError> {
    let config =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let alphabet = if text.contains(['-', '_']) { &URL_SAFE } else { &STANDARD };
    GeneralPurpose::new(alphabet, config)
        .decode(text)
        .map_err(|error| BundleError::malformed(&format!("{field} is not base64: {error}")))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    media_type: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wire {
    media_type: String,
    verification_material: WireMaterial,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dsse_envelope: Option<WireEnvelope>,
    #[serde(default, skip_serializing)]
    message_signature: Option<IgnoredAny>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WireMaterial {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    public_key: Option<WirePublicKey>,
    #[serde(default, skip_serializing)]
    certificate: Option<IgnoredAny>,
    #[serde(default, skip_serializing)]
    x509_certificate_chain: Option<IgnoredAny>,
    #[serde(default, skip_serializing, rename = "tlogEntries")]
    _tlog_entries: Option<IgnoredAny>,
    #[serde(default, skip_serializing, rename = "timestampVerificationData")]
    _timestamp_verification_data: Option<IgnoredAny>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WirePublicKey {
    hint: String,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::key::{Algorithm, SigningKey};

    fn signed() -> Bundle {
        let key = SigningKey::generate(Algorithm::EcdsaP256).unwrap();
        Bundle::new(Envelope::sign(
            "application/vnd.in-toto+json",
            b"{\"a\":\"\xc3\xbf>?\"}".to_vec(),
            &key,
        ))
        .unwrap()
    }

    fn value(bundle: &Bundle) -> Value {
        serde_json::from_str(&bundle.to_json()).unwrap()
    }

    fn code(value: &Value) -> &'static str {
        Bundle::parse(value.to_string().as_bytes()).unwrap_err().code()
    }

    #[test]
    fn a_bundle_reads_back_as_it_was_written() {
        let bundle = signed();

        assert_eq!(Bundle::parse(bundle.to_json().as_bytes()), Ok(bundle));
    }

    #[test]
    fn the_shape_is_that_of_sigstore() {
        let bundle = signed();
        let id = bundle.signer().to_string();

        let value = value(&bundle);

        assert_eq!(value["mediaType"], MEDIA_TYPE);
        assert_eq!(value["verificationMaterial"], json!({"publicKey": {"hint": id}}));
        assert_eq!(value["dsseEnvelope"]["payloadType"], "application/vnd.in-toto+json");
        assert_eq!(value["dsseEnvelope"]["signatures"][0]["keyid"], id);
    }

    #[test]
    fn url_safe_base64_without_padding_is_read_too() {
        let bundle = signed();
        let mut value = value(&bundle);
        let text = value["dsseEnvelope"]["payload"].as_str().unwrap();
        value["dsseEnvelope"]["payload"] =
            text.replace('+', "-").replace('/', "_").trim_end_matches('=').into();

        assert_eq!(Bundle::parse(value.to_string().as_bytes()), Ok(bundle));
    }

    #[test]
    fn evidence_of_other_tools_is_tolerated() {
        let bundle = signed();
        let mut value = value(&bundle);
        value["verificationMaterial"]["tlogEntries"] = json!([{"logIndex": "1"}]);
        value["verificationMaterial"]["timestampVerificationData"] = json!({});

        assert_eq!(Bundle::parse(value.to_string().as_bytes()), Ok(bundle));
    }

    #[test]
    fn what_is_not_our_kind_of_bundle_is_refused_by_code() {
        let change = |path: &str, new: Value| {
            let mut value = value(&signed());
            *value.pointer_mut(path).unwrap() = new;
            code(&value)
        };
        let add = |path: &str, field: &str, new: Value| {
            let mut value = value(&signed());
            value.pointer_mut(path).unwrap()[field] = new;
            code(&value)
        };

        assert_eq!(change("/mediaType", json!("application/x")), "bundle_media_type");
        assert_eq!(change("/dsseEnvelope/signatures", json!([])), "bundle_signatures");
        assert_eq!(change("/verificationMaterial/publicKey/hint", json!("x")), "bundle_key_id");
        assert_eq!(change("/dsseEnvelope/payload", json!("%%%")), "bundle_malformed");
        assert_eq!(change("/verificationMaterial", json!({})), "bundle_malformed");
        assert_eq!(add("/verificationMaterial", "certificate", json!({})), "bundle_unsupported");
        assert_eq!(add("", "messageSignature", json!({})), "bundle_unsupported");
        assert_eq!(add("", "surprise", json!(1)), "bundle_malformed");
        let twice = value(&signed())["dsseEnvelope"]["signatures"][0].clone();
        assert_eq!(change("/dsseEnvelope/signatures", json!([twice, twice])), "bundle_signatures");
        let large = Bundle::parse(&vec![b' '; MAX_BYTES + 1]).unwrap_err();
        assert_eq!(large.code(), "bundle_too_large");
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
            let _ = Bundle::parse(&bytes);
        }

        #[test]
        fn a_changed_bundle_fails_or_says_the_same(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let bundle = signed();
            let mut bytes = bundle.to_json().into_bytes();
            let at = at.index(bytes.len());
            bytes[at] = byte;

            if let Ok(read) = Bundle::parse(&bytes) {
                prop_assert_eq!(Bundle::parse(read.to_json().as_bytes()), Ok(read));
            }
        }
    }
}
