//! The little of tar that a backup is made of: regular files in one form of header.
//!
//! Whoever reads knows from the manifest what comes next, so a header is not parsed but compared with the only one
//! that can stand there. Any tar program unpacks the file.

/// Everything starts at a multiple of this.
pub(super) const BLOCK: u64 = 512;

/// A header.
pub(super) type Header = [u8; 512];

/// Largest size that eleven octal digits hold.
const OCTAL: u64 = 0o777_7777_7777;

/// The header of an entry. Names are ours and short.
pub(super) fn header(name: &str, bytes: u64) -> Header {
    let mut block = [0; 512];
    put(&mut block, 0, name.as_bytes());
    put(&mut block, 100, b"0000600\0");
    put(&mut block, 108, b"0000000\0");
    put(&mut block, 116, b"0000000\0");
    if bytes <= OCTAL {
        put(&mut block, 124, format!("{bytes:011o}").as_bytes());
    } else {
        // What every tar of today reads for files beyond 8 GiB: binary, marked by the first bit.
        block[124] = 0x80;
        put(&mut block, 128, &bytes.to_be_bytes());
    }
    put(&mut block, 136, b"00000000000\0");
    put(&mut block, 156, b"0");
    put(&mut block, 257, b"ustar\x0000");
    put(&mut block, 148, b"        ");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    put(&mut block, 148, format!("{sum:06o}\0 ").as_bytes());
    block
}

fn put(block: &mut Header, at: usize, bytes: &[u8]) {
    block[at..at + bytes.len()].copy_from_slice(bytes);
}

/// The size in the header of an entry of that name; nothing where it is another header.
pub(super) fn size(block: &Header, name: &str) -> Option<u64> {
    let digits = std::str::from_utf8(&block[124..135]).ok()?;
    let bytes = u64::from_str_radix(digits, 8).ok()?;
    (*block == header(name, bytes)).then_some(bytes)
}

/// The size of content with the zeros after it; nothing for more than there can be.
pub(super) fn padded(bytes: u64) -> Option<u64> {
    bytes.checked_next_multiple_of(BLOCK)
}

/// How many zeros follow content of that size.
pub(super) fn padding(bytes: u64) -> usize {
    let over = usize::try_from(bytes % BLOCK).unwrap_or_default();
    (512 - over) % 512
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_header_of_the_same_name_gives_its_size_and_no_other_does() {
        assert_eq!(size(&header("a", 1234), "a"), Some(1234));
        assert_eq!(size(&header("a", 1234), "b"), None);
        for at in 0..512 {
            let mut block = header("a", 1234);
            block[at] ^= 1;
            assert_ne!(size(&block, "a"), Some(1234), "{at}");
        }
    }

    #[test]
    fn content_is_filled_up_to_whole_blocks() {
        assert_eq!((padded(0), padded(1), padded(512)), (Some(0), Some(512), Some(512)));
        assert_eq!((padding(0), padding(1), padding(512), padding(513)), (0, 511, 0, 511));
        assert_eq!(padded(u64::MAX), None);
    }

    #[test]
    fn tar_reads_sizes_on_both_sides_of_8_gib() {
        let folder = tempfile::tempdir().unwrap();
        for bytes in [5, OCTAL, OCTAL + 1, 1 << 40] {
            let file = folder.path().join("headers.tar");
            std::fs::write(&file, header("blobs/name", bytes)).unwrap();

            let told = Command::new("tar").arg("-tvf").arg(&file).output().unwrap();

            let told = String::from_utf8_lossy(&told.stdout).into_owned();
            assert!(told.contains(&format!(" {bytes} ")) && told.contains("blobs/name"), "{told}");
        }
    }
}
