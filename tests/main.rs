//! The integration tests, in one binary because native libraries are slow to link.
//!
//! `bad_input`: what is wrong with a file is said in one line, and nothing is left behind.
//! `calls`: what calls are forgiven, warned of and refused: run folders, numbers, lengths, stores that
//! are not valid, predictions that say nothing.
//! `cases`: files that users of neighbouring projects have, to the end of their road.
//! `containers`: pickles in compressed files and archives.
//! `convert`: pickles to stores and what Python reads from them, on real data where there is any.
//! `devices`: libtorch's CUDA part, found and loaded or not.
//! `encode`: text features that the program computes.
//! `export`: stores in the forms of other programs, read by those.
//! `faults`: killed runs, full disks, damaged stores.
//! `golden`: parity of model, training, metrics and schedule with recorded values.
//! `golden_bert`: the same of the text encoder, its tokenizer and the model with it.
//! `guides`: what the README and the guides show.
//! `help`: the help texts, as reviewed.
//! `hints`: every hint, the input that leads to it, and where it leads.
//! `json`: every JSON document against its schema.
//! `labels`: counts of label classes.
//! `layouts`: every family of feature files becomes a corpus, or is refused by name.
//! `library`: the calls of the library, without the command line.
//! `manual`: man pages and shell completions.
//! `models`: every model of the registry, held to recorded values and to the contract.
//! `pickles`: the pickle reader against Python, hostile files and damaged files.
//! `readers`: files that the program reads back, with keys and columns that it does not know.
//! `recorded`: values that were recorded from published code.
//! `report`: the page about runs, its content and what a browser makes of it.
//! `reproduce`: the paper's experiments.
//! `rows`: sources that fail in the middle.
//! `rules`: a planted defect for each rule of `validate`.
//! `runs`: what a run folder holds, and runs of an earlier version.
//! `signatures`: every kind of file that is known, by its bytes.
//! `split`: other splits than those of the store; what a store is described as.
//! `store`: one content in every form of a store.
//! `tables`: tables of labels as people have them, and what of a store they are compared with.
//! `texts`: texts that are no plain `str`, against Python.
//! `train`: the trainer as a user calls it.
//! `trainer`: the trainer as a library.
//! `values`: values that are not finite or beyond the stored type.
//! `variants`: files that differ in one respect: nothing of them is lost or changed without a word.

mod bad_input;
#[cfg(feature = "train")]
mod calls;
#[cfg(feature = "train")]
mod cases;
mod containers;
mod convert;
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
#[cfg(feature = "train")]
mod train;
#[cfg(feature = "train")]
mod trainer;
mod values;
mod variants;
