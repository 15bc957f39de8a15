//! What a publisher signs: that a module's release is this archive and this tree.

use semver::Version;
use serde::{Deserialize, Serialize};

use super::{Claim, StatementError, Subject, expect_same, only};
use crate::{archive::Summary, digest::Sha256, release::ReleaseId};

/// Where a module's files came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The repository, as `git+https://…`.
    pub uri: String,
    /// What was checked out.
    pub digest: SourceDigest,
}

/// A commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SourceDigest {
    /// The commit's id: 40 or 64 hexadecimal digits.
    pub git_commit: String,
}

/// The statement that a release is an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModulePublish {
    /// Which release.
    pub release: ReleaseId,
    /// Which archive.
    pub archive: Summary,
    /// Where it came from, if the publisher says so.
    pub source: Option<Source>,
}

impl Claim for ModulePublish {
    const PREDICATE_TYPE: &'static str = "https://idp.example/attestation/module-publish/v1";
    type Predicate = Predicate;

    fn subjects(&self) -> Vec<Subject> {
        vec![Subject::archive(self.release.archive_name(), &self.archive)]
    }

    fn predicate(&self) -> Predicate {
        let Self { release, archive, source } = self;
        Predicate {
            registry: release.registry().to_owned(),
            namespace: release.namespace().to_owned(),
            name: release.name().to_owned(),
            system: release.system().to_owned(),
            version: release.version().clone(),
            archive: ArchiveSizes {
                size: archive.size,
                unpacked_size: archive.unpacked_size,
                files: archive.files,
            },
            file_manifest: Some(FileManifest {
                digest: ManifestDigest { sha256: *archive.dir_hash1.as_sha256() },
            }),
            source: source.clone(),
            purl: Some(release.purl()),
        }
    }

    fn read(subjects: Vec<Subject>, predicate: Predicate) -> Result<Self, StatementError> {
        let subject = only(subjects)?;
        let dir_hash1 = subject
            .digest
            .dir_hash1
            .ok_or_else(|| StatementError::malformed("the subject's digest has no `dirHash1`"))?;
        let release = ReleaseId::new(
            &predicate.registry,
            &predicate.namespace,
            &predicate.name,
            &predicate.system,
            predicate.version,
        )?;
        expect_same("subject.name", &subject.name, &release.archive_name())?;
        if let Some(purl) = &predicate.purl {
            expect_same("predicate.purl", purl, &release.purl())?;
        }
        if let Some(manifest) = &predicate.file_manifest {
            let found = manifest.digest.sha256.to_string();
            expect_same("predicate.fileManifest", &found, &dir_hash1.to_hex())?;
        }
        if let Some(source) = &predicate.source {
            check_source(source)?;
        }
        let archive = Summary {
            sha256: subject.digest.sha256,
            dir_hash1,
            size: predicate.archive.size,
            unpacked_size: predicate.archive.unpacked_size,
            files: predicate.archive.files,
        };
        Ok(Self { release, archive, source: predicate.source })
    }
}

/// The source is shown to people, so it must be short and printable.
fn check_source(source: &Source) -> Result<(), StatementError> {
    let commit = &source.digest.git_commit;
    let is_commit = matches!(commit.len(), 40 | 64)
        && commit.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if !is_commit {
        return Err(StatementError::malformed(
            "source.digest.gitCommit must be 40 or 64 lower-case hexadecimal digits",
        ));
    }
    if source.uri.len() > 2048 || !source.uri.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(StatementError::malformed(
            "source.uri must be at most 2048 printable characters without spaces",
        ));
    }
    Ok(())
}

/// The predicate on the wire.
#[doc(hidden)]
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Predicate {
    registry: String,
    namespace: String,
    name: String,
    system: String,
    version: Version,
    archive: ArchiveSizes,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file_manifest: Option<FileManifest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source: Option<Source>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    purl: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ArchiveSizes {
    size: u64,
    unpacked_size: u64,
    files: u64,
}

/// The list of `sha256␠␠path` lines. The tree's hash is that list's digest, so the two are equal.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileManifest {
    digest: ManifestDigest,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ManifestDigest {
    sha256: Sha256,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        digest::DirHash1,
        statement::{MAX_BYTES, parse, to_payload},
    };

    fn statement() -> ModulePublish {
        let version = Version::new(1, 2, 3);
        ModulePublish {
            release: ReleaseId::new("registry.example.com", "acme", "vpc", "aws", version).unwrap(),
            archive: Summary {
                sha256: Sha256::of(b"archive"),
                dir_hash1: DirHash1::from_sha256(Sha256::of(b"tree")),
                size: 18_231,
                unpacked_size: 90_112,
                files: 42,
            },
            source: Some(Source {
                uri: "git+https://git.example/acme/vpc".into(),
                digest: SourceDigest { git_commit: "a".repeat(40) },
            }),
        }
    }

    fn value() -> Value {
        serde_json::from_slice(&to_payload(&statement()).unwrap()).unwrap()
    }

    fn code_with(path: &str, new: Value) -> &'static str {
        let mut value = value();
        *value.pointer_mut(path).unwrap() = new;
        parse::<ModulePublish>(value.to_string().as_bytes()).unwrap_err().code()
    }

    #[test]
    fn a_statement_reads_back_as_it_was_written() {
        let payload = to_payload(&statement()).unwrap();

        assert_eq!(parse::<ModulePublish>(&payload), Ok(statement()));
    }

    #[test]
    fn the_shape_is_that_of_in_toto() {
        let (archive, tree) = (Sha256::of(b"archive").to_string(), Sha256::of(b"tree").to_string());
        let expected = json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{
                "name": "acme-vpc-aws-1.2.3.tar.gz",
                "digest": {"sha256": archive, "dirHash1": tree},
            }],
            "predicateType": "https://idp.example/attestation/module-publish/v1",
            "predicate": {
                "registry": "registry.example.com",
                "namespace": "acme",
                "name": "vpc",
                "system": "aws",
                "version": "1.2.3",
                "archive": {"size": 18231, "unpackedSize": 90112, "files": 42},
                "fileManifest": {"digest": {"sha256": tree}},
                "source": {
                    "uri": "git+https://git.example/acme/vpc",
                    "digest": {"gitCommit": "a".repeat(40)},
                },
                "purl": "pkg:terraform/acme/vpc@1.2.3?repository_url=https%3A%2F%2Fregistry.example.com",
            },
        });

        assert_eq!(value(), expected);
    }

    #[test]
    fn other_statements_and_contradictions_are_refused_by_code() {
        assert_eq!(code_with("/_type", json!("x")), "statement_type");
        assert_eq!(
            code_with("/predicateType", json!("https://slsa.dev/provenance/v1")),
            "statement_type"
        );
        assert_eq!(code_with("/subject", json!([])), "statement_malformed");
        assert_eq!(code_with("/subject/0/name", json!("other.tar.gz")), "statement_contradiction");
        assert_eq!(code_with("/predicate/purl", json!("pkg:x/y")), "statement_contradiction");
        let other = json!(Sha256::of(b"other"));
        assert_eq!(
            code_with("/predicate/fileManifest/digest/sha256", other),
            "statement_contradiction"
        );
        assert_eq!(code_with("/predicate/version", json!("1.2")), "statement_malformed");
        assert_eq!(code_with("/predicate/namespace", json!("../x")), "statement_malformed");
        assert_eq!(
            code_with("/predicate/source/digest/gitCommit", json!("main")),
            "statement_malformed"
        );
        assert_eq!(code_with("/predicate/source/uri", json!("a\u{1b}[2J")), "statement_malformed");
        assert_eq!(code_with("/predicate/archive", json!({"size": 1})), "statement_malformed");
        let large = parse::<ModulePublish>(&vec![b' '; MAX_BYTES + 1]).unwrap_err();
        assert_eq!(large.code(), "statement_too_large");
    }

    #[test]
    fn unknown_and_repeated_fields_are_refused() {
        let text = String::from_utf8(to_payload(&statement()).unwrap()).unwrap();
        let unknown = text.replacen('{', "{\"extra\":1,", 1);
        let repeated = text.replacen("\"predicate\":{", "\"predicate\":{\"name\":\"vpc\",", 1);

        for text in [unknown, repeated] {
            let error = parse::<ModulePublish>(text.as_bytes()).unwrap_err();
            assert_eq!(error.code(), "statement_malformed", "{error}");
        }
    }

    #[test]
    fn what_could_not_be_read_is_not_signed() {
        let mut statement = statement();
        statement.source = Some(Source {
            uri: "git+https://git.example/".to_owned() + &"x".repeat(3000),
            digest: SourceDigest { git_commit: "a".repeat(40) },
        });

        assert!(to_payload(&statement).is_err());
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
            let _ = parse::<ModulePublish>(&bytes);
        }

        #[test]
        fn a_changed_statement_never_panics(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut payload = to_payload(&statement()).unwrap();
            let at = at.index(payload.len());
            payload[at] = byte;
            if let Ok(read) = parse::<ModulePublish>(&payload) {
                prop_assert_eq!(parse::<ModulePublish>(&to_payload(&read).unwrap()), Ok(read));
            }
        }
    }
}
