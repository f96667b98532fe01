//! Features of a synthetic pickle: noise that contains a modality's part of the label.

use std::io::{self, Write};

use rand::RngExt;
use rand_chacha::ChaCha12Rng;
use rand_distr::{Distribution, StandardNormal};

use super::segment::Segment;
use crate::pickle::{ArrayDtype, Writer};

/// Noise, and a modality's part of the label along one direction.
pub(super) struct Signal<'a> {
    /// Index of the part of the label.
    pub(super) modality: usize,
    pub(super) shape: [usize; 2],
    pub(super) direction: &'a [f32],
    pub(super) strength: f32,
    /// The second half of the features has a random offset per segment, and about half of the frames
    /// are only noise.
    pub(super) distracted: bool,
}

impl Signal<'_> {
    /// Writes `[n_samples, seq_len, feat_dim]`, zero outside each segment's frames.
    pub(super) fn write<W: Write>(
        &self,
        writer: &mut Writer<W>,
        dtype: ArrayDtype,
        segments: &[Segment],
        frames: impl Fn(&Segment) -> std::ops::Range<usize>,
        rng: &mut ChaCha12Rng,
    ) -> io::Result<()> {
        let [seq_len, feat_dim] = self.shape;
        writer.begin_array(dtype, &[segments.len(), seq_len, feat_dim])?;
        let mut bytes = Vec::with_capacity(seq_len * feat_dim * dtype.item_size());
        for segment in segments {
            bytes.clear();
            let frames = frames(segment);
            let part = self.strength * segment.parts[self.modality];
            // The other features have the offset.
            let (n_telling, offset): (usize, f32) = match self.distracted {
                true => (feat_dim.div_ceil(2), StandardNormal.sample(rng)),
                false => (feat_dim, 0.0),
            };
            for frame in 0..seq_len {
                let carries = !self.distracted || rng.random_range(0.0..1.0) < 0.5;
                for (feature, direction) in self.direction.iter().enumerate() {
                    let noise: f32 = StandardNormal.sample(rng);
                    let value = match feature < n_telling {
                        _ if !frames.contains(&frame) => 0.0,
                        true if carries => noise + part * direction,
                        true => noise,
                        false => noise + offset * direction,
                    };
                    match dtype {
                        ArrayDtype::F64 => bytes.extend(f64::from(value).to_le_bytes()),
                        _ => bytes.extend(value.to_le_bytes()),
                    }
                }
            }
            writer.elements(&bytes)?;
        }
        Ok(())
    }
}
