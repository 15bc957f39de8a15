//! `modules.json`, as Terraform writes it.
//!
//! Terraform reads it with a parser that takes field names in any case and the last of two. A reader that took them
//! otherwise would check another folder than the one that is loaded, so whatever could be taken both ways is refused.

use std::{collections::BTreeSet, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, IgnoredAny, MapAccess, Visitor},
};

use super::MAX_BYTES;
use crate::digest::{shortened, shortened_to};

/// The most records that are read.
const MAX_RECORDS: usize = 20_000;

/// One installed module: a package, or a folder within one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// The names of the calls that lead to it, joined by dots; empty for the root module.
    pub key: String,
    /// Where it is from.
    pub source: String,
    /// Which version, where the source is a registry's module.
    pub version: Option<String>,
    /// Its folder, seen from the root module's.
    pub dir: String,
}

/// Why bytes are not what Terraform writes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Larger than [`MAX_BYTES`].
    #[error("it is larger than the {MAX_BYTES} bytes allowed")]
    TooLarge,
    /// Not JSON, or not of the shape.
    #[error("it is not what Terraform writes: {reason}")]
    Malformed {
        /// What and where.
        reason: String,
    },
    /// Two records of one module.
    #[error("it has two records of the module {key:?}")]
    Twice {
        /// Which.
        key: String,
    },
    /// A name that could not be a folder's.
    #[error("{key:?} is no module's place in a configuration")]
    Key {
        /// What it is, shortened.
        key: String,
    },
}

/// Reads `modules.json`. An empty file has no modules.
pub fn parse(bytes: &[u8]) -> Result<Vec<Record>, ManifestError> {
    if bytes.len() > MAX_BYTES {
        return Err(ManifestError::TooLarge);
    }
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let malformed =
        |reason: String| ManifestError::Malformed { reason: shortened_to(300, &reason) };
    let manifest: Manifest =
        serde_json::from_slice(bytes).map_err(|error| malformed(error.to_string()))?;
    if manifest.0.len() > MAX_RECORDS {
        return Err(malformed(format!("more than {MAX_RECORDS} modules")));
    }
    let mut keys = BTreeSet::new();
    for Record { key, .. } in &manifest.0 {
        if !is_key(key) {
            return Err(ManifestError::Key { key: shortened(key) });
        }
        if !keys.insert(key) {
            return Err(ManifestError::Twice { key: shortened(key) });
        }
    }
    Ok(manifest.0)
}

/// A key is the name of a folder in Terraform's modules folder, so it must stay one.
fn is_key(key: &str) -> bool {
    let is_separator = |c: char| matches!(c, '/' | '\\') || c.is_control();
    key.len() <= 1000 && !key.starts_with('.') && !key.contains(is_separator)
}

struct Manifest(Vec<Record>);

impl<'de> Deserialize<'de> for Manifest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ManifestVisitor)
    }
}

struct ManifestVisitor;

impl<'de> Visitor<'de> for ManifestVisitor {
    type Value = Manifest;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `Modules`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Manifest, A::Error> {
        let mut records = None;
        while let Some(name) = map.next_key::<String>()? {
            if name == "Modules" {
                set(&mut records, &name, map.next_value()?)?;
            } else {
                ignore(&name, &["Modules"], &mut map)?;
            }
        }
        Ok(Manifest(records.ok_or_else(|| A::Error::missing_field("Modules"))?))
    }
}

impl<'de> Deserialize<'de> for Record {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(RecordVisitor)
    }
}

struct RecordVisitor;

impl<'de> Visitor<'de> for RecordVisitor {
    type Value = Record;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `Key`, `Source`, `Version` and `Dir`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Record, A::Error> {
        let (mut key, mut source, mut version, mut dir) = (None, None, None, None);
        while let Some(name) = map.next_key::<String>()? {
            let place = match name.as_str() {
                "Key" => &mut key,
                "Source" => &mut source,
                "Version" => &mut version,
                "Dir" => &mut dir,
                other => {
                    ignore(other, &["Key", "Source", "Version", "Dir"], &mut map)?;
                    continue;
                }
            };
            set(place, &name, map.next_value()?)?;
        }
        let required =
            |value: Option<String>, name| value.ok_or_else(|| A::Error::missing_field(name));
        Ok(Record {
            key: required(key, "Key")?,
            source: required(source, "Source")?,
            version: version.filter(|version| !version.is_empty()),
            dir: required(dir, "Dir")?,
        })
    }
}

fn set<T, E: serde::de::Error>(place: &mut Option<T>, name: &str, value: T) -> Result<(), E> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(E::custom(format_args!("`{name}` is there twice"))),
    }
}

/// A field of a later Terraform is none of ours, unless Terraform takes it for one of these.
fn ignore<'de, A: MapAccess<'de>>(name: &str, known: &[&str], map: &mut A) -> Result<(), A::Error> {
    if !name.is_ascii() || known.iter().any(|known| known.eq_ignore_ascii_case(name)) {
        let name = shortened(name);
        return Err(A::Error::custom(format_args!("{name:?} could be taken for another field")));
    }
    map.next_value::<IgnoredAny>().map(drop)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn error(text: &str) -> String {
        parse(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn what_terraform_writes_is_read() {
        let text = r#"{"Modules":[{"Key":"","Source":"","Dir":"."},
            {"Key":"vpc","Source":"registry.example.com/acme/vpc/aws//sub","Version":"1.2.0",
             "Dir":".terraform/modules/vpc/sub","Later":{"a":[1]}}]}"#;

        let records = parse(text.as_bytes()).unwrap();

        assert_eq!(records[0], Record { dir: ".".to_owned(), ..Record::default() });
        assert_eq!(records[1].version.as_deref(), Some("1.2.0"));
        assert_eq!(parse(b""), Ok(Vec::new()));
    }

    #[test]
    fn what_terraform_could_take_otherwise_is_refused() {
        let record = r#"{"Modules":[{"Key":"a","Source":"./a","Dir":"a"}]}"#;
        for (from, to, expected) in [
            ("\"Dir\"", "\"Dir\":\"b\",\"Dir\"", "twice"),
            ("\"Dir\"", "\"dir\":\"b\",\"Dir\"", "could be taken"),
            ("\"Dir\"", "\"\u{212a}ey\":\"b\",\"Dir\"", "could be taken"),
            ("\"Source\"", "\"SOURCE\":\"b\",\"Source\"", "could be taken"),
            ("{\"Modules\"", "{\"modules\":[],\"Modules\"", "could be taken"),
            ("{\"Modules\"", "{\"Modules\":[],\"Modules\"", "twice"),
            ("\"a\",\"Source\"", "null,\"Source\"", "null"),
            (",\"Dir\":\"a\"", "", "missing field `Dir`"),
            ("\"Key\":\"a\"", "\"Key\":\"../a\"", "no module's place"),
            ("\"Key\":\"a\"", "\"Key\":\"..\"", "no module's place"),
            ("}]}", "}]} x", "trailing"),
            ("]}", ",{\"Key\":\"a\",\"Source\":\"\",\"Dir\":\"\"}]}", "two records"),
        ] {
            let text = record.replacen(from, to, 1);
            assert!(error(&text).contains(expected), "{text}: {}", error(&text));
        }
        assert_eq!(parse(&vec![b' '; MAX_BYTES + 1]), Err(ManifestError::TooLarge));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn a_changed_file_is_read_or_refused(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut bytes = br#"{"Modules":[{"Key":"a.b","Source":"h.x/a/b/c","Version":"1.0.0","Dir":"d"}]}"#.to_vec();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let _ = parse(&bytes);
        }
    }
}
