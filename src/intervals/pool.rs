//! One row of several that meet an interval.

use ndarray::{Array1, ArrayView2, Zip};

use super::policy::{Pooling, Values};
use super::sweep::Sweep;

/// One row per interval, of the rows of `[n_rows, feat_dim]` that meet it; `None` where none does. The
/// rows have `times`, in order of start.
pub(crate) fn pool<T: Copy + Into<f64>>(
    values: ArrayView2<'_, T>,
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
fn pooled<T: Copy + Into<f64>>(
    values: ArrayView2<'_, T>,
    rows: &[usize],
    clipped: &[[f64; 2]],
    pooling: Pooling,
    which: Values,
) -> Array1<f64> {
    let counts = |value: f64| which == Values::All || value.is_finite();
    if pooling == Pooling::Max {
        let mut result = Array1::from_elem(values.ncols(), f64::NAN);
        let mut is_first = Array1::from_elem(values.ncols(), true);
        for row in rows {
            Zip::from(&mut result).and(&mut is_first).and(values.row(*row)).for_each(
                |result, is_first, value| {
                    let value: f64 = (*value).into();
                    if counts(value) && (*is_first || value > *result || value.is_nan()) {
                        *result = value;
                    }
                    *is_first &= !counts(value);
                },
            );
        }
        return result;
    }
    // Without branches, so that the processor adds several columns at once. A sum that begins with -0 is
    // exactly its first value.
    let mut result = Array1::from_elem(values.ncols(), -0.0);
    let mut weights = Array1::<f64>::zeros(values.ncols());
    for (row, [start, end]) in rows.iter().zip(clipped) {
        let weight = if pooling == Pooling::Overlap { end - start } else { 1.0 };
        Zip::from(&mut result).and(&mut weights).and(values.row(*row)).for_each(
            |sum, total, value| {
                let value: f64 = (*value).into();
                let counts = counts(value);
                *sum += if counts { weight * value } else { -0.0 };
                *total += if counts { weight } else { 0.0 };
            },
        );
    }
    result.zip_mut_with(&weights, |sum, total| *sum /= total);
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
