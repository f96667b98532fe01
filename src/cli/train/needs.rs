//! Whether a store has what a model needs, before anything of it is read.

use crate::cli::Failure;
use crate::corpus::column::ColumnKind;
use crate::corpus::manifest::Alignment;
use crate::corpus::{Modality, SplitName};
use crate::model::contract::{Need, Needs};
use crate::store::Store;

/// Compares the needs of a model with a store, of which `modalities` are to be used.
pub fn check(
    store: &Store,
    model: &str,
    needs: &Needs,
    modalities: &[Modality],
) -> Result<(), Failure> {
    let absent = |modality: &Modality| {
        needs.of(*modality) == Need::Required && !modalities.contains(modality)
    };
    if let Some(absent) = Modality::ALL.into_iter().find(absent) {
        let has = SplitName::ALL.into_iter().any(|split| {
            store.manifest().column(&ColumnKind::Features(absent).of(split)).is_some()
        });
        let problem = format!("{model} needs {absent}");
        return Err(Failure::at(store.path(), problem).hint(match has {
            true => "`--modalities` names what the model is to see, this one too",
            false => "`almt-data models` shows which models do without",
        }));
    }
    if !is_aligned_enough(needs, store.manifest().alignment) {
        let problem = format!("{model} needs aligned features, and those of the store are not");
        return Err(Failure::at(store.path(), problem)
            .hint("convert the aligned file of the dataset, such as `aligned_50.pkl`"));
    }
    Ok(())
}

/// Whether the alignment of a store is one that a model can do with. A store that does not say it is
/// taken for what the model needs.
fn is_aligned_enough(needs: &Needs, alignment: Option<Alignment>) -> bool {
    !needs.aligned || alignment != Some(Alignment::Unaligned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unaligned_store_is_not_for_a_model_that_needs_alignment() {
        let aligned = Needs { aligned: true, ..Needs::ALL };
        assert!(!is_aligned_enough(&aligned, Some(Alignment::Unaligned)));
        assert!(is_aligned_enough(&aligned, Some(Alignment::Aligned)));
        assert!(is_aligned_enough(&Needs::ALL, Some(Alignment::Unaligned)));
    }
}
