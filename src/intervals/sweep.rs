//! Rows that meet an interval, clipped to it, for one interval after another.

use super::EPSILON;

/// Rows of a video in order of start, with the latest end up to each of them: what may meet an interval
/// is then one stretch.
///
/// Intervals in order of start move that stretch forward only, so that all of them together take time
/// proportional to the numbers of rows, intervals and meetings; an interval that goes back is found by
/// bisection.
pub(crate) struct Sweep<'a> {
    intervals: &'a [[f64; 2]],
    latest_end: Vec<f64>,
    first: usize,
}

impl<'a> Sweep<'a> {
    /// Rows that are in order of start.
    pub(crate) fn new(intervals: &'a [[f64; 2]]) -> Sweep<'a> {
        let latest = intervals.iter().scan(f64::NEG_INFINITY, |latest, [_, end]| {
            *latest = latest.max(*end);
            Some(*latest)
        });
        Sweep { intervals, latest_end: latest.collect(), first: 0 }
    }

    /// Indices and clipped times of the rows that meet `[from, to]`.
    ///
    /// A row must meet it up to [`EPSILON`], and what is left of it after clipping must be longer than
    /// that: so the second test decides, and a shared border is no meeting. The order of subtraction is
    /// that of the SDK, where the last bit decides. A row or an interval that ends before it starts is
    /// taken like any other.
    pub(crate) fn meeting(&mut self, [from, to]: [f64; 2]) -> (Vec<usize>, Vec<[f64; 2]>) {
        let is_over = |end: &f64| end - from <= -EPSILON;
        let before = self.latest_end.get(..self.first).unwrap_or_default();
        if before.last().is_some_and(|end| !is_over(end)) {
            self.first = before.partition_point(is_over);
        }
        while self.latest_end.get(self.first).is_some_and(is_over) {
            self.first += 1;
        }
        let rows = self.intervals.iter().enumerate().skip(self.first);
        rows.take_while(|(_, [start, _])| to - start > -EPSILON)
            .filter_map(|(row, [start, end])| {
                let clipped = [start.max(from), end.min(to)];
                let meets = end - from > -EPSILON && (clipped[0] - clipped[1]).abs() > EPSILON;
                meets.then_some((row, clipped))
            })
            .unzip()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clipped(rows: &[[f64; 2]], interval: [f64; 2]) -> Vec<[f64; 2]> {
        Sweep::new(rows).meeting(interval).1
    }

    #[test]
    fn an_overlap_of_the_tolerance_is_none_up_to_rounding() {
        // Values that the SDK gives, recorded beside the golden files.
        let mut rows: [[f64; 2]; 7] = [
            [1.0 - 1e-5, 2.0],
            [1.0 - 1.1e-5, 2.0],
            [1.0 - 0.9e-5, 2.0],
            [-1.0, 1e-5],
            [-1.0, 1.1e-5],
            [0.5, 0.5 + 1e-5],
            [0.5, 0.5 + 2e-5],
        ];
        rows.sort_by(|one, next| one[0].total_cmp(&next[0]));
        let expected = [[0.0, 1.1e-05], [0.5, 0.50002], [0.999989, 1.0]];
        assert_eq!(clipped(&rows, [0.0, 1.0]), expected);
    }

    #[test]
    fn reversed_rows_and_intervals_are_taken_like_any_other() {
        let rows = [[2.0, 4.0], [5.0, 4.0], [7.0, 8.0]];
        assert_eq!(clipped(&rows, [3.0, 6.0]), [[3.0, 4.0], [5.0, 4.0]]);
        assert_eq!(clipped(&[[2.0, 7.0], [2.5, 4.0], [2.6, 9.0]], [6.0, 3.0]), [[6.0, 3.0]; 2]);
    }

    #[test]
    fn a_long_row_is_found_behind_short_ones_and_after_going_back() {
        let rows = [[0.0, 9.0], [1.0, 2.0], [3.0, 4.0], [5.0, 6.0]];
        let mut sweep = Sweep::new(&rows);
        assert_eq!(sweep.meeting([4.5, 5.5]).0, [0, 3]);
        assert_eq!(sweep.meeting([9.0, 9.5]).0, [0; 0]);
        assert_eq!(sweep.meeting([1.5, 3.5]).0, [0, 1, 2]);
        assert_eq!(sweep.meeting([5.5, 5.6]).0, [0, 3]);
    }
}
