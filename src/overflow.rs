//! Finite numbers that became infinite by narrowing.
//!
//! Narrowing hides them: -4.2e40 is -inf as float32. Code that narrows returns them, so that later code
//! can distinguish them from values that were infinite before.

/// One sample's finite values that became infinite as float32: index and source value. Nearly every
/// sample has none, which costs nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Overflows(Vec<(usize, f64)>);

impl Overflows {
    /// Adds the value at `idx`; values must be added in order.
    pub fn push(&mut self, idx: usize, source: f64) {
        self.0.push((idx, source));
    }

    /// Adds those of a part of the sample that starts at `start`.
    pub fn append(&mut self, start: usize, part: Overflows) {
        self.0.extend(part.0.into_iter().map(|(idx, wide)| (start.saturating_add(idx), wide)));
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The source's value at `idx`, if it is among them.
    pub fn get(&self, idx: usize) -> Option<f64> {
        let found = self.0.binary_search_by_key(&idx, |(idx, _)| *idx).ok()?;
        self.0.get(found).map(|(_, wide)| *wide)
    }

    /// The overflows of a sample of `len` values after rotating it left by `shift`.
    #[must_use]
    pub fn rotated_left(mut self, shift: usize, len: usize) -> Overflows {
        if let (false, Some(shift)) = (self.0.is_empty(), shift.checked_rem(len)) {
            for (idx, _) in &mut self.0 {
                *idx = match idx.checked_sub(shift) {
                    Some(moved) => moved,
                    None => idx.saturating_add(len.saturating_sub(shift)),
                };
            }
            self.0.sort_unstable_by_key(|(idx, _)| *idx);
        }
        self
    }

    /// The overflows among the first `len` values.
    #[must_use]
    pub fn within(mut self, len: usize) -> Overflows {
        self.0.retain(|(idx, _)| *idx < len);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overflows_move_with_their_values() {
        let mut overflows = Overflows::default();
        overflows.push(1, 1e39);
        let mut part = Overflows::default();
        part.push(0, -2e39);
        overflows.append(4, part);
        assert_eq!((overflows.get(1), overflows.get(4)), (Some(1e39), Some(-2e39)));
        let moved = overflows.rotated_left(2, 6);
        assert_eq!((moved.get(2), moved.get(5), moved.get(4)), (Some(-2e39), Some(1e39), None));
        assert_eq!(moved.within(3).len(), 1);
        assert!(Overflows::default().rotated_left(3, 0).is_empty());
    }
}
