//! Files that resemble feature files but cannot become a corpus: recognised by structure, so that the
//! user learns what they are and what to get instead.

use crate::corpus::SplitName;
use crate::pickle::{NodeId, Pickle};

use super::IngestError;

/// A kind of file that cannot be converted.
#[derive(Debug)]
pub struct RefusedLayout {
    /// Description of the file.
    pub what: &'static str,
    /// Why it cannot be converted.
    pub reason: &'static str,
    /// Alternative.
    pub advice: &'static str,
    fits: fn(&Pickle) -> bool,
}

impl PartialEq for RefusedLayout {
    fn eq(&self, other: &RefusedLayout) -> bool {
        self.what == other.what
    }
}

impl Eq for RefusedLayout {}

impl RefusedLayout {
    pub(super) fn error(&self) -> IngestError {
        IngestError::Refused { what: self.what, reason: self.reason, advice: self.advice }
    }
}

const NO_IDS: &str = "it has no segment ids, so samples cannot be distinguished or checked";

const MMSA_ADVICE: &str =
    "take `aligned_50.pkl` or `unaligned_50.pkl` of the same dataset, as MMSA publishes them";

static REFUSALS: [RefusedLayout; 11] = [
    // thuiar/Self-MM:data/DataPre.py
    RefusedLayout {
        what: "the dump of an interrupted run of Self-MM's `DataPre.py`",
        reason: "it is one flat dict with a `mode` per sample, not padded and not split",
        advice: "let `DataPre.py` run to its end: it then writes `train`, `valid` and `test`",
        fits: |pickle| has_no_split(pickle) && root_has(pickle, &["mode", "id"]),
    },
    // thuiar/Self-MM:data/getFeature.py
    RefusedLayout {
        what: "the output of Self-MM's old `getFeature.py`",
        reason: "it has no segment ids and no splits",
        advice: "extract the features with MMSA-FET, which writes both",
        fits: |pickle| root_has(pickle, &["feature_T", "feature_A", "feature_V"]),
    },
    // thuiar/MMSA:src/MMSA/run.py, `MMSA_test`
    RefusedLayout {
        what: "the features of one sample, as MMSA-FET's `run_single` writes them",
        reason: "it has no splits, labels or ids",
        advice: "extract the whole dataset with MMSA-FET's `run_dataset`",
        fits: is_single_sample,
    },
    // Justin1904/Low-rank-Multimodal-Fusion:utils.py
    RefusedLayout {
        what: "a file of Low-rank Multimodal Fusion, `{split: {covarep, facet, glove, label}}`",
        reason: NO_IDS,
        advice: MMSA_ADVICE,
        fits: is_lmf,
    },
    // yaohungt/Multimodal-Transformer:src/dataset.py
    RefusedLayout {
        what: "IEMOCAP in the layout of MulT",
        reason: "its labels are four emotions of two classes each, not a sentiment",
        advice: "this program is for CMU-MOSI, CMU-MOSEI and CH-SIMS",
        fits: is_iemocap,
    },
    // soujanyaporia/multimodal-sentiment-analysis:dataset/mosi/raw
    RefusedLayout {
        what: "a Python 2 file of contextual sentiment analysis, seven arrays and counts",
        reason: NO_IDS,
        advice: MMSA_ADVICE,
        fits: |pickle| {
            let is_many = |id: &NodeId| pickle.array(*id).is_some() || pickle.items(*id).is_some();
            matches!(pickle.items(pickle.root()), Some([train, labels, test, _, n_max, _, _])
                if [train, labels, test].into_iter().all(is_many)
                    && pickle.number(*n_max).is_some())
        },
    },
    RefusedLayout {
        what: "a Python 2 file of contextual sentiment analysis, one array per modality and split",
        reason: NO_IDS,
        advice: MMSA_ADVICE,
        fits: |pickle| has_no_split(pickle) && root_has(pickle, &["text_train", "train_mask"]),
    },
    // thuiar/Cross-Modal-BERT
    RefusedLayout {
        what: "the audio features of CM-BERT, one array per split",
        reason: "ids, labels and text are in the `.tsv` files beside it",
        advice: MMSA_ADVICE,
        fits: |pickle| {
            matches!(pickle.items(pickle.root()), Some(splits @ [_, _, _])
            if splits.iter().all(|split| {
                pickle.array(*split).is_some_and(|array| array.shape().len() == 3)
            }))
        },
    },
    // declare-lab/conv-emotion:DialogueRNN/dataloader.py
    RefusedLayout {
        what: "IEMOCAP or MELD for emotion recognition in conversations, dicts by dialogue",
        reason: "its labels are classes of emotions of the turns of a dialogue, not a sentiment",
        advice: "this program is for CMU-MOSI, CMU-MOSEI and CH-SIMS",
        fits: is_conversations,
    },
    // declare-lab/MELD:baseline/data_helpers.py
    RefusedLayout {
        what: "features of MELD, a dict by `DIALOGUE_UTTERANCE` for each split",
        reason: "its labels are classes of emotions of the turns of a dialogue, not a sentiment",
        advice: "this program is for CMU-MOSI, CMU-MOSEI and CH-SIMS",
        fits: is_meld,
    },
    // declare-lab/MISA:src/create_dataset.py
    RefusedLayout {
        what: "UR-FUNNY in the layout of MISA",
        reason: "its labels are humour, not sentiment, and its samples have no ids",
        advice: "this program is for CMU-MOSI, CMU-MOSEI and CH-SIMS",
        fits: |pickle| {
            let first = pickle.items(pickle.root()).and_then(<[NodeId]>::first);
            matches!(first.and_then(|first| pickle.items(*first)), Some([features, _])
                if matches!(pickle.items(*features), Some([_, _, _, _])))
        },
    },
];

/// The kind of the file, if it cannot be converted.
pub(super) fn recognise(pickle: &Pickle) -> Option<&'static RefusedLayout> {
    REFUSALS.iter().find(|refusal| (refusal.fits)(pickle))
}

/// The value at a key that may be `bytes`, as Python 2 keys become.
fn get(pickle: &Pickle, dict: NodeId, key: &str) -> Option<NodeId> {
    let is_key = |id: NodeId| pickle.text(id).is_some_and(|text| text == key);
    pickle.entries(dict)?.iter().find(|(id, _)| is_key(*id)).map(|(_, value)| *value)
}

fn has(pickle: &Pickle, dict: NodeId, keys: &[&str]) -> bool {
    keys.iter().all(|key| get(pickle, dict, key).is_some())
}

fn root_has(pickle: &Pickle, keys: &[&str]) -> bool {
    has(pickle, pickle.root(), keys)
}

/// The first split in a top-level dict.
fn first_split(pickle: &Pickle, dict: NodeId) -> Option<NodeId> {
    let is_split =
        |id: NodeId| pickle.text(id).is_some_and(|key| SplitName::from_usual(&key).is_ok());
    pickle.entries(dict)?.iter().find(|(key, _)| is_split(*key)).map(|(_, split)| *split)
}

fn has_no_split(pickle: &Pickle) -> bool {
    first_split(pickle, pickle.root()).is_none()
}

fn is_single_sample(pickle: &Pickle) -> bool {
    let has_axes = |key, n_axes| {
        let array = get(pickle, pickle.root(), key).and_then(|id| pickle.array(id));
        array.is_some_and(|array| array.shape().len() == n_axes)
    };
    has_no_split(pickle) && ["text", "audio", "vision"].iter().any(|key| has_axes(key, 2))
}

fn is_lmf(pickle: &Pickle) -> bool {
    let is_split = |split| has(pickle, split, &["covarep", "facet", "glove"]);
    let root = pickle.root();
    // IEMOCAP has one more level, the emotions.
    let first_emotion = || pickle.entries(root)?.first().map(|(_, emotion)| *emotion);
    let split = first_split(pickle, root)
        .or_else(|| first_split(pickle, first_emotion()?))
        .or_else(first_emotion);
    split.is_some_and(|split| is_split(split) || first_value(pickle, split).is_some_and(is_split))
}

fn first_value(pickle: &Pickle, dict: NodeId) -> Option<NodeId> {
    pickle.entries(dict)?.first().map(|(_, value)| *value)
}

/// `(ids, speakers, labels, text, …, training dialogues, test dialogues)`, starting with dicts.
fn is_conversations(pickle: &Pickle) -> bool {
    let is_dict = |id: &NodeId| pickle.entries(*id).is_some();
    matches!(pickle.items(pickle.root()), Some([ids, speakers, labels, text, _, _, ..])
        if [ids, speakers, labels, text].into_iter().all(is_dict))
}

fn is_meld(pickle: &Pickle) -> bool {
    let is_turn = |key: &str| {
        let number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        key.split_once('_').is_some_and(|(dialogue, turn)| number(dialogue) && number(turn))
    };
    let is_split = |id: &NodeId| {
        let first = pickle.entries(*id).and_then(<[_]>::first);
        first.and_then(|(key, _)| pickle.text(*key)).is_some_and(|key| is_turn(&key))
    };
    matches!(pickle.items(pickle.root()), Some(splits @ [_, _, _]) if splits.iter().all(is_split))
}

fn is_iemocap(pickle: &Pickle) -> bool {
    let labels = first_split(pickle, pickle.root()).and_then(|split| get(pickle, split, "labels"));
    let shape = labels.and_then(|labels| pickle.array(labels)).map(|labels| labels.shape());
    matches!(shape, Some([_, 4, 2]))
}
