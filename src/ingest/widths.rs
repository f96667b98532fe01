//! Numbers of features of a pickle that may hold a corpus, without reading it as one.

use std::collections::BTreeMap;

use crate::corpus::Modality;
use crate::pickle::{NodeId, Pickle};

/// The number of features of audio and vision in the first split that has them, in the layouts
/// `{split: {key: array or list}}`; empty for any other pickle. Text is left out: its features are those
/// of some encoder.
pub fn widths(pickle: &Pickle) -> BTreeMap<Modality, usize> {
    let splits = pickle.entries(pickle.root()).unwrap_or_default();
    let width = |modality: Modality| {
        let blocks = splits.iter().filter_map(|(_, split)| pickle.get(*split, modality.name()));
        let mut widths = blocks.filter_map(|block| width_of(pickle, block));
        Some((modality, widths.next()?))
    };
    [Modality::Audio, Modality::Vision].into_iter().filter_map(width).collect()
}

/// The last axis of an array of samples, or of the first array in a list of them.
fn width_of(pickle: &Pickle, block: NodeId) -> Option<usize> {
    let (array, n_axes) = match pickle.items(block) {
        Some(samples) => (pickle.array(*samples.first()?)?, 2),
        None => (pickle.array(block)?, 3),
    };
    let shape = array.shape();
    (shape.len() == n_axes).then(|| shape.last().copied()).flatten()
}
