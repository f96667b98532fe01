//! Evidence for the side on which a column's samples are padded.

use std::fmt;

/// Side of the padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Samples neither start nor end with all-zero frames.
    None,
    /// Before the frames.
    Front,
    /// After the frames.
    Back,
    /// The counts do not decide.
    Unclear,
}

impl Side {
    /// The side with most of the all-zero frames. The margin keeps frames that are zero for another
    /// reason, such as those of `[CLS]` and `[SEP]`, from deciding.
    pub(super) fn of(n_leading: u64, n_trailing: u64) -> Side {
        const MARGIN: u64 = 2;
        match (n_leading, n_trailing) {
            (0, 0) => Side::None,
            _ if n_leading > n_trailing.saturating_mul(MARGIN) => Side::Front,
            _ if n_trailing > n_leading.saturating_mul(MARGIN) => Side::Back,
            _ => Side::Unclear,
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Side::None => "none",
            Side::Front => "front",
            Side::Back => "back",
            Side::Unclear => "unclear",
        }
    }
}

/// The side of one column and its evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaddingEvidence {
    /// A modality, or `text_bert`.
    pub column: &'static str,
    /// The conclusion.
    pub side: Side,
    /// Number of samples examined.
    pub n_samples: u64,
    /// All-zero frames before the first nonzero one, over these samples.
    pub n_leading: u64,
    /// All-zero frames after the last nonzero one, over these samples.
    pub n_trailing: u64,
}

impl fmt::Display for PaddingEvidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PaddingEvidence { column, side, n_samples, n_leading, n_trailing } = self;
        write!(
            f,
            "{column:<9}  {:<7}  {n_leading} all-zero steps lead and {n_trailing} trail in \
             {n_samples} samples",
            side.word()
        )
    }
}
