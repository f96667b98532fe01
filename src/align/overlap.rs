//! Segments by the time that rows and segments share, video by video.

use std::collections::{BTreeMap, HashMap, HashSet};

use rayon::prelude::*;

use super::collect::entries_of;
use super::error::AlignError;
use super::files::{Files, listed};
use super::gathered::Gathered;
use super::options::{AlignInputs, AlignOptions};
use super::sequence::CsdSequence;
use super::store_error::AlignedStoreError;
use super::timed::{Tally, Timed, VideoKeys};
use super::vectors::Vectors;
use crate::corpus::Modality;
use crate::progress::Progress;
use crate::words::{count, plural};

/// Videos that a thread aligns before their segments are written: fewer, and threads wait for each other.
const VIDEOS_PER_THREAD: usize = 8;
/// The different words of a sequence; empty if it holds numbers.
fn words_of(sequence: &CsdSequence) -> Result<HashSet<String>, AlignError> {
    let mut words = HashSet::new();
    for key in sequence.keys() {
        let entry = sequence.read(key)?;
        let Some(texts) = entry.features.as_text() else { return Ok(HashSet::new()) };
        words.extend(texts.values.iter().cloned());
    }
    Ok(words)
}

/// Aligns the videos by these policies, several at a time.
pub(super) fn by_overlap(
    files: &Files,
    inputs: &AlignInputs,
    options: &AlignOptions,
    videos: &[String],
    progress: &dyn Progress,
    gathered: &mut Gathered,
) -> Result<(), AlignedStoreError> {
    let vectors = match &inputs.vectors {
        Some(path) => Some(Vectors::read(path, &words_of(&files.reference)?)?),
        None => None,
    };
    let timed = Timed {
        reference: &files.reference,
        labels: &files.labels,
        others: &files.others,
        options,
        vectors: vectors.as_ref(),
    };
    let (references, labels) = (entries_of(&files.reference), entries_of(&files.labels));
    let others: BTreeMap<Modality, HashMap<&str, Vec<&str>>> =
        files.others.iter().map(|(modality, it)| (*modality, entries_of(it))).collect();
    let mut tally = Tally::default();
    let share = files.n_bytes() / videos.len().max(1) as u64;
    // As many videos in memory as there are threads, and the segments of a few more.
    for videos in videos.chunks(VIDEOS_PER_THREAD * rayon::current_num_threads().max(1)) {
        let aligned: Vec<_> = videos
            .par_iter()
            .map(|video| {
                let keys = VideoKeys {
                    reference: keys_of(&references, video),
                    labels: keys_of(&labels, video),
                    others: others.iter().map(|(it, keys)| (*it, keys_of(keys, video))).collect(),
                };
                timed.video(video, &keys)
            })
            .collect();
        for one in aligned {
            let (segments, of_video) = one?;
            tally.add(of_video);
            segments.into_iter().try_for_each(|segment| gathered.push(segment))?;
            progress.advance(share);
        }
    }
    gathered.notes.extend(tally.notes(options));
    Ok(())
}

fn keys_of<'a>(keys: &'a HashMap<&'a str, Vec<&'a str>>, video: &str) -> &'a [&'a str] {
    keys.get(video).map(Vec::as_slice).unwrap_or_default()
}

impl Tally {
    /// What became of what does not fit, one sentence each.
    fn notes(&self, options: &AlignOptions) -> Vec<String> {
        let mut notes = Vec::new();
        let mut list = |ids: &[String], what: &str| {
            if !ids.is_empty() {
                let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
                notes.push(format!("{} {what}: {}", plural(ids.len(), "segment"), listed(&ids)));
            }
        };
        list(&self.short, "shorter than 0.00001 s, left out");
        list(&self.empty, "without a row in some sequence, left out");
        list(&self.dropped, "left out, because a sequence has nothing for one of its rows");
        for (modality, n) in &self.n_missing {
            notes.push(format!(
                "{modality}: nothing for {} of the reference (policy `{}`)",
                plural(*n, "row"),
                options.missing
            ));
        }
        let mut number = |n: usize, one: &str, several: &str| {
            if n > 0 {
                notes.push(format!("{} {}", count(n), if n == 1 { one } else { several }));
            }
        };
        number(
            self.n_outside,
            "row of the reference lies in no segment",
            "rows of the reference lie in no segment",
        );
        number(
            self.n_shared,
            "row of the reference lies in several segments",
            "rows of the reference lie in several segments",
        );
        number(self.n_pauses, "pause was left out", "pauses were left out");
        number(
            self.n_unknown,
            "word has no vector: its text features are zeros",
            "words have no vector: their text features are zeros",
        );
        notes
    }
}
