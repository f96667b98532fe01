//! The MAG-BERT layout, `{split: [((words, visual, acoustic), label, segment), …]}` with words as
//! text: WasifurRahman/BERT_multimodal_transformer:multimodal_driver.py.

use crate::corpus::Corpus;
use crate::pickle::Pickle;

use super::error::unexpected;
use super::log::Log;
use super::splits::splits;
use super::table::kind_of;
use super::tuples::{Item, read_split};
use super::{IngestError, Layout, Place, ids};

/// Reads all splits.
///
/// # Errors
/// As [`super::read`].
pub(super) fn read<'p>(pickle: &'p Pickle, log: &mut Log) -> Result<Corpus<'p>, IngestError> {
    let mut read = Vec::new();
    let mut raw_ids = Vec::new();
    for split in splits(pickle, log)? {
        let place = Place::new(&*split.key);
        let expected = "a list of ((words, visual, acoustic), label, segment)";
        let Some(list) = pickle.items(split.value) else {
            return Err(unexpected(&place, expected, kind_of(pickle, split.value)));
        };
        let mut items = Vec::with_capacity(list.len());
        for (row, id) in list.iter().enumerate() {
            let wrong = |id| unexpected(&place.at(row), expected, kind_of(pickle, id));
            let Some([features, label, segment]) = pickle.items(*id) else {
                return Err(wrong(*id));
            };
            let Some([words, vision, audio]) = pickle.items(*features) else {
                return Err(wrong(*features));
            };
            items.push(Item {
                vision: *vision,
                audio: *audio,
                words: *words,
                indices: None,
                lengths: None,
                label: *label,
                segment: *segment,
            });
        }
        let (columns, ids) = read_split(pickle, split.name, &items, log)?;
        read.push(columns);
        raw_ids.push(ids);
    }
    for (split, ids) in read.iter_mut().zip(ids::settle(raw_ids, log)) {
        split.ids = ids;
    }
    Ok(Corpus { layout: Layout::MagBert.name(), splits: read, notes: Vec::new() })
}
