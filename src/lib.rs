//! `almt-data` turns the feature pickles of multimodal sentiment analysis (CMU-MOSI, CMU-MOSEI,
//! CH-SIMS) into a validated feature store, and trains and evaluates ALMT from that store.
//!
//! ALMT is the Adaptive Language-guided Multimodal Transformer of Zhang et al., "Learning
//! Language-guided Adaptive Hyper-modality Representation for Multimodal Sentiment Analysis",
//! EMNLP 2023.
//!
//! # Data flow
//!
//! ```text
//! pickle bytes (memory-mapped, or unpacked by container:: into a file without a name)
//!   -> pickle::  a safe stack machine; arrays stay byte ranges of the file
//!   -> ingest::  one layout per family of files -> the canonical corpus
//!   (`.csd` files become a corpus by csd:: and align::)
//!   -> corpus::  splits, segments, feature blocks, labels, bins, checks, manifest (still lazy)
//!   -> store::   HDF5 file or Arrow folder; one pass copies, checks, summarises and checksums
//!      convert::, build::, validate::, split:: and inspect:: join these in one call each
//!   -> export::  the same content in the forms that other programs read
//!   -> trainer:: which samples of a store a run reads, and with which settings
//!   -> train::   batches on the device -> model:: -> metrics -> checkpoint
//!   -> run::     the run folder: settings, epochs, predictions, result, metrics
//!   -> report::  one HTML page about runs
//! ```
//!
//! # The calls
//!
//! Every data command of the program is one call here, with options that have defaults, an optional
//! [`progress`] observer and a typed error: [`convert()`](convert::convert()),
//! [`explain`](convert::explain()), [`align`](align::build()), [`build()`](build::build()),
//! [`validate()`](validate::validate()), [`synth()`](synth::synth()),
//! [`split()`](split::split()), [`inspect()`](inspect::inspect()), [`scan`](packed::scan()),
//! [`copy_file`](store::copy_file()), [`export()`](export::export()), and `summary` and `balance` of an
//! open [`Store`](store::Store). The feature `train` adds `trainer::`: `train`, `Session` with its
//! sweeps over seeds, `evaluate`, `predict`, `encode`, and `reproduce` for the paper's experiments.
//!
//! ```
//! use almt_data::corpus::{Modality, SplitName};
//! use almt_data::{convert::convert, store::Store, synth::{SynthOptions, synth}, validate::validate};
//!
//! let folder = tempfile::tempdir()?;
//! let (pickle, path) = (folder.path().join("mosi.pkl"), folder.path().join("mosi.h5"));
//! synth(&pickle, &SynthOptions { n_train: 8, ..SynthOptions::default() })?;
//! let converted = convert(&[pickle], &path, &Default::default(), &())?;
//! assert_eq!(converted.dataset.title(), "CMU-MOSI");
//! assert!(validate(vec![path.clone()], &Default::default(), &())?.all(|one| one.report.valid));
//! let audio = Store::open(&path)?.features(SplitName::Train, Modality::Audio)?;
//! assert_eq!(audio.unwrap().shape(), [8, 50, 5]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! An error states the problem and links its cause ([`chain`]); possible fixes are data ([`advice`]),
//! which only [`cli`] turns into words. [`cli::call()`] takes the arguments of a data command, and
//! returns its report or failure as the program words it.
//!
//! In addition, [`audio`] computes features of audio files, [`synth`] writes synthetic pickles, [`packed`] opens a pickle inside any container,
//! [`signature`] identifies files of other kinds, `reproduce::` defines which models the paper's
//! experiments compare and analyses what they learned (`trainer::experiments` runs them on a store),
//! and `pretrained::` loads pretrained text encoders and computes a store's text features.
//!
//! Dependencies point one way: [`pickle`] knows nothing of datasets, [`corpus`] nothing of files,
//! [`store`] nothing of pickles, [`model`] nothing of stores, [`run`] nothing of how a model computes.
//! Only [`cli`] sees them all.
//!
//! The cargo feature `train` (on by default) adds libtorch and the tensors of `model`, `pretrained` and
//! `train`; without it the rest, including reading and reporting runs, builds and runs anywhere.

pub mod advice;
pub mod align;
pub mod audio;
pub mod build;
#[cfg(feature = "train")]
mod caught;
pub mod chain;
pub mod cli;
pub mod container;
pub mod convert;
pub mod corpus;
pub mod csd;
pub mod encoding;
pub mod export;
mod hdf5_file;
pub mod ingest;
pub mod inspect;
pub mod intervals;
pub mod limit;
pub mod map;
mod mean;
pub mod model;
pub mod name;
#[cfg(feature = "train")]
mod native;
pub mod overflow;
pub mod packed;
mod paper;
mod paths;
pub mod pickle;
#[cfg(feature = "train")]
pub mod pretrained;
pub mod progress;
pub mod publish;
pub mod report;
#[cfg(feature = "train")]
pub mod reproduce;
pub mod run;
pub mod seed;
pub mod signature;
pub mod split;
pub mod store;
pub mod synth;
#[cfg(feature = "train")]
pub mod train;
#[cfg(feature = "train")]
pub mod trainer;
pub mod tree;
pub mod validate;
mod words;
