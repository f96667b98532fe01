//! Number and time of each segment in its video.

use std::collections::{BTreeMap, HashSet};

use crate::corpus::segment::clip_of;
use crate::corpus::{Modality, SplitName};
use crate::intervals::EPSILON;

/// The largest number of a clip that is kept: all lower ones have a row in the labels.
const MOST_CLIPS: usize = 1 << 16;

/// A segment of the store.
pub(super) struct Segment {
    pub(super) id: String,
    pub(super) split: SplitName,
    pub(super) video: String,
    /// Its recorded start and end in the video, in seconds.
    pub(super) interval: Option<[f64; 2]>,
    /// Number of rows of each modality, without recorded padding.
    pub(super) n_rows: BTreeMap<Modality, usize>,
    /// Words of its text.
    pub(super) words: Option<Vec<String>>,
    /// NaN for none.
    pub(super) label: f32,
    pub(super) class: Option<i32>,
    pub(super) emotions: Option<Vec<f32>>,
}

/// Number and time of each segment, by its place in the store.
pub(super) struct Timeline {
    keys: Vec<String>,
    intervals: Vec<[f64; 2]>,
    /// Places of the segments of each video, by their number.
    videos: BTreeMap<String, Vec<Option<usize>>>,
    /// Videos whose clips have no numbers of their own.
    counted: HashSet<String>,
    is_recorded: bool,
}

impl Timeline {
    pub(super) fn of(segments: &[Segment]) -> Timeline {
        let mut of_video: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (place, segment) in segments.iter().enumerate() {
            of_video.entry(&segment.video).or_default().push(place);
        }
        let mut videos = BTreeMap::new();
        let mut counted = HashSet::new();
        for (video, places) in of_video {
            let by_number = numbered(segments, &places).unwrap_or_else(|| {
                counted.insert(video.to_owned());
                places.iter().copied().map(Some).collect()
            });
            videos.insert(video.to_owned(), by_number);
        }
        let mut keys = vec![String::new(); segments.len()];
        for (video, places) in &videos {
            for (number, place) in places.iter().enumerate() {
                if let Some(place) = place {
                    keys[*place] = format!("{video}[{number}]");
                }
            }
        }
        let recorded = recorded(segments, &videos);
        let is_recorded = recorded.is_some();
        let intervals = recorded.unwrap_or_else(|| synthetic(segments, &videos));
        Timeline { keys, intervals, videos, counted, is_recorded }
    }

    /// `VIDEO[n]` of a segment.
    pub(super) fn key(&self, place: usize) -> &str {
        self.keys.get(place).map_or("", String::as_str)
    }

    /// Start and end of a segment.
    pub(super) fn interval(&self, place: usize) -> [f64; 2] {
        self.intervals.get(place).copied().unwrap_or_default()
    }

    /// Videos, with the places of their segments by number.
    pub(super) fn videos(&self) -> impl Iterator<Item = (&str, &[Option<usize>])> {
        self.videos.iter().map(|(video, places)| (&**video, &**places))
    }

    /// Ids of the segments whose number is not that of their clip, by key.
    pub(super) fn counted_ids<'a>(&'a self, segments: &'a [Segment]) -> BTreeMap<&'a str, &'a str> {
        let all = segments.iter().enumerate();
        let counted = all.filter(|(_, segment)| self.counted.contains(&segment.video));
        counted.map(|(place, segment)| (self.key(place), &*segment.id)).collect()
    }

    /// Where the times are from, for the metadata.
    pub(super) fn description(&self) -> &'static str {
        match self.is_recorded {
            true => "segments: recorded; rows: synthetic, evenly within their segment",
            false => {
                "synthetic: a second per row of the longest modality, segments one after another"
            }
        }
    }
}

/// The segments of one video by the numbers of their clips; `None` if they have none, or the same.
fn numbered(segments: &[Segment], places: &[usize]) -> Option<Vec<Option<usize>>> {
    let mut by_number = Vec::new();
    for place in places {
        let number: usize = clip_of(&segments[*place].id)?.parse().ok()?;
        if number >= MOST_CLIPS {
            return None;
        }
        if by_number.len() <= number {
            by_number.resize(number + 1, None);
        }
        if by_number[number].replace(*place).is_some() {
            return None;
        }
    }
    Some(by_number)
}

/// The recorded times, if all segments have them and none of a video overlap.
fn recorded(
    segments: &[Segment],
    videos: &BTreeMap<String, Vec<Option<usize>>>,
) -> Option<Vec<[f64; 2]>> {
    let all = segments.iter().map(|segment| segment.interval);
    let all: Vec<[f64; 2]> = all.collect::<Option<_>>()?;
    let is_apart = |places: &Vec<Option<usize>>| {
        let mut own: Vec<[f64; 2]> = places.iter().flatten().map(|place| all[*place]).collect();
        own.sort_by(|one, next| one[0].total_cmp(&next[0]));
        own.iter().all(|[start, end]| end - start > EPSILON)
            && own.is_sorted_by(|one, next| next[0] - one[1] > -EPSILON)
    };
    videos.values().all(is_apart).then_some(all)
}

/// A second per row of the longest modality, or per word without features; segments in order of their
/// numbers.
fn synthetic(segments: &[Segment], videos: &BTreeMap<String, Vec<Option<usize>>>) -> Vec<[f64; 2]> {
    let mut intervals = vec![[0.0; 2]; segments.len()];
    for places in videos.values() {
        let mut start = 0.0;
        for place in places.iter().flatten() {
            let segment = &segments[*place];
            let n_words = || segment.words.as_ref().map_or(0, Vec::len);
            let n_rows = segment.n_rows.values().copied().max().unwrap_or_else(n_words);
            let end = start + n_rows.max(1) as f64;
            intervals[*place] = [start, end];
            start = end;
        }
    }
    intervals
}

/// Rows that follow one another evenly.
pub(super) fn even([start, end]: [f64; 2], n_rows: usize) -> Vec<[f64; 2]> {
    let time = |row: usize| start + (end - start) * row as f64 / n_rows as f64;
    (0..n_rows).map(|row| [time(row), time(row + 1)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(id: &str, video: &str, n_rows: usize, interval: Option<[f64; 2]>) -> Segment {
        Segment {
            id: id.into(),
            split: SplitName::Train,
            video: video.into(),
            interval,
            n_rows: BTreeMap::from([(Modality::Audio, n_rows), (Modality::Vision, 1)]),
            words: None,
            label: 1.0,
            class: None,
            emotions: None,
        }
    }

    #[test]
    fn segments_without_times_follow_one_another_by_number() {
        let of = [segment("v[2]", "v", 3, None), segment("v[0]", "v", 2, None)];
        let timeline = Timeline::of(&of);
        assert_eq!(timeline.key(0), "v[2]");
        assert_eq!((timeline.interval(1), timeline.interval(0)), ([0.0, 2.0], [2.0, 5.0]));
        let videos: Vec<_> = timeline.videos().collect();
        assert_eq!(videos, [("v", &[Some(1), None, Some(0)][..])]);
        assert!(timeline.description().starts_with("synthetic"));
        assert!(timeline.counted_ids(&of).is_empty());
    }

    #[test]
    fn clips_without_numbers_are_counted() {
        let of = [segment("v$_$b", "v", 1, None), segment("v$_$a", "v", 1, None)];
        let timeline = Timeline::of(&of);
        let expected = BTreeMap::from([("v[0]", "v$_$b"), ("v[1]", "v$_$a")]);
        assert_eq!(timeline.counted_ids(&of), expected);
    }

    #[test]
    fn recorded_times_are_kept_unless_segments_overlap() {
        let of = |second| {
            let first = segment("v[0]", "v", 2, Some([1.0, 2.5]));
            Timeline::of(&[first, segment("v[1]", "v", 2, Some(second))])
        };
        assert_eq!(of([2.5, 4.0]).interval(1), [2.5, 4.0]);
        assert!(of([2.5, 4.0]).description().starts_with("segments: recorded"));
        assert_eq!(of([2.4, 4.0]).interval(1), [2.0, 4.0]);
        assert_eq!(even([1.0, 2.0], 2), [[1.0, 1.5], [1.5, 2.0]]);
    }
}
