//! Closed sets of the library as clap knows them: shells complete their names, and a wrong one is
//! told all of them.

use std::ffi::OsStr;
use std::marker::PhantomData;
use std::str::FromStr;

use clap::ValueEnum;
use clap::builder::{PossibleValue, TypedValueParser, ValueParserFactory};

use crate::corpus::spec::SplitBy;
use crate::corpus::{Dataset, Layout};
use crate::ingest::TextErrors;
use crate::name::UnknownName;
use crate::store::{Compression, FeatureDtype, Format, NonFinite, OnOverflow};

/// A parser of the names of a closed set. An unknown one is refused in the words of the library,
/// which are those of files with such a name in them.
#[derive(Debug, Clone)]
pub struct Closed<T>(PhantomData<T>);

impl<T> TypedValueParser for Closed<T>
where
    T: ValueEnum + FromStr<Err = UnknownName> + Send + Sync + 'static,
{
    type Value = T;

    fn parse_ref(
        &self,
        command: &clap::Command,
        arg: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<T, clap::Error> {
        TypedValueParser::parse_ref(&<T as FromStr>::from_str, command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(T::value_variants().iter().filter_map(T::to_possible_value)))
    }
}

macro_rules! closed {
    ($($set:ty),*) => {$(
        impl ValueEnum for $set {
            fn value_variants<'a>() -> &'a [$set] {
                &<$set>::ALL
            }

            fn to_possible_value(&self) -> Option<PossibleValue> {
                Some(PossibleValue::new(self.name()))
            }
        }

        /// For every option of this type, whichever command has it.
        impl ValueParserFactory for $set {
            type Parser = Closed<$set>;

            fn value_parser() -> Closed<$set> {
                Closed(PhantomData)
            }
        }
    )*};
}

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
