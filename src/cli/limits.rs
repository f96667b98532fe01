//! Options that change the limits for pickles.

use clap::Args;

use super::number::from;
use crate::pickle::Limits;
use crate::pickle::limits as default;

/// What one pickle may ask for, of every command that reads one.
#[derive(Args)]
pub struct LimitsArgs {
    /// Nesting depth
    #[arg(long, value_name = "N", default_value_t = default::DEPTH, value_parser = from::<u64>(0))]
    #[arg(help_heading = "Limits", hide_short_help = true)]
    max_depth: u64,
    /// Number of objects and container slots
    #[arg(long, value_name = "N", default_value_t = default::OBJECTS, value_parser = from::<u64>(0))]
    #[arg(help_heading = "Limits", hide_short_help = true)]
    max_objects: u64,
    /// Memory for objects in bytes per byte of the file, beyond 20 MiB
    #[arg(long, value_name = "N", default_value_t = default::MEMORY_PER_BYTE, value_parser = from::<u64>(0))]
    #[arg(help_heading = "Limits", hide_short_help = true)]
    max_memory_per_byte: u64,
    /// Number of memo entries
    #[arg(long, value_name = "N", default_value_t = default::MEMO_ENTRIES, value_parser = from::<u64>(0))]
    #[arg(help_heading = "Limits", hide_short_help = true)]
    max_memo: u64,
    /// Number of values on the stack
    #[arg(long, value_name = "N", default_value_t = default::STACK_VALUES, value_parser = from::<u64>(0))]
    #[arg(help_heading = "Limits", hide_short_help = true)]
    max_stack: u64,
    /// Memory for decoded data, such as escaped strings, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = default::DECODED_BYTES, value_parser = from::<u64>(0))]
    #[arg(help_heading = "Limits", hide_short_help = true)]
    max_decoded: u64,
    /// Length of a string in bytes
    #[arg(long, value_name = "BYTES", default_value_t = default::STRING_BYTES, value_parser = from::<u64>(0))]
    #[arg(help_heading = "Limits", hide_short_help = true)]
    max_string: u64,
    /// Length of an integer in bytes or decimal digits
    #[arg(long, value_name = "BYTES", default_value_t = default::INTEGER_BYTES, value_parser = from::<u64>(0))]
    #[arg(help_heading = "Limits", hide_short_help = true)]
    max_integer: u64,
    /// Number of array axes
    #[arg(long, value_name = "N", default_value_t = default::AXES, value_parser = from::<u64>(0))]
    #[arg(help_heading = "Limits", hide_short_help = true)]
    max_axes: u64,
    /// Number of array elements
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
