//! Why a table of labels was not read, and what to do about it.

use std::path::PathBuf;

use super::field::Field;
use crate::advice::{Advice, Advise, TableAdvice};
use crate::chain::tried;
use crate::encoding::Encoding;

/// Why a table of labels was not read.
#[derive(Debug, thiserror::Error)]
pub enum LabelTableError {
    /// The file system refused.
    #[error("{path}: {}", tried("read", cause))]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        cause: std::io::Error,
    },
    /// The file is something else.
    #[error("{path}: not a table of text: {what}")]
    Kind {
        /// The file.
        path: PathBuf,
        /// What it is.
        what: &'static str,
        /// How a table is made of it.
        advice: Box<Advice>,
    },
    /// Far more bytes than any table of labels has.
    #[error("{path}: not a table of labels: {found} bytes, the limit is {limit}")]
    Size {
        /// The file.
        path: PathBuf,
        /// Its size.
        found: u64,
        /// The limit.
        limit: u64,
    },
    /// Bytes that are no text in the encoding that holds.
    #[error("{path}: line {line}: bytes that are not {expected}: {looks}")]
    Encoding {
        /// The file.
        path: PathBuf,
        /// Line of the file, from 1.
        line: usize,
        /// The encoding that holds.
        expected: Encoding,
        /// What they look like, in words.
        looks: String,
        /// What to do.
        advice: Box<TableAdvice>,
    },
    /// The encoding that was asked for is not that of the file.
    #[error("{path}: begins with the byte order mark of {found}, and not with {expected}")]
    ByteOrderMark {
        /// The file.
        path: PathBuf,
        /// What was asked for.
        expected: Encoding,
        /// What the file says.
        found: Encoding,
    },
    /// A table without rows.
    #[error("{path}: the table has no rows{}", .header.as_ref().map_or(String::new(), |found| format!(", only the columns {found}")))]
    Empty {
        /// The file.
        path: PathBuf,
        /// The columns, if there are any.
        header: Option<String>,
    },
    /// A quoted text without an end.
    #[error("{path}: line {line}: a text in quotes begins here and does not end")]
    Quote {
        /// The file.
        path: PathBuf,
        /// Line of the file, from 1.
        line: usize,
    },
    /// A line with more or fewer fields than the first one.
    #[error("{path}: line {line}: expected {expected} fields, as in the first line, found {found}")]
    Fields {
        /// The file.
        path: PathBuf,
        /// Line of the file, from 1.
        line: usize,
        /// Columns of the table.
        expected: usize,
        /// Fields of the line.
        found: usize,
    },
    /// The first line is one of data.
    #[error("{path}: the columns have no names: the first line is {found}")]
    Headerless {
        /// The file.
        path: PathBuf,
        /// The first line.
        found: String,
        /// What the columns may be, by their numbers, from 1.
        columns: Vec<(Field, usize)>,
    },
    /// No column tells which segment a row is of, or none is there to be compared.
    #[error("{path}: no column is known to be {expected}: found {found}")]
    Column {
        /// The file.
        path: PathBuf,
        /// What is looked for.
        expected: &'static str,
        /// The header.
        found: String,
        /// What a column would have to be.
        field: Field,
    },
    /// Two columns that can be the same.
    #[error("{path}: {found} can each be the {field}")]
    Ambiguous {
        /// The file.
        path: PathBuf,
        /// What they can be.
        field: Field,
        /// The columns.
        found: String,
        /// The first of them.
        first: String,
    },
    /// A column that was named and is not there, or is named for two things.
    #[error("{path}: the choice of column `{choice}`: {problem}")]
    Choice {
        /// The file.
        path: PathBuf,
        /// What was asked for.
        choice: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A field that is no number or no split.
    #[error("{path}: line {line}, column {column}: expected {expected}, found `{found}`")]
    Field {
        /// The file.
        path: PathBuf,
        /// Line of the file, from 1.
        line: usize,
        /// Name of the column, in backticks.
        column: String,
        /// What would do.
        expected: &'static str,
        /// What stands there.
        found: String,
        /// What to do, where that is known.
        advice: Option<Box<TableAdvice>>,
    },
    /// The same segment twice.
    #[error("{path}: line {line}: segment `{id}` appears a second time, first in line {first}")]
    Twice {
        /// The file.
        path: PathBuf,
        /// Line of the second one, from 1.
        line: usize,
        /// Line of the first one.
        first: usize,
        /// The segment.
        id: String,
    },
}

impl Advise for LabelTableError {
    fn advice(&self) -> Vec<Advice> {
        let advice = match self {
            LabelTableError::Io { .. } => return Vec::new(),
            LabelTableError::Kind { advice, .. } => return vec![(**advice).clone()],
            LabelTableError::Field { advice, .. } => {
                return advice.iter().map(|advice| (**advice).clone().into()).collect();
            }
            LabelTableError::Encoding { advice, .. } => (**advice).clone(),
            LabelTableError::Size { .. } => TableAdvice::NameTable,
            LabelTableError::ByteOrderMark { .. } => TableAdvice::TableKnowsEncoding,
            LabelTableError::Empty { .. } => TableAdvice::SaveTable,
            LabelTableError::Quote { .. } => TableAdvice::CloseQuotes,
            LabelTableError::Fields { .. } => TableAdvice::QuoteField,
            LabelTableError::Headerless { columns, .. } => TableAdvice::SayColumns(
                columns.iter().map(|(field, number)| (field.name(), *number)).collect(),
            ),
            LabelTableError::Column { field, .. } => TableAdvice::SayColumn {
                field: field.name(),
                fields: Field::ALL.map(Field::name).into(),
            },
            LabelTableError::Ambiguous { field, first, .. } => {
                TableAdvice::ChooseColumn { field: field.to_string(), column: first.clone() }
            }
            LabelTableError::Choice { .. } => TableAdvice::FormOfColumn,
            LabelTableError::Twice { .. } => TableAdvice::RemoveRow,
        };
        vec![advice.into()]
    }
}
