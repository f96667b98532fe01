//! Any bytes, under a name chosen by the first byte: identifies them, unpacks them, and reads the parts
//! of a `torch.save` file, each within its limits.

#![no_main]

use almt_data::advice::{Advice, Advise};
use almt_data::container::{self, UnpackOptions};
use almt_data::pickle::{Pickle, Places, Scan, describe};
use almt_data::signature;
use libfuzzer_sys::fuzz_target;

const NAMES: [&str; 8] =
    ["a.pkl", "a.pkl.gz", "a.zip", "a.tar", "a.zip.001", "a.z01", "a.pkl.crdownload", "-x 'y.csv"];

/// Maximum unpacked size of an input in bytes.
const UNPACKED_BYTES: u64 = 1 << 20;

/// Whether the text that an advice takes from a file is one short line.
fn is_short(advice: &Advice) -> bool {
    let words = format!("{advice:?}");
    !words.contains('\n') && words.len() < 1 << 12
}

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, bytes)) = bytes.split_first() else { return };
    let name = NAMES[usize::from(*choice) % NAMES.len()];
    if let Some(known) = signature::identify(bytes, name) {
        assert!(is_short(&known.advice), "{known:?}");
    }
    let entry = choice.is_multiple_of(2).then(|| "e".to_owned());
    let options = UnpackOptions { entry, unpacked_bytes: UNPACKED_BYTES };
    let opened = match container::from_bytes(bytes, name, &options) {
        Ok(opened) => opened,
        Err(error) => {
            assert!(!error.to_string().contains('\n'), "{error}");
            assert!(error.advice().iter().all(is_short), "{error:?}");
            return;
        }
    };
    assert!(!opened.is_packed() || opened.bytes().len() as u64 <= UNPACKED_BYTES);
    let limits = almt_data_fuzz::limits();
    let Ok(parts) = container::torch_parts(opened.bytes(), opened.name()) else { return };
    let content = opened.bytes().to_vec();
    let Some(parts) = parts else {
        let _ = Scan::from_bytes(content, &limits);
        return;
    };
    let places = Places { pickle: parts.pickle, storages: parts.storages };
    if let Ok(pickle) = Pickle::from_places(content, &places, &limits) {
        describe(&pickle, "fuzz");
    }
});
