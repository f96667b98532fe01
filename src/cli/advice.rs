//! Words fixes as hints, with options and commands.
//!
//! Errors of the library know possible fixes but no command line. This module words each of them as one
//! line after `hint: `.

mod pickle;
mod source;
mod store;
mod table;
mod trainer;

use crate::advice::Advice;
use crate::limit::Limit;

/// The hint for an advice.
pub fn hint(advice: &Advice) -> String {
    match advice {
        Advice::Outside(words) => words.clone().into_owned(),
        Advice::CopyAgain => "download or copy the file again".into(),
        Advice::CopyAsBinary => "the file was copied as text; copy it again in binary mode".into(),
        Advice::Raise(limit) => match option(*limit) {
            Some(option) => format!(
                "no known feature file comes near this limit; if you trust this one, `{option}` \
                 raises it"
            ),
            None => "no known feature file comes near this limit; do not trust this one".into(),
        },
        Advice::Pickle(advice) => pickle::hint(*advice).into(),
        Advice::Packed(advice) => pickle::packed_hint(advice),
        Advice::OnceUnpacked(advice) => match hint(advice) {
            // A command in it would need the packed file instead of the content.
            hint if hint.contains('`') => format!("once it is unpacked: {hint}"),
            hint => hint,
        },
        Advice::Known(advice) => source::known_hint(advice),
        Advice::Source(advice) => source::hint(advice),
        Advice::Table(advice) => table::hint(advice),
        Advice::Store(advice) => store::hint(advice),
        Advice::Trainer(advice) => trainer::hint(advice),
    }
}

/// The option that raises a limit; `None` if there is none.
fn option(limit: Limit) -> Option<&'static str> {
    match limit {
        Limit::Depth => Some("--max-depth"),
        Limit::Objects => Some("--max-objects"),
        Limit::Memory => Some("--max-memory-per-byte"),
        Limit::Memo => Some("--max-memo"),
        Limit::Stack => Some("--max-stack"),
        Limit::Decoded => Some("--max-decoded"),
        Limit::String | Limit::Line => Some("--max-string"),
        Limit::Integer | Limit::Digits => Some("--max-integer"),
        Limit::Axes => Some("--max-axes"),
        Limit::Elements => Some("--max-elements"),
        Limit::Unpacked => Some("--max-unpacked"),
        Limit::MemoOfSmallFile | Limit::Pickles => None,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_option_of_a_limit_is_one_of_convert() {
        let command = crate::cli::Cli::command();
        let convert = command.find_subcommand("convert").unwrap();
        let known: Vec<&str> = convert.get_arguments().filter_map(|arg| arg.get_long()).collect();
        for limit in Limit::ALL {
            if let Some(option) = option(limit) {
                assert!(known.contains(&option.trim_start_matches('-')), "{limit}: {option}");
            }
        }
    }
}
