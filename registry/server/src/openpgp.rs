//! OpenPGP for provider releases: the key, the detached signature over `SHA256SUMS`, and checking both.
//!
//! Terraform accepts few of the forms that OpenPGP allows, and different releases accept different ones. What is
//! made here works with all of them: an RSA-4096 version 4 key with one user id that may certify and sign and never
//! expires, and a binary SHA-512 signature. What is accepted from elsewhere is what all of them accept and nothing
//! that is broken: no SHA-1, no DSA, no RSA below 2048 bits, no expiry.
//! Knows nothing of releases, HTTP or storage. The private half is only ever used by the command line.

use pgp::{
    composed::{
        ArmorOptions, Deserializable, DetachedSignature, KeyType, SignedKeyDetails,
        SignedPublicKey, SignedPublicSubKey, SignedSecretKey,
    },
    crypto::{hash::HashAlgorithm, public_key::PublicKeyAlgorithm},
    packet::{
        KeyFlags, PubKeyInner, Signature, SignatureConfig, SignatureType, SignatureVersion,
        Subpacket, SubpacketData, UserId,
    },
    ser::Serialize,
    types::{KeyDetails, KeyVersion, Password, PublicParams, SignedUser, Tag, Timestamp},
};
use rand::rngs::OsRng;
use zeroize::Zeroizing;

const BITS: u32 = 4096;
const MIN_RSA_BITS: u16 = 2048;
const MAX_ARMORED_BYTES: usize = 64 * 1024;
const MAX_SIGNATURE_BYTES: usize = 8 * 1024;
/// Terraform takes a signature from the future for an expired one; clocks differ a little.
const CLOCK_SKEW_SECONDS: u32 = 60;

/// Why a key or a signature cannot be made or is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum OpenPgpError {
    /// Not one armored block of one key.
    #[error(
        "not an OpenPGP key: {reason}; expected one block `-----BEGIN PGP {expected} KEY BLOCK-----`"
    )]
    MalformedKey {
        /// `PUBLIC` or `PRIVATE`.
        expected: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// A private key where a public one belongs.
    #[error(
        "this is a private key; keep it secret and give its public half (gpg --armor --export)"
    )]
    SecretKey,
    /// A private key that its passphrase does not open.
    #[error("the private key cannot be unlocked with this passphrase")]
    Locked,
    /// A key of an algorithm or size that is weak or that some releases of Terraform refuse.
    #[error(
        "key {key_id} uses {algorithm}; use RSA with {MIN_RSA_BITS} bits or more (RSA-4096 works everywhere)"
    )]
    WeakKey {
        /// The key.
        key_id: String,
        /// What it uses.
        algorithm: String,
    },
    /// A key without a user id that it signed itself, with a hash that is not broken.
    #[error("key {key_id} has no user id with a self-signature by SHA-256 or stronger")]
    NoUserId {
        /// The key.
        key_id: String,
    },
    /// A key that may not sign.
    #[error("key {key_id} has no valid part whose key flags allow signing")]
    NoSigningKey {
        /// The key.
        key_id: String,
    },
    /// A key that its owner revoked.
    #[error("key {key_id} is revoked; Terraform refuses it")]
    Revoked {
        /// The key.
        key_id: String,
    },
    /// A key or signature that stops working one day.
    #[error("{what} expires; releases would stop installing that day, make it without an expiry")]
    Expires {
        /// What expires.
        what: String,
    },
    /// A user id that cannot be one.
    #[error(
        "a user id is 1 to 255 characters without control characters, as `Name <mail@example.com>`"
    )]
    UserId,
    /// A time that OpenPGP cannot write.
    #[error("the time is not between 1970 and 2106; check the clock")]
    Time,
    /// Not a signature as Terraform reads it.
    #[error("not a detached OpenPGP signature: {reason}")]
    MalformedSignature {
        /// What is wrong and how to mend it.
        reason: String,
    },
    /// A signature by a hash that is broken or that some releases of Terraform refuse.
    #[error("the signature uses {hash}; use SHA-512 (gpg --digest-algo SHA512 --detach-sign)")]
    WeakHash {
        /// The hash.
        hash: HashAlgorithm,
    },
    /// A signature by a key that is not the expected one.
    #[error("the signature is by key {found}, expected key {expected}")]
    OtherKey {
        /// The key that it names.
        found: String,
        /// The key that was given.
        expected: String,
    },
    /// A signature from the future.
    #[error(
        "the signature's time lies {seconds} seconds in the future; Terraform refuses it, check the clock"
    )]
    Future {
        /// How far.
        seconds: u32,
    },
    /// A signature that is not over these bytes.
    #[error(
        "the signature by key {key_id} does not match; sign exactly the bytes that are uploaded"
    )]
    BadSignature {
        /// The key.
        key_id: String,
    },
    /// The library cannot do what it was asked.
    #[error("the OpenPGP operation failed")]
    Library(#[from] pgp::errors::Error),
}

impl OpenPgpError {
    /// A stable name of the rule that was broken.
    pub fn code(&self) -> &'static str {
        match self {
            Self::MalformedKey { .. } => "openpgp_key_malformed",
            Self::SecretKey => "openpgp_secret_key",
            Self::Locked => "openpgp_key_locked",
            Self::WeakKey { .. } => "openpgp_key_weak",
            Self::NoUserId { .. } => "openpgp_key_without_user_id",
            Self::NoSigningKey { .. } => "openpgp_key_cannot_sign",
            Self::Revoked { .. } => "openpgp_key_revoked",
            Self::Expires { .. } => "openpgp_expires",
            Self::UserId => "openpgp_user_id",
            Self::Time => "openpgp_time",
            Self::MalformedSignature { .. } => "openpgp_signature_malformed",
            Self::WeakHash { .. } => "openpgp_hash_weak",
            Self::OtherKey { .. } => "openpgp_other_key",
            Self::Future { .. } => "openpgp_signature_from_the_future",
            Self::BadSignature { .. } => "openpgp_signature_invalid",
            Self::Library(_) => "openpgp_failed",
        }
    }

    fn signature(reason: &str) -> Self {
        Self::MalformedSignature { reason: reason.to_owned() }
    }
}

/// The private half of a provider release key. Prints as its key id; wiped from memory when dropped.
pub struct SigningKey {
    key: SignedSecretKey,
    password: Password,
    public: PublicKey,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey({})", self.public.key_id())
    }
}

impl SigningKey {
    /// Makes an RSA-4096 key. Takes seconds, and a minute when unlucky: not for a thread that others wait for.
    pub fn generate(user_id: &str, at_millis: i64) -> Result<Self, OpenPgpError> {
        Self::generate_with(BITS, user_id, timestamp(at_millis)?)
    }

    fn generate_with(bits: u32, user_id: &str, at: Timestamp) -> Result<Self, OpenPgpError> {
        if user_id.trim().is_empty() || user_id.len() > 255 || user_id.chars().any(char::is_control)
        {
            return Err(OpenPgpError::UserId);
        }
        let (public_params, secret_params) = KeyType::Rsa(bits).generate(OsRng)?;
        let algorithm = PublicKeyAlgorithm::RSA;
        let inner = PubKeyInner::new(KeyVersion::V4, algorithm, at, None, public_params)?;
        let public = pgp::packet::PublicKey::from_inner(inner)?;
        let primary = pgp::packet::SecretKey::new(public, secret_params)?;
        let user_id = UserId::from_str(pgp::types::PacketHeaderVersion::default(), user_id)?;
        let mut flags = KeyFlags::default();
        flags.set_certify(true);
        flags.set_sign(true);
        let mut config = signature_config(&primary, SignatureType::CertPositive, at)?;
        config.hashed_subpackets.push(Subpacket::regular(SubpacketData::KeyFlags(flags))?);
        config.hashed_subpackets.push(Subpacket::regular(SubpacketData::IsPrimary(true))?);
        let certification = config.sign_certification(
            &primary,
            primary.public_key(),
            &Password::empty(),
            Tag::UserId,
            &user_id,
        )?;
        let users = vec![SignedUser::new(user_id, vec![certification])];
        let details = SignedKeyDetails::new(vec![], vec![], users, vec![]);
        Self::new(SignedSecretKey::new(primary, details, vec![], vec![]), Password::empty())
    }

    fn new(key: SignedSecretKey, password: Password) -> Result<Self, OpenPgpError> {
        let public = PublicKey::accept(key.to_public_key())?;
        let signing_key = Self { key, password, public };
        // An attempt tells a wrong passphrase and a missing private half from a usable key.
        signing_key.sign_at(b"", Timestamp::from_secs(0)).map_err(|_| OpenPgpError::Locked)?;
        Ok(signing_key)
    }

    /// Reads one armored private key, whose public half must be acceptable. The passphrase is empty where there is none.
    pub fn from_armored(text: &str, passphrase: &str) -> Result<Self, OpenPgpError> {
        let key = read_armored::<SignedSecretKey>(text, "PRIVATE")?;
        let password = if passphrase.is_empty() { Password::empty() } else { passphrase.into() };
        Self::new(key, password)
    }

    /// The armored private key, as it was made or read.
    pub fn to_armored(&self) -> Result<Zeroizing<String>, OpenPgpError> {
        Ok(Zeroizing::new(self.key.to_armored_string(ArmorOptions::default())?))
    }

    /// The public half.
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// A detached, binary signature over `data`, as `…_SHA256SUMS.sig` holds it.
    pub fn sign(&self, data: &[u8], at_millis: i64) -> Result<Vec<u8>, OpenPgpError> {
        self.sign_at(data, timestamp(at_millis)?)
    }

    fn sign_at(&self, data: &[u8], at: Timestamp) -> Result<Vec<u8>, OpenPgpError> {
        let signature = if self.public.primary_signs {
            let key = &self.key.primary_key;
            signature_config(key, SignatureType::Binary, at)?.sign(key, &self.password, data)?
        } else {
            let is_accepted = |fingerprint| {
                let mut accepted = self.public.key.public_subkeys.iter();
                accepted.any(|subkey| subkey.fingerprint() == fingerprint)
            };
            let mut subkeys = self.key.secret_subkeys.iter();
            let subkey = subkeys.find(|subkey| is_accepted(subkey.fingerprint()));
            let key = &subkey.ok_or(OpenPgpError::Locked)?.key;
            signature_config(key, SignatureType::Binary, at)?.sign(key, &self.password, data)?
        };
        Ok(DetachedSignature::new(signature).to_bytes()?)
    }
}

/// Names the signer by fingerprint, and by key id for readers that know no fingerprints.
fn signature_config(
    key: &impl KeyDetails,
    kind: SignatureType,
    at: Timestamp,
) -> Result<SignatureConfig, OpenPgpError> {
    let mut config = SignatureConfig::v4(kind, key.algorithm(), HashAlgorithm::Sha512);
    config.hashed_subpackets = vec![
        Subpacket::regular(SubpacketData::IssuerFingerprint(key.fingerprint()))?,
        Subpacket::regular(SubpacketData::SignatureCreationTime(at))?,
    ];
    config.unhashed_subpackets =
        vec![Subpacket::regular(SubpacketData::IssuerKeyId(key.legacy_key_id()))?];
    Ok(config)
}

/// The public half of a provider release key, reduced to what Terraform needs: one self-signature for each user id,
/// and the parts that may sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    key: SignedPublicKey,
    primary_signs: bool,
    armored: String,
}

impl PublicKey {
    /// Reads one armored public key and accepts it only if every supported Terraform and OpenTofu would.
    pub fn from_armored(text: &str) -> Result<Self, OpenPgpError> {
        if text.contains("-----BEGIN PGP PRIVATE KEY BLOCK-----") {
            return Err(OpenPgpError::SecretKey);
        }
        Self::accept(read_armored(text, "PUBLIC")?)
    }

    fn accept(key: SignedPublicKey) -> Result<Self, OpenPgpError> {
        let SignedPublicKey { primary_key: primary, details, public_subkeys } = key;
        let key_id = key_id(&primary);
        if let Some(algorithm) = weakness(&primary) {
            return Err(OpenPgpError::WeakKey { key_id, algorithm });
        }
        if details.revocation_signatures.iter().any(|one| one.verify_key(&primary).is_ok()) {
            return Err(OpenPgpError::Revoked { key_id });
        }
        let users: Vec<_> =
            details.users.iter().filter_map(|user| self_certified(user, &primary)).collect();
        let newest = users.iter().flat_map(|user| &user.signatures).max_by_key(|one| one.created());
        let Some(newest) = newest else { return Err(OpenPgpError::NoUserId { key_id }) };
        if expires(newest) {
            return Err(OpenPgpError::Expires { what: format!("key {key_id}") });
        }
        let primary_signs = newest.key_flags().sign();
        let subkeys: Vec<_> =
            public_subkeys.iter().filter_map(|subkey| signing_subkey(subkey, &primary)).collect();
        if !primary_signs && subkeys.is_empty() {
            return Err(OpenPgpError::NoSigningKey { key_id });
        }
        let details = SignedKeyDetails::new(vec![], vec![], users, vec![]);
        let key = SignedPublicKey::new(primary, details, subkeys);
        let armored = key.to_armored_string(ArmorOptions::default())?;
        Ok(Self { key, primary_signs, armored })
    }

    /// The armored key, one block, as `gpg_public_keys[].ascii_armor` holds it.
    pub fn armored(&self) -> &str {
        &self.armored
    }

    /// The key id, 16 upper-case hexadecimal digits, as `gpg_public_keys[].key_id` holds it.
    pub fn key_id(&self) -> String {
        key_id(&self.key)
    }

    /// The fingerprint, 40 upper-case hexadecimal digits.
    pub fn fingerprint(&self) -> String {
        format!("{:X}", self.key.fingerprint())
    }

    /// Checks that `signature` is this key's over `data`, in a form that every Terraform accepts.
    pub fn verify(
        &self,
        data: &[u8],
        signature: &[u8],
        now_millis: i64,
    ) -> Result<(), OpenPgpError> {
        let signature = read_signature(signature)?;
        check_form(&signature, timestamp(now_millis)?)?;
        let issued_by = |key: &dyn KeyDetails| {
            signature.issuer_key_id().contains(&&key.legacy_key_id())
                || signature.issuer_fingerprint().contains(&&key.fingerprint())
        };
        let verified = if self.primary_signs && issued_by(&self.key) {
            signature.verify(&self.key, data)
        } else if let Some(subkey) = self.key.public_subkeys.iter().find(|one| issued_by(*one)) {
            signature.verify(subkey, data)
        } else {
            return Err(OpenPgpError::OtherKey {
                found: issuer(&signature),
                expected: self.key_id(),
            });
        };
        verified.map_err(|_| OpenPgpError::BadSignature { key_id: self.key_id() })
    }
}

fn timestamp(millis: i64) -> Result<Timestamp, OpenPgpError> {
    let seconds = u32::try_from(millis.div_euclid(1000)).map_err(|_| OpenPgpError::Time)?;
    Ok(Timestamp::from_secs(seconds))
}

fn key_id(key: &impl KeyDetails) -> String {
    hex::encode_upper(key.legacy_key_id())
}

fn issuer(signature: &Signature) -> String {
    let key_ids = signature.issuer_key_id();
    let fingerprints = signature.issuer_fingerprint();
    match (key_ids.first(), fingerprints.first()) {
        (Some(key_id), _) => hex::encode_upper(key_id),
        (None, Some(fingerprint)) => format!("{fingerprint:X}"),
        (None, None) => "of no name".to_owned(),
    }
}

/// Terraform reads only the first block, so a second one would silently not count.
fn read_armored<K: Deserializable>(text: &str, expected: &'static str) -> Result<K, OpenPgpError> {
    let malformed =
        |reason: &str| OpenPgpError::MalformedKey { expected, reason: reason.to_owned() };
    if text.len() > MAX_ARMORED_BYTES {
        return Err(malformed("it is larger than 64 KiB"));
    }
    match text.matches("-----BEGIN PGP ").count() {
        0 => return Err(malformed("there is no armored block")),
        1 => {}
        _ => return Err(malformed("there are several armored blocks, only the first would count")),
    }
    let parsed = K::from_string_many(text).map_err(|error| malformed(&error.to_string()))?;
    let mut keys = parsed.0;
    match (keys.next(), keys.next()) {
        (Some(Ok(key)), None) => Ok(key),
        (Some(Err(error)), _) => Err(malformed(&error.to_string())),
        (Some(Ok(_)), Some(_)) => Err(malformed("the block holds more than one key")),
        (None, _) => Err(malformed("the block holds no key")),
    }
}

/// What makes a key unacceptable, in words.
fn weakness(key: &impl KeyDetails) -> Option<String> {
    if key.version() != KeyVersion::V4 {
        return Some(format!("key version {}", u8::from(key.version())));
    }
    match key.public_params() {
        PublicParams::RSA(params) => {
            // The modulus comes first, and a multi-precision integer begins with its length in bits.
            let encoded = params.to_bytes().unwrap_or_default();
            let bits = encoded.first_chunk().map_or(0, |length| u16::from_be_bytes(*length));
            (bits < MIN_RSA_BITS).then(|| format!("RSA with {bits} bits"))
        }
        PublicParams::ECDSA(_) | PublicParams::EdDSALegacy(_) => None,
        _ => Some(format!("{:?}", key.algorithm())),
    }
}

fn is_strong(signature: &Signature) -> bool {
    signature.version() == SignatureVersion::V4
        && signature.hash_alg().is_some_and(is_strong_hash)
        && critical_surprise(signature).is_none()
}

fn is_strong_hash(hash: HashAlgorithm) -> bool {
    matches!(hash, HashAlgorithm::Sha256 | HashAlgorithm::Sha384 | HashAlgorithm::Sha512)
}

/// Terraform refuses what is marked critical and unknown to it, notations first of all.
fn critical_surprise(signature: &Signature) -> Option<&SubpacketData> {
    let config = signature.config()?;
    let subpackets = config.hashed_subpackets().chain(config.unhashed_subpackets());
    let mut critical = subpackets.filter(|one| one.is_critical).map(|one| &one.data);
    critical.find(|data| {
        let unknown = matches!(data, SubpacketData::Experimental(..) | SubpacketData::Other(..));
        unknown || matches!(data, SubpacketData::Notation(_))
    })
}

fn expires(signature: &Signature) -> bool {
    let times = [signature.key_expiration_time(), signature.signature_expiration_time()];
    times.into_iter().flatten().any(|time| time.as_secs() > 0)
}

/// The user id with the newest signature that the key itself made over it.
fn self_certified(user: &SignedUser, primary: &pgp::packet::PublicKey) -> Option<SignedUser> {
    let is_own = |one: &&Signature| {
        is_strong(one) && one.verify_certification(primary, Tag::UserId, &user.id).is_ok()
    };
    let newest = user.signatures.iter().filter(is_own).max_by_key(|one| one.created())?;
    let revoked = newest.typ() == Some(SignatureType::CertRevocation);
    (!revoked).then(|| SignedUser::new(user.id.clone(), vec![newest.clone()]))
}

/// The subkey with its newest binding, if it may sign and agreed to belong to the key.
fn signing_subkey(
    subkey: &SignedPublicSubKey,
    primary: &pgp::packet::PublicKey,
) -> Option<SignedPublicSubKey> {
    let is_revoked = |one: &Signature| {
        one.typ() == Some(SignatureType::SubkeyRevocation)
            && one.verify_subkey_binding(primary, &subkey.key).is_ok()
    };
    if weakness(subkey).is_some() || subkey.signatures.iter().any(is_revoked) {
        return None;
    }
    let is_binding = |one: &&Signature| {
        one.typ() == Some(SignatureType::SubkeyBinding)
            && is_strong(one)
            && one.verify_subkey_binding(primary, &subkey.key).is_ok()
    };
    let newest = subkey.signatures.iter().filter(is_binding).max_by_key(|one| one.created())?;
    let agreed = newest.embedded_signature().is_some_and(|back| {
        is_strong(back) && back.verify_primary_key_binding(&subkey.key, primary).is_ok()
    });
    (newest.key_flags().sign() && agreed && !expires(newest))
        .then(|| SignedPublicSubKey::new(subkey.key.clone(), vec![newest.clone()]))
}

fn read_signature(bytes: &[u8]) -> Result<Signature, OpenPgpError> {
    if bytes.starts_with(b"-----BEGIN") {
        return Err(OpenPgpError::signature(
            "it is armored, Terraform reads only binary ones; sign without --armor",
        ));
    }
    if bytes.len() > MAX_SIGNATURE_BYTES {
        return Err(OpenPgpError::signature("it is larger than 8 KiB"));
    }
    let detached = DetachedSignature::from_bytes(bytes)
        .map_err(|error| OpenPgpError::signature(&error.to_string()))?;
    if detached.write_len() == bytes.len() {
        Ok(detached.signature)
    } else {
        Err(OpenPgpError::signature("it must be one signature packet and nothing else"))
    }
}

fn check_form(signature: &Signature, now: Timestamp) -> Result<(), OpenPgpError> {
    if signature.version() != SignatureVersion::V4 {
        return Err(OpenPgpError::signature("it must have version 4"));
    }
    if signature.typ() != Some(SignatureType::Binary) {
        return Err(OpenPgpError::signature("it must be over binary data (gpg --detach-sign)"));
    }
    let hash = signature.hash_alg().unwrap_or(HashAlgorithm::None);
    if !is_strong_hash(hash) {
        return Err(OpenPgpError::WeakHash { hash });
    }
    if critical_surprise(signature).is_some() {
        return Err(OpenPgpError::signature("it has a critical notation, which Terraform refuses"));
    }
    if expires(signature) {
        return Err(OpenPgpError::Expires { what: "the signature".to_owned() });
    }
    let Some(created) = signature.created() else {
        return Err(OpenPgpError::signature("it has no time"));
    };
    let seconds = created.as_secs().saturating_sub(now.as_secs());
    if seconds > CLOCK_SKEW_SECONDS { Err(OpenPgpError::Future { seconds }) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
