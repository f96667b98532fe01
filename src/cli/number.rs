//! Parses numbers on the command line; errors state the valid range.

use clap::Command;

/// A type of whole numbers.
pub trait Whole: TryFrom<u64> + Clone + Send + Sync + 'static {
    /// Largest value.
    const MOST: u64;
}

impl Whole for u8 {
    const MOST: u64 = u8::MAX as u64;
}

impl Whole for u16 {
    const MOST: u64 = u16::MAX as u64;
}

impl Whole for u32 {
    const MOST: u64 = u32::MAX as u64;
}

impl Whole for u64 {
    const MOST: u64 = u64::MAX;
}

impl Whole for usize {
    const MOST: u64 = usize::MAX as u64;
}

/// A parser for whole numbers from `least` to `most`.
pub fn within<T: Whole>(
    least: u64,
    most: u64,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static {
    move |text| {
        let number = text.parse().ok().filter(|number| (least..=most).contains(number));
        number.and_then(|number| T::try_from(number).ok()).ok_or_else(|| match most {
            u64::MAX => format!("expected a whole number, {least} or more"),
            _ => format!("expected a whole number from {least} to {most}"),
        })
    }
}

/// A parser for whole numbers from `least` on.
pub fn from<T: Whole>(
    least: u64,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static {
    within(least, T::MOST)
}

/// Makes every option accept negative-looking values, so that its parser can state the range instead of
/// clap reporting an unknown option.
pub fn take_negative(command: Command) -> Command {
    command
        .mut_args(|arg| match arg.get_action().takes_values() && !arg.is_positional() {
            true => arg.allow_negative_numbers(true),
            false => arg,
        })
        .mut_subcommands(take_negative)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tries an impossible number as every option, of all commands.
    fn try_options(command: &Command, n_tried: &mut usize) {
        for arg in command.get_arguments().filter(|arg| arg.get_action().takes_values()) {
            let Some(long) = arg.get_long() else { continue };
            let option = format!("--{long}=-1x");
            let Err(error) = command.clone().try_get_matches_from(["almt-data", &option]) else {
                continue;
            };
            let error = error.to_string();
            for words in ["invalid digit", "invalid float"] {
                assert!(!error.contains(words), "{} {option}: {error}", command.get_name());
            }
            *n_tried += 1;
        }
        command.get_subcommands().for_each(|command| try_options(command, n_tried));
    }

    #[test]
    fn every_option_states_its_range() {
        use clap::CommandFactory;
        let mut n_tried = 0;
        try_options(&take_negative(super::super::Cli::command()), &mut n_tried);
        assert!(n_tried > 50, "{n_tried}");
    }

    #[test]
    fn what_is_out_of_range_is_told_the_range() {
        let parse = within::<u8>(1, 64);
        assert_eq!(parse("64"), Ok(64));
        for text in ["0", "65", "-1", "1.5", "", "many", "99999999999999999999999"] {
            assert_eq!(parse(text).unwrap_err(), "expected a whole number from 1 to 64", "{text}");
        }
        assert_eq!(from::<u64>(0)("-1").unwrap_err(), "expected a whole number, 0 or more");
        assert_eq!(
            from::<u32>(1)("4294967296").unwrap_err(),
            "expected a whole number from 1 to 4294967295"
        );
    }
}
