//! Rows of one entry, in memory.

use ndarray::{Array2, Axis, concatenate};

use super::dtype::FeatureType;

/// Strings of fixed width, as words are stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Texts {
    /// Bytes of one string in the file; strings shorter than that are padded there.
    pub width: usize,
    /// `[n_rows, feat_dim]`, without padding.
    pub values: Array2<String>,
}

/// Features of an entry, in the order of its rows.
#[derive(Debug, Clone, PartialEq)]
pub enum Features {
    /// `[n_rows, feat_dim]`.
    Float64(Array2<f64>),
    /// `[n_rows, feat_dim]`.
    Float32(Array2<f32>),
    /// `[n_rows, feat_dim]`.
    Text(Texts),
}

/// Why features of several entries cannot be joined.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mixed {
    /// Numbers and strings.
    #[error("some entries hold text and some numbers")]
    Types,
    /// Different numbers of columns.
    #[error("entries of {first} and {other} columns cannot be joined")]
    Widths {
        /// Columns of the first entry.
        first: usize,
        /// Columns of another one.
        other: usize,
    },
}

impl Features {
    /// `[n_rows, feat_dim]`.
    pub fn shape(&self) -> [usize; 2] {
        let (n_rows, feat_dim) = match self {
            Features::Float64(values) => values.dim(),
            Features::Float32(values) => values.dim(),
            Features::Text(texts) => texts.values.dim(),
        };
        [n_rows, feat_dim]
    }

    /// Number of rows.
    pub fn n_rows(&self) -> usize {
        self.shape()[0]
    }

    /// Number of columns.
    pub fn feat_dim(&self) -> usize {
        self.shape()[1]
    }

    /// The type of the values.
    pub fn dtype(&self) -> FeatureType {
        match self {
            Features::Float64(_) => FeatureType::Float64,
            Features::Float32(_) => FeatureType::Float32,
            Features::Text(texts) => FeatureType::Text { width: texts.width },
        }
    }

    /// The rows with these indices, in this order; those that do not exist are left out.
    pub fn select(&self, rows: &[usize]) -> Features {
        let n_rows = self.n_rows();
        let rows: Vec<usize> = rows.iter().copied().filter(|row| *row < n_rows).collect();
        match self {
            Features::Float64(values) => Features::Float64(values.select(Axis(0), &rows)),
            Features::Float32(values) => Features::Float32(values.select(Axis(0), &rows)),
            Features::Text(Texts { width, values }) => {
                Features::Text(Texts { width: *width, values: values.select(Axis(0), &rows) })
            }
        }
    }

    /// The values as float64; `None` of text.
    pub fn to_float64(&self) -> Option<Array2<f64>> {
        match self {
            Features::Float64(values) => Some(values.clone()),
            Features::Float32(values) => Some(values.mapv(f64::from)),
            Features::Text(_) => None,
        }
    }

    /// Like [`Features::to_float64`], without a copy of what is float64 already.
    pub fn into_float64(self) -> Option<Array2<f64>> {
        match self {
            Features::Float64(values) => Some(values),
            other => other.to_float64(),
        }
    }

    /// All rows, one part after another. Parts of float32 and float64 become float64, and strings get the
    /// largest width, as with NumPy.
    ///
    /// # Errors
    /// Text and numbers, or different numbers of columns.
    pub fn join(parts: &[&Features]) -> Result<Features, Mixed> {
        let Some(first) = parts.first() else {
            return Ok(Features::Float64(Array2::zeros((0, 0))));
        };
        if let Some(other) = parts.iter().find(|part| part.feat_dim() != first.feat_dim()) {
            return Err(Mixed::Widths { first: first.feat_dim(), other: other.feat_dim() });
        }
        let widths = || Mixed::Widths { first: first.feat_dim(), other: first.feat_dim() };
        let texts: Vec<&Texts> = parts.iter().filter_map(|part| part.as_text()).collect();
        if texts.len() == parts.len() {
            let width = texts.iter().map(|texts| texts.width).max().unwrap_or_default();
            let values: Vec<_> = texts.iter().map(|texts| texts.values.view()).collect();
            let values = concatenate(Axis(0), &values).map_err(|_| widths())?;
            return Ok(Features::Text(Texts { width, values }));
        }
        if !texts.is_empty() {
            return Err(Mixed::Types);
        }
        let narrow: Option<Vec<_>> = parts
            .iter()
            .map(|part| match part {
                Features::Float32(values) => Some(values.view()),
                _ => None,
            })
            .collect();
        if let Some(narrow) = narrow {
            return concatenate(Axis(0), &narrow).map(Features::Float32).map_err(|_| widths());
        }
        let wide: Vec<Array2<f64>> = parts.iter().filter_map(|part| part.to_float64()).collect();
        let views: Vec<_> = wide.iter().map(|part| part.view()).collect();
        concatenate(Axis(0), &views).map(Features::Float64).map_err(|_| widths())
    }

    /// The strings; `None` of numbers.
    pub fn as_text(&self) -> Option<&Texts> {
        match self {
            Features::Text(texts) => Some(texts),
            Features::Float64(_) | Features::Float32(_) => None,
        }
    }

    /// Number of values that are NaN or infinite.
    pub fn n_non_finite(&self) -> usize {
        match self {
            Features::Float64(values) => values.iter().filter(|value| !value.is_finite()).count(),
            Features::Float32(values) => values.iter().filter(|value| !value.is_finite()).count(),
            Features::Text(_) => 0,
        }
    }
}

/// One video or aligned segment: rows with their times.
#[derive(Debug, Clone, PartialEq)]
pub struct CsdEntry {
    /// Start and end of each row, in seconds, as stored.
    pub intervals: Vec<[f64; 2]>,
    /// The rows.
    pub features: Features,
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn parts_are_joined_as_numpy_joins_them() {
        let wide = Features::Float64(array![[1.0], [2.0]]);
        let narrow = Features::Float32(array![[0.1]]);
        let joined = Features::join(&[&narrow, &wide]).unwrap();
        assert_eq!(joined, Features::Float64(array![[f64::from(0.1_f32)], [1.0], [2.0]]));
        assert_eq!(Features::join(&[&narrow, &narrow]).unwrap().dtype(), FeatureType::Float32);
        let text =
            |width, word: &str| Features::Text(Texts { width, values: array![[word.to_owned()]] });
        let joined = Features::join(&[&text(7, "sp"), &text(9, "word")]).unwrap();
        assert_eq!(joined.dtype(), FeatureType::Text { width: 9 });
        assert_eq!(Features::join(&[&text(7, "sp"), &wide]), Err(Mixed::Types));
        let two = Features::Float64(array![[1.0, 2.0]]);
        assert_eq!(Features::join(&[&wide, &two]), Err(Mixed::Widths { first: 1, other: 2 }));
    }
}
