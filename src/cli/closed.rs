//! Closed sets of the library as clap knows them: shells complete their names, and a wrong one is
//! told all of them.

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

/// Values that are told by their names.
pub trait ClosedSet: FromStr<Err = UnknownName> + Clone + Send + Sync + 'static {
    /// All names.
    fn names() -> Vec<&'static str>;
}

/// A parser of the names of a closed set. An unknown one is refused in the words of the library,
/// which are those of files with such a name in them: clap's own for a `ValueEnum` are not.
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
        /// For every option of this type, whichever command has it.
        impl ValueParserFactory for $set {
            type Parser = Closed<$set>;

            fn value_parser() -> Closed<$set> {
                Closed(PhantomData)
            }
        }
    };
}

/// Those of a table that is read, of the paper's experiments.
#[cfg(feature = "train")]
impl ClosedSet for ExperimentChoice {
    fn names() -> Vec<&'static str> {
        ExperimentChoice::names()
    }
}

#[cfg(feature = "train")]
parsed!(ExperimentChoice);

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
