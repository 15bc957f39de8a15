//! Passwords of logins: made here, told to PostgreSQL only as a verifier.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use crate::id::fill_random;
use crate::model::secret::SecretText;

/// Random bytes of a password.
const PASSWORD_BYTES: usize = 24;

/// A new password.
pub fn new_password() -> SecretText {
    let mut random = Zeroizing::new([0; PASSWORD_BYTES]);
    fill_random(random.as_mut_slice());
    password_from(&random)
}

/// A password of 32 characters that no encoding of a URL, a shell or JSON changes.
fn password_from(random: &Zeroizing<[u8; PASSWORD_BYTES]>) -> SecretText {
    SecretText::new(URL_SAFE_NO_PAD.encode(random.as_slice()))
}

/// What PostgreSQL stores instead of the password (RFC 5803): who reads it cannot log in with it.
pub(super) fn verifier(password: &SecretText) -> String {
    postgres_protocol::password::scram_sha_256(password.expose().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_32_characters_that_nothing_encodes() {
        let password = password_from(&Zeroizing::new([251; PASSWORD_BYTES]));

        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        assert_eq!(password.expose().len(), 32);
        assert!(password.expose().chars().all(plain), "{}", password.expose());
    }

    #[test]
    fn a_verifier_has_the_stored_form_and_nothing_of_the_password() {
        let password = SecretText::new("correct-horse");

        let verifier = verifier(&password);

        assert!(verifier.starts_with("SCRAM-SHA-256$4096:"), "{verifier}");
        assert!(!verifier.contains("correct-horse"));
    }
}
