//! One row of several.

use ndarray::{Array1, Array2, ArrayView2, Axis, concatenate};
use serde::{Deserialize, Serialize};

use crate::csd::Features;

/// A function over the rows of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Collapse {
    /// The mean of each column, without weights; NaN and infinity go through. Text is left as it is.
    Mean,
    /// The largest value of each column; NaN goes through. Text is left as it is.
    Max,
}

/// `[min, max]` of the clipped times, which may be shorter than the interval of the reference, and the
/// results of the functions side by side: two functions double the width, also that of the reference.
pub(super) fn collapse(
    intervals: &[[f64; 2]],
    features: &Features,
    functions: &[Collapse],
) -> (Vec<[f64; 2]>, Features) {
    let times = || intervals.iter().flatten().copied();
    let interval =
        [times().fold(f64::INFINITY, f64::min), times().fold(f64::NEG_INFINITY, f64::max)];
    let features = match features {
        Features::Float64(values) => Features::Float64(row_of(values.view(), functions)),
        Features::Float32(values) => Features::Float32(row_of(values.view(), functions)),
        Features::Text(texts) => Features::Text(texts.clone()),
    };
    (vec![interval], features)
}

/// Numbers of one width: sums stay in it, as with NumPy.
trait Number: Copy + PartialOrd + std::ops::Add<Output = Self> + std::ops::Div<Output = Self> {
    fn of_count(n: usize) -> Self;
    fn is_nan(self) -> bool;
}

impl Number for f64 {
    fn of_count(n: usize) -> f64 {
        n as f64
    }
    fn is_nan(self) -> bool {
        f64::is_nan(self)
    }
}

impl Number for f32 {
    fn of_count(n: usize) -> f32 {
        n as f32
    }
    fn is_nan(self) -> bool {
        f32::is_nan(self)
    }
}

/// The results of the functions as one row.
fn row_of<T: Number>(values: ArrayView2<'_, T>, functions: &[Collapse]) -> Array2<T> {
    let parts: Vec<Array1<T>> =
        functions.iter().map(|function| column_wise(values, *function)).collect();
    let views: Vec<_> = parts.iter().map(|part| part.view()).collect();
    let row = concatenate(Axis(0), &views).unwrap_or_else(|_| Array1::from_vec(Vec::new()));
    row.insert_axis(Axis(0))
}

fn column_wise<T: Number>(values: ArrayView2<'_, T>, function: Collapse) -> Array1<T> {
    let mut rows = values.rows().into_iter();
    let Some(first) = rows.next() else { return Array1::from_vec(Vec::new()) };
    let mut result = first.to_owned();
    for row in rows {
        for (result, value) in result.iter_mut().zip(row) {
            *result = match function {
                Collapse::Mean => *result + *value,
                Collapse::Max if result.is_nan() || *result > *value => *result,
                Collapse::Max => *value,
            };
        }
    }
    if function == Collapse::Mean {
        let n_rows = T::of_count(values.nrows());
        result.mapv_inplace(|sum| sum / n_rows);
    }
    result
}
