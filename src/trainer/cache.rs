//! Placement of features during use.

use tch::Device;

use crate::corpus::Modality;
use crate::name::named;
use crate::store::{Store, column_bytes};
use crate::train::data::Cache;
use crate::train::{device, ram};

/// Placement of features.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CachePlace {
    /// In device memory if they take at most half of its free part, else on disk.
    #[default]
    Auto,
    /// In device memory.
    Memory,
    /// On disk: each batch is read from the store ahead of its step.
    Disk,
}

impl CachePlace {
    /// All of them.
    pub const ALL: [CachePlace; 3] = [CachePlace::Auto, CachePlace::Memory, CachePlace::Disk];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            CachePlace::Auto => "auto",
            CachePlace::Memory => "memory",
            CachePlace::Disk => "disk",
        }
    }
}

named!(CachePlace);

/// Placement of features, and how they are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheOptions {
    /// The placement.
    pub place: CachePlace,
    /// Threads that read batches from disk; the result does not depend on their number.
    pub n_threads: usize,
}

impl Default for CacheOptions {
    fn default() -> CacheOptions {
        CacheOptions { place: CachePlace::Auto, n_threads: 1 }
    }
}

impl CacheOptions {
    /// Chooses the placement for some modalities' features of a store; `n_processes` such processes
    /// share the memory.
    pub(super) fn resolve(
        &self,
        store: &Store,
        modalities: &[Modality],
        device: Device,
        n_processes: u64,
    ) -> Cache {
        let disk = Cache::Disk { n_threads: self.n_threads };
        match self.place {
            CachePlace::Memory => Cache::Device,
            CachePlace::Disk => disk,
            CachePlace::Auto => {
                let columns = store.manifest().columns.iter();
                let n_bytes: u64 = columns
                    .filter(|column| column.modality().is_some_and(|it| modalities.contains(&it)))
                    .map(column_bytes)
                    .sum();
                let available = match device {
                    Device::Cuda(index) => device::memory(index),
                    _ => ram::available(),
                };
                match available {
                    Some(available) if n_bytes * n_processes > available / 2 => disk,
                    _ => Cache::Device,
                }
            }
        }
    }
}
