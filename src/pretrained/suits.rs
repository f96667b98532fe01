//! Checks whether tokens and texts belong to a vocabulary. An encoder reads any ids that it has
//! embeddings for; those of another vocabulary, or of another language, give meaningless features.

use std::collections::{BTreeMap, HashSet};

use ndarray::ArrayView3;

use super::TextTokenizer;

/// Share above which something is reported.
const WARN: f64 = 0.2;

/// Share above which text and vocabulary do not belong together.
const REFUSE: f64 = 0.6;

/// Minimum share of a vocabulary's words in a script for it to count as one of its scripts. English and
/// Chinese vocabularies contain some hundred single letters of others.
const OF_VOCABULARY: f64 = 0.03;

/// Shares of fewer tokens, letters or segments are not meaningful.
const FEWEST: usize = 10;

/// Tokens that do not represent words.
const MARKS: [&str; 4] = ["[CLS]", "[SEP]", "[PAD]", "[MASK]"];

/// Counts over tokens and texts.
#[derive(Debug, Default, PartialEq)]
pub struct Suits {
    n_tokens: usize,
    n_unknown: usize,
    n_letters: usize,
    n_foreign: usize,
    foreign: BTreeMap<Script, usize>,
    n_rows: usize,
    n_other: usize,
}

/// A vocabulary that tokens and texts are tested against.
pub struct Judge {
    marks: HashSet<i32>,
    unknown: HashSet<i32>,
    scripts: HashSet<Script>,
}

impl Judge {
    fn new(tokenizer: &TextTokenizer) -> Judge {
        let vocabulary = tokenizer.vocabulary();
        let id = |id: u32| i32::try_from(id).unwrap_or(i32::MAX);
        let mut judge = Judge {
            marks: MARKS
                .iter()
                .filter_map(|mark| vocabulary.get(*mark))
                .map(|it| id(*it))
                .collect(),
            unknown: HashSet::new(),
            scripts: HashSet::new(),
        };
        let mut counts: BTreeMap<Script, usize> = BTreeMap::new();
        for (token, number) in &vocabulary {
            // Unused entries.
            if token == "[UNK]" || token.starts_with("[unused") {
                judge.unknown.insert(id(*number));
            } else if let Some(script) = token.chars().find_map(Script::of) {
                *counts.entry(script).or_default() += 1;
            }
        }
        let n_words: usize = counts.values().sum();
        let enough = |n: &usize| *n as f64 >= OF_VOCABULARY * n_words as f64;
        judge.scripts = counts.into_iter().filter(|(_, n)| enough(n)).map(|(it, _)| it).collect();
        judge
    }

    /// The words of a row of tokens `[3, seq_len]`.
    fn words(&self, tokens: ndarray::ArrayView2<'_, i32>) -> Vec<i32> {
        let pairs = tokens.row(0).into_iter().zip(tokens.row(1));
        let words = pairs.filter(|(token, mask)| **mask != 0 && !self.marks.contains(token));
        words.map(|(token, _)| *token).collect()
    }
}

impl Suits {
    /// A tokenizer's vocabulary.
    pub fn judge(tokenizer: &TextTokenizer) -> Judge {
        Judge::new(tokenizer)
    }

    /// Counts texts.
    pub fn take_texts(&mut self, judge: &Judge, texts: &[String]) {
        for script in texts.iter().flat_map(|text| text.chars()).filter_map(Script::of) {
            self.n_letters += 1;
            if !judge.scripts.contains(&script) {
                self.n_foreign += 1;
                *self.foreign.entry(script).or_default() += 1;
            }
        }
    }

    /// Counts tokens, `[n_samples, 3, seq_len]`, and compares them with `expected`, the tokens of their
    /// texts, if given.
    pub fn take_tokens(
        &mut self,
        judge: &Judge,
        tokens: ArrayView3<'_, i32>,
        expected: Option<ArrayView3<'_, i32>>,
    ) {
        for (sample_idx, row) in tokens.outer_iter().enumerate() {
            let words = judge.words(row);
            self.n_tokens += words.len();
            self.n_unknown += words.iter().filter(|word| judge.unknown.contains(word)).count();
            let Some(expected) = &expected else { continue };
            let mut left: BTreeMap<i32, usize> = BTreeMap::new();
            let its = judge.words(expected.index_axis(ndarray::Axis(0), sample_idx));
            its.iter().for_each(|word| *left.entry(*word).or_default() += 1);
            let shared = words.iter().filter(|word| match left.get_mut(word) {
                Some(n @ 1..) => {
                    *n -= 1;
                    true
                }
                _ => false,
            });
            // Half of the shorter one: either may be truncated, and punctuation and case may differ.
            self.n_rows += 1;
            self.n_other += usize::from(2 * shared.count() < words.len().min(its.len()));
        }
    }

    /// Whether the vocabulary has the scripts of the texts.
    pub fn are_letters_known(&self) -> bool {
        self.n_foreign as f64 <= WARN * self.n_letters as f64
    }

    /// Problems worth reporting, one sentence each, and whether text and vocabulary do not belong
    /// together.
    pub fn verdict(&self) -> (Vec<String>, bool) {
        let share = |n: usize, of: usize| if of < FEWEST { 0.0 } else { n as f64 / of as f64 };
        let percent = |share: f64| format!("{:.1}%", share * 100.0);
        let (unknown, foreign, other) = (
            share(self.n_unknown, self.n_tokens),
            share(self.n_foreign, self.n_letters),
            share(self.n_other, self.n_rows),
        );
        let mut words = Vec::new();
        if unknown > WARN {
            words.push(format!(
                "{} of {} tokens are unknown to the vocabulary ({})",
                self.n_unknown,
                self.n_tokens,
                percent(unknown)
            ));
        }
        if foreign > WARN {
            let most = self.foreign.iter().max_by_key(|(_, n)| **n);
            words.push(format!(
                "{} of {} letters are of scripts that the vocabulary lacks ({}, most of them {})",
                self.n_foreign,
                self.n_letters,
                percent(foreign),
                most.map_or("unknown", |(script, _)| script.name())
            ));
        }
        if other > WARN {
            words.push(format!(
                "the tokens of {} of {} segments are not those that the vocabulary gives of their \
                 texts ({})",
                self.n_other,
                self.n_rows,
                percent(other)
            ));
        }
        (words, [unknown, foreign, other].iter().any(|share| *share > REFUSE))
    }
}

/// Scripts that distinguish vocabularies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Script {
    Latin,
    Greek,
    Cyrillic,
    Hebrew,
    Arabic,
    Indic,
    Thai,
    Kana,
    Han,
    Hangul,
    Other,
}

impl Script {
    /// The script of a letter; `None` for other characters.
    fn of(letter: char) -> Option<Script> {
        if !letter.is_alphabetic() {
            return None;
        }
        Some(match u32::from(letter) {
            0..=0x24f | 0x1e00..=0x1eff | 0xff21..=0xff5a => Script::Latin,
            0x370..=0x3ff | 0x1f00..=0x1fff => Script::Greek,
            0x400..=0x52f => Script::Cyrillic,
            0x590..=0x5ff => Script::Hebrew,
            0x600..=0x77f | 0x8a0..=0x8ff | 0xfb50..=0xfdff | 0xfe70..=0xfeff => Script::Arabic,
            0x900..=0xdff => Script::Indic,
            0xe00..=0xe7f => Script::Thai,
            0x3040..=0x30ff => Script::Kana,
            0x3400..=0x9fff | 0xf900..=0xfaff | 0x2_0000..=0x3_ffff => Script::Han,
            0x1100..=0x11ff | 0x3130..=0x318f | 0xac00..=0xd7af => Script::Hangul,
            _ => Script::Other,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Script::Latin => "Latin",
            Script::Greek => "Greek",
            Script::Cyrillic => "Cyrillic",
            Script::Hebrew => "Hebrew",
            Script::Arabic => "Arabic",
            Script::Indic => "Indic",
            Script::Thai => "Thai",
            Script::Kana => "Japanese",
            Script::Han => "Chinese",
            Script::Hangul => "Korean",
            Script::Other => "other",
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;

    fn judge() -> Judge {
        Judge { marks: [101, 102].into(), unknown: [100].into(), scripts: [Script::Latin].into() }
    }

    fn tokens(rows: &[[i32; 4]]) -> Array3<i32> {
        let mut tokens = Array3::zeros((rows.len(), 3, 6));
        for (idx, row) in rows.iter().enumerate() {
            let all = [&[101], &row[..], &[102]].concat();
            for (step, id) in all.iter().enumerate() {
                tokens[[idx, 0, step]] = *id;
                tokens[[idx, 1, step]] = 1;
            }
        }
        tokens
    }

    #[test]
    fn shares_of_what_is_unknown_are_said_from_a_fifth_and_refused_from_three_fifths() {
        let verdict = |rows: &[[i32; 4]]| {
            let mut suits = Suits::default();
            suits.take_tokens(&judge(), tokens(rows).view(), None);
            suits.verdict()
        };
        assert_eq!(verdict(&[[5, 6, 7, 8]; 3]), (vec![], false));
        let (words, refused) = verdict(&[[100, 6, 7, 8]; 3]);
        assert_eq!(words, ["3 of 12 tokens are unknown to the vocabulary (25.0%)"]);
        assert!(!refused);
        assert!(verdict(&[[100, 100, 100, 8]; 3]).1);
        // Too few to decide.
        assert_eq!(verdict(&[[100, 100, 100, 8]]), (vec![], false));
        assert_eq!(verdict(&[]), (vec![], false));
    }

    #[test]
    fn letters_of_other_scripts_and_tokens_of_other_texts_are_seen() {
        let mut suits = Suits::default();
        suits.take_texts(&judge(), &["a word, 12".into(), "我不知道你说什么".into()]);
        let (words, refused) = suits.verdict();
        assert!(words[0].contains("8 of 13 letters") && words[0].contains("Chinese"), "{words:?}");
        assert!(refused);
        let mut suits = Suits::default();
        let own = tokens(&[[5, 6, 7, 8]; 12]);
        // The same in another order, with one other word, and with three.
        let its = [[8, 7, 6, 5], [5, 6, 7, 9], [5, 11, 12, 13]];
        let expected = tokens(&(0..12).map(|idx| its[idx % 3]).collect::<Vec<_>>());
        suits.take_tokens(&judge(), own.view(), Some(expected.view()));
        let (words, refused) = suits.verdict();
        assert!(words[0].starts_with("the tokens of 4 of 12 segments"), "{words:?}");
        assert!(!refused);
    }
}
