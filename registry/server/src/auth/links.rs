//! Archive links: whoever holds one may fetch that file for a while.
//!
//! Terraform forwards no token to archives, sends HEAD and then GET, and sorts the query: a link is signed over its
//! path and expiry alone, whatever the method, the order or further parameters.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::id;

/// One block of SHA-256: a key of this length needs no padding and cannot be refused.
const KEY_BYTES: usize = 64;

/// Signs and checks links; cheap to clone.
#[derive(Clone)]
pub struct Links {
    key: Arc<[u8; KEY_BYTES]>,
    seconds: u64,
}

impl std::fmt::Debug for Links {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Links").field("seconds", &self.seconds).finish_non_exhaustive()
    }
}

/// Why a link does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// No signature, or another one.
    #[error(
        "the link is not one that this server made; ask for a new one (run terraform init again)"
    )]
    Forged,
    /// Too late.
    #[error("the link has expired; ask for a new one (run terraform init again)")]
    Expired,
}

impl Links {
    /// Reads the key, or makes it at the first start.
    pub fn open(file: &Path, seconds: u64) -> io::Result<Self> {
        let key = match fs::read(file) {
            Ok(bytes) => bytes.try_into().map_err(|_| {
                io::Error::new(
                    ErrorKind::InvalidData,
                    "the key is not 64 bytes long; remove the file",
                )
            })?,
            Err(error) if error.kind() == ErrorKind::NotFound => make_key(file)?,
            Err(error) => return Err(error),
        };
        Ok(Self { key: Arc::new(key), seconds })
    }

    /// `path` with expiry and signature.
    pub fn sign(&self, path: &str, now_millis: i64) -> String {
        let expires = now_millis / 1000 + i64::try_from(self.seconds).unwrap_or(i64::MAX / 2);
        let signature = hex::encode(self.mac(path, expires).finalize().into_bytes());
        format!("{path}?expires={expires}&signature={signature}")
    }

    /// Checks the query of a request for `path`.
    pub fn verify(
        &self,
        path: &str,
        expires: Option<&str>,
        signature: Option<&str>,
        now_millis: i64,
    ) -> Result<(), LinkError> {
        let expires: i64 = expires.and_then(|text| text.parse().ok()).ok_or(LinkError::Forged)?;
        let signature =
            signature.and_then(|text| hex::decode(text).ok()).ok_or(LinkError::Forged)?;
        self.mac(path, expires).verify_slice(&signature).map_err(|_| LinkError::Forged)?;
        if expires <= now_millis / 1000 { Err(LinkError::Expired) } else { Ok(()) }
    }

    fn mac(&self, path: &str, expires: i64) -> Hmac<Sha256> {
        // HMAC pads a key shorter than a block with zeros.
        let mut block = hmac::digest::Key::<Hmac<Sha256>>::default();
        block[..self.key.len()].copy_from_slice(self.key.as_slice());
        let mut mac = <Hmac<Sha256> as Mac>::new(&block);
        let mut text = String::with_capacity(path.len() + 24);
        // A path holds no line feed, so the two cannot run into each other. Writing to a String cannot fail.
        let _ = write!(text, "{path}\n{expires}");
        mac.update(text.as_bytes());
        mac
    }
}

fn make_key(file: &Path) -> io::Result<[u8; KEY_BYTES]> {
    let mut key = [0_u8; KEY_BYTES];
    id::fill_random(&mut key);
    // Under its own name only when whole: a kill half-way leaves no short key behind.
    let temporary = file.with_extension("new");
    let mut out =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    out.write_all(&key)?;
    out.sync_all()?;
    fs::rename(&temporary, file)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: i64 = 1_700_000_000_000;

    fn links() -> Links {
        Links { key: Arc::new([7; KEY_BYTES]), seconds: 60 }
    }

    fn parts(link: &str) -> (String, String, String) {
        let (path, query) = link.split_once('?').unwrap();
        let (expires, signature) = query.split_once('&').unwrap();
        let value = |pair: &str| pair.split_once('=').unwrap().1.to_owned();
        (path.to_owned(), value(expires), value(signature))
    }

    #[test]
    fn a_link_opens_its_own_path_until_it_expires() {
        let (path, expires, signature) = parts(&links().sign("/archives/a", NOW));
        let verify = |path: &str, now| links().verify(path, Some(&expires), Some(&signature), now);

        assert_eq!(verify(&path, NOW + 59_000), Ok(()));
        assert_eq!(verify(&path, NOW + 60_000), Err(LinkError::Expired));
        assert_eq!(verify("/archives/b", NOW), Err(LinkError::Forged));
    }

    #[test]
    fn an_expiry_cannot_be_moved() {
        let (path, expires, signature) = parts(&links().sign("/archives/a", NOW));
        let later = (expires.parse::<i64>().unwrap() + 1).to_string();

        assert_eq!(
            links().verify(&path, Some(&later), Some(&signature), NOW),
            Err(LinkError::Forged)
        );
    }

    #[test]
    fn the_key_is_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("link.key");

        let first = Links::open(&file, 60).unwrap();
        let second = Links::open(&file, 60).unwrap();

        assert_eq!(first.key, second.key);
    }

    proptest! {
        #[test]
        fn no_other_query_opens_a_link(expires in ".{0,30}", signature in "[0-9a-f]{0,80}|.{0,30}") {
            prop_assert!(links().verify("/archives/a", Some(&expires), Some(&signature), NOW).is_err());
        }
    }
}
