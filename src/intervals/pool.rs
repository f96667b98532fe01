//! One row of several that meet an interval.

use ndarray::{Array1, ArrayView2};

use super::policy::{Pooling, Values};
use super::sweep::Sweep;

/// One row per interval, of the rows of `[n_rows, feat_dim]` that meet it; `None` where none does. The
/// rows have `times`, in order of start.
pub(crate) fn pool(
    values: ArrayView2<'_, f64>,
    times: &[[f64; 2]],
    intervals: &[[f64; 2]],
    pooling: Pooling,
    which: Values,
) -> Vec<Option<Array1<f64>>> {
    let mut sweep = Sweep::new(times);
    let one = |interval: &[f64; 2]| {
        let (rows, clipped) = sweep.meeting(*interval);
        (!rows.is_empty()).then(|| pooled(values, &rows, &clipped, pooling, which))
    };
    intervals.iter().map(one).collect()
}

/// The rows of `[n_rows, feat_dim]` with the given indices as one row. `clipped` are their times within the
/// interval, whose lengths are the weights of [`Pooling::Overlap`]. A column without a value that counts
/// is NaN.
fn pooled(
    values: ArrayView2<'_, f64>,
    rows: &[usize],
    clipped: &[[f64; 2]],
    pooling: Pooling,
    which: Values,
) -> Array1<f64> {
    let mut result = Array1::from_elem(values.ncols(), f64::NAN);
    let mut weights = Array1::<f64>::zeros(values.ncols());
    for (row, [start, end]) in rows.iter().zip(clipped) {
        let weight = match pooling {
            Pooling::Overlap => end - start,
            Pooling::Mean | Pooling::Max | Pooling::None => 1.0,
        };
        for ((value, result), total) in values.row(*row).iter().zip(&mut result).zip(&mut weights) {
            if which == Values::Finite && !value.is_finite() {
                continue;
            }
            let is_first = *total == 0.0;
            *result = match pooling {
                Pooling::Max if is_first || *value > *result || value.is_nan() => *value,
                Pooling::Max => *result,
                _ if is_first => weight * value,
                _ => *result + weight * value,
            };
            *total += weight;
        }
    }
    if pooling != Pooling::Max {
        result.zip_mut_with(&weights, |sum, total| *sum /= total);
    }
    result
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn a_row_counts_by_its_overlap() {
        let values = array![[0.0, 1.0], [10.0, f64::NAN], [99.0, f64::INFINITY]];
        let (rows, clipped) = ([0, 1], [[0.0, 0.3], [0.3, 0.4]]);
        let of = |pooling, which| pooled(values.view(), &rows, &clipped, pooling, which);
        let mean = of(Pooling::Overlap, Values::Finite);
        assert!((mean[0] - 2.5).abs() < 1e-12 && (mean[1] - 1.0).abs() < 1e-12, "{mean}");
        assert_eq!(of(Pooling::Mean, Values::Finite), array![5.0, 1.0]);
        assert_eq!(of(Pooling::Max, Values::Finite), array![10.0, 1.0]);
        assert!(of(Pooling::Overlap, Values::All)[1].is_nan());
        let last = pooled(values.view(), &[2], &[[0.0, 1.0]], Pooling::Overlap, Values::Finite);
        assert!(last[0] == 99.0 && last[1].is_nan(), "{last}");
    }
}
