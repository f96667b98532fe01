//! Which segments get which rows.

use super::options::Border;
use crate::intervals::{EPSILON, Sweep};

/// For each segment the indices of its rows, in order. Rows are in order of start; segments need not be, and
/// those shorter than [`EPSILON`] get none.
pub(super) fn shares(rows: &[[f64; 2]], segments: &[[f64; 2]], border: Border) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..segments.len())
        .filter(|idx| segments[*idx][1] - segments[*idx][0] >= EPSILON)
        .collect();
    order.sort_by(|one, next| segments[*one][0].total_cmp(&segments[*next][0]));
    let sorted: Vec<[f64; 2]> = order.iter().map(|idx| segments[*idx]).collect();
    let mut sweep = Sweep::new(&sorted);
    let mut shares = vec![Vec::new(); segments.len()];
    for (row, interval) in rows.iter().enumerate() {
        let (met, clipped) = sweep.meeting(*interval);
        let lengths: Vec<f64> = clipped.iter().map(|[start, end]| end - start).collect();
        for place in chosen(&sorted, &met, &lengths, interval[1] - interval[0], border) {
            shares[order[place]].push(row);
        }
    }
    shares
}

/// The segments among those `met` that get a row of length `len`.
fn chosen(
    segments: &[[f64; 2]],
    met: &[usize],
    lengths: &[f64],
    len: f64,
    border: Border,
) -> Vec<usize> {
    let with = |is_chosen: &dyn Fn(f64) -> bool| -> Vec<usize> {
        let pairs = met.iter().zip(lengths).filter(|(_, length)| is_chosen(**length));
        pairs.map(|(place, _)| *place).collect()
    };
    match border {
        Border::Both => with(&|_| true),
        Border::Inside => with(&|length| length >= len - EPSILON),
        Border::Larger => {
            let largest = lengths.iter().copied().fold(0.0, f64::max);
            let equal = with(&|length| length >= largest - EPSILON);
            let Some(first) = equal.first().map(|place| segments[*place]) else { return equal };
            let overlaps = |place: &usize| {
                let [start, end] = segments[*place];
                end.min(first[1]) - start.max(first[0]) > EPSILON
            };
            equal.into_iter().filter(overlaps).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_over_a_border_is_in_the_segment_with_the_larger_share() {
        let rows = [[0.0, 0.4], [0.4, 1.3], [1.3, 2.3], [2.3, 4.3], [5.0, 6.0]];
        // Not in order of time, and one of no length.
        let segments = [[1.0, 2.0], [0.0, 1.0], [2.0, 2.0], [3.3, 4.3], [2.3, 3.3]];
        let of = |border| shares(&rows, &segments, border);
        // The fourth row has equal shares: the earlier segment gets it.
        let expected: [&[usize]; 5] = [&[2], &[0, 1], &[], &[], &[3]];
        assert_eq!(of(Border::Larger), expected);
        let expected: [&[usize]; 5] = [&[1, 2], &[0, 1], &[], &[3], &[3]];
        assert_eq!(of(Border::Both), expected);
        let expected: [&[usize]; 5] = [&[], &[0], &[], &[], &[]];
        assert_eq!(of(Border::Inside), expected);
    }

    #[test]
    fn segments_that_overlap_share_the_rows_in_both() {
        let rows = [[0.0, 1.0], [1.0, 2.0], [2.0, 3.0]];
        let segments = [[0.0, 2.0], [1.0, 3.0]];
        assert_eq!(shares(&rows, &segments, Border::Larger), [vec![0, 1], vec![1, 2]]);
    }
}
