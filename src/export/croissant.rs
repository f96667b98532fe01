//! Croissant 1.0 metadata (JSON-LD) of a store, for search engines and dataset loaders.
//!
//! One record set per split, one field per column. File names are relative to the metadata, which
//! belong next to the store. Croissant 1.0 does not support arrays: a field's description explains its
//! axes.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::ExportError;
use crate::corpus::SplitName;
use crate::corpus::column::{Column, ColumnKind, Dtype};
use crate::corpus::label::{Bins, LabelScale};
use crate::corpus::spec::DatasetSpec;
use crate::store::{Format, Store};

/// Licence in the metadata if none is given.
const NO_LICENSE: &str = "not stated by the source files";

/// Writes the metadata, after comparing every column with its digest. `license` is a URL or the name of
/// a licence. `advance` receives the bytes of every stretch done.
///
/// # Errors
/// The store cannot be read or differs from its digests, or `out` cannot be written to.
pub fn croissant<W: Write>(
    store: &Store,
    license: Option<&str>,
    mut out: W,
    advance: &dyn Fn(u64),
) -> Result<(), ExportError> {
    store.check_digests()?;
    let manifest = store.manifest();
    let files: Result<Vec<Value>, ExportError> =
        store.files().iter().map(|file| file_object(store, file, advance)).collect();
    let mut metadata = json!({
        "@context": context(),
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": manifest.dataset.name(),
        "description": description(store),
        // The version of the store's layout: content has no version except its digest.
        "version": format!("{}.0.0", manifest.store_version),
        "identifier": format!("blake3:{}", manifest.digest),
        "license": license.unwrap_or(NO_LICENSE),
    });
    // A dataset of one's own has no publication.
    if let Some(DatasetSpec { publication, .. }) = DatasetSpec::of(manifest.dataset) {
        metadata["url"] = (&*publication.url).into();
        metadata["citeAs"] = (&*publication.cite_as).into();
        metadata["creator"] = json!({"@type": "sc:Organization", "name": publication.creator});
        metadata["datePublished"] = publication.year.to_string().into();
    }
    metadata["distribution"] = files?.into();
    let record_sets = manifest.splits.iter().map(|split| record_set(store, split.name));
    metadata["recordSet"] = record_sets.collect::<Vec<_>>().into();
    serde_json::to_writer_pretty(&mut out, &metadata).map_err(std::io::Error::from)?;
    Ok(writeln!(out)?)
}

/// Short names of the other properties.
fn context() -> Value {
    let mut context = json!({
        "@language": "en",
        "@vocab": "https://schema.org/",
        "cr": "http://mlcommons.org/croissant/",
        "dct": "http://purl.org/dc/terms/",
        "rai": "http://mlcommons.org/croissant/RAI/",
        "sc": "https://schema.org/",
        "conformsTo": "dct:conformsTo",
        "data": {"@id": "cr:data", "@type": "@json"},
        "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
        "examples": {"@id": "cr:examples", "@type": "@json"},
    });
    const OF_CROISSANT: [&str; 26] = [
        "citeAs",
        "column",
        "equivalentProperty",
        "extract",
        "field",
        "fileObject",
        "fileProperty",
        "fileSet",
        "format",
        "includes",
        "isLiveDataset",
        "jsonPath",
        "key",
        "md5",
        "parentField",
        "path",
        "recordSet",
        "references",
        "regex",
        "repeated",
        "replace",
        "samplingRate",
        "separator",
        "source",
        "subField",
        "transform",
    ];
    for name in OF_CROISSANT {
        context[name] = format!("cr:{name}").into();
    }
    context
}

fn description(store: &Store) -> String {
    let manifest = store.manifest();
    let sources: Vec<String> = manifest
        .sources
        .iter()
        .map(|source| format!("{} (SHA-256 {})", source.file_name, source.sha256))
        .collect();
    format!(
        "Features and labels of {} for multimodal sentiment analysis, made by {} from {}. BLAKE3 \
         digest of the content: {}.",
        manifest.title(),
        manifest.writer,
        sources.join(", "),
        manifest.digest
    )
}

/// A store file's name, relative to the folder of the store.
fn file_id(store: &Store, file: &Path) -> String {
    let folder = store.path().parent().unwrap_or(Path::new(""));
    let relative = file.strip_prefix(folder).unwrap_or(file);
    let parts: Vec<_> = relative.iter().map(|part| part.to_string_lossy()).collect();
    parts.join("/")
}

fn file_object(store: &Store, file: &Path, advance: &dyn Fn(u64)) -> Result<Value, ExportError> {
    let mut source = File::open(file)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    let mut size = 0;
    loop {
        let n_read = source.read(&mut buffer)?;
        if n_read == 0 {
            break;
        }
        hasher.update(&buffer[..n_read]);
        size += n_read as u64;
        advance(n_read as u64);
    }
    let sha256: String = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    let id = file_id(store, file);
    let format = match file.extension().and_then(|ending| ending.to_str()) {
        Some("json") => "application/json",
        _ if store.format() == Format::Arrow => "application/vnd.apache.arrow.file",
        _ => "application/x-hdf5",
    };
    Ok(json!({
        "@type": "cr:FileObject",
        "@id": id,
        "name": id,
        "contentUrl": id,
        "contentSize": format!("{size} B"),
        "encodingFormat": format,
        "sha256": sha256,
    }))
}

fn record_set(store: &Store, split: SplitName) -> Value {
    let n_samples = store.ids(split).len();
    let columns = store.manifest().columns_of(split);
    let fields: Vec<Value> = columns.map(|column| field(store, column)).collect();
    json!({
        "@type": "cr:RecordSet",
        "@id": split.name(),
        "name": split.name(),
        "description": format!("The {n_samples} segments of the split `{split}`"),
        "key": {"@id": format!("{split}/id")},
        "field": fields,
    })
}

fn field(store: &Store, column: &Column) -> Value {
    let (split, name) = (column.id.split, column.name());
    let id = format!("{split}/{name}");
    let file = store.file_of(split).map(|file| file_id(store, &file));
    // In a split's own file, column names omit the split.
    let within = if store.format() == Format::Arrow { name } else { &id };
    let data_type = match column.dtype {
        Dtype::String => "sc:Text",
        Dtype::Int32 | Dtype::Int8 => "sc:Integer",
        Dtype::Float32 | Dtype::Float16 => "sc:Float",
    };
    let mut field = json!({
        "@type": "cr:Field",
        "@id": id,
        "name": name,
        "description": format!("{}: {}", meaning(store, column), axes(column)),
        "dataType": data_type,
        "source": {"fileObject": {"@id": file}, "extract": {"column": within}},
    });
    if !column.sample_shape().is_empty() {
        field["repeated"] = true.into();
    }
    field
}

/// Type and extents, such as `float32 [n_samples = 1284, seq_len = 50, feat_dim = 768]`.
fn axes(column: &Column) -> String {
    let names: &[&str] = match (&column.id.kind, column.shape.len()) {
        (ColumnKind::TextBert, _) => &["n_samples", "token ids, mask and segment ids", "seq_len"],
        (ColumnKind::EmotionLabels, _) => &["n_samples", "emotion"],
        (_, 3) => &["n_samples", "seq_len", "feat_dim"],
        _ => &["n_samples", "seq_len"],
    };
    let extents: Vec<String> =
        column.shape.iter().zip(names).map(|(extent, name)| format!("{name} = {extent}")).collect();
    format!("{} [{}]", column.dtype, extents.join(", "))
}

/// Describes a column.
fn meaning(store: &Store, column: &Column) -> String {
    let scale = store.manifest().scale();
    let range = scale.range().map(|[lowest, highest]| format!("in [{lowest}, {highest}]"));
    let (of, sentiment) = match (scale, range) {
        (LabelScale::Own(_), range) => ("Label", range.unwrap_or_default()),
        (_, range) => ("Sentiment", range.unwrap_or_default() + ", from negative to positive"),
    };
    match &column.id.kind {
        ColumnKind::Id => "Segment id: video and clip".into(),
        ColumnKind::RawText => "Transcript".into(),
        ColumnKind::Annotations => "Sentiment in a word".into(),
        ColumnKind::Features(modality) => {
            format!("Features of {modality}, zero-padded at the back")
        }
        ColumnKind::TextBert => "Input of BERT".into(),
        ColumnKind::Words => "Word indices into the vocabulary of the source, zero-padded".into(),
        ColumnKind::Lengths(modality) => {
            format!("Number of frames of {modality} before the padding")
        }
        ColumnKind::RegressionLabels => format!("{of} {sentiment}"),
        ColumnKind::RegressionLabelsOf(modality) => {
            format!("{of} of {modality} alone {sentiment}")
        }
        ColumnKind::ClassificationLabels => match scale {
            LabelScale::Own(own) if !own.classes().is_empty() => {
                let names = own.classes().iter().enumerate();
                let names: Vec<String> =
                    names.map(|(class, name)| format!("{class} for {name}")).collect();
                format!("Class, -1 without one, {}", names.join(", "))
            }
            _ => "Sentiment: 0 negative, 1 neutral, 2 positive".into(),
        },
        ColumnKind::EmotionLabels => {
            "Strength of happiness, sadness, anger, surprise, disgust and fear, in [0, 3]".into()
        }
        ColumnKind::Bins(bins) => classes(scale, *bins),
        ColumnKind::Other(_) => "A column that this version of the program does not know".into(),
    }
}

/// Describes the classes of a binning scheme.
fn classes(scale: LabelScale<'_>, bins: Bins) -> String {
    let names = scale.class_names(bins).into_iter().enumerate();
    let classes: Vec<String> =
        names.map(|(class, labels)| format!("{class} for {labels}")).collect();
    let of = match scale {
        LabelScale::Own(_) => "label",
        LabelScale::Cmu | LabelScale::Sims => "sentiment",
    };
    format!("Class of the {of}, -1 where it is excluded, {}", classes.join(", "))
}
