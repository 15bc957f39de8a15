//! Signing a release, and checking one: the bundle, the key, the signature, the address, the digests, in this order.

use crate::{
    archive::{Archive, Summary},
    bundle::{Bundle, BundleError},
    digest::{DirHash1, Sha256, shortened},
    key::{Algorithm, KeyId, SigningKey, VerifyingKey},
    release::ReleaseId,
    statement::{ModulePublish, PAYLOAD_TYPE, Source, StatementError, parse, sign},
};

/// What is at hand to compare with a statement.
#[derive(Debug, Clone, Copy)]
pub enum Content<'a> {
    /// The archive: both digests and all sizes must be those signed.
    Archive(&'a Archive),
    /// Only the digest of an archive that is not at hand.
    ArchiveDigest(Sha256),
    /// Only an unpacked tree, as after `terraform init`.
    Tree(DirHash1),
}

/// A release whose statement was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedRelease {
    /// Which release.
    pub release: ReleaseId,
    /// Who signed.
    pub publisher: KeyId,
    /// With which algorithm.
    pub algorithm: Algorithm,
    /// The digests and sizes that were signed.
    pub archive: Summary,
    /// Where the publisher says that it came from.
    pub source: Option<Source>,
    /// The digest of the signed bytes: names this statement.
    pub statement: Sha256,
}

/// Why a release does not verify.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{release}: {problem}")]
pub struct VerifyError {
    /// Which release was asked for.
    pub release: Box<ReleaseId>,
    /// What is wrong.
    pub problem: Box<VerifyProblem>,
}

/// What is wrong with a release, a bundle, or the pair.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyProblem {
    /// Not a bundle.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// A payload that is no statement.
    #[error("the bundle's payloadType is {found:?}, expected {PAYLOAD_TYPE:?}")]
    PayloadType {
        /// What it is.
        found: String,
    },
    /// Signed by a key that is not one of the namespace's.
    #[error(
        "signed by key {signer}, which is not a key of the namespace ({}); \
         sign with one of its keys or have this one added",
        list(known)
    )]
    UnknownKey {
        /// The key that the bundle names.
        signer: KeyId,
        /// The keys that would be accepted.
        known: Vec<KeyId>,
    },
    /// The signature is not the key's.
    #[error(
        "the signature is not key {signer}'s; the bundle was changed after signing, sign and publish it again"
    )]
    Signature {
        /// The key that the bundle names.
        signer: KeyId,
    },
    /// Signed, but no statement of a module's publication.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// Signed for another release.
    #[error("the signed statement is for {signed}; it cannot stand for another address or version")]
    OtherRelease {
        /// Which release was signed.
        signed: ReleaseId,
    },
    /// The bytes are not those that were signed.
    #[error(
        "{what} is {found}, the publisher signed {signed}; \
         published bytes never change, publish the difference as a new version"
    )]
    Differs {
        /// What differs.
        what: Difference,
        /// What is there.
        found: String,
        /// What was signed.
        signed: String,
    },
}

/// What of an archive differs from its statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Difference {
    /// The archive's SHA-256.
    Sha256,
    /// The tree's hash.
    DirHash1,
    /// The sizes or the number of files.
    Sizes,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Sha256 => "the archive's sha256",
            Self::DirHash1 => "the tree's hash",
            Self::Sizes => "the archive's sizes (packed, unpacked, files)",
        })
    }
}

impl VerifyError {
    /// A stable name of the rule that was broken.
    pub fn code(&self) -> &'static str {
        match &*self.problem {
            VerifyProblem::Bundle(problem) => problem.code(),
            VerifyProblem::PayloadType { .. } => "payload_type",
            VerifyProblem::UnknownKey { .. } => "publisher_key_unknown",
            VerifyProblem::Signature { .. } => "signature_invalid",
            VerifyProblem::Statement(problem) => problem.code(),
            VerifyProblem::OtherRelease { .. } => "statement_other_release",
            VerifyProblem::Differs { what: Difference::Sha256, .. } => "archive_digest_differs",
            VerifyProblem::Differs { what: Difference::DirHash1, .. } => "tree_hash_differs",
            VerifyProblem::Differs { what: Difference::Sizes, .. } => "archive_sizes_differ",
        }
    }
}

fn list(keys: &[KeyId]) -> String {
    if keys.is_empty() {
        return "it has none".to_owned();
    }
    let ids: Vec<_> = keys.iter().map(ToString::to_string).collect();
    format!("it has {}", ids.join(", "))
}

/// States that `archive` is `release`, signed and wrapped as a Sigstore bundle.
pub fn sign_release(
    release: &ReleaseId,
    archive: &Summary,
    source: Option<Source>,
    key: &SigningKey,
) -> Result<Bundle, StatementError> {
    let statement = ModulePublish { release: release.clone(), archive: *archive, source };
    Bundle::new(sign(&statement, key)?)
        .map_err(|error| StatementError::Malformed { reason: error.to_string() })
}

/// Checks that one of `keys` signed that `content` is `expected`. `keys` are those of the release's namespace.
pub fn verify_release(
    bundle: &[u8],
    expected: &ReleaseId,
    content: Content<'_>,
    keys: &[VerifyingKey],
) -> Result<VerifiedRelease, VerifyError> {
    verify(bundle, expected, content, keys).map_err(|problem| VerifyError {
        release: Box::new(expected.clone()),
        problem: Box::new(problem),
    })
}

#[expect(clippy::result_large_err, reason = "boxed by its only caller")]
fn verify(
    bundle: &[u8],
    expected: &ReleaseId,
    content: Content<'_>,
    keys: &[VerifyingKey],
) -> Result<VerifiedRelease, VerifyProblem> {
    let bundle = Bundle::parse(bundle)?;
    let envelope = bundle.envelope();
    if envelope.payload_type != PAYLOAD_TYPE {
        return Err(VerifyProblem::PayloadType { found: shortened(&envelope.payload_type) });
    }
    let signer = bundle.signer();
    let Some(key) = keys.iter().find(|key| key.id() == signer) else {
        let known = keys.iter().map(VerifyingKey::id).collect();
        return Err(VerifyProblem::UnknownKey { signer, known });
    };
    if !envelope.verified_signers(std::slice::from_ref(key)).contains(&signer) {
        return Err(VerifyProblem::Signature { signer });
    }
    let statement = parse::<ModulePublish>(&envelope.payload)?;
    if statement.release != *expected {
        return Err(VerifyProblem::OtherRelease { signed: statement.release });
    }
    compare(&statement.archive, content)?;
    Ok(VerifiedRelease {
        release: statement.release,
        publisher: signer,
        algorithm: key.algorithm(),
        archive: statement.archive,
        source: statement.source,
        statement: Sha256::of(&envelope.signed_bytes()),
    })
}

#[expect(clippy::result_large_err, reason = "boxed by its only caller's caller")]
fn compare(signed: &Summary, content: Content<'_>) -> Result<(), VerifyProblem> {
    match content {
        Content::Archive(archive) => {
            let found = archive.summary();
            same(Difference::Sha256, &found.sha256, &signed.sha256)?;
            same(Difference::DirHash1, &found.dir_hash1, &signed.dir_hash1)?;
            same(Difference::Sizes, &sizes(found), &sizes(signed))
        }
        Content::ArchiveDigest(found) => same(Difference::Sha256, &found, &signed.sha256),
        Content::Tree(found) => same(Difference::DirHash1, &found, &signed.dir_hash1),
    }
}

#[expect(clippy::result_large_err, reason = "boxed by its only caller's caller")]
fn same<T: PartialEq + ToString>(
    what: Difference,
    found: &T,
    signed: &T,
) -> Result<(), VerifyProblem> {
    if found == signed {
        Ok(())
    } else {
        let (found, signed) = (found.to_string(), signed.to_string());
        Err(VerifyProblem::Differs { what, found, signed })
    }
}

fn sizes(summary: &Summary) -> String {
    format!("{}, {}, {}", summary.size, summary.unpacked_size, summary.files)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::{
        archive::{Limits, pack_files},
        dsse::Envelope,
    };

    struct Signed {
        archive: Archive,
        bundle: String,
        key: SigningKey,
    }

    fn release(version: &str) -> ReleaseId {
        ReleaseId::new("registry.example.com", "acme", "vpc", "aws", version.parse().unwrap())
            .unwrap()
    }

    fn archive(text: &str) -> Archive {
        let files = BTreeMap::from([("main.tf".to_owned(), text.as_bytes().to_vec().into())]);
        let limits = Limits::default();
        Archive::open(&pack_files(&files, &limits).unwrap(), &limits).unwrap()
    }

    fn signed(algorithm: Algorithm) -> Signed {
        let key = SigningKey::generate(algorithm).unwrap();
        let archive = archive("a\n");
        let bundle = sign_release(&release("1.2.3"), archive.summary(), None, &key).unwrap();
        Signed { archive, bundle: bundle.to_json(), key }
    }

    impl Signed {
        fn verify(
            &self,
            version: &str,
            content: Content<'_>,
        ) -> Result<VerifiedRelease, VerifyError> {
            let keys = [self.key.verifying_key()];
            verify_release(self.bundle.as_bytes(), &release(version), content, &keys)
        }
    }

    #[test]
    fn a_signed_release_verifies_by_archive_by_digest_and_by_tree() {
        for algorithm in [Algorithm::EcdsaP256, Algorithm::Ed25519] {
            let signed = signed(algorithm);
            let summary = *signed.archive.summary();

            for content in [
                Content::Archive(&signed.archive),
                Content::ArchiveDigest(summary.sha256),
                Content::Tree(summary.dir_hash1),
            ] {
                let verified = signed.verify("1.2.3", content).unwrap();

                assert_eq!(verified.release, release("1.2.3"));
                assert_eq!(verified.publisher, signed.key.verifying_key().id());
                assert_eq!(verified.algorithm, algorithm);
                assert_eq!(verified.archive, summary);
            }
        }
    }

    #[test]
    fn other_bytes_are_refused() {
        let signed = signed(Algorithm::EcdsaP256);
        let other = archive("b\n");
        let code = |content| signed.verify("1.2.3", content).unwrap_err().code();

        assert_eq!(code(Content::Archive(&other)), "archive_digest_differs");
        assert_eq!(code(Content::ArchiveDigest(other.summary().sha256)), "archive_digest_differs");
        assert_eq!(code(Content::Tree(other.summary().dir_hash1)), "tree_hash_differs");
    }

    #[test]
    fn sizes_that_lie_are_refused() {
        let key = SigningKey::generate(Algorithm::EcdsaP256).unwrap();
        let archive = archive("a\n");
        let lie = Summary { files: 2, ..*archive.summary() };
        let bundle = sign_release(&release("1.2.3"), &lie, None, &key).unwrap().to_json();
        let signed = Signed { archive, bundle, key };

        let error = signed.verify("1.2.3", Content::Archive(&signed.archive)).unwrap_err();

        assert_eq!(error.code(), "archive_sizes_differ");
    }

    #[test]
    fn a_statement_for_another_version_is_refused_and_both_are_named() {
        let signed = signed(Algorithm::EcdsaP256);

        let error = signed.verify("1.2.4", Content::Archive(&signed.archive)).unwrap_err();

        assert_eq!(error.code(), "statement_other_release");
        assert!(error.to_string().contains("@1.2.4") && error.to_string().contains("@1.2.3"));
    }

    #[test]
    fn a_key_of_nobody_is_refused_with_the_keys_that_would_do() {
        let signed = signed(Algorithm::EcdsaP256);
        let other = SigningKey::generate(Algorithm::EcdsaP256).unwrap().verifying_key();
        let content = Content::Archive(&signed.archive);
        let verify = |keys: &[VerifyingKey]| {
            verify_release(signed.bundle.as_bytes(), &release("1.2.3"), content, keys).unwrap_err()
        };

        let error = verify(std::slice::from_ref(&other));

        assert_eq!(error.code(), "publisher_key_unknown");
        assert!(error.to_string().contains(&other.id().to_string()), "{error}");
        assert!(verify(&[]).to_string().contains("it has none"));
    }

    #[test]
    fn a_signature_by_another_key_under_this_keys_name_is_refused() {
        let signed = signed(Algorithm::EcdsaP256);
        let thief = SigningKey::generate(Algorithm::EcdsaP256).unwrap();
        let forged =
            sign_release(&release("1.2.3"), signed.archive.summary(), None, &thief).unwrap();
        let renamed = forged.to_json().replace(
            &thief.verifying_key().id().to_string(),
            &signed.key.verifying_key().id().to_string(),
        );
        let signed = Signed { bundle: renamed, ..signed };

        let error = signed.verify("1.2.3", Content::Archive(&signed.archive)).unwrap_err();

        assert_eq!(error.code(), "signature_invalid");
    }

    #[test]
    fn a_signed_payload_of_another_kind_is_refused() {
        let key = SigningKey::generate(Algorithm::EcdsaP256).unwrap();
        let archive = archive("a\n");
        let code = |payload_type: &str, payload: &[u8]| {
            let envelope = Envelope::sign(payload_type, payload.to_vec(), &key);
            let bundle = Bundle::new(envelope).unwrap().to_json();
            let content = Content::Archive(&archive);
            verify_release(bundle.as_bytes(), &release("1.2.3"), content, &[key.verifying_key()])
                .unwrap_err()
                .code()
        };

        assert_eq!(code("text/plain", b"{}"), "payload_type");
        assert_eq!(code(PAYLOAD_TYPE, b"{}"), "statement_malformed");
        let other = br#"{"_type":"https://in-toto.io/Statement/v1","predicateType":"x"}"#;
        assert_eq!(code(PAYLOAD_TYPE, other), "statement_type");
    }

    proptest! {
        #[test]
        fn a_changed_bundle_fails_or_verifies_to_the_same(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut signed = signed(Algorithm::Ed25519);
            let before = signed.verify("1.2.3", Content::Archive(&signed.archive)).unwrap();
            let mut bytes = signed.bundle.clone().into_bytes();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let Ok(changed) = String::from_utf8(bytes) else { return Ok(()) };
            signed.bundle = changed;

            if let Ok(after) = signed.verify("1.2.3", Content::Archive(&signed.archive)) {
                prop_assert_eq!(after, before);
            }
        }
    }
}
