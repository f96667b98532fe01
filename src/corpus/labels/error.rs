//! Why a label table was not read, and possible fixes.

use std::borrow::Cow;
use std::path::PathBuf;

use super::field::Field;
use crate::advice::{Advice, Advise, TableAdvice};
use crate::chain::tried;
use crate::encoding::Encoding;

/// Why a label table was not read.
#[derive(Debug, thiserror::Error)]
pub enum LabelTableError {
    /// The file system refused.
    #[error("{path}: {}", tried("read", cause))]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        #[source]
        cause: std::io::Error,
    },
    /// The file is of another kind.
    #[error("{path}: not a table of text: {what}")]
    Kind {
        /// The file.
        path: PathBuf,
        /// Description of the file.
        what: &'static str,
        /// How to make a table of it.
        advice: Box<Advice>,
    },
    /// The file is far larger than any label table.
    #[error("{path}: not a table of labels: {found} bytes, the limit is {limit}")]
    Size {
        /// The file.
        path: PathBuf,
        /// Its size.
        found: u64,
        /// The limit.
        limit: u64,
    },
    /// Bytes that are not text in the encoding in use.
    #[error("{path}: line {line}: bytes that are not {expected}: {looks}")]
    Encoding {
        /// The file.
        path: PathBuf,
        /// Line of the file, from 1.
        line: usize,
        /// The encoding in use.
        expected: Encoding,
        /// Description of their appearance.
        looks: String,
        /// Possible fix.
        advice: Box<TableAdvice>,
    },
    /// The requested encoding is not the file's.
    #[error("{path}: begins with the byte order mark of {found}, and not with {expected}")]
    ByteOrderMark {
        /// The file.
        path: PathBuf,
        /// The requested encoding.
        expected: Encoding,
        /// The file's encoding.
        found: Encoding,
    },
    /// A table without rows.
    #[error("{path}: the table has no rows{}", .header.as_ref().map_or(String::new(), |found| format!(", only the columns {found}")))]
    Empty {
        /// The file.
        path: PathBuf,
        /// The columns, if any.
        header: Option<String>,
    },
    /// A quoted text without a closing quote.
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
        /// Columns in the table.
        expected: usize,
        /// Fields in the line.
        found: usize,
    },
    /// The first line is data, not names.
    #[error("{path}: the columns have no names: the first line is {found}")]
    Headerless {
        /// The file.
        path: PathBuf,
        /// The first line.
        found: String,
        /// Likely fields of the columns, by number from 1.
        columns: Vec<(Field, usize)>,
    },
    /// No column identifies the rows' segments, or there is nothing to compare.
    #[error("{path}: no column is known to be {expected}: found {found}")]
    Column {
        /// The file.
        path: PathBuf,
        /// The required column.
        expected: &'static str,
        /// The header.
        found: String,
        /// Its field.
        field: Field,
        /// Whether segments are made from the table, rather than compared with it.
        is_source: bool,
    },
    /// Two columns that match one field.
    #[error("{path}: {found} can each be the {field}")]
    Ambiguous {
        /// The file.
        path: PathBuf,
        /// The field.
        field: Field,
        /// The columns.
        found: String,
        /// The first of them.
        first: String,
    },
    /// A chosen column does not exist, or was chosen for two fields.
    #[error("{path}: the choice of column `{choice}`: {problem}")]
    Choice {
        /// The file.
        path: PathBuf,
        /// The choice.
        choice: String,
        /// The problem.
        problem: String,
    },
    /// A field that is not a number or not a split.
    #[error("{path}: line {line}, column {column}: expected {expected}, found `{found}`")]
    Field {
        /// The file.
        path: PathBuf,
        /// Line of the file, from 1.
        line: usize,
        /// Name of the column, in backticks.
        column: String,
        /// Valid content.
        expected: Cow<'static, str>,
        /// Actual content.
        found: String,
        /// Possible fix, if known.
        advice: Option<Box<TableAdvice>>,
    },
    /// A duplicate segment.
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
            LabelTableError::Column { field, is_source, .. } => {
                let is_read = |field: &Field| *is_source || !field.is_of_source();
                let fields = Field::ALL.into_iter().filter(is_read);
                let fields = fields.map(Field::name).collect();
                TableAdvice::SayColumn { field: field.name(), fields }
            }
            LabelTableError::Ambiguous { field, first, .. } => {
                TableAdvice::ChooseColumn { field: field.to_string(), column: first.clone() }
            }
            LabelTableError::Choice { .. } => TableAdvice::FormOfColumn,
            LabelTableError::Twice { .. } => TableAdvice::RemoveRow,
        };
        vec![advice.into()]
    }
}
