//! The one pass over the features of a source: read, check, summarise, digest, write.
//!
//! Rows pass through in chunks that stay in the processor's cache. All threads read, check and
//! summarise a round of chunks while one of them digests and writes the previous round: a digest needs
//! its bytes in order, and a file takes one write at a time. Memory use depends neither on the source
//! nor on the number of processors.

use std::collections::BTreeSet;
use std::io;
use std::marker::PhantomData;

use rayon::prelude::*;

use super::digest::{self, Element, Feature};
use super::policy::{Action, Policies};
use super::seen::{Seen, Unusual};
use crate::corpus::stats::BlockStats;
use crate::corpus::values::ValueKind;
use crate::corpus::{FeatureBlock, RowError};
use crate::overflow::Overflows;

/// Values of one chunk: 256 KiB of float32.
const PIECE_VALUES: usize = 1 << 16;

/// Chunks of one round; two rounds are in memory at a time.
const ROUND_PIECES: usize = 16;

/// Result of copying a block.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) stats: BlockStats,
    /// Source values that the stored type cannot hold unchanged.
    pub(super) seen: Seen,
    /// Features with a value that became the mean.
    pub(super) mean_features: BTreeSet<usize>,
}

/// Why a block was not copied.
pub(super) enum CopyError {
    /// The file could not be written to.
    Write(io::Error),
    /// A sample could not be read.
    Read(Unread),
    /// A sample has values that the policies do not allow; all its unusual values.
    Refused(Seen),
}

/// A sample that could not be read.
pub(super) struct Unread {
    pub(super) sample_idx: usize,
    pub(super) cause: RowError,
}

impl Tally {
    /// Adds consecutive samples from `start` on.
    pub(super) fn add<'a>(
        &mut self,
        start: usize,
        rows: impl Iterator<Item = &'a Row>,
    ) -> Result<(), CopyError> {
        for (idx, row) in rows.enumerate() {
            if let Some(settled) = &row.settled {
                self.seen.add(start + idx, &settled.unusual);
                if settled.is_refused {
                    let mut seen = Seen::default();
                    seen.add(start + idx, &settled.unusual);
                    return Err(CopyError::Refused(seen));
                }
                self.mean_features.extend(&settled.mean_features);
            }
            self.stats.merge(&row.stats);
        }
        Ok(())
    }
}

/// How values are changed to fit the stored type.
#[derive(Clone, Copy)]
pub(super) struct Repair<'a> {
    pub(super) policies: Policies,
    /// The mean of each feature, `[feat_dim]`; empty if no policy needs it.
    pub(super) means: &'a [f32],
}

/// A block `[n_samples, seq_len, feat_dim]` being copied into a store as `T`.
pub(super) struct Pass<'a, T> {
    pub(super) block: &'a FeatureBlock,
    /// Recorded numbers of frames, `[n_samples]`.
    pub(super) lengths: Option<&'a [i32]>,
    pub(super) repair: Repair<'a>,
    pub(super) stored: PhantomData<T>,
}

/// Copies a block to `put`, round by round in order, and returns the digest of everything written.
/// `advance` receives the float32 bytes of every stretch done.
pub(super) fn copy_block<T: Feature>(
    pass: &Pass<'_, T>,
    put: &mut (dyn FnMut(&[T]) -> io::Result<()> + Send),
    advance: &(dyn Fn(u64) + Sync),
) -> Result<(String, Tally), CopyError> {
    let n_samples = pass.block.shape[0];
    let row_len = pass.row_len();
    let piece_rows = (PIECE_VALUES / row_len.max(1)).clamp(1, n_samples.max(1));
    let buffers = || vec![vec![0.0_f32; piece_rows * row_len]; ROUND_PIECES];
    let (mut filling, mut writing) = (buffers(), buffers());
    let mut n_writing = 0;
    let mut sink = Sink { hasher: blake3::Hasher::new(), put, advance };
    let mut tally = Tally::default();
    for round_start in (0..n_samples).step_by(piece_rows * ROUND_PIECES) {
        let n_rows = (n_samples - round_start).min(piece_rows * ROUND_PIECES);
        let n_values = n_rows * row_len;
        let fill = || -> Vec<Result<Vec<Row>, Unread>> {
            let pieces = filling.par_iter_mut().enumerate().take(n_rows.div_ceil(piece_rows));
            pieces
                .map(|(piece_idx, buffer)| {
                    let start = round_start + piece_idx * piece_rows;
                    let n_rows = piece_rows.min(n_samples - start);
                    pass.piece(start, &mut buffer[..n_rows * row_len])
                })
                .collect()
        };
        let (rows, written) = rayon::join(fill, || sink.take(&writing, n_writing));
        written.map_err(CopyError::Write)?;
        let rows = in_order(rows).map_err(CopyError::Read)?;
        tally.add(round_start, rows.iter().flatten())?;
        std::mem::swap(&mut filling, &mut writing);
        n_writing = n_values;
    }
    sink.take(&writing, n_writing).map_err(CopyError::Write)?;
    Ok((digest::finish(&sink.hasher), tally))
}

/// Chunks in order, or the first failure in this order, whichever thread found it first.
fn in_order(pieces: Vec<Result<Vec<Row>, Unread>>) -> Result<Vec<Vec<Row>>, Unread> {
    pieces.into_iter().collect()
}

/// Destination of finished rounds, in order.
struct Sink<'a, T> {
    hasher: blake3::Hasher,
    put: &'a mut (dyn FnMut(&[T]) -> io::Result<()> + Send),
    advance: &'a (dyn Fn(u64) + Sync),
}

impl<T: Feature> Sink<'_, T> {
    /// Digests and writes the first `n_values` of a round.
    fn take(&mut self, pieces: &[Vec<f32>], n_values: usize) -> io::Result<()> {
        let mut n_left = n_values;
        for piece in pieces {
            let values = &piece[..n_left.min(piece.len())];
            if values.is_empty() {
                break;
            }
            let stored = T::narrow(values);
            digest::update(&mut self.hasher, &stored);
            (self.put)(&stored)?;
            (self.advance)(size_of_val(values) as u64);
            n_left -= values.len();
        }
        Ok(())
    }
}

/// Result of one sample.
pub(super) struct Row {
    stats: BlockStats,
    /// `None` for nearly every sample: nothing had to change.
    settled: Option<Box<Settled>>,
}

/// Changes to the values of one sample that the stored type cannot hold unchanged.
#[derive(Default)]
struct Settled {
    unusual: Unusual,
    is_refused: bool,
    mean_features: BTreeSet<usize>,
}

impl<T: Feature> Pass<'_, T> {
    /// Number of values in one sample.
    pub(super) fn row_len(&self) -> usize {
        let [_, seq_len, feat_dim] = self.block.shape;
        seq_len * feat_dim
    }

    /// Reads and checks the samples from `start` on, on all threads, until `out` is full.
    pub(super) fn fill(&self, start: usize, out: &mut [f32]) -> Result<Vec<Row>, Unread> {
        let row_len = self.row_len().max(1);
        let piece_rows = (PIECE_VALUES / row_len).max(1);
        let pieces = out.par_chunks_mut(piece_rows * row_len).enumerate();
        let rows: Vec<Result<Vec<Row>, Unread>> =
            pieces.map(|(idx, piece)| self.piece(start + idx * piece_rows, piece)).collect();
        Ok(in_order(rows)?.into_iter().flatten().collect())
    }

    fn piece(&self, start: usize, piece: &mut [f32]) -> Result<Vec<Row>, Unread> {
        let rows = piece.chunks_mut(self.row_len().max(1)).enumerate();
        rows.map(|(row_idx, values)| self.row(start + row_idx, values)).collect()
    }

    fn row(&self, sample_idx: usize, values: &mut [f32]) -> Result<Row, Unread> {
        let feat_dim = self.block.shape[2];
        let length = self.lengths.and_then(|lengths| lengths.get(sample_idx)).copied();
        let read = self.block.rows.read(sample_idx, values);
        let overflows = read.map_err(|cause| Unread { sample_idx, cause })?;
        let mut stats = BlockStats::of_sample(values, feat_dim, length);
        let mut settled = None;
        if stats.n_nonfinite() > 0 || stats.max >= T::LIMIT || stats.min <= -T::LIMIT {
            settled = Some(Box::new(self.settle(values, length, &overflows)));
        }
        T::round(values);
        if settled.is_some() || T::DTYPE != <f32 as Element>::DTYPE {
            stats = BlockStats::of_sample(values, feat_dim, length);
        }
        Ok(Row { stats, settled })
    }

    /// Applies the policies to a sample with values that the stored type cannot hold.
    fn settle(&self, values: &mut [f32], length: Option<i32>, overflows: &Overflows) -> Settled {
        let feat_dim = self.block.shape[2].max(1);
        // Padding is 0, which no mean changes.
        let n_frames = length.map_or(usize::MAX, |length| usize::try_from(length).unwrap_or(0));
        let mut settled = Settled::default();
        for (idx, value) in values.iter_mut().enumerate() {
            let kind = ValueKind::of(*value, T::LIMIT, || overflows.get(idx));
            let Some((kind, source)) = kind else { continue };
            let is_padding = idx / feat_dim >= n_frames;
            settled.unusual.add(kind, source, is_padding);
            match self.repair.policies.action(kind) {
                // Segments to be dropped are already gone here.
                Action::Refuse | Action::Drop => settled.is_refused = true,
                Action::Keep => {}
                Action::Zero => *value = 0.0,
                Action::Mean if is_padding => *value = 0.0,
                Action::Clip => *value = T::LARGEST.copysign(*value),
                Action::Mean => {
                    let feature = idx % feat_dim;
                    *value = self.repair.means.get(feature).copied().unwrap_or(0.0);
                    settled.mean_features.insert(feature);
                }
            }
        }
        settled
    }
}
