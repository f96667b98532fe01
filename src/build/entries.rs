//! The entries of a computational sequence, and the clips that they or their rows belong to.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use super::clips::Clips;
use super::error::BuildError;
use super::frames::{EntryPart, EntryRows};
use super::locate::Located;
use crate::corpus::labels::{LabelRow, LabelTable};
use crate::corpus::segment::{clip_of, video_of};
use crate::csd::SequenceFile;

/// The rows of each clip: those of the entry that is called after it, or those of its video between the
/// clip's start and end.
///
/// # Errors
/// The file cannot be read; no entry belongs to a clip, or two to the same one; or an entry is of a video,
/// and the table has no times of its clips.
pub(super) fn locate_entries(
    path: &Path,
    table: &LabelTable,
    clips: &Clips,
    first_id: &str,
) -> Result<Located<EntryRows>, BuildError> {
    let file = Arc::new(SequenceFile::open(path)?);
    let rows: Vec<&LabelRow> = table.rows().map(|(_, row)| row).collect();
    let mut videos: HashMap<&str, Vec<usize>> = HashMap::new();
    for (clip, row) in rows.iter().enumerate() {
        if let Some(video) = video(row) {
            videos.entry(video).or_default().push(clip);
        }
    }
    let mut located = Located { of_clips: BTreeMap::new(), surplus: Vec::new() };
    let mut add = |clip: usize, entry: &str, part: Option<EntryPart>| {
        let rows = EntryRows { file: file.clone(), entry: entry.into(), part };
        let first = located.of_clips.insert(clip, rows);
        first.map_or(Ok(()), |first| {
            Err(BuildError::Twice { path: path.join(entry), first: path.join(first.entry) })
        })
    };
    for entry in file.names() {
        match (videos.get(&**entry), clips.find(entry)) {
            (Some(of_video), _) => {
                let intervals = file.intervals(entry)?;
                for clip in of_video {
                    let row = rows[*clip];
                    let interval = interval(row, table, path, entry)?;
                    add(*clip, entry, Some(EntryPart::of(&intervals, interval)))?;
                }
            }
            (None, Some(clip)) => add(clip, entry, None)?,
            (None, None) => located.surplus.push(entry.clone()),
        }
    }
    located.entries_of(path, first_id)
}

/// The video of a clip; `None` of an id that has no part for the clip.
fn video(row: &LabelRow) -> Option<&str> {
    match &row.parts {
        Some([video, _]) => Some(video),
        None => clip_of(&row.id).map(|_| video_of(&row.id)),
    }
}

/// Start and end of a clip in its video.
fn interval(
    row: &LabelRow,
    table: &LabelTable,
    path: &Path,
    entry: &str,
) -> Result<[f64; 2], BuildError> {
    let (line, id) = (row.line, row.id.clone());
    match row.interval {
        Some([start, end]) if start < end => Ok([start, end]),
        Some([start, end]) => {
            let table = table.path().into();
            Err(BuildError::ClipInterval { path: table, line, id, start, end })
        }
        None => {
            let (path, entry) = (path.into(), entry.into());
            Err(BuildError::NoClipInterval { path, entry, table: table.path().into(), line, id })
        }
    }
}
