//! Where features lie while they are used.

use tch::Device;

use crate::corpus::Modality;
use crate::name::named;
use crate::store::{Store, column_bytes};
use crate::train::data::Cache;
use crate::train::device;

/// Where features are to lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CachePlace {
    /// In the device's memory where they take at most half of what is free, else on the disk.
    #[default]
    Auto,
    /// In the device's memory.
    Memory,
    /// On the disk: each batch is read from the store ahead of its step.
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

/// Where features are to lie, and how they are read from there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheOptions {
    /// Where.
    pub place: CachePlace,
    /// Threads that read batches from the disk; the result does not depend on it.
    pub n_threads: usize,
}

impl Default for CacheOptions {
    fn default() -> CacheOptions {
        CacheOptions { place: CachePlace::Auto, n_threads: 1 }
    }
}

impl CacheOptions {
    /// The place of the features of some modalities of a store, of which `n_processes` like this one need
    /// as much.
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
                    _ => available_memory(),
                };
                match available {
                    Some(available) if n_bytes * n_processes > available / 2 => disk,
                    _ => Cache::Device,
                }
            }
        }
    }
}

/// Bytes of memory that the system could give; `None` where it does not say.
fn available_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}
