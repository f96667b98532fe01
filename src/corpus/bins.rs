//! Binning schemes: the names of divisions of labels into classes, and of their columns in a store.

use arrayvec::ArrayString;

/// One binning scheme of the label range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bins {
    /// Below the neutral value (0) or not (1), over all samples; 0 is neutral for CMU.
    Acc2Has0,
    /// Below (0) or above (1) the neutral value; neutral labels are excluded.
    Acc2Non0,
    /// CH-SIMS: `[-1, 0]`, `(0, 1]`. Zero counts as negative, unlike for CMU.
    Acc2,
    /// CMU: rounded value in -1..=1; CH-SIMS: limits -0.1, 0.1.
    Acc3,
    /// CMU: rounded value in -2..=2; CH-SIMS: limits -0.7, -0.1, 0.1, 0.7.
    Acc5,
    /// CMU: rounded value in -3..=3.
    Acc7,
    /// Those of a dataset of one's own, by name.
    Own(BinsName),
}

/// Name of a binning scheme that is not among the published ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BinsName {
    /// `bins/acc_NAME`, the name of the column in a split.
    column: ArrayString<MOST_BYTES>,
}

/// Folder of the columns of classes in a split.
const FOLDER: &str = "bins/";

/// What every name of a binning scheme begins with: it is that of an accuracy.
const ACCURACY: &str = "acc_";

/// Bytes of the longest name that users may give, after `acc_`.
pub const MOST_NAME_BYTES: usize = 24;

const MOST_BYTES: usize = FOLDER.len() + ACCURACY.len() + MOST_NAME_BYTES;

/// The class of a label that a binning scheme excludes.
pub const EXCLUDED: i8 = -1;

impl Bins {
    /// The published binning schemes.
    pub const PUBLISHED: [Bins; 6] =
        [Bins::Acc2Has0, Bins::Acc2Non0, Bins::Acc2, Bins::Acc3, Bins::Acc5, Bins::Acc7];

    /// The binning scheme `acc_NAME`; `None` if the name is longer than [`MOST_NAME_BYTES`], or has
    /// other characters than lower-case letters, digits and `_`.
    pub fn named(name: &str) -> Option<Bins> {
        let is_usual = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_');
        if name.is_empty() || name.len() > MOST_NAME_BYTES || !name.bytes().all(is_usual) {
            return None;
        }
        Bins::of_column(&format!("{FOLDER}{ACCURACY}{name}"))
    }

    /// The binning scheme of a column in a split, such as `bins/acc_7`; `None` for other columns.
    pub fn of_column(column: &str) -> Option<Bins> {
        let published = Bins::PUBLISHED.into_iter().find(|bins| bins.column() == column);
        let own = || {
            let name = column.strip_prefix(FOLDER)?.strip_prefix(ACCURACY)?;
            let column = ArrayString::from(column).ok().filter(|_| !name.is_empty())?;
            Some(Bins::Own(BinsName { column }))
        };
        published.or_else(own)
    }

    /// The name of the column in a split.
    pub fn column(&self) -> &str {
        match self {
            Bins::Acc2Has0 => "bins/acc_2_has0",
            Bins::Acc2Non0 => "bins/acc_2_non0",
            Bins::Acc2 => "bins/acc_2",
            Bins::Acc3 => "bins/acc_3",
            Bins::Acc5 => "bins/acc_5",
            Bins::Acc7 => "bins/acc_7",
            Bins::Own(name) => &name.column,
        }
    }

    /// The name of the binning scheme, such as `acc_7`.
    pub fn name(&self) -> &str {
        self.column().strip_prefix(FOLDER).unwrap_or_default()
    }
}
