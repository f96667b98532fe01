//! The same work on one batch after another. On a GPU it is recorded once per size of batch and then
//! done again as a whole, since to give a GPU each of its small pieces takes longer than to do them.

use std::collections::BTreeMap;

use tch::{Device, Tensor};

use super::{TrainError, device};
use crate::native::cuda::Graph;

/// Times that work is done piece by piece before it is recorded, so that all that libtorch makes
/// ready on first use is there.
const N_BEFORE: usize = 2;

/// Work on batches of several sizes.
#[derive(Debug)]
pub(super) struct Replay<K> {
    records: bool,
    /// Why nothing is recorded any more, until somebody asks for it.
    refusal: Option<TrainError>,
    programs: BTreeMap<(K, i64), Program>,
}

/// Work on batches of one size.
#[derive(Debug)]
struct Program {
    /// Where the work finds the samples to work on, whatever the batch.
    indices: Tensor,
    n_done: usize,
    recorded: Option<(Graph, Vec<Tensor>)>,
}

impl<K: Ord> Replay<K> {
    /// With `records`, work is recorded; its device must be a GPU then.
    pub(super) fn new(records: bool) -> Replay<K> {
        Replay { records, refusal: None, programs: BTreeMap::new() }
    }

    /// Records work on a device that takes recordings.
    pub(super) fn on(device: Device) -> Replay<K> {
        let (records, refusal) = match device::can_record(device) {
            Ok(records) => (records, None),
            Err(error) => (false, Some(error.into())),
        };
        Replay { records, refusal, programs: BTreeMap::new() }
    }

    /// Why work that was to be recorded is done piece by piece; once.
    pub(super) fn take_refusal(&mut self) -> Option<TrainError> {
        self.refusal.take()
    }

    /// Does `work` on the samples at `indices`, int64 on the device, and returns its results, which
    /// may be overwritten when work of the same `kind` is done next.
    ///
    /// `work` is the same for all batches of a kind and size, but for the indices that it is given, and
    /// for what `prepare` sets before it, which is no part of a recording.
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
