//! Segment ids that a source spells as a name plus the segment's start and end.

use std::collections::HashSet;

use crate::corpus::segment::video_of;
use crate::pickle::{ArrayView, NodeId, Number, Pickle};

use super::column::TextBudget;
use super::error::unexpected;
use super::log::Log;
use super::table::{described, kind_of, per_sample};
use super::texts::{TextPlace, Texts};
use super::{IngestError, Place};

/// An id as spelled in the source.
pub(super) struct RawId {
    name: String,
    /// Start and end in seconds, as text.
    interval: Option<[String; 2]>,
}

impl RawId {
    /// An id that is one name.
    pub(super) fn new(name: String) -> RawId {
        RawId { name, interval: None }
    }

    /// The name, which identifies a sample until all ids are known.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Charges the id's texts to a budget.
    ///
    /// # Errors
    /// If the budget is spent.
    pub(super) fn take_from(
        &self,
        budget: &mut TextBudget,
        place: &Place,
    ) -> Result<(), IngestError> {
        budget.take(&self.name, place)?;
        self.interval.iter().flatten().try_for_each(|time| budget.take(time, place))
    }
}

/// Ids of a split, from an array `[n_samples]`, `[n_samples, 1]` or `[n_samples, 3]` of text, or
/// from a list of texts or of such rows.
///
/// # Errors
/// If the value is anything else.
pub(super) fn column(
    pickle: &Pickle,
    id: NodeId,
    place: &Place,
    log: &mut Texts,
) -> Result<Vec<RawId>, IngestError> {
    let expected = "ids [n_samples] or [n_samples, 3] (name, start, end)";
    let mut budget = TextBudget::new(pickle);
    let array = pickle.array(id).filter(|array| !array.dtype().is_numeric());
    let mut ids = Vec::new();
    if let Some(array) = array.filter(|array| array.shape().len() == 2) {
        let n_cols = array.row_len();
        if !array.is_empty() && ![1, 3].contains(&n_cols) {
            return Err(unexpected(place, expected, kind_of(pickle, id)));
        }
        for row in 0..array.n_rows() {
            let place = place.at(row);
            let mut cell =
                |col| cell(pickle, array, row.checked_mul(n_cols)?.checked_add(col)?, &place, log);
            let id = (0..n_cols).map(&mut cell).collect::<Option<Vec<_>>>().and_then(raw);
            ids.push(budgeted(id, &mut budget, &place, || described(array))?);
        }
        return Ok(ids);
    }
    let is_flat = |array: &ArrayView<'_>| array.shape().len() == 1 && array.object(0).is_none();
    if let Some(array) = array.filter(is_flat) {
        for row in 0..array.len() {
            let place = place.at(row);
            let text = array.raw_text(row).map(|text| log.take(text, &TextPlace::of(&place)));
            ids.push(budgeted(text.map(RawId::new), &mut budget, &place, || described(array))?);
        }
        return Ok(ids);
    }
    let Some(values) = per_sample(pickle, id) else {
        return Err(unexpected(place, expected, kind_of(pickle, id)));
    };
    for (row, id) in values.iter().enumerate() {
        let place = place.at(row);
        let found = || kind_of(pickle, *id);
        ids.push(budgeted(one(pickle, *id, &place, log), &mut budget, &place, found)?);
    }
    Ok(ids)
}

/// The id of one sample: text, a number, or a row of one or three of them.
pub(super) fn one(pickle: &Pickle, id: NodeId, place: &Place, log: &mut Texts) -> Option<RawId> {
    const MOST: usize = 3;
    if let Some(array) = pickle.array(id) {
        let n_cells = array.len();
        let cells = (0..n_cells.min(MOST + 1)).map(|idx| cell(pickle, array, idx, place, log));
        return raw(cells.collect::<Option<Vec<_>>>()?);
    }
    if let Some(items) = pickle.items(id) {
        let cells = items.iter().take(MOST + 1).map(|item| spelled(pickle, *item, place, log));
        return raw(cells.collect::<Option<Vec<_>>>()?);
    }
    raw(vec![spelled(pickle, id, place, log)?])
}

fn raw(cells: Vec<String>) -> Option<RawId> {
    let mut cells = cells.into_iter();
    match (cells.next(), cells.next(), cells.next(), cells.next()) {
        (Some(name), None, None, None) => Some(RawId::new(name)),
        (Some(name), Some(start), Some(end), None) => {
            Some(RawId { name, interval: Some([start, end]) })
        }
        _ => None,
    }
}

fn cell(
    pickle: &Pickle,
    array: ArrayView<'_>,
    idx: usize,
    place: &Place,
    log: &mut Texts,
) -> Option<String> {
    match (array.object(idx), array.number(idx)) {
        (Some(id), _) => spelled(pickle, id, place, log),
        (None, Some(number)) => Some(digits(number)),
        (None, None) => array.raw_text(idx).map(|text| log.take(text, &TextPlace::of(place))),
    }
}

fn spelled(pickle: &Pickle, id: NodeId, place: &Place, log: &mut Texts) -> Option<String> {
    let text = pickle.raw_text(id).map(|text| log.take(text, &TextPlace::of(place)));
    text.or_else(|| pickle.number(id).map(digits))
}

fn digits(number: Number) -> String {
    match number {
        Number::Int(value) => value.to_string(),
        // The shortest form that still shows a float: `0.0`.
        Number::Float(value) => format!("{value:?}"),
    }
}

fn budgeted(
    id: Option<RawId>,
    budget: &mut TextBudget,
    place: &Place,
    found: impl Fn() -> String,
) -> Result<RawId, IngestError> {
    let id = id.ok_or_else(|| unexpected(place, "an id that is text", found()))?;
    id.take_from(budget, place)?;
    Ok(id)
}

/// Segment ids of all splits: the names if each has a clip number and all are unique; otherwise
/// `VIDEO[START,END]`, which stays unique when a video has many segments.
pub(super) fn settle(splits: Vec<Vec<RawId>>, log: &mut Log) -> Vec<Vec<String>> {
    let all = || splits.iter().flatten();
    let have_intervals = all().any(|id| id.interval.is_some());
    let mut seen = HashSet::new();
    let names_suffice =
        all().all(|id| video_of(&id.name) != id.name && seen.insert(id.name.as_str()));
    if !have_intervals || names_suffice {
        if have_intervals {
            log.note("id: start and end of the segments, beside their names, are not stored");
        }
        return splits.into_iter().map(|ids| ids.into_iter().map(|id| id.name).collect()).collect();
    }
    log.note(
        "id: the source has video, start and end but no clip number; ids became VIDEO[START,END]",
    );
    let mut n_whole = 0_u64;
    let mut with_interval = |id: RawId| match id.interval {
        Some([start, end]) => {
            let times = [start, end].map(|time| decimal(time, &mut n_whole));
            format!("{}[{}]", id.name, times.join(","))
        }
        None => id.name,
    };
    let ids =
        splits.into_iter().map(|ids| ids.into_iter().map(&mut with_interval).collect()).collect();
    if n_whole > 0 {
        log.note(format!(
            "id: {n_whole} start or end times without decimals, such as `0`, were given `.0`, as \
             other files spell the same segments"
        ));
    }
    ids
}

/// Spells `0` as `0.0`: sources of the same segments differ here.
fn decimal(time: String, n_whole: &mut u64) -> String {
    if time.is_empty() || !time.bytes().all(|byte| byte.is_ascii_digit()) {
        return time;
    }
    *n_whole = n_whole.saturating_add(1);
    time + ".0"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(rows: &[[&str; 3]]) -> (Vec<String>, Vec<String>) {
        let raw = |[name, start, end]: &[&str; 3]| RawId {
            name: (*name).into(),
            interval: Some([(*start).into(), (*end).into()]),
        };
        let mut log = Log::default();
        let settled = settle(vec![rows.iter().map(raw).collect()], &mut log);
        (settled.concat(), log.notes)
    }

    #[test]
    fn names_with_a_clip_number_are_ids() {
        let (ids, notes) =
            ids(&[["03bSnISJMiM_11", "95.05", "97.20"], ["03bSnISJMiM_1", "0", "3"]]);
        assert_eq!(ids, ["03bSnISJMiM_11", "03bSnISJMiM_1"]);
        assert_eq!(notes.len(), 1);
    }

    #[test]
    fn names_of_videos_need_start_and_end() {
        let (ids, notes) = ids(&[["--qXJuDtHPw", "0", "9.6"], ["--qXJuDtHPw", "9.6", "15.02"]]);
        assert_eq!(ids, ["--qXJuDtHPw[0.0,9.6]", "--qXJuDtHPw[9.6,15.02]"]);
        assert_eq!(ids.iter().map(|id| video_of(id)).collect::<Vec<_>>(), ["--qXJuDtHPw"; 2]);
        assert!(notes.iter().any(|note| note.contains("1 start or end")), "{notes:?}");
    }
}
