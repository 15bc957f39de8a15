//! The gzip container: one member with a fixed header, inflated no further than the limits allow.

use miniz_oxide::{
    deflate::compress_to_vec,
    inflate::{
        TINFLStatus,
        core::{
            DecompressorOxide, decompress,
            inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF as WHOLE_OUTPUT,
        },
    },
};

use super::{ArchiveError, Limits};

/// Deflate, no flags, no time, no hint about the level, unknown system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
const TRAILER: usize = 8;
const LEVEL: u8 = 6;
const CHUNK: usize = 128 * 1024;

/// Wraps `tar` as the one canonical member.
pub(crate) fn compress(tar: &[u8]) -> Vec<u8> {
    let deflated = compress_to_vec(tar, LEVEL);
    let mut packed = Vec::with_capacity(HEADER.len() + deflated.len() + TRAILER);
    packed.extend_from_slice(&HEADER);
    packed.extend_from_slice(&deflated);
    packed.extend_from_slice(&crc32fast::hash(tar).to_le_bytes());
    packed.extend_from_slice(&length_modulo(tar.len()).to_le_bytes());
    packed
}

/// The length as gzip stores it, modulo 2^32.
fn length_modulo(length: usize) -> u32 {
    u32::try_from(length & 0xffff_ffff).unwrap_or_default()
}

/// Inflates on demand, so that a bad entry or a bomb stops the work early.
pub(crate) struct Inflater<'a> {
    input: &'a [u8],
    state: Box<DecompressorOxide>,
    checksum: crc32fast::Hasher,
    output: Vec<u8>,
    filled: usize,
    finished: bool,
    most: usize,
    limits: &'a Limits,
}

impl<'a> Inflater<'a> {
    /// Checks the container's header and the packed size.
    pub(crate) fn new(packed: &'a [u8], limits: &'a Limits) -> Result<Self, ArchiveError> {
        if packed.len() > limits.packed_bytes {
            return Err(ArchiveError::PackedTooLarge {
                size: packed.len(),
                limit: limits.packed_bytes,
            });
        }
        check_header(packed)?;
        Ok(Self {
            input: &packed[HEADER.len()..],
            state: Box::default(),
            checksum: crc32fast::Hasher::new(),
            output: Vec::new(),
            filled: 0,
            finished: false,
            most: limits.most_unpacked(packed.len()),
            limits,
        })
    }

    /// The most bytes that will be inflated.
    pub(crate) fn most(&self) -> usize {
        self.most
    }

    /// What has been inflated so far.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.output[..self.filled]
    }

    /// Inflates until at least `wanted` bytes are there or the stream ends; true when they are there.
    pub(crate) fn fill(&mut self, wanted: usize) -> Result<bool, ArchiveError> {
        while self.filled < wanted && !self.finished {
            let room = self.filled.saturating_add(CHUNK).min(self.most + 1);
            if self.output.len() < room {
                self.output.resize(room, 0);
            }
            self.inflate_some()?;
            if self.filled > self.most {
                return Err(self.limits.bomb(self.most));
            }
        }
        Ok(self.filled >= wanted)
    }

    fn inflate_some(&mut self) -> Result<(), ArchiveError> {
        let (status, consumed, written) =
            decompress(&mut self.state, self.input, &mut self.output, self.filled, WHOLE_OUTPUT);
        self.checksum.update(&self.output[self.filled..self.filled + written]);
        self.input = &self.input[consumed..];
        self.filled += written;
        match status {
            TINFLStatus::Done => {
                self.finished = true;
                Ok(())
            }
            TINFLStatus::HasMoreOutput => Ok(()),
            TINFLStatus::FailedCannotMakeProgress | TINFLStatus::NeedsMoreInput => {
                Err(ArchiveError::Truncated { part: "compressed data" })
            }
            _ => Err(ArchiveError::Damaged { part: "compressed data" }),
        }
    }

    /// Insists that nothing follows `end` in the tar and nothing follows the member; returns the tar.
    pub(crate) fn finish(mut self, end: usize) -> Result<Vec<u8>, ArchiveError> {
        if self.fill(end + 1)? {
            return Err(ArchiveError::TrailingBytes { after: "the tar's two end blocks" });
        }
        let Some((trailer, rest)) = self.input.split_at_checked(TRAILER) else {
            return Err(ArchiveError::Truncated { part: "gzip trailer" });
        };
        let mut expected = [0; TRAILER];
        expected[..4].copy_from_slice(&self.checksum.clone().finalize().to_le_bytes());
        expected[4..].copy_from_slice(&length_modulo(self.filled).to_le_bytes());
        if trailer != expected {
            return Err(ArchiveError::Damaged { part: "gzip checksum or length" });
        }
        match rest {
            [] => {}
            [0x1f, 0x8b, ..] => return Err(ArchiveError::SecondMember),
            _ => return Err(ArchiveError::TrailingBytes { after: "the gzip member" }),
        }
        self.output.truncate(self.filled);
        Ok(self.output)
    }
}

fn check_header(packed: &[u8]) -> Result<(), ArchiveError> {
    if !packed.starts_with(&HEADER[..2]) {
        return Err(ArchiveError::NotGzip);
    }
    let Some(header) = packed.get(..HEADER.len()) else {
        return Err(ArchiveError::Truncated { part: "gzip header" });
    };
    let fields = [
        ("method", 2..3, "deflate"),
        ("flags", 3..4, "zero: no name, no comment, no extra field"),
        ("mtime", 4..8, "zero"),
        ("extra flags", 8..9, "zero"),
        ("operating system", 9..10, "255, unknown"),
    ];
    match fields.into_iter().find(|(_, range, _)| header[range.clone()] != HEADER[range.clone()]) {
        None => Ok(()),
        Some((field, _, rule)) => Err(ArchiveError::GzipHeader { field, rule }),
    }
}
