//! The integration tests, in one binary because native libraries are slow to link.
//!
//! `align`: computational sequences aligned, compared with the SDK.
//! `bad_input`: problems of a file are reported on one line, and nothing is left behind.
//! `broken`: broken inputs of `build`, `align` and sound have one cause and leave nothing behind.
//! `build`: stores from a table of clips and a file of features per clip.
//! `calls`: calls that are tolerated, warned about or refused: run folders, numbers, lengths, invalid
//! stores, meaningless predictions.
//! `cases`: files of related projects, up to the final outcome.
//! `containers`: pickles in compressed files and archives.
//! `convert`: pickles to stores and reading these in Python, on real data if available.
//! `csd`: computational sequences, compared with h5py; broken ones.
//! `data_schema`: checkpoints and data of another kind; predictions of texts alone.
//! `devices`: finding and loading libtorch, and its CUDA part.
//! `encode`: text features computed by the program.
//! `export`: exports of stores, read by the programs they are for.
//! `faults`: killed runs, full disks, damaged stores.
//! `golden`: parity of model, training, metrics and schedule with recorded values.
//! `golden_bert`: the same for the text encoder, its tokenizer and the model with it.
//! `guides`: commands and snippets in the README and the guides.
//! `help`: the reviewed help texts.
//! `hints`: every hint, the input that leads to it, and its outcome.
//! `json`: every JSON document against its schema.
//! `labels`: counts of label classes.
//! `layouts`: every family of feature files becomes a corpus, or is refused by name.
//! `library`: the library's calls, without the command line.
//! `manual`: man pages and shell completions.
//! `models`: every model of the registry, tested against recorded values and the contract.
//! `own`: datasets of one's own: any range of labels, classes with names.
//! `pickles`: the pickle reader against Python, hostile files and damaged files.
//! `readers`: files that the program reads back, with unknown keys and columns.
//! `recorded`: values recorded from published code.
//! `report`: the page about runs: its content, and how a browser shows it.
//! `reproduce`: the paper's experiments.
//! `rows`: sources that fail in the middle.
//! `rules`: a planted defect for each rule of `validate`.
//! `runs`: contents of run folders, and runs of an earlier version.
//! `signatures`: every known kind of file, by its bytes.
//! `split`: new splits for a store; the description of a store.
//! `store`: one content in every form of a store.
//! `tables`: label tables found in practice, and comparisons of stores with them.
//! `texts`: texts that are not a plain `str`, compared with Python.
//! `timings`: stores of clips whose words have times, or whose features are in computational sequences.
//! `train`: the trainer's commands.
//! `trainer`: the trainer as a library.
//! `values`: values that are not finite or beyond the stored type.
//! `variants`: files that differ in one respect: nothing of them is silently lost or changed.

mod align;
mod bad_input;
mod broken;
mod build;
#[cfg(feature = "train")]
mod calls;
#[cfg(feature = "train")]
mod cases;
mod containers;
mod convert;
mod csd;
#[cfg(feature = "train")]
mod data_schema;
#[cfg(feature = "train")]
mod devices;
#[cfg(feature = "train")]
mod encode;
mod export;
mod faults;
#[cfg(feature = "train")]
mod golden;
#[cfg(feature = "train")]
mod golden_bert;
#[cfg(feature = "train")]
mod guides;
mod help;
mod hints;
mod json;
mod labels;
mod layouts;
mod library;
mod manual;
#[cfg(feature = "train")]
mod models;
#[cfg(feature = "train")]
mod own;
mod pickles;
mod readers;
#[cfg(feature = "train")]
mod recorded;
#[cfg(feature = "train")]
mod report;
#[cfg(feature = "train")]
mod reproduce;
mod rows;
mod rules;
mod runs;
mod signatures;
mod split;
mod store;
mod support;
mod tables;
mod texts;
mod timings;
#[cfg(feature = "train")]
mod train;
#[cfg(feature = "train")]
mod trainer;
mod values;
mod variants;
