//! Any bytes as the storage of a tensor, with an offset, shape and strides from the first bytes: either
//! an error, or an array whose elements are all readable.

#![no_main]

use almt_data::pickle::Pickle;
use libfuzzer_sys::fuzz_target;

fn small(value: u8) -> [u8; 2] {
    [b'K', value]
}

fuzz_target!(|bytes: &[u8]| {
    let Some((head, stream)) = bytes.split_at_checked(7) else { return };
    let Ok(len) = u32::try_from(stream.len()) else { return };
    let [name, offset, rows, columns, row_stride, column_stride, version] = head else { return };
    let name: &[u8] = match name % 4 {
        0 => b"_rebuild_tensor",
        1 => b"_rebuild_tensor_v3",
        _ => b"_rebuild_tensor_v2",
    };
    let rest: &[u8] = match version % 4 {
        0 => b"tR.",
        1 => b"\x88ccollections\nOrderedDict\n)Rctorch\nuint16\ntR.",
        _ => b"\x89ccollections\nOrderedDict\n)RtR.",
    };
    let pickle = [
        b"\x80\x03ctorch._utils\n",
        name,
        b"\n(ctorch.storage\n_load_from_bytes\nB",
        &len.to_le_bytes(),
        stream,
        b"\x85R",
        &small(*offset),
        &small(*rows),
        &small(*columns),
        b"\x86",
        &small(*row_stride),
        &small(*column_stride),
        b"\x86",
        rest,
    ];
    let Ok(pickle) = Pickle::from_bytes(pickle.concat(), &almt_data_fuzz::limits()) else { return };
    let array = pickle.array(pickle.root()).expect("a tensor is an array");
    assert_eq!(array.shape(), [usize::from(*rows), usize::from(*columns)]);
    let mut row = vec![0.0; array.row_len()];
    for row_idx in 0..array.n_rows() {
        array.read_f32(row_idx, &mut row);
    }
    for idx in 0..array.len() {
        assert!(array.number(idx).is_some(), "element {idx} cannot be read");
    }
});
