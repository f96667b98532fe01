//! What words make of the clips: steps, texts, and what is left out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::options::WordOptions;
use super::reconcile::first;
use super::source::ModalityFiles;
use super::transcripts::{ClipWords, Transcripts};
use crate::corpus::Modality;
use crate::corpus::clips::BuiltWords;
use crate::corpus::labels::LabelRow;
use crate::intervals::{Missing, Pooling};
use crate::words::{counted, plural};

/// The words of the clips that have some, and which of them are kept.
pub(super) struct Spoken<'a> {
    transcripts: &'a Transcripts,
    options: &'a WordOptions,
    /// Indices of the words that are kept, by clip.
    kept: BTreeMap<usize, Vec<usize>>,
    /// Clips that the policy for words without frames leaves out.
    pub(super) left_out: BTreeSet<usize>,
}

impl<'a> Spoken<'a> {
    /// Applies the policy for words without frames to the clips that are complete.
    pub(super) fn of(
        transcripts: &'a Transcripts,
        options: &'a WordOptions,
        sources: &[ModalityFiles],
        incomplete: &BTreeSet<usize>,
    ) -> Spoken<'a> {
        let mut spoken =
            Spoken { transcripts, options, kept: BTreeMap::new(), left_out: BTreeSet::new() };
        let complete = transcripts.clips.iter().filter(|(clip, _)| !incomplete.contains(*clip));
        for (clip, words) in complete {
            let surveyed = sources.iter().filter_map(|source| source.survey.clips.get(clip));
            let without: BTreeSet<usize> =
                surveyed.flat_map(|clip| clip.without_frames.iter().copied()).collect();
            let mut kept: Vec<usize> = (0..words.words.len()).collect();
            match options.missing {
                Missing::Zero => {}
                Missing::DropRow => kept.retain(|word| !without.contains(word)),
                Missing::DropSegment if without.is_empty() => {}
                Missing::DropSegment => kept.clear(),
            }
            if kept.is_empty() {
                spoken.left_out.insert(*clip);
            }
            spoken.kept.insert(*clip, kept);
        }
        spoken
    }

    fn words(&self, clip: usize) -> Option<(&'a ClipWords, &[usize])> {
        Some((self.transcripts.clips.get(&clip)?, self.kept.get(&clip)?))
    }

    /// Number of words of a clip that are kept.
    pub(super) fn n_words(&self, clip: usize) -> usize {
        self.kept.get(&clip).map_or(0, Vec::len)
    }

    /// Start and end of the kept words of a clip.
    pub(super) fn intervals(&self, clip: usize) -> Arc<[Option<[f64; 2]>]> {
        let Some((words, kept)) = self.words(clip) else { return Arc::new([]) };
        kept.iter().map(|word| words.words.get(*word)?.interval).collect()
    }

    /// The text of a clip.
    pub(super) fn text(&self, clip: usize) -> String {
        let of = |(words, kept): (&ClipWords, &[usize])| words.text(kept.iter().copied());
        self.words(clip).map(of).unwrap_or_default()
    }

    /// Number of kept words of the clips for which a modality has no frame.
    pub(super) fn n_without_frames(&self, source: &ModalityFiles, clips: &[usize]) -> usize {
        let of_clip = |clip: &usize| {
            let without = &source.survey.clips.get(clip)?.without_frames;
            let kept = self.kept.get(clip)?;
            Some(kept.iter().filter(|word| without.contains(*word)).count())
        };
        clips.iter().filter_map(of_clip).sum()
    }

    /// The manifest's record of words, and its sentences. Texts of the table are compared.
    pub(super) fn record(
        &self,
        clips: &[usize],
        ids: &[String],
        rows: &[&LabelRow],
        has_texts: bool,
        notes: &mut Vec<String>,
    ) -> BuiltWords {
        let all: Vec<(usize, &ClipWords)> = clips
            .iter()
            .filter_map(|clip| Some((*clip, self.transcripts.clips.get(clip)?)))
            .collect();
        let named = |clips: &mut dyn Iterator<Item = usize>| {
            let ids: Vec<&str> =
                clips.filter_map(|clip| ids.get(clip)).map(String::as_str).collect();
            (ids.len(), first(ids.into_iter()))
        };
        if !self.left_out.is_empty() {
            let (n, ids) = named(&mut self.left_out.iter().copied());
            notes.push(format!(
                "words: {} not stored (policy `{}`): {ids}",
                counted(
                    n,
                    "clip with words without frames is",
                    "clips with words without frames are"
                ),
                self.options.missing
            ));
        }
        let is_sorted = |(_, words): &&(usize, &ClipWords)| words.was_sorted;
        let (n_sorted, sorted) = named(&mut all.iter().filter(is_sorted).map(|(clip, _)| *clip));
        if n_sorted > 0 {
            let clips = plural(n_sorted, "clip");
            notes.push(format!(
                "words: the CTM lines of {clips} were not in order of time, and were sorted: {sorted}"
            ));
        }
        let n_pauses = all.iter().map(|(_, words)| words.n_pauses).sum();
        if n_pauses > 0 {
            let n = counted(n_pauses, "pause was", "pauses were");
            notes.push(format!("words: {n} left out"));
        }
        let n_words = clips.iter().map(|clip| self.n_words(*clip)).sum();
        let n_all: usize = all.iter().map(|(_, words)| words.words.len()).sum();
        let n_left_out = n_all.saturating_sub(n_words);
        if n_left_out > 0 {
            let n = counted(n_left_out, "word without frames was", "words without frames were");
            notes.push(format!("words: {n} left out (policy `{}`)", self.options.missing));
        }
        let untimed =
            |words: &ClipWords| words.words.iter().filter(|word| word.interval.is_none()).count();
        let n_untimed = all.iter().map(|(_, words)| untimed(words)).sum();
        if n_untimed > 0 {
            notes.push(format!("words: {} without a time", plural(n_untimed, "word")));
        }
        let n_same_texts = has_texts.then(|| {
            let differs = |(clip, words): &&(usize, &ClipWords)| {
                let text = rows.get(*clip).and_then(|row| row.text.as_deref());
                !words.are_of(text.unwrap_or_default())
            };
            let (n, ids) = named(&mut all.iter().filter(differs).map(|(clip, _)| *clip));
            let n_same = all.len().saturating_sub(n);
            let of = counted(all.len(), "text", "texts");
            notes.push(match n {
                0 => format!("words: the same as in {n_same} of {of} of the table"),
                _ => {
                    format!("words: the same as in {n_same} of {of} of the table; others in: {ids}")
                }
            });
            n_same
        });
        if !has_texts {
            notes.push("raw_text: the words of the timings".into());
        }
        let mut digest = blake3::Hasher::new();
        let files = match self.transcripts.is_one_file {
            true => all.get(..1).unwrap_or(&all),
            false => &all,
        };
        files.iter().for_each(|(_, words)| _ = digest.update(words.blake3.as_bytes()));
        let kinds: BTreeSet<&str> = all.iter().map(|(_, words)| words.kind).collect();
        let options = self.options;
        BuiltWords {
            kinds: kinds.into_iter().map(str::to_owned).collect(),
            n_files: files.len(),
            n_bytes: files.iter().map(|(_, words)| words.n_bytes).sum(),
            blake3: digest.finalize().to_hex().to_string(),
            tier: options.tier.clone(),
            pooling: options.pooling.to_string(),
            missing: options.missing.to_string(),
            values: options.values.to_string(),
            pauses: options.pauses.to_string(),
            n_words,
            n_left_out,
            n_pauses,
            n_untimed,
            n_same_texts,
            left_out: self.left_out.iter().filter_map(|clip| ids.get(*clip)).cloned().collect(),
        }
    }

    /// Whether frames become steps by word.
    pub(super) fn has_steps(&self, modality: Modality) -> bool {
        self.options.pooling != Pooling::None && modality != Modality::Text
    }
}
