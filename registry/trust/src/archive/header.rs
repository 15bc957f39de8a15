//! The 512-byte ustar header, in the one form that the canonical archive allows.

use super::path::PathProblem;

/// The size of a tar block.
pub(crate) const BLOCK: usize = 512;

const NAME: std::ops::Range<usize> = 0..100;
const SIZE: std::ops::Range<usize> = 124..136;
const CHECKSUM: std::ops::Range<usize> = 148..156;
const TYPEFLAG: usize = 156;
const MAGIC: std::ops::Range<usize> = 257..265;
const PREFIX: std::ops::Range<usize> = 345..500;

/// Every field, to name the one that differs from the canonical form.
const FIELDS: [(&str, std::ops::Range<usize>, &str); 16] = [
    ("name", NAME, "the path in its only canonical split, padded with zero bytes"),
    ("mode", 100..108, "`0000644` or `0000755`"),
    ("uid", 108..116, "`0000000`"),
    ("gid", 116..124, "`0000000`"),
    ("size", SIZE, "eleven octal digits"),
    ("mtime", 136..148, "`00000000000`"),
    ("typeflag", TYPEFLAG..157, "`0`"),
    ("linkname", 157..257, "empty"),
    ("magic", MAGIC, "`ustar`, a zero byte and `00`"),
    ("uname", 265..297, "empty"),
    ("gname", 297..329, "empty"),
    ("devmajor", 329..337, "`0000000`"),
    ("devminor", 337..345, "`0000000`"),
    ("prefix", PREFIX, "the path in its only canonical split, padded with zero bytes"),
    ("padding", 500..512, "zero bytes"),
    // Last, because it differs whenever another field does.
    ("chksum", CHECKSUM, "six octal digits, a zero byte and a space"),
];

/// Why a header is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderProblem {
    /// The sum over the header is another.
    #[error("the header's checksum is wrong; the archive is damaged")]
    Checksum,
    /// Anything but a regular file.
    #[error("it is a {kind}; only regular files are allowed, folders follow from their paths")]
    Kind {
        /// What it is, in words.
        kind: &'static str,
    },
    /// Not POSIX ustar.
    #[error(
        "it is not in the ustar format (a GNU or very old tar); pack the module with `idp publish`"
    )]
    NotUstar,
    /// The header is not what packing the same file would write.
    #[error(
        "the header field `{field}` is not canonical: it must be {rule}; pack the module with `idp publish`"
    )]
    Field {
        /// The field's name in POSIX ustar.
        field: &'static str,
        /// What it must be.
        rule: &'static str,
    },
    /// The path is refused.
    #[error(transparent)]
    Path(#[from] PathProblem),
}

/// What a header says of its file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) path: String,
    pub(crate) size: u64,
    pub(crate) executable: bool,
}

impl Header {
    /// The header's only canonical bytes.
    pub(crate) fn encode(&self) -> Result<[u8; BLOCK], PathProblem> {
        let (prefix, name) = split(&self.path).ok_or(PathProblem::TooLong)?;
        let mut block = [0; BLOCK];
        put(&mut block, NAME.start, name.as_bytes());
        put(&mut block, 100, if self.executable { b"0000755" } else { b"0000644" });
        put(&mut block, 108, b"0000000");
        put(&mut block, 116, b"0000000");
        put(&mut block, SIZE.start, format!("{:011o}", self.size).as_bytes());
        put(&mut block, 136, b"00000000000");
        block[TYPEFLAG] = b'0';
        put(&mut block, MAGIC.start, b"ustar\x0000");
        put(&mut block, 329, b"0000000");
        put(&mut block, 337, b"0000000");
        put(&mut block, PREFIX.start, prefix.as_bytes());
        let sum = checksum(&block);
        put(&mut block, CHECKSUM.start, format!("{sum:06o}\0 ").as_bytes());
        Ok(block)
    }

    /// Reads a header and insists that it is the canonical one.
    pub(crate) fn decode(block: &[u8; BLOCK]) -> Result<Self, HeaderProblem> {
        if octal(&block[CHECKSUM]) != Some(u64::from(checksum(block))) {
            return Err(HeaderProblem::Checksum);
        }
        check_kind(block[TYPEFLAG])?;
        if !block[MAGIC].starts_with(b"ustar\0") {
            return Err(HeaderProblem::NotUstar);
        }
        let header = Self {
            path: read_path(block)?,
            size: octal(&block[SIZE])
                .ok_or(HeaderProblem::Field { field: "size", rule: "eleven octal digits" })?,
            executable: block[100..108].starts_with(b"0000755"),
        };
        let canonical = header.encode()?;
        match FIELDS.iter().find(|(_, range, _)| block[range.clone()] != canonical[range.clone()]) {
            None => Ok(header),
            Some((field, _, rule)) => Err(HeaderProblem::Field { field, rule }),
        }
    }

    /// The path of a header that may be refused, for messages only.
    pub(crate) fn shown_path(block: &[u8; BLOCK]) -> String {
        let raw = raw_path(block);
        String::from_utf8_lossy(&raw[..raw.len().min(120)]).into_owned()
    }
}

fn put(block: &mut [u8; BLOCK], start: usize, bytes: &[u8]) {
    block[start..start + bytes.len()].copy_from_slice(bytes);
}

fn read_path(block: &[u8; BLOCK]) -> Result<String, PathProblem> {
    String::from_utf8(raw_path(block)).map_err(|_| PathProblem::NotUtf8)
}

fn raw_path(block: &[u8; BLOCK]) -> Vec<u8> {
    let (prefix, name) = (until_zero(&block[PREFIX]), until_zero(&block[NAME]));
    if prefix.is_empty() { name.to_vec() } else { [prefix, b"/", name].concat() }
}

fn until_zero(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or(field)
}

/// The split that Go's writer chooses too: nothing when the path fits the name, else as much prefix as fits.
fn split(path: &str) -> Option<(&str, &str)> {
    if path.len() <= NAME.len() {
        return Some(("", path));
    }
    let reach = path.len().min(PREFIX.len() + 1);
    let slash = path.as_bytes()[..reach].iter().rposition(|byte| *byte == b'/')?;
    let (prefix, name) = (&path[..slash], &path[slash + 1..]);
    let fits = !prefix.is_empty() && !name.is_empty() && name.len() <= NAME.len();
    fits.then_some((prefix, name))
}

fn checksum(block: &[u8; BLOCK]) -> u32 {
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    let own: u32 = block[CHECKSUM].iter().map(|byte| u32::from(*byte)).sum();
    sum - own + u32::from(b' ') * 8
}

fn octal(field: &[u8]) -> Option<u64> {
    let digits = field.split(|byte| matches!(byte, 0 | b' ')).next()?;
    let digits = std::str::from_utf8(digits).ok()?;
    u64::from_str_radix(digits, 8).ok()
}

fn check_kind(typeflag: u8) -> Result<(), HeaderProblem> {
    let kind = match typeflag {
        b'0' | 0 => return Ok(()),
        b'1' => "hard link",
        b'2' => "symbolic link",
        b'3' => "character device",
        b'4' => "block device",
        b'5' => "folder entry",
        b'6' => "named pipe",
        b'7' => "contiguous file",
        b'x' | b'X' => "PAX extended header",
        b'g' => "PAX global header",
        b'L' | b'K' => "GNU long name",
        b'S' => "GNU sparse file",
        b'A'..=b'Z' => "vendor extension",
        _ => "entry of an unknown kind",
    };
    Err(HeaderProblem::Kind { kind })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(path: &str) -> Header {
        Header { path: path.to_owned(), size: 1234, executable: false }
    }

    fn with_checksum(mut block: [u8; BLOCK]) -> [u8; BLOCK] {
        let sum = checksum(&block);
        put(&mut block, CHECKSUM.start, format!("{sum:06o}\0 ").as_bytes());
        block
    }

    #[test]
    fn a_header_reads_back_as_it_was_written() {
        let long = format!("{}/{}", "d".repeat(150), "n".repeat(100));
        for path in ["main.tf", "größe/ü.tf", &long] {
            let block = header(path).encode().unwrap();

            assert_eq!(Header::decode(&block), Ok(header(path)));
        }
    }

    #[test]
    fn a_path_that_no_split_fits_is_too_long() {
        for path in
            ["n".repeat(101), format!("{}/{}", "d".repeat(156), "n"), "a/".repeat(128) + "abc"]
        {
            assert_eq!(header(&path).encode(), Err(PathProblem::TooLong), "{path}");
        }
    }

    #[test]
    fn another_split_of_the_same_path_is_refused() {
        let mut block = [0; BLOCK];
        block.copy_from_slice(&header("main.tf").encode().unwrap());
        block[NAME].fill(0);
        put(&mut block, 0, b"b");
        put(&mut block, PREFIX.start, b"a");

        let problem = Header::decode(&with_checksum(block)).unwrap_err();

        assert!(matches!(problem, HeaderProblem::Field { field: "name", .. }), "{problem}");
    }

    #[test]
    fn each_field_that_differs_is_named() {
        for (field, offset) in [
            ("mode", 106),
            ("uid", 114),
            ("gid", 122),
            ("mtime", 146),
            ("linkname", 157),
            ("magic", 263),
            ("uname", 265),
            ("gname", 297),
            ("devmajor", 335),
            ("devminor", 343),
            ("padding", 511),
            ("name", 99),
        ] {
            let mut block = header("main.tf").encode().unwrap();
            block[offset] = b'1';

            let problem = Header::decode(&with_checksum(block)).unwrap_err();

            let named = matches!(problem, HeaderProblem::Field { field: f, .. } if f == field);
            assert!(named, "{field}: {problem}");
        }
    }

    #[test]
    fn links_devices_and_extensions_are_named() {
        for (flag, word) in [
            (b'1', "hard link"),
            (b'2', "symbolic"),
            (b'3', "device"),
            (b'x', "PAX"),
            (b'L', "GNU"),
            (b'5', "folder"),
        ] {
            let mut block = header("main.tf").encode().unwrap();
            block[TYPEFLAG] = flag;

            let problem = Header::decode(&with_checksum(block)).unwrap_err();

            assert!(problem.to_string().contains(word), "{problem}");
        }
    }
}
