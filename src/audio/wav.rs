//! The header of a WAV file that was written to a pipe.
//!
//! The sizes of the file and of its samples precede the samples. A program that writes to a pipe does not know them
//! in time and cannot come back to them: FFmpeg leaves both at 0xFFFFFFFF, SoX at about 0x7FFFF000, others at 0. The
//! samples then go on to the end of the file.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

/// Sizes of the file that say nothing.
const UNKNOWN: [u32; 2] = [0, u32::MAX];

/// Bytes of samples that SoX claims: 0x7FFFF000, less what is no whole frame.
const OF_SOX: std::ops::RangeInclusive<u32> = 0x7FFF_E000..=0x7FFF_F000;

/// Bytes at the start of a file among which its samples begin: before them is their form, and perhaps a few words.
const MOST_BEFORE_SAMPLES: u64 = 1 << 20;

/// Bytes of the name and the size of a chunk.
const CHUNK_LEN: u64 = 8;

/// Bytes of a size, which ends a chunk's name and size.
const SIZE_LEN: usize = 4;

/// Where the first chunk within that of the file begins: after its name and size, and `WAVE`.
const FIRST_CHUNK: u64 = 12;

/// What precedes the samples, with the sizes that there are, if the header leaves them open; the file is at its
/// samples then. `None` if the header states them, or is not that of a WAV file.
pub(super) fn header_with_sizes(file: &mut File) -> io::Result<Option<Vec<u8>>> {
    let Some((_, of_file)) = chunk(file, 0)?.filter(|(name, _)| name == b"RIFF") else {
        return Ok(None);
    };
    let is_open =
        |size: u32| OF_SOX.contains(&size) || UNKNOWN.contains(&size) && UNKNOWN.contains(&of_file);
    let mut place = FIRST_CHUNK;
    let samples = loop {
        match chunk(file, place)? {
            Some((name, size)) if name == *b"data" && is_open(size) => break place + CHUNK_LEN,
            Some((name, size)) if name != *b"data" && place < MOST_BEFORE_SAMPLES => {
                // Chunks begin at even places.
                place += CHUNK_LEN + u64::from(size).next_multiple_of(2);
            }
            _ => return Ok(None),
        }
    };
    let n_bytes = file.metadata()?.len();
    let sizes = [CHUNK_LEN, samples].map(|start| u32::try_from(n_bytes.saturating_sub(start)));
    // A header has no sizes of more than 4 GiB.
    let [Ok(of_file), Ok(of_samples)] = sizes else { return Ok(None) };
    let [mut chunk_of_file, mut rest] = [Vec::new(), Vec::new()];
    file.rewind()?;
    file.by_ref().take(CHUNK_LEN).read_to_end(&mut chunk_of_file)?;
    file.by_ref().take(samples - CHUNK_LEN).read_to_end(&mut rest)?;
    let mut header = Vec::new();
    for (part, size) in [(chunk_of_file, of_file), (rest, of_samples)] {
        header.extend(part.iter().take(part.len().saturating_sub(SIZE_LEN)));
        header.extend(size.to_le_bytes());
    }
    Ok(Some(header))
}

/// Name and size of the chunk that begins at a place; `None` at the end of the file.
fn chunk(file: &mut File, place: u64) -> io::Result<Option<([u8; 4], u32)>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(place))?;
    file.by_ref().take(CHUNK_LEN).read_to_end(&mut bytes)?;
    let parts = bytes.split_first_chunk().zip(bytes.last_chunk());
    Ok(parts
        .filter(|_| bytes.len() as u64 == CHUNK_LEN)
        .map(|((name, _), size)| (*name, u32::from_le_bytes(*size))))
}
