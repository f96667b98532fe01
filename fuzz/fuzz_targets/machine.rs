//! Any bytes, read as a pickle and described, give text or an error with its place.

#![no_main]

use almt_data::pickle::{Pickle, describe};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    match Pickle::from_bytes(bytes.to_vec(), &almt_data_fuzz::limits()) {
        Ok(pickle) => {
            let text = describe(&pickle, "fuzz").to_string();
            assert!(text.len() < 1 << 20, "a description of {} bytes", text.len());
        }
        Err(error) => {
            let offset = error.offset().expect("an error without an offset");
            assert!(offset <= bytes.len() as u64, "{error}");
            assert!(!error.to_string().contains('\n'), "{error}");
        }
    }
});
