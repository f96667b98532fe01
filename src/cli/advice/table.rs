//! Hints about label tables.

use crate::advice::TableAdvice;
use crate::words::quoted;

/// The hint for an advice about a label table.
pub(super) fn hint(advice: &TableAdvice) -> String {
    let words = match advice {
        TableAdvice::NameTable => {
            "name the label table itself, which has a few MB for all known datasets"
        }
        TableAdvice::StoreIsNoTable => {
            "pass stores without `--labels`; a label table is a text file, such as \
             `label.csv`"
        }
        TableAdvice::DecodeTable { encoding } => {
            return format!("`--text-encoding {encoding}` decodes the table");
        }
        TableAdvice::MendTable => {
            "fix that line, or save the table as UTF-8; `--text-encoding NAME` sets the encoding"
        }
        TableAdvice::TableKnowsEncoding => {
            "without `--text-encoding` the table is read in the \
            encoding that it declares"
        }
        TableAdvice::SaveTable => "save the table again",
        TableAdvice::CloseQuotes => {
            "close the quotes, or double each quote inside a text, as CSV requires"
        }
        TableAdvice::QuoteField => {
            "a field that contains the separator must be quoted; columns are separated \
             by `,`, `;` or tabs"
        }
        TableAdvice::SayColumns(columns) => {
            let options: Vec<String> = columns
                .iter()
                .map(|(field, number)| format!("--column {field}={number}"))
                .collect();
            return format!(
                "assign the columns by number, from 1, such as `{}`",
                options.join(" ")
            );
        }
        TableAdvice::SayColumn { field, fields } => {
            return format!(
                "`--column {field}=NAME` assigns it; NAME may also be a column number, from 1; \
                 fields: {}",
                fields.join(", ")
            );
        }
        TableAdvice::ChooseColumn { field, column } => {
            let choice = quoted(&format!("{field}={column}"));
            return format!("choose one, such as `--column {choice}`");
        }
        TableAdvice::FormOfColumn => {
            "the form is `--column FIELD=NAME`, where NAME is in the first line of the table or \
             a number from 1"
        }
        TableAdvice::OtherColumnOrNone { field, what } => {
            return format!(
                "`--column {field}=NAME` names the column with the {what}, `--column {field}=` \
                 means no column"
            );
        }
        TableAdvice::OtherColumn { field, columns } => {
            return format!("{columns}; `--column {field}=NAME` names another");
        }
        TableAdvice::StoreLacksValues => {
            "convert a source that has them, and compare that store with the table"
        }
        TableAdvice::WriteAlike => "write all numbers of the column in the same notation",
        TableAdvice::ImportAsText => {
            "a spreadsheet interpreted an id starting with `-` or `=` as a formula: import the \
             original table with that column as text"
        }
        TableAdvice::RemoveRow => "a table has one row per segment: remove one of the two",
    };
    words.into()
}
