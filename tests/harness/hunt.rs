//! Looking for secrets where they do not belong, in every form in which text travels.

use std::fs;
use std::io::{Cursor, Read as _};
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use memchr::memmem;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::run::clean;

/// Shorter ones would be found by chance.
const SHORTEST: usize = 12;

/// Secrets, and the forms to look for.
#[derive(Debug, Default)]
pub struct Hunt {
    /// What it is, in which form, and the bytes.
    needles: Vec<(String, &'static str, Vec<u8>)>,
}

/// Bytes of a place, and what the place is called.
#[derive(Debug, Clone)]
pub struct Place {
    /// For failure messages.
    pub name: String,
    /// Everything in it.
    pub bytes: Vec<u8>,
}

impl Hunt {
    /// Looks for `secret` too, which messages call `what`.
    pub fn add(&mut self, what: &str, secret: &str) {
        assert!(secret.len() >= SHORTEST, "{what} is too short to be told from chance");
        for (form, bytes) in forms(secret) {
            self.needles.push((what.to_owned(), form, bytes));
        }
    }

    /// How many secrets are looked for.
    pub fn secrets(&self) -> usize {
        self.needles.iter().filter(|(_, form, _)| *form == "plain").count()
    }

    /// Where secrets are, one line each; never the secret itself.
    pub fn finds(&self, places: &[Place]) -> Vec<String> {
        let mut found = Vec::new();
        for (what, form, needle) in &self.needles {
            let finder = memmem::Finder::new(needle);
            let holding = places.iter().filter(|place| finder.find(&place.bytes).is_some());
            found.extend(holding.map(|place| format!("{what} in {}, {form}", place.name)));
        }
        found
    }
}

/// A secret as it is, and as it looks in base64 wherever it stands, in a URL, and in JSON.
fn forms(secret: &str) -> Vec<(&'static str, Vec<u8>)> {
    let json = serde_json::to_string(secret).expect("text is JSON");
    let mut forms = vec![
        ("plain", secret.as_bytes().to_vec()),
        (
            "as part of a URL",
            utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string().into_bytes(),
        ),
        ("in JSON", json.as_bytes()[1..json.len() - 1].to_vec()),
    ];
    for before in 0..3 {
        let padded = [&vec![0; before], secret.as_bytes()].concat();
        for (form, engine) in [("base64", &STANDARD_NO_PAD), ("base64 for URLs", &URL_SAFE_NO_PAD)]
        {
            let encoded = engine.encode(&padded);
            // The characters at both ends also hold bits of what stands beside the secret.
            let (first, last) = ((before * 8).div_ceil(6), padded.len() * 8 / 6);
            forms.push((form, encoded.as_bytes()[first..last].to_vec()));
        }
    }
    forms.sort_by(|one, other| one.1.cmp(&other.1));
    forms.dedup_by(|one, other| one.1 == other.1);
    forms
}

impl Place {
    /// Some text.
    pub fn text(name: &str, text: &str) -> Self {
        Self { name: name.to_owned(), bytes: text.as_bytes().to_vec() }
    }

    /// Every file under a folder, archives also with what is in them, git repositories with all their objects.
    pub fn folder(folder: &Path) -> Vec<Self> {
        let mut places = Vec::new();
        let entries =
            fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        if folder.join("objects").is_dir() && folder.join("HEAD").is_file() {
            places.push(Self::objects(folder));
        }
        for entry in entries {
            let path = entry.expect("a folder can be read").path();
            if path.is_dir() {
                places.extend(Self::folder(&path));
            } else if path.is_file() {
                places.extend(Self::file(&path));
            }
        }
        places
    }

    /// A file, and where it is an archive or a plan, everything in it.
    pub fn file(path: &Path) -> Vec<Self> {
        let name = path.display().to_string();
        let bytes = fs::read(path).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut places = Vec::new();
        if let Ok(mut zip) = zip::ZipArchive::new(Cursor::new(&bytes)) {
            for index in 0..zip.len() {
                let mut entry = zip.by_index(index).expect("an entry");
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes).expect("an entry can be read");
                let inner = entry.name().expect("a name is text").into_owned();
                places.push(Self { name: format!("{name}: {inner}"), bytes });
            }
        }
        if bytes.starts_with(&[0x1f, 0x8b]) {
            let mut inside = Vec::new();
            let mut unpacked = flate2::read::GzDecoder::new(bytes.as_slice());
            unpacked.read_to_end(&mut inside).expect("an archive can be read");
            places.push(Self { name: format!("{name}, unpacked"), bytes: inside });
        }
        places.push(Self { name, bytes });
        places
    }

    /// Every object of a git repository, also those that no branch has.
    pub fn objects(repository: &Path) -> Self {
        let mut command: Command = clean("git", repository);
        command.current_dir(repository).args(["cat-file", "--batch", "--batch-all-objects"]);
        let output = command.output().expect("git runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Self { name: format!("objects of {}", repository.display()), bytes: output.stdout }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "pass \"word\"/of+a~test";

    fn hunt() -> Hunt {
        let mut hunt = Hunt::default();
        hunt.add("the secret", SECRET);
        hunt
    }

    #[test]
    fn a_secret_is_found_in_every_form_and_at_every_alignment() {
        let json = serde_json::to_string(&serde_json::json!({ "a": SECRET })).unwrap();
        let url = format!("?q={}&x", utf8_percent_encode(SECRET, NON_ALPHANUMERIC));
        let mut texts = vec![format!("x{SECRET}y"), json, url];
        for before in 0..6 {
            for after in 0..4 {
                let around = format!("{}{SECRET}{}", "u".repeat(before), "v".repeat(after));
                texts.push(STANDARD_NO_PAD.encode(&around));
                texts.push(URL_SAFE_NO_PAD.encode(&around));
            }
        }

        for text in texts {
            assert!(!hunt().finds(&[Place::text("there", &text)]).is_empty(), "{text}");
        }
    }

    #[test]
    fn what_is_not_the_secret_is_not_found() {
        let other = "pass \"word\"/of+a~tesT";
        let texts = [other.to_owned(), STANDARD_NO_PAD.encode(other), SECRET[1..].to_owned()];

        for text in texts {
            assert_eq!(hunt().finds(&[Place::text("there", &text)]), Vec::<String>::new());
        }
    }
}
