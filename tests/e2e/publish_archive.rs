//! Archives that no honest packer makes: each is refused for its own reason, and nothing of it stays.

use std::fs;
use std::io::{Read as _, Write as _};

use flate2::read::GzDecoder;
use flate2::{Compression, GzBuilder};
use tests::Platform;
use tests::http::{self, Answer, get};

const BLOCK: usize = 512;

/// A published module, and what was uploaded for it.
struct Published {
    platform: Platform,
    archive: Vec<u8>,
    bundle: Vec<u8>,
}

impl Published {
    fn new() -> Self {
        let platform = Platform::start();
        let folder = platform.folder().join("thing");
        fs::create_dir(&folder).expect("a folder");
        for (name, text) in [
            ("main.tf", "locals {\n  a = 1\n}\n"),
            ("outputs.tf", "output \"a\" {\n  value = 1\n}\n"),
        ] {
            fs::write(folder.join(name), text).expect("a file");
        }
        let path = folder.display().to_string();
        let publish =
            ["publish", path.as_str(), "--address", "private/thing/null", "--version", "1.0.0"];
        platform.idp(&publish).ok();
        let download = platform.api("GET", "/v1/modules/private/thing/null/1.0.0/download");
        let location = download.header("x-terraform-get");
        let link = if location.starts_with("http") { location } else { platform.url() + &location };
        let archive = get(&link).is(200).body;
        let bundle =
            platform.api("GET", "/api/v1/modules/private/thing/null/1.0.0/bundle").is(200).body;
        Self { platform, archive, bundle }
    }

    /// The tar in the archive.
    fn tar(&self) -> Vec<u8> {
        let mut tar = Vec::new();
        GzDecoder::new(self.archive.as_slice()).read_to_end(&mut tar).expect("gzip");
        tar
    }

    /// Uploads `archive` with the honest bundle as `version`.
    fn upload(&self, version: &str, archive: &[u8]) -> Answer {
        let boundary = "an-honest-boundary";
        let mut body = Vec::new();
        for (name, content) in [("archive", archive), ("bundle", self.bundle.as_slice())] {
            let head = format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{name}\"\r\n\r\n"
            );
            body.extend_from_slice(head.as_bytes());
            body.extend_from_slice(content);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
        let url = format!("{}/api/v1/modules/private/thing/null/{version}", self.platform.url());
        let authorization = format!("Bearer {}", self.platform.admin_token());
        let content_type = format!("multipart/form-data; boundary={boundary}");
        let headers = [("authorization", authorization.as_str()), ("content-type", &content_type)];
        http::try_send("PUT", &url, &headers, body).expect("the server answers")
    }

    /// Uploads `archive`, which must be refused with `phrase` and leave nothing.
    #[track_caller]
    fn refuses(&self, archive: &[u8], phrase: &str) {
        let answer = self.upload("1.0.1", archive).is(422);
        assert_eq!(answer.header("content-type"), "application/problem+json");
        assert!(answer.text().contains(phrase), "{phrase:?} is not in {}", answer.text());
        let download = self.platform.api("GET", "/v1/modules/private/thing/null/1.0.1/download");
        assert_eq!(download.status, 404);
    }
}

/// The one gzip form that is accepted.
fn pack(tar: &[u8]) -> Vec<u8> {
    pack_with(tar, Compression::new(6))
}

fn pack_with(tar: &[u8], compression: Compression) -> Vec<u8> {
    let builder = GzBuilder::new().operating_system(255);
    let mut encoder = builder.write(Vec::new(), compression);
    encoder.write_all(tar).expect("memory");
    let mut packed = encoder.finish().expect("memory");
    // The header's hint about the level: the canonical form gives none.
    packed[8] = 0;
    packed
}

/// Changes the header at the start of `tar` and makes its checksum right again.
fn with_header(tar: &[u8], change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let mut tar = tar.to_vec();
    change(&mut tar[..BLOCK]);
    tar[148..156].fill(b' ');
    let sum: u32 = tar[..BLOCK].iter().map(|&byte| u32::from(byte)).sum();
    tar[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    tar
}

fn set_name(header: &mut [u8], name: &str) {
    header[..100].fill(0);
    header[..name.len()].copy_from_slice(name.as_bytes());
}

#[test]
fn the_archive_as_it_was_packed_is_taken_again() {
    let published = Published::new();

    let same = published.upload("1.0.0", &published.archive).is(200);

    assert_eq!(same.json()["created"], false);
}

/// Proof that the tests below fail for what they change and not for how they pack.
#[test]
fn the_same_tree_packed_otherwise_lacks_only_the_signature() {
    let published = Published::new();

    let repacked = published.upload("1.0.0", &pack_with(&published.tar(), Compression::none()));

    let detail = repacked.is(422).json()["detail"].to_string();
    assert!(detail.contains("the signature is refused"), "{detail}");
}

#[test]
fn entries_that_escape_link_or_occur_twice_are_refused() {
    let published = Published::new();
    let tar = published.tar();
    let entry = &tar[..2 * BLOCK];

    let named = |name: &str| pack(&with_header(&tar, |header| set_name(header, name)));
    for name in ["../main.tf", "a/../../main.tf", "/main.tf", "./main.tf", "a\\main.tf"] {
        published.refuses(&named(name), "entry");
    }
    for kind in *b"123456LKxg" {
        let linked = with_header(&tar, |header| {
            header[156] = kind;
            header[157..168].copy_from_slice(b"/etc/passwd");
        });
        published.refuses(&pack(&linked), "main.tf");
    }
    published.refuses(&pack(&[entry, &tar].concat()), "occurs twice");
    let upper = with_header(entry, |header| set_name(header, "Main.tf"));
    published.refuses(&pack(&[upper.as_slice(), &tar].concat()), "ignores case");
    let setuid = with_header(&tar, |header| header[100..108].copy_from_slice(b"0004755\0"));
    published.refuses(&pack(&setuid), "main.tf");
}

#[test]
fn what_follows_the_end_or_stops_before_it_is_refused() {
    let published = Published::new();
    let (archive, tar) = (&published.archive, published.tar());

    published.refuses(&[archive, b"more".as_slice()].concat(), "bytes after");
    published.refuses(&[archive.as_slice(), archive].concat(), "second gzip member");
    published.refuses(&pack(&[tar.as_slice(), &[0; BLOCK]].concat()), "bytes after");
    published.refuses(&archive[..archive.len() - 4], "truncated");
    published.refuses(&archive[..archive.len() / 2], "truncated");
    published.refuses(&pack(&tar[..BLOCK]), "truncated");
    published.refuses(b"PK\x03\x04 a zip", "not gzip");
    published.refuses(b"", "not gzip");
    published.refuses(&pack(&[0; 2 * BLOCK]), "no files");
}

#[test]
fn a_bomb_is_refused_before_it_unpacks() {
    let published = Published::new();
    let size = 64 * 1024 * 1024;
    let tar = published.tar();
    let header = with_header(&tar[..BLOCK], |header| {
        header[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
    });
    let bomb = pack(&[header.as_slice(), &vec![0; size], &[0; 2 * BLOCK]].concat());
    assert!(bomb.len() < 100_000, "{} bytes are no bomb", bomb.len());

    published.refuses(&bomb, "unpacks to more than");
}

#[test]
fn an_honest_archive_under_another_name_is_refused_because_nobody_signed_that() {
    let published = Published::new();

    published.refuses(&published.archive, "the signature is refused");

    let mut other = published.tar();
    let place = other.windows(5).position(|bytes| bytes == b"a = 1").expect("the file's text");
    other[place + 4] = b'2';
    let changed = published.upload("1.0.2", &pack(&other)).is(422);
    assert!(changed.text().contains("the signature is refused"), "{}", changed.text());
}
