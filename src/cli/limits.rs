//! The options that raise or lower what a pickle may ask for.

use clap::Args;

use super::number::from;
use crate::pickle::Limits;
use crate::pickle::limits as default;

/// What one pickle may ask for, of every command that reads one.
#[derive(Args)]
pub struct LimitsArgs {
    /// Levels of nesting
    #[arg(long, value_name = "N", default_value_t = default::DEPTH, value_parser = from::<u64>(0))]
    #[arg(help_heading = "Limits", hide_short_help = true)]
    max_depth: u64,
    /// Objects, and places for them in containers
    #[arg(long, value_name = "N", default_value_t = default::OBJECTS, value_parser = from::<u64>(0))]
    #[arg(help_heading = "Limits", hide_short_help = true)]
    max_objects: u64,
    /// Bytes of memory for objects per byte of the file, beyond 20 MiB
    #[arg(long, value_name = "N", default_value_t = default::MEMORY_PER_BYTE, value_parser = from::<u64>(0))]
    #[arg(help_heading = "Limits", hide_short_help = true)]
    max_memory_per_byte: u64,
    /// Memo entries
    #[arg(long, value_name = "N", default_value_t = default::MEMO_ENTRIES, value_parser = from::<u64>(0))]
    #[arg(help_heading = "Limits", hide_short_help = true)]
    max_memo: u64,
    /// Values on the stack at one time
    #[arg(long, value_name = "N", default_value_t = default::STACK_VALUES, value_parser = from::<u64>(0))]
    #[arg(help_heading = "Limits", hide_short_help = true)]
    max_stack: u64,
    /// Bytes decoded into memory from another form, such as escapes
    #[arg(long, value_name = "BYTES", default_value_t = default::DECODED_BYTES, value_parser = from::<u64>(0))]
    #[arg(help_heading = "Limits", hide_short_help = true)]
    max_decoded: u64,
    /// Bytes of one text
    #[arg(long, value_name = "BYTES", default_value_t = default::STRING_BYTES, value_parser = from::<u64>(0))]
    #[arg(help_heading = "Limits", hide_short_help = true)]
    max_string: u64,
    /// Bytes, or decimal digits, of one integer
    #[arg(long, value_name = "BYTES", default_value_t = default::INTEGER_BYTES, value_parser = from::<u64>(0))]
    #[arg(help_heading = "Limits", hide_short_help = true)]
    max_integer: u64,
    /// Axes of an array
    #[arg(long, value_name = "N", default_value_t = default::AXES, value_parser = from::<u64>(0))]
    #[arg(help_heading = "Limits", hide_short_help = true)]
    max_axes: u64,
    /// Elements of an array
    #[arg(long, value_name = "N", default_value_t = default::ELEMENTS, value_parser = from::<u64>(0))]
    #[arg(help_heading = "Limits", hide_short_help = true)]
    max_elements: u64,
}

impl From<&LimitsArgs> for Limits {
    fn from(args: &LimitsArgs) -> Limits {
        Limits {
            depth: args.max_depth,
            memo_entries: args.max_memo,
            stack_values: args.max_stack,
            objects: args.max_objects,
            memory_per_byte: args.max_memory_per_byte,
            decoded_bytes: args.max_decoded,
            string_bytes: args.max_string,
            integer_bytes: args.max_integer,
            axes: args.max_axes,
            elements: args.max_elements,
        }
    }
}
