//! Repeats the same work on successive batches. On a GPU it is recorded once per batch size and then
//! replayed as a whole, because launching its small operations takes longer than running them.

use std::collections::BTreeMap;

use tch::{Device, Tensor};

use super::{TrainError, device};
use crate::native::cuda::Graph;

/// Number of unrecorded runs before a recording, so that libtorch's lazy initialisation is complete.
const N_BEFORE: usize = 2;

/// Work on batches of several sizes.
#[derive(Debug)]
pub(super) struct Replay<K> {
    records: bool,
    /// Why nothing is recorded; cleared when retrieved.
    refusal: Option<TrainError>,
    programs: BTreeMap<(K, i64), Program>,
}

/// Work on batches of one size.
#[derive(Debug)]
struct Program {
    /// Fixed tensor from which the work reads its sample indices.
    indices: Tensor,
    n_done: usize,
    recorded: Option<(Graph, Vec<Tensor>)>,
}

impl<K: Ord> Replay<K> {
    /// With `records`, work is recorded; its device must then be a GPU.
    pub(super) fn new(records: bool) -> Replay<K> {
        Replay { records, refusal: None, programs: BTreeMap::new() }
    }

    /// Records work if the device supports it.
    pub(super) fn on(device: Device) -> Replay<K> {
        let (records, refusal) = match device::can_record(device) {
            Ok(records) => (records, None),
            Err(error) => (false, Some(error.into())),
        };
        Replay { records, refusal, programs: BTreeMap::new() }
    }

    /// Why work that should be recorded runs operation by operation; reported once.
    pub(super) fn take_refusal(&mut self) -> Option<TrainError> {
        self.refusal.take()
    }

    /// Does `work` on the samples at `indices`, int64 on the device, and returns its results, which the
    /// next work of the same `kind` may overwrite.
    ///
    /// `work` must be the same for all batches of a kind and size, except for its indices and for state
    /// set by `prepare`, which is not recorded.
    pub(super) fn run(
        &mut self,
        kind: K,
        indices: &Tensor,
        prepare: impl Fn() -> Result<(), TrainError>,
        work: impl Fn(&Tensor) -> Result<Vec<Tensor>, TrainError>,
    ) -> Result<Vec<Tensor>, TrainError> {
        prepare()?;
        if !self.records {
            return work(indices);
        }
        let size = indices.size()[0];
        let program = self.programs.entry((kind, size)).or_insert_with(|| Program {
            indices: indices.copy(),
            n_done: 0,
            recorded: None,
        });
        program.indices.copy_(indices);
        program.n_done += 1;
        if program.recorded.is_none() && program.n_done > N_BEFORE {
            match Graph::record(|| work(&program.indices)) {
                Ok(recorded) => program.recorded = Some(recorded),
                Err(error) => {
                    self.records = false;
                    self.refusal = Some(error);
                    prepare()?;
                    return work(indices);
                }
            }
        }
        match &program.recorded {
            Some((graph, outputs)) => {
                graph.replay()?;
                Ok(outputs.iter().map(Tensor::shallow_clone).collect())
            }
            None => work(&program.indices),
        }
    }
}
