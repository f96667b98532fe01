//! Features of aligned segments in a file without a name, so that memory holds one video per thread.

use std::fs::File;
use std::io::{self, BufWriter, Write};

use ndarray::Array2;

use crate::corpus::{RowError, Rows, absent};
use crate::map::Bytes;
use crate::overflow::Overflows;

/// Rows of one segment in the file.
#[derive(Debug, Clone, Copy)]
struct Span {
    /// Index of the first value.
    start: usize,
    n_rows: usize,
}

/// Segments being written.
pub(super) struct Spool {
    file: BufWriter<File>,
    spans: Vec<Span>,
    n_values: usize,
}

impl Spool {
    /// An empty file in the folder for temporary files.
    pub(super) fn new() -> io::Result<Spool> {
        let file = BufWriter::new(tempfile::tempfile()?);
        Ok(Spool { file, spans: Vec::new(), n_values: 0 })
    }

    /// Adds a segment, `[n_rows, feat_dim]`.
    pub(super) fn push(&mut self, rows: &Array2<f64>) -> io::Result<()> {
        self.spans.push(Span { start: self.n_values, n_rows: rows.nrows() });
        for value in rows {
            self.file.write_all(&value.to_ne_bytes())?;
        }
        self.n_values += rows.len();
        Ok(())
    }

    /// Number of rows of each segment.
    pub(super) fn lengths(&self) -> impl Iterator<Item = usize> {
        self.spans.iter().map(|span| span.n_rows)
    }

    /// The segments, for reading.
    pub(super) fn finish(self) -> io::Result<Spooled> {
        let file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        Ok(Spooled { bytes: Bytes::of_file(&file)?, spans: self.spans })
    }
}

/// Segments in their file.
pub(super) struct Spooled {
    bytes: Bytes,
    spans: Vec<Span>,
}

/// Some of the segments, as samples of a split.
pub(super) struct SpooledRows {
    pub(super) all: std::sync::Arc<Spooled>,
    /// Index of each sample's segment.
    pub(super) segments: Vec<usize>,
    pub(super) seq_len: usize,
    pub(super) feat_dim: usize,
    /// Whether the last rows of a segment that is too long are kept, and not the first.
    pub(super) keeps_last: bool,
}

impl Rows for SpooledRows {
    fn read(&self, sample_idx: usize, out: &mut [f32]) -> Result<Overflows, RowError> {
        let segment = self.segments.get(sample_idx).copied();
        let span = segment.and_then(|segment| self.all.spans.get(segment));
        let Span { start, n_rows } = *span.ok_or_else(|| absent(sample_idx))?;
        let n_kept = n_rows.min(self.seq_len);
        let skipped = if self.keeps_last { n_rows - n_kept } else { 0 };
        let first = (start + skipped * self.feat_dim) * size_of::<f64>();
        let n_values = n_kept * self.feat_dim;
        let values: &[f64] = self
            .all
            .bytes
            .bytes()
            .get(first..first + n_values * size_of::<f64>())
            .and_then(|bytes| bytemuck::try_cast_slice(bytes).ok())
            .ok_or_else(|| absent(sample_idx))?;
        let mut overflows = Overflows::default();
        out.fill(0.0);
        for (idx, (out, value)) in out.iter_mut().zip(values).enumerate() {
            *out = *value as f32;
            if out.is_infinite() && value.is_finite() {
                overflows.push(idx, *value);
            }
        }
        Ok(overflows)
    }
}
