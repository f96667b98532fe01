//! Unpacks into an unnamed file.

use std::fs::File;
use std::io::{self, BufRead, ErrorKind, Read, Write};
use std::ops::Range;

use crc32fast::Hasher;
use liblzma::stream::Stream;

use super::error::Cause;
use crate::map::Bytes;
use crate::progress::{Progress, Stage};
use crate::signature::archive::shown;

/// Maximum unpacked size of one file: five times the largest published feature file. A file of a few
/// kilobytes can unpack to many terabytes.
pub const UNPACKED_BYTES: u64 = 64 << 30;

/// Maximum memory of a decoder. The highest level of `xz` needs 65 MiB, that of `zstd` without `--long`
/// 128 MiB.
const DECODER_BYTES: u64 = 160 << 20;

/// The largest zstd window, as a power of two: the default limit of `zstd` without `--long`.
const ZSTD_WINDOW_LOG: u32 = 27;

/// How bytes are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Codec {
    Stored,
    Deflate,
    Gzip,
    Bzip2,
    Xz,
    Lzma,
    Zstd,
}

impl Codec {
    fn what(self) -> &'static str {
        match self {
            Codec::Stored => "an archive's data",
            Codec::Deflate => "deflate data",
            Codec::Gzip => "gzip data",
            Codec::Bzip2 => "bzip2 data",
            Codec::Xz => "xz data",
            Codec::Lzma => "LZMA data",
            Codec::Zstd => "zstd data",
        }
    }
}

/// Packed bytes.
pub(super) struct Packed {
    pub(super) codec: Codec,
    pub(super) place: Range<usize>,
    /// Size of the content, if known in advance.
    pub(super) size: Option<u64>,
    pub(super) crc32: Option<u32>,
}

/// The packed bytes, read by a decoder in stretches.
struct Input<'a> {
    rest: &'a [u8],
    progress: &'a dyn Progress,
}

/// Bytes per stretch, so that progress is reported regularly.
const STRETCH: usize = 1 << 16;

impl Read for Input<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let len = self.fill_buf()?.read(out)?;
        self.consume(len);
        Ok(len)
    }
}

impl BufRead for Input<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Ok(self.rest.get(..self.rest.len().min(STRETCH)).unwrap_or_default())
    }

    fn consume(&mut self, n_bytes: usize) {
        self.rest = self.rest.get(n_bytes..).unwrap_or_default();
        self.progress.advance(n_bytes as u64);
    }
}

/// Unpacks a stretch of `file`; `None` if it is stored unpacked.
pub(super) fn unpack(
    file: &[u8],
    packed: &Packed,
    limit: u64,
    progress: &dyn Progress,
) -> Result<Option<Bytes>, Cause> {
    let codec = packed.codec;
    let bytes = file.get(packed.place.clone()).unwrap_or_default();
    progress.begin(Stage::Unpacking, bytes.len() as u64);
    if codec == Codec::Stored {
        let size = bytes.len() as u64;
        check_size(codec, packed, size)?;
        if let Some(expected) = packed.crc32 {
            let mut hasher = Hasher::new();
            for piece in bytes.chunks(STRETCH) {
                hasher.update(piece);
                progress.advance(piece.len() as u64);
            }
            check_crc(codec, expected, hasher.finalize())?;
        }
        return Ok(None);
    }
    let expected = packed.size.or_else(|| stated_size(codec, bytes));
    if let Some(size) = expected.filter(|size| *size > limit) {
        return Err(Cause::TooLarge { limit, found: Some(size) });
    }
    let folder = std::env::temp_dir();
    let temporary = |cause| Cause::Temporary { folder: folder.clone(), cause };
    if let Some((needed, free)) = expected.zip(free_bytes(&folder))
        && needed > free
    {
        return Err(Cause::NoSpace { folder: folder.clone(), needed, free });
    }
    let target = tempfile::tempfile().map_err(temporary)?;
    let mut output = Output { file: &target, hasher: Hasher::new(), n_bytes: 0, limit };
    let result = decode(codec, Input { rest: bytes, progress }, &mut output);
    let Output { hasher, n_bytes, .. } = output;
    match result {
        Ok(()) => {}
        Err(Stop::Limit) => return Err(Cause::TooLarge { limit, found: None }),
        Err(Stop::Write(error)) => return Err(temporary(error)),
        Err(Stop::Read(error)) => return Err(cause_of(codec, &error, n_bytes)),
        Err(Stop::Trailing(n_bytes)) => {
            let problem = format!("{n_bytes} bytes after their end are not {}", codec.what());
            return Err(Cause::Damaged { what: codec.what(), problem });
        }
    }
    check_size(codec, packed, n_bytes)?;
    if let Some(expected) = packed.crc32 {
        check_crc(codec, expected, hasher.finalize())?;
    }
    Bytes::of_file(&target).map(Some).map_err(temporary)
}

fn check_size(codec: Codec, packed: &Packed, found: u64) -> Result<(), Cause> {
    match packed.size {
        Some(size) if size != found => Err(Cause::Damaged {
            what: codec.what(),
            problem: format!("the archive declares {size} bytes, found {found}"),
        }),
        _ => Ok(()),
    }
}

fn check_crc(codec: Codec, expected: u32, found: u32) -> Result<(), Cause> {
    if expected == found {
        return Ok(());
    }
    let problem = format!("expected the check sum {expected:08x}, found {found:08x}");
    Err(Cause::Damaged { what: codec.what(), problem })
}

/// Why unpacking stopped early.
enum Stop {
    Read(io::Error),
    Write(io::Error),
    Limit,
    Trailing(usize),
}

/// Unpacked data on the way to the file.
struct Output<'a> {
    file: &'a File,
    hasher: Hasher,
    n_bytes: u64,
    limit: u64,
}

impl Output<'_> {
    /// Writes a decoder's whole output.
    fn take(&mut self, mut decoder: impl Read, buffer: &mut [u8]) -> Result<(), Stop> {
        loop {
            let n_read = match decoder.read(buffer) {
                Ok(0) => return Ok(()),
                Ok(n_read) => n_read,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(Stop::Read(error)),
            };
            self.n_bytes = self.n_bytes.saturating_add(n_read as u64);
            if self.n_bytes > self.limit {
                return Err(Stop::Limit);
            }
            let piece = buffer.get(..n_read).unwrap_or_default();
            self.hasher.update(piece);
            self.file.write_all(piece).map_err(Stop::Write)?;
        }
    }
}

fn decode(codec: Codec, mut input: Input<'_>, output: &mut Output<'_>) -> Result<(), Stop> {
    let mut buffer = vec![0; 1 << 18];
    let xz = |stream: Result<Stream, liblzma::stream::Error>| {
        stream.map_err(|error| Stop::Read(error.into()))
    };
    match codec {
        Codec::Stored | Codec::Deflate => {
            output.take(flate2::bufread::DeflateDecoder::new(input), &mut buffer)
        }
        // Writers may concatenate streams and pad the last one with zeros.
        Codec::Gzip => loop {
            let mut decoder = flate2::bufread::GzDecoder::new(input);
            output.take(&mut decoder, &mut buffer)?;
            input = decoder.into_inner();
            if !input.rest.starts_with(b"\x1f\x8b") {
                return no_trailing(&input);
            }
        },
        Codec::Bzip2 => loop {
            let mut decoder = bzip2::bufread::BzDecoder::new(input);
            output.take(&mut decoder, &mut buffer)?;
            input = decoder.into_inner();
            if !input.rest.starts_with(b"BZh") {
                return no_trailing(&input);
            }
        },
        // Stream by stream: the decoder of them all takes anything behind the last one for the start of
        // another that was cut.
        Codec::Xz => loop {
            let stream = xz(Stream::new_stream_decoder(DECODER_BYTES, 0))?;
            let mut decoder = liblzma::bufread::XzDecoder::new_stream(input, stream);
            output.take(&mut decoder, &mut buffer)?;
            input = decoder.into_inner();
            let n_zeros = input.rest.iter().take_while(|byte| **byte == 0).count();
            if !input.rest.get(n_zeros..).unwrap_or_default().starts_with(b"\xfd7zXZ\0") {
                return no_trailing(&input);
            }
            input.consume(n_zeros);
        },
        Codec::Lzma => {
            let stream = xz(Stream::new_lzma_decoder(DECODER_BYTES))?;
            let mut decoder = liblzma::bufread::XzDecoder::new_stream(input, stream);
            output.take(&mut decoder, &mut buffer)?;
            no_trailing(&decoder.into_inner())
        }
        Codec::Zstd => {
            let mut decoder =
                zstd::stream::read::Decoder::with_buffer(input).map_err(Stop::Read)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG).map_err(Stop::Read)?;
            output.take(decoder, &mut buffer)
        }
    }
}

fn no_trailing(input: &Input<'_>) -> Result<(), Stop> {
    if input.rest.iter().all(|byte| *byte == 0) {
        return Ok(());
    }
    Err(Stop::Trailing(input.rest.len()))
}

/// Translates a decoder's error for the owner of the file.
fn cause_of(codec: Codec, error: &io::Error, n_bytes: u64) -> Cause {
    let what = codec.what();
    let text = error.to_string();
    let lower = text.to_ascii_lowercase();
    if lower.contains("memory limit") || lower.contains("too much memory") {
        return Cause::Memory { what, limit: DECODER_BYTES };
    }
    let is_cut = error.kind() == ErrorKind::UnexpectedEof
        || ["eof", "incomplete", "premature", "unexpected end", "not finished"]
            .iter()
            .any(|word| lower.contains(word));
    match is_cut {
        true => Cause::Cut { what, n_bytes },
        false => Cause::Damaged { what, problem: shown(&text) },
    }
}

/// The size stated by a stream, if reliable.
fn stated_size(codec: Codec, bytes: &[u8]) -> Option<u64> {
    match codec {
        Codec::Zstd => zstd::zstd_safe::get_frame_content_size(bytes).ok().flatten(),
        _ => None,
    }
}

/// Free bytes in the file system of a folder.
#[cfg(target_os = "linux")]
fn free_bytes(folder: &std::path::Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(folder).ok()?;
    stat.f_bavail.checked_mul(stat.f_frsize)
}

#[cfg(not(target_os = "linux"))]
fn free_bytes(_: &std::path::Path) -> Option<u64> {
    None
}
