//! The one pass over the features of a source: read, check, summarise, digest, write.
//!
//! Rows go through in pieces that stay in the processor's cache. A round of pieces is read, checked
//! and summarised by all threads while one of them digests and writes the round before it: a
//! digest needs its bytes in order, and a file takes one write at a time. What is in memory at one
//! time depends neither on the source nor on the number of processors.

use std::fs::File;
use std::io;

use rayon::prelude::*;

use super::digest;
use super::write::NonFinite;
use crate::corpus::FeatureBlock;
use crate::corpus::stats::BlockStats;

/// Values of one piece: 256 KiB of float32.
const PIECE_VALUES: usize = 1 << 16;

/// Pieces of one round; two rounds are in memory at a time.
const ROUND_PIECES: usize = 16;

/// What became of a block.
pub(super) struct Copied {
    /// BLAKE3 of the little-endian values as they are in the store.
    pub(super) blake3: String,
    pub(super) stats: BlockStats,
    /// Values of -inf that became 0.
    pub(super) n_zeroed: u64,
    /// Finite values that are infinite as float32.
    pub(super) n_overflowed: usize,
}

/// Why a block was not copied.
pub(super) enum CopyError {
    /// The file could not be written to.
    Write(io::Error),
    /// A sample has values that the policy does not allow.
    NonFinite { sample_idx: usize, n_values: u64 },
}

/// Where a block's values go.
pub(super) struct Target<'a> {
    pub(super) file: &'a File,
    /// Byte of the file at which the block begins.
    pub(super) offset: u64,
}

/// Copies a block `[n_samples, seq_len, feat_dim]` to `target`, as native float32. `lengths` are
/// the recorded numbers of frames, `[n_samples]`. `advance` is told of every stretch of bytes done.
pub(super) fn copy_block(
    block: &FeatureBlock<'_>,
    lengths: Option<&[i32]>,
    policy: NonFinite,
    target: Target<'_>,
    advance: &(dyn Fn(u64) + Sync),
) -> Result<Copied, CopyError> {
    let [n_samples, seq_len, feat_dim] = block.shape;
    let row_len = seq_len * feat_dim;
    let piece_rows = (PIECE_VALUES / row_len.max(1)).clamp(1, n_samples.max(1));
    let buffers = || vec![vec![0.0_f32; piece_rows * row_len]; ROUND_PIECES];
    let (mut filling, mut writing) = (buffers(), buffers());
    let mut n_writing = 0;
    let mut sink = Sink { hasher: blake3::Hasher::new(), target, advance };
    let mut copied = Copied {
        blake3: String::new(),
        stats: BlockStats::default(),
        n_zeroed: 0,
        n_overflowed: 0,
    };
    for round_start in (0..n_samples).step_by(piece_rows * ROUND_PIECES) {
        let n_rows = (n_samples - round_start).min(piece_rows * ROUND_PIECES);
        let n_values = n_rows * row_len;
        let fill = || -> Vec<Vec<Row>> {
            let pieces = filling.par_iter_mut().enumerate().take(n_rows.div_ceil(piece_rows));
            pieces
                .map(|(piece_idx, buffer)| {
                    let start = round_start + piece_idx * piece_rows;
                    let n_rows = piece_rows.min(n_samples - start);
                    copy_piece(block, lengths, policy, start, &mut buffer[..n_rows * row_len])
                })
                .collect()
        };
        let (rows, written) = rayon::join(fill, || sink.take(&writing, n_writing));
        written.map_err(CopyError::Write)?;
        for (idx, row) in rows.iter().flatten().enumerate() {
            if row.n_refused > 0 {
                let sample_idx = round_start + idx;
                return Err(CopyError::NonFinite { sample_idx, n_values: row.n_refused });
            }
            copied.n_overflowed += row.n_overflowed;
            copied.n_zeroed += row.n_zeroed;
            copied.stats.merge(&row.stats);
        }
        std::mem::swap(&mut filling, &mut writing);
        n_writing = n_values;
    }
    sink.take(&writing, n_writing).map_err(CopyError::Write)?;
    copied.blake3 = digest::finish(&sink.hasher);
    Ok(copied)
}

/// Where finished rounds go, in order.
struct Sink<'a> {
    hasher: blake3::Hasher,
    target: Target<'a>,
    advance: &'a (dyn Fn(u64) + Sync),
}

impl Sink<'_> {
    /// Digests and writes the first `n_values` of a round.
    fn take(&mut self, pieces: &[Vec<f32>], n_values: usize) -> io::Result<()> {
        let mut n_left = n_values;
        for piece in pieces {
            let values = &piece[..n_left.min(piece.len())];
            digest::update(&mut self.hasher, values);
            write_all_at(self.target.file, bytemuck::cast_slice(values), self.target.offset)?;
            let n_bytes = size_of_val(values) as u64;
            self.target.offset += n_bytes;
            (self.advance)(n_bytes);
            n_left -= values.len();
        }
        Ok(())
    }
}

/// What became of one sample.
struct Row {
    stats: BlockStats,
    n_overflowed: usize,
    n_zeroed: u64,
    n_refused: u64,
}

fn copy_piece(
    block: &FeatureBlock<'_>,
    lengths: Option<&[i32]>,
    policy: NonFinite,
    start: usize,
    piece: &mut [f32],
) -> Vec<Row> {
    let [_, seq_len, feat_dim] = block.shape;
    let rows = piece.chunks_mut((seq_len * feat_dim).max(1)).enumerate();
    rows.map(|(row_idx, values)| {
        let sample_idx = start + row_idx;
        let length = lengths.and_then(|lengths| lengths.get(sample_idx)).copied();
        copy_row(block, sample_idx, values, length, policy)
    })
    .collect()
}

fn copy_row(
    block: &FeatureBlock<'_>,
    sample_idx: usize,
    values: &mut [f32],
    length: Option<i32>,
    policy: NonFinite,
) -> Row {
    let n_overflowed = block.rows.read(sample_idx, values);
    let mut stats = BlockStats::of_sample(values, block.shape[2], length);
    let (mut n_zeroed, mut n_refused) = (0, 0);
    match policy {
        NonFinite::Keep => {}
        NonFinite::Error => n_refused = stats.n_nonfinite(),
        NonFinite::Zero => {
            n_zeroed = stats.n_neg_inf;
            n_refused = stats.n_nan + stats.n_pos_inf;
        }
    }
    if n_zeroed > 0 && n_refused == 0 {
        values.iter_mut().filter(|value| **value == f32::NEG_INFINITY).for_each(|v| *v = 0.0);
        stats = BlockStats::of_sample(values, block.shape[2], length);
    }
    Row { stats, n_overflowed, n_zeroed, n_refused }
}

#[cfg(unix)]
fn write_all_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

#[cfg(windows)]
fn write_all_at(file: &File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    use std::os::windows::fs::FileExt;
    while !bytes.is_empty() {
        match file.seek_write(bytes, offset)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            n_written => {
                bytes = &bytes[n_written..];
                offset += n_written as u64;
            }
        }
    }
    Ok(())
}
