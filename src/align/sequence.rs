//! Computational sequences in memory or in their files, and several of them together.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::error::AlignError;
use crate::csd::{CsdEntry, CsdError, SequenceFile, SequenceWriter};

/// One sequence: keys in order, each with its entry in memory or in a file.
#[derive(Debug, Clone)]
pub struct CsdSequence {
    name: String,
    keys: Vec<String>,
    entries: HashMap<String, Arc<CsdEntry>>,
    file: Option<Arc<SequenceFile>>,
}

impl CsdSequence {
    /// A sequence without entries.
    pub fn new(name: impl Into<String>) -> CsdSequence {
        CsdSequence { name: name.into(), keys: Vec::new(), entries: HashMap::new(), file: None }
    }

    /// The sequence in a file, whose entries are read when needed.
    ///
    /// # Errors
    /// The file cannot be opened or is not a computational sequence.
    pub fn open(name: impl Into<String>, path: &Path) -> Result<CsdSequence, CsdError> {
        Ok(CsdSequence::of_file(name, Arc::new(SequenceFile::open(path)?)))
    }

    /// The sequence in an open file.
    pub fn of_file(name: impl Into<String>, file: Arc<SequenceFile>) -> CsdSequence {
        let keys = file.names().to_vec();
        CsdSequence { name: name.into(), keys, entries: HashMap::new(), file: Some(file) }
    }

    /// Its name within a dataset, which need not be that in its file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Names of the columns that its file has, `[feat_dim]`.
    pub fn dimension_names(&self) -> Option<Vec<String>> {
        let names = self.file.as_ref()?.metadata().dimension_names()?;
        Some(names.into_iter().map(str::to_owned).collect())
    }

    /// Keys in order: of a file in order of their bytes, in memory in the order of insertion.
    pub fn keys(&self) -> &[String] {
        &self.keys
    }

    /// Adds an entry at the end, or replaces the one of this key.
    pub fn push(&mut self, key: String, entry: CsdEntry) {
        let is_known =
            self.entries.contains_key(&key) || (self.file.is_some() && self.keys.contains(&key));
        if !is_known {
            self.keys.push(key.clone());
        }
        self.entries.insert(key, Arc::new(entry));
    }

    /// Adds entries at the end, whose keys it does not have.
    pub(super) fn extend(&mut self, entries: impl IntoIterator<Item = (String, CsdEntry)>) {
        for (key, entry) in entries {
            self.keys.push(key.clone());
            self.entries.insert(key, Arc::new(entry));
        }
    }

    /// Keeps the entries whose keys are wanted.
    pub fn retain(&mut self, mut is_wanted: impl FnMut(&str) -> bool) {
        self.keys.retain(|key| is_wanted(key));
        let kept: std::collections::HashSet<&str> = self.keys.iter().map(String::as_str).collect();
        self.entries.retain(|key, _| kept.contains(key.as_str()));
    }

    /// The entry of a key.
    ///
    /// # Errors
    /// It cannot be read from its file, or the sequence has no such key.
    pub fn read(&self, key: &str) -> Result<Arc<CsdEntry>, AlignError> {
        match (self.entries.get(key), &self.file) {
            (Some(entry), _) => Ok(entry.clone()),
            (None, Some(file)) => Ok(Arc::new(file.entry(key)?)),
            (None, None) => {
                Err(AlignError::Absent { sequence: self.name.clone(), key: key.into() })
            }
        }
    }
}

impl CsdSequence {
    /// Writes the sequence to a file named after `root`, one entry after another.
    ///
    /// # Errors
    /// The file exists and `overwrite` is off, an entry cannot be read, or the disk is full. Nothing is left
    /// behind then.
    pub fn save(&self, path: &Path, root: &str, overwrite: bool) -> Result<(), AlignError> {
        let mut writer = SequenceWriter::create(path, root, overwrite)?;
        for key in &self.keys {
            writer.entry(key, &*self.read(key)?)?;
        }
        Ok(writer.finish(&[])?)
    }
}

/// Several sequences, in order.
#[derive(Debug, Clone, Default)]
pub struct SequenceSet {
    /// The sequences. Their names differ.
    pub sequences: Vec<CsdSequence>,
}

impl SequenceSet {
    /// A dataset of sequences.
    pub fn new(sequences: impl IntoIterator<Item = CsdSequence>) -> SequenceSet {
        SequenceSet { sequences: sequences.into_iter().collect() }
    }

    /// Adds a sequence at the end.
    pub fn with(mut self, sequence: CsdSequence) -> SequenceSet {
        self.sequences.push(sequence);
        self
    }

    /// The sequence of a name.
    ///
    /// # Errors
    /// There is none.
    pub fn get(&self, name: &str) -> Result<&CsdSequence, AlignError> {
        self.sequences.iter().find(|sequence| sequence.name == name).ok_or_else(|| {
            AlignError::UnknownSequence {
                name: name.into(),
                known: self.sequences.iter().map(|sequence| sequence.name.clone()).collect(),
            }
        })
    }
}
