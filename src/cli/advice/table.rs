//! Hints about tables of labels.

use crate::advice::TableAdvice;
use crate::words::quoted;

/// The hint that an advice about a table is.
pub(super) fn hint(advice: &TableAdvice) -> String {
    let words = match advice {
        TableAdvice::NameTable => {
            "name the table itself; those of all known datasets have a few MB"
        }
        TableAdvice::StoreIsNoTable => {
            "stores to check are named without `--labels`; a table of labels is text, such as \
             `label.csv`"
        }
        TableAdvice::DecodeTable { encoding } => {
            return format!("`--text-encoding {encoding}` reads the table so");
        }
        TableAdvice::MendTable => {
            "mend that line, or save the table as UTF-8; `--text-encoding NAME` says an encoding"
        }
        TableAdvice::TableKnowsEncoding => "without `--text-encoding` the table is read as it says",
        TableAdvice::SaveTable => "save the table again; nothing was compared",
        TableAdvice::CloseQuotes => {
            "close the quotes, or write each quote within a text twice, as CSV asks"
        }
        TableAdvice::QuoteField => {
            "a text or number that has the separator in it stands in quotes; columns are separated \
             by `,`, `;` or tabs"
        }
        TableAdvice::SayColumns(columns) => {
            let options: Vec<String> = columns
                .iter()
                .map(|(field, number)| format!("--column {field}={number}"))
                .collect();
            return format!(
                "say which column is which, counted from 1, such as `{}`",
                options.join(" ")
            );
        }
        TableAdvice::SayColumn { field, fields } => {
            return format!(
                "`--column {field}=NAME` says which it is; NAME may also be the number of the \
                 column, from 1; what a column can be: {}",
                fields.join(", ")
            );
        }
        TableAdvice::ChooseColumn { field, column } => {
            let choice = quoted(&format!("{field}={column}"));
            return format!("say which it is, such as `--column {choice}`");
        }
        TableAdvice::FormOfColumn => {
            "the call is `--column FIELD=NAME`, where NAME is in the first line of the table or a \
             number from 1"
        }
        TableAdvice::OtherColumnOrNone { field, what } => {
            return format!(
                "`--column {field}=NAME` says which column has the {what}, `--column {field}=` \
                 that none has"
            );
        }
        TableAdvice::OtherColumn { field, columns } => {
            return format!("{columns}; `--column {field}=NAME` says another");
        }
        TableAdvice::WriteAlike => "write all numbers of the column alike",
        TableAdvice::ImportAsText => {
            "a spreadsheet took an id that begins with `-` or `=` for a formula: import the \
             original table with that column as text"
        }
        TableAdvice::RemoveRow => "a table has one row for each segment: remove one of the two",
    };
    words.into()
}
