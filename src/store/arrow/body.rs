//! The bytes of a batch: its buffers in order, each compressed separately or not at all.

use std::borrow::Cow;
use std::io::{self, Read, Write};

use arrow_ipc::CompressionType;
use rayon::prelude::*;

use super::ALIGNMENT;
use crate::store::Compression;

/// Zstandard's default level.
const ZSTD_LEVEL: i32 = 3;

/// Length prefix of a buffer that compression would not shrink.
const NOT_COMPRESSED: i64 = -1;

/// Bytes before a compressed buffer: its uncompressed length.
const PREFIX: usize = size_of::<i64>();

/// Arrow's name of a compression; `None` if it has none or nothing is compressed.
pub(super) fn codec(compression: Compression) -> Option<CompressionType> {
    match compression {
        Compression::Zstd => Some(CompressionType::ZSTD),
        Compression::Lz4 => Some(CompressionType::LZ4_FRAME),
        Compression::None | Compression::Gzip => None,
    }
}

/// The buffers as written.
pub(super) fn encode<'a>(
    buffers: Vec<Cow<'a, [u8]>>,
    codec: Option<CompressionType>,
) -> io::Result<Vec<Cow<'a, [u8]>>> {
    match codec {
        None => Ok(buffers),
        Some(codec) => {
            buffers.par_iter().map(|bytes| compress(bytes, codec).map(Cow::Owned)).collect()
        }
    }
}

fn compress(bytes: &[u8], codec: CompressionType) -> io::Result<Vec<u8>> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let packed = match codec {
        CompressionType::ZSTD => zstd::bulk::compress(bytes, ZSTD_LEVEL)?,
        _ => {
            let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
            encoder.write_all(bytes)?;
            encoder.finish().map_err(io::Error::other)?
        }
    };
    let (length, content) = match packed.len() < bytes.len() {
        true => (bytes.len() as i64, &*packed),
        false => (NOT_COMPRESSED, bytes),
    };
    Ok([&length.to_le_bytes(), content].concat())
}

/// Reverses [`encode`] on one buffer, into `out`; fails unless that fills `out` exactly.
pub(super) fn decode(bytes: &[u8], codec: CompressionType, out: &mut [u8]) -> Result<(), String> {
    if out.is_empty() && bytes.is_empty() {
        return Ok(());
    }
    let Some((length, content)) = bytes.split_first_chunk::<PREFIX>() else {
        return Err("a compressed buffer is too short".into());
    };
    let length = i64::from_le_bytes(*length);
    if length == NOT_COMPRESSED && content.len() == out.len() {
        out.copy_from_slice(content);
        return Ok(());
    }
    // Compared before unpacking, so that no length in the file causes an allocation.
    if usize::try_from(length) != Ok(out.len()) {
        return Err(format!("expected a buffer of {} bytes, found {length}", out.len()));
    }
    let n_read = match codec {
        CompressionType::ZSTD => zstd::bulk::decompress_to_buffer(content, out),
        CompressionType::LZ4_FRAME => {
            let mut decoder = lz4_flex::frame::FrameDecoder::new(content);
            decoder.read_exact(out).map(|()| out.len())
        }
        _ => return Err("a compression that is not known".into()),
    };
    match n_read {
        Ok(n_read) if n_read == out.len() => Ok(()),
        Ok(n_read) => Err(format!("expected a buffer of {} bytes, found {n_read}", out.len())),
        Err(error) => Err(format!("cannot be decompressed: {error}")),
    }
}

/// Offset and length of each buffer in a body, and the body's length.
pub(super) fn places(buffers: &[Cow<'_, [u8]>]) -> (Vec<(usize, usize)>, usize) {
    let mut end = 0;
    let places = buffers.iter().map(|buffer| {
        let start = end;
        end += buffer.len().next_multiple_of(ALIGNMENT);
        (start, buffer.len())
    });
    let places = places.collect();
    (places, end)
}
