//! Publisher keys of one's own.

use std::fs;
use std::path::Path;

use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};

/// Writes a new P-256 key to `path` and its public half beside it, as `.pub`.
pub(crate) fn generate(path: &Path) {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
    fs::write(path, key.serialize_pem()).expect("the key is written");
    fs::write(path.with_extension("pub"), key.public_key_pem()).expect("the key is written");
}
