//! Verifies a store: reads everything, compares digests and checks the rules.

use std::collections::BTreeMap;

use ndarray::Array3;

use super::StoreError;
use super::read::{CHANGED, Reader, Store, column_bytes};
use crate::corpus::check::{
    BlockFacts, BlockReading, Compared, Evidence, Finding, Rule, SplitDetail, SplitFacts,
    check_with, compared,
};
use crate::corpus::column::{Column, ColumnId, ColumnKind, Dtype};
use crate::corpus::labels::LabelTable;
use crate::corpus::stats::BlockStats;
use crate::corpus::{Modality, SplitName};

/// Result of a full verification.
pub struct Verification {
    /// All findings, errors first.
    pub findings: Vec<Finding>,
    /// Bytes of data read and compared.
    pub n_bytes: u64,
    /// Comparison with the label table; `None` without one.
    pub compared: Option<Compared>,
}

impl Store {
    /// Reads everything, compares it with the recorded digests and checks it against the dataset's
    /// rules and, if given, against the label table `expected`. `advance` receives the bytes of every
    /// stretch done.
    ///
    /// # Errors
    /// The file cannot be read. Wrong content is a finding, not an error.
    pub fn verify(
        &self,
        expected: Option<&LabelTable>,
        advance: &(dyn Fn(u64) + Sync),
    ) -> Result<Verification, StoreError> {
        let mut findings = Vec::new();
        let mut n_bytes = 0;
        let mut blocks: BTreeMap<(SplitName, Modality), BlockStats> = BTreeMap::new();
        let mut evidence = Evidence { expected, ..Evidence::default() };
        for column in &self.manifest().columns {
            let (found, seen) = self.digest_column(column)?;
            if found != column.blake3 {
                findings.push(self.digest_finding(column));
            }
            if let (ColumnId { split, kind: ColumnKind::Features(modality) }, Some(seen)) =
                (&column.id, seen)
            {
                blocks.insert((*split, *modality), seen.stats);
                evidence.details.entry(*split).or_default().blocks.insert(*modality, seen.detail);
            }
            let size = column_bytes(column);
            n_bytes += size;
            advance(size);
        }
        findings.extend(self.unsealed()?);
        let facts: Vec<SplitFacts> = self
            .manifest()
            .splits
            .iter()
            .map(|split| self.split_facts(split.name, &blocks))
            .collect::<Result<_, _>>()?;
        for split in &self.manifest().splits {
            self.read_detail(split.name, evidence.details.entry(split.name).or_default())?;
        }
        findings.extend(check_with(
            self.manifest().dataset,
            self.manifest().scale(),
            &facts,
            &evidence,
        ));
        let compared = compared(&facts, &evidence);
        Ok(Verification { findings, n_bytes, compared })
    }

    /// Checks the rules on everything but features, which take most of the time, and texts; of the
    /// digests, it compares only the seal. [`Store::verify`] finds everything that this finds.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn verify_quickly(&self) -> Result<Vec<Finding>, StoreError> {
        let mut blocks = BTreeMap::new();
        for column in &self.manifest().columns {
            let key = column.modality().map(|modality| (column.id.split, modality));
            blocks.extend(key.map(|key| (key, BlockStats::default())));
        }
        let (mut facts, mut evidence) = (Vec::new(), Evidence::default());
        for split in &self.manifest().splits {
            facts.push(self.split_facts(split.name, &blocks)?);
            let mut detail = SplitDetail::default();
            self.read_detail(split.name, &mut detail)?;
            evidence.details.insert(split.name, detail);
        }
        let mut findings = self.unsealed()?;
        findings.extend(check_with(
            self.manifest().dataset,
            self.manifest().scale(),
            &facts,
            &evidence,
        ));
        Ok(findings)
    }

    fn split_facts(
        &self,
        name: SplitName,
        blocks: &BTreeMap<(SplitName, Modality), BlockStats>,
    ) -> Result<SplitFacts, StoreError> {
        // Digests are not compared here: a damaged column is a finding, and the others are still
        // checked.
        let column = |kind: ColumnKind| self.manifest().column(&kind.of(name));
        let mut facts = SplitFacts {
            name,
            ids: self.raw_strings(self.column(&ColumnKind::Id.of(name))?)?,
            labels: column(ColumnKind::RegressionLabels)
                .map(|column| self.values(column))
                .transpose()?
                .unwrap_or_default(),
            classes: column(ColumnKind::ClassificationLabels)
                .map(|column| self.values(column))
                .transpose()?,
            emotions: column(ColumnKind::EmotionLabels)
                .map(|column| self.values(column))
                .transpose()?,
            annotations: column(ColumnKind::Annotations)
                .map(|column| self.raw_strings(column))
                .transpose()?,
            blocks: BTreeMap::new(),
            has_words: [ColumnKind::RawText, ColumnKind::TextBert]
                .into_iter()
                .any(|kind| column(kind).is_some()),
        };
        for modality in Modality::ALL {
            if let Some(stats) = blocks.get(&(name, modality)) {
                let shape = self.shape3(self.column(&ColumnKind::Features(modality).of(name))?)?;
                let lengths = self.unchecked_lengths(name, modality)?;
                facts.blocks.insert(modality, BlockFacts { shape, lengths, stats: stats.clone() });
            }
        }
        Ok(facts)
    }

    /// Like [`Store::split_facts`], reads the rules' other inputs without comparing digests.
    fn read_detail(&self, name: SplitName, detail: &mut SplitDetail) -> Result<(), StoreError> {
        let column = |kind: ColumnKind| self.manifest().column(&kind.of(name));
        if let Some(column) = column(ColumnKind::RawText) {
            detail.raw_text = Some(self.raw_strings(column)?);
        }
        if let Some(column) = column(ColumnKind::TextBert) {
            let tokens = Array3::from_shape_vec(self.shape3(column)?, self.values(column)?);
            let tokens = tokens.map_err(|error| self.damaged(&column.id, error.to_string()))?;
            detail.tokens = Some(tokens);
        }
        detail.text_lengths = self.unchecked_lengths(name, Modality::Text)?;
        for bins in self.manifest().scale().bins().iter() {
            if let Some(column) = column(ColumnKind::Bins(*bins)) {
                detail.bins.insert(*bins, self.values(column)?);
            }
        }
        for modality in Modality::ALL {
            if let Some(column) = column(ColumnKind::RegressionLabelsOf(modality)) {
                detail.labels_by_modality.insert(modality, self.values(column)?);
            }
        }
        Ok(())
    }

    fn unsealed(&self) -> Result<Vec<Finding>, StoreError> {
        let problems: Vec<String> = match self.reader() {
            Reader::Arrow(folder) => folder.unsealed(),
            Reader::Hdf5(file) => {
                let numbers = self.manifest().columns.iter().filter(|c| c.dtype != Dtype::String);
                let places = numbers.filter_map(|column| {
                    let start = file.offset(column)?;
                    let end = start.checked_add(column_bytes(column))?;
                    Some(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
                });
                file.unsealed(places.collect())?.into_iter().collect()
            }
        };
        Ok(problems.into_iter().map(|it| Finding::new(Rule::Digest, it, 1, vec![])).collect())
    }

    fn digest_finding(&self, column: &Column) -> Finding {
        let message = format!("{} {CHANGED}", self.place(column));
        Finding::new(Rule::Digest, message, 1, vec![])
    }

    /// The digest of a column's content, and the unusual values of a feature block.
    pub(super) fn digest_column(
        &self,
        column: &Column,
    ) -> Result<(String, Option<BlockReading>), StoreError> {
        let is_block = match column.dtype {
            Dtype::Float32 | Dtype::Float16 => column.shape.len() == 3,
            Dtype::Int32 | Dtype::Int8 | Dtype::String => false,
        };
        if is_block {
            let (digest, seen) = self.digest_block(column)?;
            return Ok((digest, Some(seen)));
        }
        Ok((self.unchecked_content(column)?.digest(), None))
    }

    fn digest_block(&self, column: &Column) -> Result<(String, BlockReading), StoreError> {
        let shape = self.shape3(column)?;
        let lengths = match column.modality() {
            Some(modality) => self.unchecked_lengths(column.id.split, modality)?,
            None => None,
        };
        let names = column.modality().and_then(|it| self.manifest().features.get(&it));
        let mut reading = BlockReading::of_named(names);
        let digest = self.pieces(column, |_, values| {
            reading.take(values, shape, lengths.as_deref());
            Ok::<_, StoreError>(())
        })?;
        Ok((digest, reading))
    }
}
