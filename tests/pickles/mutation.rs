//! Hundreds of thousands of damaged fixtures: none makes the reader, the description, a layout or the
//! scan panic, and scan and reader agree on all of them.

use almt_data::corpus::{Layout, SplitName};
use almt_data::ingest::{self, IngestOptions, SourceFile};
use almt_data::pickle::{Limits, Pickle, PickleError, Scan, describe};
use rayon::prelude::*;

use super::{fixtures, layout_fixtures};

/// A small generator of the same numbers everywhere (Steele et al., «SplitMix64»).
pub struct SplitMix(pub u64);

impl SplitMix {
    pub fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n as u64) as usize
    }
}

/// The mutant number `idx` of the files; always the same.
pub fn mutant(files: &[(String, Vec<u8>)], idx: usize) -> (&str, Vec<u8>) {
    let mut random = SplitMix(20_231_206 + ((idx as u64) << 20));
    let (name, original) = &files[random.below(files.len())];
    let mut bytes = original.clone();
    for _ in 0..=random.below(4) {
        let place = random.below(bytes.len());
        match random.below(4) {
            0 => bytes[place] = random.below(256) as u8,
            1 => bytes[place] ^= 1 << random.below(8),
            2 => {
                drop(bytes.drain(place..(place + random.below(9)).min(bytes.len() - 1).max(place)))
            }
            _ => {
                let (_, donor) = &files[random.below(files.len())];
                let from = random.below(donor.len());
                let part: Vec<u8> = donor[from..].iter().take(random.below(40)).copied().collect();
                bytes.splice(place..place, part);
            }
        }
    }
    (name, bytes)
}

/// Reads everything that can be read of one file; how many corpora came of it.
fn read(name: &str, bytes: Vec<u8>) -> usize {
    let limits = Limits::default();
    let scan = match Scan::from_bytes(bytes.clone(), &limits) {
        Ok(scan) => scan,
        Err(error) => {
            assert!(matches!(error, PickleError::NotAPickle { .. }), "{name}: {error}");
            return 0;
        }
    };
    if let Some(refusal) = &scan.refusal {
        // The reader and the walk tell names apart in their own ways.
        let offset = refusal.offset.unwrap();
        if refusal.message.starts_with("refused to import") {
            let listed = scan.globals.iter().find(|global| global.offset == offset);
            assert!(listed.is_some_and(|global| !global.allowed), "{name}: {scan:?}");
        }
        return 0;
    }
    assert!(scan.allowed && scan.opcodes.contains_key("STOP"), "{name}: {scan:?}");
    let pickle = Pickle::from_bytes(bytes, &limits).unwrap();
    let _ = describe(&pickle, "mutant").to_string();
    // Those do not come near a layout.
    let values_only = ["plain", "arrays", "python2"].iter().any(|family| name.starts_with(family));
    if values_only { 0 } else { read_layouts(&pickle) }
}

fn read_layouts(pickle: &Pickle) -> usize {
    let mut n_corpora = 0;
    for layout in [None].into_iter().chain(Layout::ALL.map(Some)) {
        let read = |split| {
            let options = IngestOptions { split, layout, ..IngestOptions::default() };
            ingest::read(&[SourceFile::new(pickle, "mutant")], &options)
        };
        // A file of all splits must not be said to be of one, and a file of one has to be.
        let Ok(corpus) = read(None).or_else(|_| read(Some(SplitName::Train))) else { continue };
        n_corpora += 1;
        for block in corpus.splits.iter().flat_map(|split| split.features.values()) {
            let mut out = vec![0.0; block.shape[1] * block.shape[2]];
            for idx in 0..block.shape[0] {
                block.rows.read(idx, &mut out).unwrap();
            }
        }
    }
    n_corpora
}

#[test]
fn mutated_fixtures_never_panic() {
    const N_MUTANTS: usize = 200_000;
    let mut files = fixtures();
    files.extend(layout_fixtures());
    let n_corpora: usize = (0..N_MUTANTS)
        .into_par_iter()
        .map(|idx| {
            let (name, bytes) = mutant(&files, idx);
            read(name, bytes)
        })
        .sum();
    println!("{n_corpora} corpora came of {N_MUTANTS} mutants");
    assert!(n_corpora > N_MUTANTS / 20, "mutants hardly ever reach the layouts: {n_corpora}");
}
