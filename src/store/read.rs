//! Reading and verifying a store. Nothing in the file is believed before it is compared.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use hdf5::types::{TypeDescriptor, VarLenUnicode};
use hdf5::{Dataset as H5Dataset, File};
use ndarray::{Array3, ArrayD};

use super::digest::{self, Element};
use super::{StoreError, VERSION};
use crate::corpus::check::{
    BlockFacts, BlockReading, Evidence, Finding, Rule, SplitDetail, SplitFacts, check_with,
};
use crate::corpus::label::Bins;
use crate::corpus::labels::LabelTable;
use crate::corpus::manifest::{Column, Manifest, store_digest};
use crate::corpus::stats::BlockStats;
use crate::corpus::{Modality, SplitName};
use crate::tree::{Tree, human_bytes};

/// An open store.
pub struct Store {
    path: PathBuf,
    file: File,
    manifest: Manifest,
}

/// What a full verification found.
pub struct Verification {
    /// All findings, errors first.
    pub findings: Vec<Finding>,
    /// Bytes of data that were read and compared.
    pub n_bytes: u64,
}

const SIGNATURE: &[u8; 8] = b"\x89HDF\r\n\x1a\n";

impl Store {
    /// Opens a store and compares its structure with its manifest; the data are not read.
    ///
    /// # Errors
    /// The file is absent, no HDF5 file, no store, of another version, or its structure
    /// contradicts its manifest.
    pub fn open(path: &Path) -> Result<Store, StoreError> {
        // The library prints its own error stack otherwise, before we can say anything.
        hdf5::silence_errors(true);
        check_signature(path)?;
        let file = File::open(path).map_err(|error| hdf5_error(path, "the file", &error))?;
        check_version(path, &file)?;
        let manifest = read_manifest(path, &file)?;
        let store = Store { path: path.into(), file, manifest };
        store.check_structure()?;
        Ok(store)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Segment ids of a split in order; empty where the split is absent.
    pub fn ids(&self, split: SplitName) -> &[String] {
        self.manifest.split(split).map_or(&[], |entry| &entry.ids)
    }

    /// Overall regression labels, `[n_samples]`.
    ///
    /// # Errors
    /// The split is absent, cannot be read, or differs from its digest.
    pub fn labels(&self, split: SplitName) -> Result<Vec<f32>, StoreError> {
        let column = self.column(&format!("/{split}/regression_labels"))?;
        self.checked_values::<f32>(column)
    }

    /// Features of one modality, `[n_samples, seq_len, feat_dim]`; `None` where the store has
    /// none.
    ///
    /// # Errors
    /// The features cannot be read, or differ from their digest.
    pub fn features(
        &self,
        split: SplitName,
        modality: Modality,
    ) -> Result<Option<Array3<f32>>, StoreError> {
        let Some(column) = self.manifest.column(&format!("/{split}/{modality}")) else {
            return Ok(None);
        };
        let shape = self.shape3(column)?;
        let values = self.checked_values::<f32>(column)?;
        Array3::from_shape_vec(shape, values)
            .map(Some)
            .map_err(|error| self.damaged(&column.path, error.to_string()))
    }

    /// Features of one modality a few samples at a time, in order, for what need not have all of
    /// them in memory; the values are `[n_samples, seq_len, feat_dim]` row by row.
    ///
    /// # Errors
    /// Whatever `take` fails with; the store has no such features, they cannot be read, or, known
    /// only after the last call, they differ from their digest.
    pub fn feature_pieces<E: From<StoreError>>(
        &self,
        split: SplitName,
        modality: Modality,
        mut take: impl FnMut(&[f32]) -> Result<(), E>,
    ) -> Result<(), E> {
        let column = self.column(&format!("/{split}/{modality}"))?;
        let digest = self.pieces(column, |_, values| take(values))?;
        Ok(self.compare_digest(column, &digest)?)
    }

    /// A column of numbers such as `/train/text_bert`; `None` where the store has none.
    ///
    /// # Errors
    /// The column is of another type, cannot be read, or differs from its digest.
    pub fn numbers<T: Element>(&self, path: &str) -> Result<Option<ArrayD<T>>, StoreError> {
        let Some(column) = self.manifest.column(path) else { return Ok(None) };
        if column.dtype != T::DTYPE {
            let problem = format!("expected {}, found {}", T::DTYPE, column.dtype);
            return Err(self.damaged(path, problem));
        }
        ArrayD::from_shape_vec(column.shape.as_slice(), self.checked_values::<T>(column)?)
            .map(Some)
            .map_err(|error| self.damaged(path, error.to_string()))
    }

    /// Recorded numbers of frames, `[n_samples]`; `None` where the store has none.
    ///
    /// # Errors
    /// The column cannot be read, or differs from its digest.
    pub fn lengths(
        &self,
        split: SplitName,
        modality: Modality,
    ) -> Result<Option<Vec<i32>>, StoreError> {
        let column = self.manifest.column(&format!("/{split}/{modality}_lengths"));
        column.map(|column| self.checked_values::<i32>(column)).transpose()
    }

    /// Strings of one column such as `/train/raw_text`; `None` where the store has none.
    ///
    /// # Errors
    /// The column cannot be read, or differs from its digest.
    pub fn strings(&self, path: &str) -> Result<Option<Vec<String>>, StoreError> {
        let Some(column) = self.manifest.column(path) else { return Ok(None) };
        let values = self.raw_strings(column)?;
        self.compare_digest(column, &digest::of_strings(&values))?;
        Ok(Some(owned(&values)))
    }

    /// Reads everything, compares it with the recorded digests and checks it against the
    /// dataset's rules and, where there is one, with the table of labels that is `expected`.
    /// `advance` is told of every stretch of bytes done.
    ///
    /// # Errors
    /// The file cannot be read. Content that is wrong is a finding, not an error.
    pub fn verify(
        &self,
        expected: Option<&LabelTable>,
        advance: &(dyn Fn(u64) + Sync),
    ) -> Result<Verification, StoreError> {
        let mut findings = Vec::new();
        let mut n_bytes = 0;
        let mut blocks: BTreeMap<(SplitName, Modality), BlockStats> = BTreeMap::new();
        let mut evidence = Evidence { expected, ..Evidence::default() };
        for column in &self.manifest.columns {
            let (found, seen) = self.digest_column(column)?;
            if found != column.blake3 {
                findings.push(self.digest_finding(column));
            }
            if let (Some(key), Some(seen)) = (feature_key(&column.path), seen) {
                blocks.insert(key, seen.stats);
                evidence.details.entry(key.0).or_default().blocks.insert(key.1, seen.detail);
            }
            let size = column_bytes(column);
            n_bytes += size;
            advance(size);
        }
        let facts: Vec<SplitFacts> = self
            .manifest
            .splits
            .iter()
            .map(|split| self.split_facts(split.name, &blocks))
            .collect::<Result<_, _>>()?;
        for split in &self.manifest.splits {
            self.read_detail(split.name, evidence.details.entry(split.name).or_default())?;
        }
        findings.extend(check_with(self.manifest.dataset, &facts, &evidence));
        Ok(Verification { findings, n_bytes })
    }

    /// The store's tree, for a person to look at. Only ids and labels are read.
    ///
    /// # Errors
    /// A column cannot be read.
    pub fn describe(&self, name: &str) -> Result<Tree, StoreError> {
        let manifest = &self.manifest;
        let mut children = Vec::new();
        for split in &manifest.splits {
            let first: Vec<&str> = split.ids.iter().take(3).map(String::as_str).collect();
            let prefix = format!("/{}/", split.name);
            let columns = manifest.columns.iter().filter_map(|column| {
                let name = column.path.strip_prefix(&prefix)?;
                let detail = match (name, column.dtype.as_str()) {
                    ("id", _) => format!("string {:?}  first: {}", column.shape, first.join(", ")),
                    (_, "string") => format!("string {:?}", column.shape),
                    (_, dtype) => {
                        format!("{dtype} {:?} {}", column.shape, human_bytes(column_bytes(column)))
                    }
                };
                Some(Tree::leaf(name, detail))
            });
            children.push(Tree {
                name: split.name.to_string(),
                detail: format!("{} segments", split.ids.len()),
                children: columns.collect(),
            });
        }
        for source in &manifest.sources {
            let detail = format!("{} ({} layout)", source.file_name, manifest.layout);
            children.push(Tree::leaf("source", detail));
            children.push(Tree::leaf("sha256", &source.sha256));
        }
        children.push(Tree::leaf("digest", &manifest.digest));
        let size = human_bytes(self.file.size());
        let detail = format!("{} (store version {VERSION}, {size})", manifest.dataset.title());
        Ok(Tree { name: name.into(), detail, children })
    }

    fn split_facts(
        &self,
        name: SplitName,
        blocks: &BTreeMap<(SplitName, Modality), BlockStats>,
    ) -> Result<SplitFacts, StoreError> {
        // Read without comparing digests: a damaged column is a finding here, and the others are
        // still checked.
        let mut facts = SplitFacts {
            name,
            ids: owned(&self.raw_strings(self.column(&format!("/{name}/id"))?)?),
            labels: self.values(self.column(&format!("/{name}/regression_labels"))?)?,
            classes: self
                .manifest
                .column(&format!("/{name}/classification_labels"))
                .map(|column| self.values(column))
                .transpose()?,
            annotations: self
                .manifest
                .column(&format!("/{name}/annotations"))
                .map(|column| self.raw_strings(column).map(|words| owned(&words)))
                .transpose()?,
            blocks: BTreeMap::new(),
        };
        for modality in Modality::ALL {
            if let Some(stats) = blocks.get(&(name, modality)) {
                let shape = self.shape3(self.column(&format!("/{name}/{modality}"))?)?;
                let lengths = self.unchecked_lengths(name, modality)?;
                facts.blocks.insert(modality, BlockFacts { shape, lengths, stats: stats.clone() });
            }
        }
        Ok(facts)
    }

    /// Reads what else the rules look at, without comparing digests, as [`Store::split_facts`].
    fn read_detail(&self, name: SplitName, detail: &mut SplitDetail) -> Result<(), StoreError> {
        let column = |column: &str| self.manifest.column(&format!("/{name}/{column}"));
        if let Some(column) = column("raw_text") {
            detail.raw_text = Some(owned(&self.raw_strings(column)?));
        }
        if let Some(column) = column("text_bert") {
            let tokens = Array3::from_shape_vec(self.shape3(column)?, self.values(column)?);
            let tokens = tokens.map_err(|error| self.damaged(&column.path, error.to_string()))?;
            detail.tokens = Some(tokens);
        }
        detail.text_lengths = self.unchecked_lengths(name, Modality::Text)?;
        for bins in self.manifest.dataset.bin_scheme().bins() {
            if let Some(column) = column(&format!("bins/{}", Bins::name(*bins))) {
                detail.bins.insert(Bins::name(*bins), self.values(column)?);
            }
        }
        for modality in Modality::ALL {
            if let Some(column) = column(&format!("regression_labels_{}", modality.letter())) {
                detail.labels_by_modality.insert(modality, self.values(column)?);
            }
        }
        Ok(())
    }

    fn unchecked_lengths(
        &self,
        split: SplitName,
        modality: Modality,
    ) -> Result<Option<Vec<i32>>, StoreError> {
        let column = self.manifest.column(&format!("/{split}/{modality}_lengths"));
        column.map(|column| self.values(column)).transpose()
    }

    fn digest_finding(&self, column: &Column) -> Finding {
        let message = format!("{} {CHANGED}", self.place(column));
        Finding::new(Rule::Digest, message, 1, vec![])
    }

    fn compare_digest(&self, column: &Column, found: &str) -> Result<(), StoreError> {
        if found == column.blake3 {
            return Ok(());
        }
        Err(self.damaged(&self.place(column), CHANGED.into()))
    }

    /// A column's path, and where its bytes lie in the file.
    fn place(&self, column: &Column) -> String {
        let offset = self.file.dataset(&column.path).ok().and_then(|dataset| dataset.offset());
        match offset {
            Some(start) if column.dtype != "string" => {
                format!("{} (bytes {start} to {})", column.path, start + column_bytes(column))
            }
            _ => column.path.clone(),
        }
    }

    /// The digest of a column's content, and what was seen in a feature block.
    fn digest_column(&self, column: &Column) -> Result<(String, Option<BlockReading>), StoreError> {
        Ok(match column.dtype.as_str() {
            "string" => (digest::of_strings(&self.raw_strings(column)?), None),
            "int32" => (digest::of_values(&self.values::<i32>(column)?), None),
            "int8" => (digest::of_values(&self.values::<i8>(column)?), None),
            _ if column.shape.len() == 3 => {
                let (digest, seen) = self.digest_block(column)?;
                (digest, Some(seen))
            }
            _ => (digest::of_values(&self.values::<f32>(column)?), None),
        })
    }

    fn digest_block(&self, column: &Column) -> Result<(String, BlockReading), StoreError> {
        let shape = self.shape3(column)?;
        let lengths = match feature_key(&column.path) {
            Some((split, modality)) => self.unchecked_lengths(split, modality)?,
            None => None,
        };
        let mut reading = BlockReading::default();
        let digest = self.pieces(column, |_, values| {
            reading.take(values, shape, lengths.as_deref());
            Ok::<_, StoreError>(())
        })?;
        Ok((digest, reading))
    }

    /// Reads a feature block a few samples at a time: `take` gets the index of the first and the
    /// values of all of them. Returns the digest of the whole.
    fn pieces<E: From<StoreError>>(
        &self,
        column: &Column,
        mut take: impl FnMut(usize, &[f32]) -> Result<(), E>,
    ) -> Result<String, E> {
        let dataset = self.dataset(&column.path)?;
        let [n_samples, seq_len, feat_dim] = self.shape3(column)?;
        let piece_rows = (PIECE_VALUES / (seq_len * feat_dim).max(1)).max(1);
        let mut hasher = blake3::Hasher::new();
        for start in (0..n_samples).step_by(piece_rows) {
            let end = n_samples.min(start + piece_rows);
            let piece: Array3<f32> = dataset
                .as_reader()
                .no_convert()
                .read_slice((start..end, .., ..))
                .map_err(|error| hdf5_error(&self.path, &column.path, &error))?;
            let (values, _) = piece.into_raw_vec_and_offset();
            digest::update(&mut hasher, &values);
            take(start, &values)?;
        }
        Ok(digest::finish(&hasher))
    }

    fn check_structure(&self) -> Result<(), StoreError> {
        let size = self.file.size();
        let found = store_digest(&self.manifest.columns);
        if found != self.manifest.digest {
            let problem = format!("digest {} is not that of its columns", self.manifest.digest);
            return Err(self.damaged("manifest", problem));
        }
        for column in &self.manifest.columns {
            let dataset = self.dataset(&column.path)?;
            if dataset.shape() != column.shape {
                let (found, expected) = (dataset.shape(), &column.shape);
                let problem = format!("expected shape {expected:?}, found {found:?}");
                return Err(self.damaged(&column.path, problem));
            }
            let found = dtype_name(&dataset).unwrap_or("another type");
            if found != column.dtype {
                let problem = format!("expected {}, found {found}", column.dtype);
                return Err(self.damaged(&column.path, problem));
            }
            // A size that the file cannot hold must never reach an allocation.
            if checked_bytes(column).is_none_or(|bytes| column.dtype != "string" && bytes > size) {
                let problem = format!("shape {:?} is larger than the file", column.shape);
                return Err(self.damaged(&column.path, problem));
            }
        }
        for split in &self.manifest.splits {
            let labels = self.column(&format!("/{}/regression_labels", split.name))?;
            let n_samples = split.ids.len();
            let prefix = format!("/{}/", split.name);
            let columns = self.manifest.columns.iter().filter(|c| c.path.starts_with(&prefix));
            for column in columns.chain([labels]) {
                if column.shape.first() != Some(&n_samples) {
                    let found = column.shape.first().copied().unwrap_or(0);
                    let problem = format!("expected {n_samples} samples, found {found}");
                    return Err(self.damaged(&column.path, problem));
                }
            }
        }
        Ok(())
    }

    fn column(&self, path: &str) -> Result<&Column, StoreError> {
        self.manifest.column(path).ok_or_else(|| self.damaged(path, "is absent".into()))
    }

    fn dataset(&self, path: &str) -> Result<H5Dataset, StoreError> {
        self.file.dataset(path).map_err(|error| hdf5_error(&self.path, path, &error))
    }

    fn checked_values<T: Element>(&self, column: &Column) -> Result<Vec<T>, StoreError> {
        let values = self.values::<T>(column)?;
        self.compare_digest(column, &digest::of_values(&values))?;
        Ok(values)
    }

    fn values<T: Element>(&self, column: &Column) -> Result<Vec<T>, StoreError> {
        let dataset = self.dataset(&column.path)?;
        if dataset.size() == 0 {
            return Ok(Vec::new());
        }
        dataset
            .as_reader()
            .no_convert()
            .read_raw()
            .map_err(|error| hdf5_error(&self.path, &column.path, &error))
    }

    fn raw_strings(&self, column: &Column) -> Result<Vec<VarLenUnicode>, StoreError> {
        let dataset = self.dataset(&column.path)?;
        if dataset.size() == 0 {
            return Ok(Vec::new());
        }
        dataset.read_raw().map_err(|error| hdf5_error(&self.path, &column.path, &error))
    }

    fn shape3(&self, column: &Column) -> Result<[usize; 3], StoreError> {
        <[usize; 3]>::try_from(column.shape.as_slice()).map_err(|_| {
            self.damaged(&column.path, format!("expected 3 axes, found {}", column.shape.len()))
        })
    }

    fn damaged(&self, place: &str, problem: String) -> StoreError {
        StoreError::Damaged { path: self.path.clone(), place: place.into(), problem }
    }
}

const CHANGED: &str = "differs from its recorded BLAKE3: the file was changed";

fn owned(values: &[VarLenUnicode]) -> Vec<String> {
    values.iter().map(|value| value.as_str().to_owned()).collect()
}

/// Values that one step of reading a feature block holds in memory.
const PIECE_VALUES: usize = 1 << 20;

fn feature_key(path: &str) -> Option<(SplitName, Modality)> {
    let (split, modality) = path.strip_prefix('/')?.split_once('/')?;
    Some((split.parse().ok()?, modality.parse().ok()?))
}

fn checked_bytes(column: &Column) -> Option<u64> {
    let size = if column.dtype == "int8" { 1_usize } else { 4 };
    let product = column.shape.iter().try_fold(size, |all, extent| all.checked_mul(*extent))?;
    u64::try_from(product).ok()
}

fn column_bytes(column: &Column) -> u64 {
    checked_bytes(column).unwrap_or(0)
}

fn dtype_name(dataset: &H5Dataset) -> Option<&'static str> {
    use hdf5::types::{FloatSize, IntSize};
    match dataset.dtype().ok()?.to_descriptor().ok()? {
        TypeDescriptor::Float(FloatSize::U4) => Some("float32"),
        TypeDescriptor::Integer(IntSize::U4) => Some("int32"),
        TypeDescriptor::Integer(IntSize::U1) => Some("int8"),
        TypeDescriptor::VarLenUnicode => Some("string"),
        _ => None,
    }
}

fn hdf5_error(path: &Path, place: &str, error: &hdf5::Error) -> StoreError {
    StoreError::Hdf5 { path: path.into(), place: place.into(), cause: error.to_string() }
}

fn check_signature(path: &Path) -> Result<(), StoreError> {
    let io = |action, cause| StoreError::Io { path: path.into(), action, cause };
    let mut file = std::fs::File::open(path).map_err(|cause| io("open", cause))?;
    let mut start = [0; SIGNATURE.len()];
    match file.read_exact(&mut start) {
        Ok(()) if start == *SIGNATURE => Ok(()),
        Err(cause) if cause.kind() != std::io::ErrorKind::UnexpectedEof => Err(io("read", cause)),
        _ => Err(StoreError::NotHdf5 { path: path.into() }),
    }
}

fn check_version(path: &Path, file: &File) -> Result<(), StoreError> {
    let Ok(attribute) = file.attr("store_version") else {
        return Err(StoreError::NotAStore { path: path.into() });
    };
    let found: u64 = attribute
        .read_scalar()
        .map_err(|error| hdf5_error(path, "attribute `store_version`", &error))?;
    if found == u64::from(VERSION) {
        return Ok(());
    }
    Err(StoreError::Version { path: path.into(), found })
}

fn read_manifest(path: &Path, file: &File) -> Result<Manifest, StoreError> {
    let text = |name: &str| {
        file.attr(name)
            .and_then(|attribute| attribute.read_scalar::<VarLenUnicode>())
            .map_err(|error| hdf5_error(path, &format!("attribute `{name}`"), &error))
    };
    let damaged = |problem: String| StoreError::Damaged {
        path: path.into(),
        place: "attribute `manifest`".into(),
        problem,
    };
    let json = text("manifest")?;
    if blake3::hash(json.as_bytes()).to_hex().as_str() != text("manifest_blake3")?.as_str() {
        return Err(damaged("differs from its recorded BLAKE3: the file was changed".into()));
    }
    serde_json::from_str(&json).map_err(|error| damaged(error.to_string()))
}
