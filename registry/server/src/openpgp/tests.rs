use std::{
    path::Path,
    process::{Command, Output},
    sync::{LazyLock, OnceLock},
};

use proptest::prelude::*;

use super::*;

const NOW: i64 = 1_800_000_000_000;
const USER_ID: &str = "Provider release <release@example.com>";

/// RSA-2048: what matters to these tests is not the size, and 4096 bits take a minute without optimisation.
static KEY: LazyLock<SigningKey> =
    LazyLock::new(|| SigningKey::generate_with(2048, USER_ID, timestamp(NOW).unwrap()).unwrap());

fn code<T: std::fmt::Debug>(result: Result<T, OpenPgpError>) -> &'static str {
    result.unwrap_err().code()
}

#[test]
fn a_signature_verifies_only_its_bytes() {
    let signature = KEY.sign(b"sums", NOW).unwrap();
    let public = KEY.public_key();

    public.verify(b"sums", &signature, NOW).unwrap();

    assert_eq!(code(public.verify(b"sumz", &signature, NOW)), "openpgp_signature_invalid");
    assert_eq!(signature[0] & 0x80, 0x80, "a binary packet");
}

#[test]
fn a_key_survives_armor_and_keeps_its_names() {
    let private = SigningKey::from_armored(&KEY.to_armored().unwrap(), "").unwrap();
    let public = PublicKey::from_armored(KEY.public_key().armored()).unwrap();

    assert_eq!(private.public_key(), KEY.public_key());
    assert_eq!(&public, KEY.public_key());
    assert_eq!(public.key_id().len(), 16);
    assert!(public.fingerprint().ends_with(&public.key_id()));
    assert_eq!(format!("{private:?}"), format!("SigningKey({})", public.key_id()));
}

#[test]
fn the_key_and_the_signature_have_the_form_that_every_terraform_reads() {
    let public = &KEY.public_key().key;
    let certification = &public.details.users[0].signatures[0];
    let signature = read_signature(&KEY.sign(b"sums", NOW).unwrap()).unwrap();

    assert_eq!(public.version(), KeyVersion::V4);
    assert_eq!((public.details.users.len(), public.public_subkeys.len()), (1, 0));
    assert!(certification.key_flags().sign() && certification.key_flags().certify());
    assert!(!expires(certification) && !expires(&signature));
    assert_eq!(signature.hash_alg(), Some(HashAlgorithm::Sha512));
    assert_eq!(signature.issuer_key_id(), [&public.legacy_key_id()]);
    assert_eq!(signature.issuer_fingerprint(), [&public.fingerprint()]);
}

#[test]
fn another_key_and_another_time_are_refused() {
    let other = SigningKey::generate_with(2048, USER_ID, timestamp(NOW).unwrap()).unwrap();
    let signature = KEY.sign(b"sums", NOW).unwrap();

    let strange = other.public_key().verify(b"sums", &signature, NOW);
    let early = KEY.public_key().verify(b"sums", &signature, NOW - 3_600_000);

    assert_eq!(code(strange), "openpgp_other_key");
    assert_eq!(code(early), "openpgp_signature_from_the_future");
    assert_eq!(code(KEY.sign(b"sums", -1)), "openpgp_time");
}

#[test]
fn what_is_no_signature_is_refused_with_the_reason() {
    let public = KEY.public_key();
    let good = KEY.sign(b"sums", NOW).unwrap();
    let refused = |bytes: &[u8]| public.verify(b"sums", bytes, NOW).unwrap_err().to_string();

    assert!(refused(b"-----BEGIN PGP SIGNATURE-----\n").contains("armored"));
    assert!(refused(&[good.clone(), good.clone()].concat()).contains("nothing else"));
    assert!(refused(&vec![0x89; MAX_SIGNATURE_BYTES + 1]).contains("8 KiB"));
    for bytes in [&b""[..], b"hello", &good[..good.len() - 1]] {
        assert_eq!(code(public.verify(b"sums", bytes, NOW)), "openpgp_signature_malformed");
    }
}

#[test]
fn a_weak_or_expiring_signature_is_refused() {
    let signature = |kind, hash, extra: Option<SubpacketData>| {
        let key = &KEY.key.primary_key;
        let mut config = signature_config(key, kind, timestamp(NOW).unwrap()).unwrap();
        config.hash_alg = hash;
        config.hashed_subpackets.extend(extra.map(|data| Subpacket::critical(data).unwrap()));
        let signed = config.sign(key, &Password::empty(), &b"sums"[..]).unwrap();
        DetachedSignature::new(signed).to_bytes().unwrap()
    };
    let refused = |bytes: Vec<u8>| code(KEY.public_key().verify(b"sums", &bytes, NOW));
    let (binary, strong) = (SignatureType::Binary, HashAlgorithm::Sha512);
    let notation =
        pgp::packet::Notation { readable: true, name: "n@example.com".into(), value: "v".into() };
    let day = SubpacketData::SignatureExpirationTime(pgp::types::Duration::from_secs(86_400));

    assert_eq!(refused(signature(binary, HashAlgorithm::Sha1, None)), "openpgp_hash_weak");
    assert_eq!(
        refused(signature(SignatureType::Text, strong, None)),
        "openpgp_signature_malformed"
    );
    assert_eq!(refused(signature(binary, strong, Some(day))), "openpgp_expires");
    let notation = Some(SubpacketData::Notation(notation));
    assert_eq!(refused(signature(binary, strong, notation)), "openpgp_signature_malformed");
}

#[test]
fn what_is_no_public_key_is_refused_with_the_reason() {
    let armored = KEY.public_key().armored();
    let private = KEY.to_armored().unwrap();
    let refused = |text: &str| PublicKey::from_armored(text).unwrap_err().to_string();

    assert_eq!(code(PublicKey::from_armored(&private)), "openpgp_secret_key");
    assert!(refused("hello").contains("no armored block"));
    assert!(refused(&armored.repeat(2)).contains("several"));
    assert!(refused(&" ".repeat(MAX_ARMORED_BYTES + 1)).contains("64 KiB"));
    assert_eq!(code(SigningKey::from_armored(armored, "")), "openpgp_key_malformed");
    let middle = armored.len() / 2;
    let flipped = if &armored[middle..=middle] == "A" { "B" } else { "A" };
    let damaged = format!("{}{flipped}{}", &armored[..middle], &armored[middle + 1..]);
    assert!(PublicKey::from_armored(&damaged).is_err());
}

#[test]
fn a_user_id_must_be_printable() {
    for user_id in ["", " ", "a\nb", &"x".repeat(256)] {
        assert_eq!(code(SigningKey::generate(user_id, NOW)), "openpgp_user_id");
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = KEY.public_key().verify(b"sums", &bytes, NOW);
        let block = pgp::armor::BlockType::PublicKey;
        let mut armored = Vec::new();
        pgp::armor::write(&Raw(&bytes), block, &mut armored, None, true).unwrap();
        let _ = PublicKey::from_armored(&String::from_utf8(armored).unwrap());
    }

    #[test]
    fn a_changed_signature_never_verifies_other_bytes(at in any::<prop::sample::Index>(), bit in 0..8_u32) {
        static SIGNATURE: OnceLock<Vec<u8>> = OnceLock::new();
        let mut bytes = SIGNATURE.get_or_init(|| KEY.sign(b"sums", NOW).unwrap()).clone();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;

        prop_assert!(KEY.public_key().verify(b"sumz", &bytes, NOW).is_err());
    }
}

struct Raw<'a>(&'a [u8]);

impl Serialize for Raw<'_> {
    fn to_writer<W: std::io::Write>(&self, writer: &mut W) -> pgp::errors::Result<()> {
        Ok(writer.write_all(self.0)?)
    }

    fn write_len(&self) -> usize {
        self.0.len()
    }
}

/// A `gpg` with a home of its own; its agent ends with the value.
struct Gpg(tempfile::TempDir);

impl Gpg {
    /// Nothing where `gpg` is not installed, and says so.
    fn start() -> Option<Self> {
        if Command::new("gpg").arg("--version").output().is_err() {
            println!("skipped: gpg is not installed, so nothing is compared with GnuPG");
            return None;
        }
        let home = tempfile::tempdir().unwrap();
        restrict(home.path());
        Some(Self(home))
    }

    fn output(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new("gpg");
        command.current_dir(self.0.path()).arg("--homedir").arg(self.0.path());
        command.args(["--batch", "--yes", "--passphrase", "", "--pinentry-mode", "loopback"]);
        command.args(arguments).output().unwrap()
    }

    fn run(&self, arguments: &[&str]) -> Vec<u8> {
        let output = self.output(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "gpg {arguments:?}: {said}");
        output.stdout
    }

    fn write(&self, name: &str, content: &[u8]) {
        std::fs::write(self.0.path().join(name), content).unwrap();
    }

    /// Makes a key and returns its public half, armored.
    fn key(&self, user_id: &str, algorithm: &str, expiry: &str) -> String {
        self.run(&["--quick-generate-key", user_id, algorithm, "sign", expiry]);
        String::from_utf8(self.run(&["--armor", "--export", user_id])).unwrap()
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        let _ = Command::new("gpgconf")
            .arg("--homedir")
            .arg(self.0.path())
            .args(["--kill", "all"])
            .output();
    }
}

#[cfg(unix)]
fn restrict(home: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(home, std::fs::Permissions::from_mode(0o700)).unwrap();
}

#[cfg(not(unix))]
fn restrict(_home: &Path) {}

/// `gpg` knows only the system's time, so these tests do not choose theirs.
fn far_future() -> i64 {
    i64::from(u32::MAX) * 1000
}

#[test]
fn gnupg_verifies_what_we_sign() {
    let Some(gpg) = Gpg::start() else { return };
    let at = 1_700_000_000_000;
    let key = SigningKey::generate_with(2048, USER_ID, timestamp(at).unwrap()).unwrap();
    gpg.write("sums", b"sums");
    gpg.write("sums.sig", &key.sign(b"sums", at).unwrap());
    gpg.write("public.asc", key.public_key().armored().as_bytes());
    gpg.write("private.asc", key.to_armored().unwrap().as_bytes());

    gpg.run(&["--import", "public.asc"]);
    gpg.run(&["--verify", "sums.sig", "sums"]);

    let packets = String::from_utf8(gpg.run(&["--list-packets", "sums.sig"])).unwrap();
    assert!(packets.contains("digest algo 10") && packets.contains("sigclass 0x00"), "{packets}");
    gpg.run(&["--import", "private.asc"]);
    gpg.run(&["--digest-algo", "SHA512", "--output", "theirs.sig", "--detach-sign", "sums"]);
    let theirs = std::fs::read(gpg.0.path().join("theirs.sig")).unwrap();
    key.public_key().verify(b"sums", &theirs, far_future()).unwrap();
}

#[test]
fn a_key_and_a_signature_of_gnupg_are_accepted() {
    let Some(gpg) = Gpg::start() else { return };
    gpg.write("sums", b"sums");
    for algorithm in ["rsa2048", "nistp256", "ed25519"] {
        let public = PublicKey::from_armored(&gpg.key(algorithm, algorithm, "never")).unwrap();
        let mut sign = vec!["--local-user", algorithm, "--output", "sums.sig", "--digest-algo"];
        sign.extend(["SHA512", "--detach-sign", "sums"]);
        gpg.run(&sign);
        let signature = std::fs::read(gpg.0.path().join("sums.sig")).unwrap();

        public.verify(b"sums", &signature, far_future()).unwrap();

        let private = String::from_utf8(gpg.run(&["--armor", "--export-secret-keys", algorithm]));
        let ours = SigningKey::from_armored(&private.unwrap(), "").unwrap();
        assert_eq!(ours.public_key(), &public);
        public.verify(b"sums", &ours.sign(b"sums", NOW).unwrap(), NOW).unwrap();
    }
}

#[test]
fn a_signing_subkey_of_gnupg_signs_and_verifies() {
    let Some(gpg) = Gpg::start() else { return };
    gpg.write("sums", b"sums");
    gpg.run(&["--quick-generate-key", "master", "rsa2048", "cert", "never"]);
    let listed = String::from_utf8(gpg.run(&["--with-colons", "--list-keys"])).unwrap();
    let fingerprint = listed.lines().find_map(|line| line.strip_prefix("fpr:::::::::")).unwrap();
    let fingerprint = fingerprint.trim_end_matches(':');
    let alone = String::from_utf8(gpg.run(&["--armor", "--export", "master"])).unwrap();
    gpg.run(&["--quick-add-key", fingerprint, "rsa2048", "sign", "never"]);
    gpg.run(&["--digest-algo", "SHA256", "--output", "sums.sig", "--detach-sign", "sums"]);
    let signature = std::fs::read(gpg.0.path().join("sums.sig")).unwrap();

    let text = String::from_utf8(gpg.run(&["--armor", "--export", "master"])).unwrap();
    let public = PublicKey::from_armored(&text).unwrap();

    public.verify(b"sums", &signature, far_future()).unwrap();
    let private = String::from_utf8(gpg.run(&["--armor", "--export-secret-keys", "master"]));
    let ours = SigningKey::from_armored(&private.unwrap(), "").unwrap();
    public.verify(b"sums", &ours.sign(b"sums", NOW).unwrap(), NOW).unwrap();
    assert_eq!(code(PublicKey::from_armored(&alone)), "openpgp_key_cannot_sign");
}

#[test]
fn weak_and_expiring_keys_of_gnupg_are_refused() {
    let Some(gpg) = Gpg::start() else { return };
    let refused = |text: &str| code(PublicKey::from_armored(text));

    assert_eq!(refused(&gpg.key("short", "rsa1024", "never")), "openpgp_key_weak");
    assert_eq!(refused(&gpg.key("dsa", "dsa1024", "never")), "openpgp_key_weak");
    assert_eq!(refused(&gpg.key("expiring", "ed25519", "2y")), "openpgp_expires");
    gpg.run(&[
        "--cert-digest-algo",
        "SHA1",
        "--quick-generate-key",
        "old",
        "ed25519",
        "sign",
        "never",
    ]);
    let old = String::from_utf8(gpg.run(&["--armor", "--export", "old"])).unwrap();
    assert_eq!(refused(&old), "openpgp_key_without_user_id");
}

#[test]
fn a_revoked_key_of_gnupg_is_refused() {
    let Some(gpg) = Gpg::start() else { return };
    gpg.key("revoked", "ed25519", "never");
    let mut certificates =
        std::fs::read_dir(gpg.0.path().join("openpgp-revocs.d")).unwrap().map(Result::unwrap);
    let certificate = std::fs::read_to_string(certificates.next().unwrap().path()).unwrap();
    // GnuPG puts a colon before the block against accidents.
    gpg.write("revocation.asc", certificate.replace(":-----BEGIN", "-----BEGIN").as_bytes());
    gpg.run(&["--import", "revocation.asc"]);

    let armored = String::from_utf8(gpg.run(&["--armor", "--export", "revoked"])).unwrap();

    assert_eq!(code(PublicKey::from_armored(&armored)), "openpgp_key_revoked");
}

#[test]
fn a_passphrase_opens_a_key_of_gnupg_and_another_does_not() {
    let Some(gpg) = Gpg::start() else { return };
    let locked = ["--passphrase", "secret"];
    gpg.run(
        &[&locked[..], &["--quick-generate-key", "locked", "rsa2048", "sign", "never"]].concat(),
    );
    let private = gpg.run(&[&locked[..], &["--armor", "--export-secret-keys", "locked"]].concat());
    let private = String::from_utf8(private).unwrap();

    assert!(SigningKey::from_armored(&private, "secret").is_ok());
    assert_eq!(code(SigningKey::from_armored(&private, "wrong")), "openpgp_key_locked");
    assert_eq!(code(SigningKey::from_armored(&private, "")), "openpgp_key_locked");
}
