//! Lets clap parse closed sets of the library: shells complete their names, and errors list all of
//! them.

use std::ffi::OsStr;
use std::marker::PhantomData;
use std::str::FromStr;

use clap::builder::{PossibleValue, TypedValueParser, ValueParserFactory};

use crate::corpus::spec::SplitBy;
use crate::corpus::{Dataset, Layout};
use crate::ingest::TextErrors;
use crate::name::UnknownName;
#[cfg(feature = "train")]
use crate::reproduce::ExperimentChoice;
use crate::store::{Compression, FeatureDtype, Format, NonFinite, OnOverflow};

/// Values that are identified by name.
pub trait ClosedSet: FromStr<Err = UnknownName> + Clone + Send + Sync + 'static {
    /// All names.
    fn names() -> Vec<&'static str>;
}

/// A parser for the names of a closed set. Errors about unknown names are the library's, as for names
/// in files; a clap `ValueEnum` would word them differently.
#[derive(Debug, Clone)]
pub struct Closed<T>(PhantomData<T>);

impl<T: ClosedSet> TypedValueParser for Closed<T> {
    type Value = T;

    fn parse_ref(
        &self,
        command: &clap::Command,
        arg: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<T, clap::Error> {
        TypedValueParser::parse_ref(&T::from_str, command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(T::names().into_iter().map(PossibleValue::new)))
    }
}

macro_rules! closed {
    ($($set:ty),*) => {$(
        impl ClosedSet for $set {
            fn names() -> Vec<&'static str> {
                <$set>::ALL.map(<$set>::name).into()
            }
        }

        parsed!($set);
    )*};
}

macro_rules! parsed {
    ($set:ty) => {
        /// For every option of this type, in any command.
        impl ValueParserFactory for $set {
            type Parser = Closed<$set>;

            fn value_parser() -> Closed<$set> {
                Closed(PhantomData)
            }
        }
    };
}

/// A published dataset, or one of one's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnyDataset(pub Dataset);

impl FromStr for AnyDataset {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<AnyDataset, UnknownName> {
        match name == Dataset::Own.name() {
            true => Ok(AnyDataset(Dataset::Own)),
            false => name
                .parse()
                .map(AnyDataset)
                .map_err(|_| UnknownName { found: name.into(), expected: AnyDataset::names() }),
        }
    }
}

impl ClosedSet for AnyDataset {
    fn names() -> Vec<&'static str> {
        Dataset::ALL.into_iter().chain([Dataset::Own]).map(Dataset::name).collect()
    }
}

/// The experiments come from a table.
#[cfg(feature = "train")]
impl ClosedSet for ExperimentChoice {
    fn names() -> Vec<&'static str> {
        ExperimentChoice::names()
    }
}

#[cfg(feature = "train")]
parsed!(ExperimentChoice);

parsed!(AnyDataset);

closed!(
    Compression,
    Dataset,
    FeatureDtype,
    Format,
    Layout,
    NonFinite,
    OnOverflow,
    SplitBy,
    TextErrors
);
