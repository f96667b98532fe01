//! Any bytes can be scanned, and the walk agrees with the machine: pickles that the machine reads have
//! no refused name, and a name that it refuses is in the list.

#![no_main]

use almt_data::pickle::{Pickle, PickleError, Scan};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let limits = almt_data_fuzz::limits();
    let Ok(scan) = Scan::from_bytes(bytes.to_vec(), &limits) else { return };
    match Pickle::from_bytes(bytes.to_vec(), &limits) {
        Ok(_) => {
            assert!(scan.opcodes.contains_key("STOP"), "{scan:?}");
            // Later pickles may contain anything, and names may be computed.
            if scan.n_pickles == 1 {
                let refused = scan.globals.iter().find(|global| !global.allowed);
                assert!(refused.is_none_or(|global| global.name.is_none()), "{scan:?}");
            }
        }
        Err(PickleError::ForbiddenGlobal { offset, .. }) => {
            let listed = scan.globals.iter().find(|global| global.offset == offset);
            assert!(listed.is_some_and(|global| !global.allowed), "byte {offset}: {scan:?}");
            assert!(!scan.allowed, "{scan:?}");
        }
        Err(_) => assert!(!scan.allowed, "{scan:?}"),
    }
});
