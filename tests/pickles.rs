//! The pickle reader against files of real Python, files made to hurt, damaged files, and
//! another reader.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use almt_data::corpus::SplitName;
use almt_data::ingest::{self, IngestError, Layout, Options, SourceFile};
use almt_data::pickle::{Kind, Limits, NodeId, Number, Pickle, PickleError, Value, describe};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/pickles")
}

fn fixtures() -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "pkl"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read(path).unwrap())
        })
        .collect();
    files.sort();
    files
}

fn load(bytes: &[u8]) -> Result<Pickle, PickleError> {
    Pickle::from_bytes(bytes.to_vec(), &Limits::default())
}

/// The value as `make.py` dumps it.
fn dump(pickle: &Pickle, id: NodeId) -> Json {
    let all = |ids: &[NodeId]| ids.iter().map(|id| dump(pickle, *id)).collect::<Vec<_>>();
    match pickle.value(id) {
        Value::None => json!({"const": "None"}),
        Value::Bool(value) => json!({"const": if *value { "True" } else { "False" }}),
        Value::Int(value) => json!({"int": value.to_string()}),
        Value::BigInt(span) => {
            let bytes = pickle.span(*span);
            json!({"int": num_bigint_text(bytes)})
        }
        Value::Float(value) => float(*value),
        Value::Str(_) | Value::ByteStr(_) => json!({"str": pickle.str(id).unwrap()}),
        Value::Bytes(span) => json!({"bytes": hex(pickle.span(*span))}),
        Value::List(items) => json!({"list": all(items)}),
        Value::Tuple(items) => json!({"tuple": all(items)}),
        Value::Set(items) | Value::FrozenSet(items) => json!({"set": all(items)}),
        Value::Dict(entries) => {
            let pair = |(key, value): &(_, _)| vec![dump(pickle, *key), dump(pickle, *value)];
            json!({"dict": entries.iter().map(pair).collect::<Vec<_>>()})
        }
        Value::Array(_) => {
            let array = pickle.array(id).unwrap();
            let kind = match array.dtype().kind {
                Kind::Bytes => "S".into(),
                Kind::Unicode => "U".into(),
                Kind::Object => "O".into(),
                _ => array.dtype().to_string().replace(" (big-endian)", ""),
            };
            let item = |idx| match array.dtype().kind {
                Kind::Object => dump(pickle, array.object(idx).unwrap()),
                Kind::Bytes => json!({"bytes": hex(array.text(idx).unwrap().as_bytes())}),
                Kind::Unicode => json!({"str": array.text(idx).unwrap()}),
                Kind::Bool => match array.number(idx).unwrap().to_i32() {
                    Some(0) => json!({"const": "False"}),
                    _ => json!({"const": "True"}),
                },
                _ => match array.number(idx).unwrap() {
                    Number::Int(value) => json!({"int": value.to_string()}),
                    Number::Float(value) => float(value),
                },
            };
            let items: Vec<Json> = (0..array.len()).map(item).collect();
            json!({"array": kind, "shape": array.shape(), "items": items})
        }
        other => panic!("{other:?} has no place in a fixture"),
    }
}

fn float(value: f64) -> Json {
    json!({"float": if value.is_nan() { "nan".into() } else { hex(&value.to_le_bytes()) }})
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Decimal text of two's complement bytes, least significant first.
fn num_bigint_text(bytes: &[u8]) -> String {
    let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
    let mut digits = vec![0_u32];
    for byte in bytes.iter().rev() {
        // Of a negative number, -(value + 1) is the complement of each byte.
        let mut carry = u32::from(if negative { !byte } else { *byte });
        for digit in &mut digits {
            carry += *digit * 256;
            *digit = carry % 10;
            carry /= 10;
        }
        while carry > 0 {
            digits.push(carry % 10);
            carry /= 10;
        }
    }
    if negative {
        let place = digits.iter().position(|digit| *digit != 9).unwrap_or(digits.len());
        digits[..place].fill(0);
        if place == digits.len() {
            digits.push(0);
        }
        digits[place] += 1;
    }
    let text: String = digits.iter().rev().map(u32::to_string).collect();
    let text = text.trim_start_matches('0');
    format!("{}{}", if negative { "-" } else { "" }, if text.is_empty() { "0" } else { text })
}

#[test]
fn every_fixture_holds_what_python_says() {
    let expected = std::fs::read_to_string(folder().join("expected.json")).unwrap();
    let expected: Json = serde_json::from_str(&expected).unwrap();
    let files = fixtures();
    assert!(files.len() >= 20, "fixtures are missing");
    for (name, bytes) in files {
        let family = match name.split('-').next().unwrap() {
            "python2" => name.as_str(),
            family => family,
        };
        let pickle = load(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        let found = dump(&pickle, pickle.root());
        for (found, expected) in entries(&found).iter().zip(entries(&expected[family])) {
            assert_eq!(*found, expected, "{name}");
        }
        assert_eq!(found, expected[family], "{name}");
        if let Some(protocol) = name.split_once("protocol") {
            let stated: u8 = protocol.1.parse().unwrap();
            // Protocols 0 and 1 are not stated.
            assert_eq!(pickle.protocol(), if stated < 2 { 0 } else { stated }, "{name}");
        }
        assert!(describe(&pickle, &name).to_string().lines().count() < 1100);
    }
}

/// The entries of a dumped dict, so that a difference is shown by its key.
fn entries(dumped: &Json) -> Vec<Json> {
    dumped["dict"].as_array().cloned().unwrap_or_default()
}

#[test]
fn arrays_read_as_float32_rows_in_every_order() {
    for (name, bytes) in fixtures().iter().filter(|(name, _)| name.starts_with("arrays")) {
        let pickle = load(bytes).unwrap();
        let get = |key| pickle.array(pickle.get(pickle.root(), key).unwrap()).unwrap();
        for key in ["fortran", "permuted", "rotated", "sliced", "f2", ">f8", "i4", "?", "u8"] {
            let array = get(key);
            for row_idx in 0..array.n_rows() {
                let mut row = vec![9.0; array.row_len()];
                assert_eq!(array.read_f32(row_idx, &mut row), 0);
                for (idx, value) in row.into_iter().enumerate() {
                    let number = array.number(row_idx * array.row_len() + idx).unwrap();
                    assert_eq!(value.to_bits(), number.to_f32().to_bits(), "{name} {key}");
                }
            }
        }
        let mut row = [9.0; 12];
        get("permuted").read_f32(1, &mut row);
        assert_eq!(row, [12., 16., 20., 13., 17., 21., 14., 18., 22., 15., 19., 23.], "{name}");
        assert_eq!(get("rotated").shape(), [3, 4, 2], "{name}");
    }
}

#[test]
fn values_beyond_float32_are_counted() {
    let mut writer = almt_data::pickle::Writer::new(Vec::new()).unwrap();
    writer.begin_array(almt_data::pickle::ArrayDtype::F64, &[1, 3]).unwrap();
    for value in [1e300, f64::INFINITY, 1.0] {
        writer.elements(&value.to_le_bytes()).unwrap();
    }
    let pickle = load(&writer.finish().unwrap()).unwrap();
    let mut row = [0.0; 3];
    assert_eq!(pickle.array(pickle.root()).unwrap().read_f32(0, &mut row), 1);
    assert_eq!(row, [f32::INFINITY, f32::INFINITY, 1.0]);
}

/// `cMODULE\nNAME\n` with one text argument, called.
fn call(module: &str, name: &str) -> Vec<u8> {
    format!("c{module}\n{name}\n(Vtrue\ntR.").into_bytes()
}

fn array_of(shape: &[u8], data: &[u8]) -> Vec<u8> {
    let mut out = b"\x80\x04cnumpy\nndarray\nK\x00\x85\x85R(K\x01".to_vec();
    out.extend(shape);
    out.extend(b"cnumpy\ndtype\nX\x02\x00\x00\x00f4\x89\x88\x87R(K\x03X\x01\x00\x00\x00<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89");
    out.extend(data);
    out.extend(b"tb.");
    out
}

/// Name, bytes, offset of the fault, and a part of the message.
fn hostile() -> Vec<(&'static str, Vec<u8>, u64, &'static str)> {
    let long = |repeated: &[u8], n| repeated.repeat(n);
    vec![
        ("os.system", call("os", "system"), 0, "`os.system`"),
        ("posix.system", call("posix", "system"), 0, "`posix.system`"),
        ("subprocess", call("subprocess", "Popen"), 0, "`subprocess.Popen`"),
        ("builtins.eval", call("builtins", "eval"), 0, "`builtins.eval`"),
        ("getattr", call("__builtin__", "getattr"), 0, "`__builtin__.getattr`"),
        ("torch", call("torch._utils", "_rebuild_tensor_v2"), 0, "_rebuild_tensor_v2"),
        ("numpy load", call("numpy", "load"), 0, "`numpy.load`"),
        (
            "terminal escapes in a name",
            b"\x80\x04\x8c\x02os\x8c\x05\x1b[31m\x93.".to_vec(),
            13,
            r"`os.\u{1b}[31m`",
        ),
        (
            "call of a call's result",
            b"cnumpy\nndarray\n((I0\nttR(tR.".to_vec(),
            25,
            "refused to call a value of type array",
        ),
        ("call of text", b"(Vos.system\n(tR.".to_vec(), 14, "to call a value of type str"),
        ("state of a name", b"\x80\x02cnumpy\nndarray\n}b.".to_vec(), 18, "type constructor"),
        ("state of a dict", b"\x80\x02}}U\x01aK\x01sb.".to_vec(), 10, "type dict"),
        (
            "computed name",
            b"\x80\x04(\x8c\x02os\x8c\x06systemt0\x8c\x02os\x94h\x00\x8c\x06system\x93.".to_vec(),
            32,
            "`os.system`",
        ),
        (
            "name from bytes",
            b"\x80\x04c_codecs\nencode\n\x8c\x02os\x8c\x06latin1\x86R\x8c\x06system\x93.".to_vec(),
            40,
            "a name that is not text",
        ),
        ("INST", b"(Vtrue\nios\nsystem\n.".to_vec(), 7, "`os.system`"),
        ("OBJ", b"(cos\nsystem\nVtrue\no.".to_vec(), 1, "`os.system`"),
        ("NEWOBJ", b"\x80\x02cos\nsystem\n)\x81.".to_vec(), 2, "`os.system`"),
        ("NEWOBJ_EX", b"\x80\x04cnumpy\nndarray\n)}K\x01K\x01s\x92.".to_vec(), 24, "keyword"),
        ("EXT1", b"\x80\x02\x82\x01.".to_vec(), 2, "`EXT1`"),
        ("EXT4", b"\x80\x02\x84\x01\x00\x00\x00.".to_vec(), 2, "`EXT4`"),
        ("PERSID", b"(Pabc\n.".to_vec(), 1, "`PERSID`"),
        ("BINPERSID", b"\x80\x02NQ.".to_vec(), 3, "`BINPERSID`"),
        ("NEXT_BUFFER", b"\x80\x05\x97.".to_vec(), 2, "`NEXT_BUFFER`"),
        ("other codec", b"\x80\x02c_codecs\nencode\nVa\nVzip\n\x86R.".to_vec(), 27, "latin-1"),
        (
            "factory of a defaultdict",
            b"\x80\x02ccollections\ndefaultdict\ncnumpy\nndarray\n\x85R.".to_vec(),
            43,
            "`defaultdict` in an unknown form",
        ),
        ("future protocol", b"\x80\x09N.".to_vec(), 0, "protocol 9"),
        ("deep lists", [long(b"]", 300), long(b"a", 299), b".".into()].concat(), 100, "nesting"),
        ("deep tuples", [b")".to_vec(), long(b"\x85", 200), b".".into()].concat(), 100, "nesting"),
        ("a list in itself", b"\x80\x02]q\x00h\x00a.".to_vec(), 2, "contains itself"),
        ("a dict in itself", b"\x80\x02}q\x00K\x01h\x00s.".to_vec(), 2, "contains itself"),
        (
            "2 GB integer",
            [b"\x80\x02\x8b\xff\xff\xff\x7f".to_vec(), vec![0; 64]].concat(),
            2,
            "bytes in one integer",
        ),
        ("negative integer size", b"\x80\x02\x8b\xff\xff\xff\xff.".to_vec(), 2, "negative size"),
        ("negative string size", b"\x80\x02T\xff\xff\xff\xff.".to_vec(), 2, "negative size"),
        ("huge memo index", b"\x80\x02Nr\xff\xff\xff\xff.".to_vec(), 3, "memo entries"),
        ("unset memo entry", b"\x80\x02h\x07.".to_vec(), 2, "memo entry 7"),
        ("huge bytes", b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.".to_vec(), 2, "truncated"),
        (
            "shape product overflow",
            array_of(
                &[b"(".to_vec(), long(b"J\xff\xff\xff\x7f", 4), b"t".into()].concat(),
                b"C\x00",
            ),
            0,
            "overflows",
        ),
        ("negative axis", array_of(b"J\xff\xff\xff\xff\x85", b"C\x00"), 0, "negative length"),
        ("too few elements", array_of(b"K\x03\x85", b"C\x04abcd"), 0, "needs 12 bytes, found 4"),
        (
            "too many axes",
            array_of(&[b"(".to_vec(), long(b"K\x01", 40), b"t".into()].concat(), b"C\x04abcd"),
            0,
            "array axes",
        ),
        ("elements without data", b"cnumpy\nndarray\n((I9\nttR.".to_vec(), 22, "without any data"),
        ("unhashable key", b"\x80\x02}]K\x01s.".to_vec(), 3, "a list as a key"),
        ("stack underflow", b"\x80\x02\x85.".to_vec(), 2, "`TUPLE1` without a value"),
        ("missing mark", b"\x80\x02t.".to_vec(), 2, "`TUPLE` without a mark"),
        ("values below the mark", b"\x80\x02N(\x85.".to_vec(), 4, "`TUPLE1` without a value"),
        ("odd SETITEMS", b"\x80\x02}(Nu.".to_vec(), 5, "key without a value"),
        ("invalid UTF-8", b"\x80\x04\x8c\x01\xff.".to_vec(), 2, "not UTF-8"),
    ]
}

#[test]
fn hostile_pickles_are_refused_with_the_offset() {
    let mut wrong = Vec::new();
    for (name, bytes, offset, part) in hostile() {
        let start = Instant::now();
        let error = match load(&bytes) {
            Ok(pickle) => panic!("{name} was read:\n{}", describe(&pickle, name)),
            Err(error) => error,
        };
        assert!(start.elapsed() < Duration::from_secs(1), "{name} took too long");
        let text = error.to_string();
        assert!(text.contains(part), "{name}: {text}");
        assert!(!text.contains('\n') && !text.ends_with('.'), "{name}: {text}");
        // Arrays of the table begin alike, so that their offsets would say nothing.
        let is_told =
            offset > 0 || !matches!(error, PickleError::Array { .. } | PickleError::Limit { .. });
        if is_told && error.offset() != Some(offset) {
            wrong.push(format!("{name}: expected byte {offset}: {text}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn bombs_stay_small() {
    // Each level mentions the one below ten times; spelled out, the last has 10^60 elements.
    let level = b"(h\x00h\x00h\x00h\x00h\x00h\x00h\x00h\x00h\x00h\x00tq\x00";
    let doubling = [b"\x80\x02)q\x00".to_vec(), level.repeat(60), b".".to_vec()].concat();
    let pickle = load(&doubling).unwrap();
    let start = Instant::now();
    assert!(describe(&pickle, "bomb").to_string().len() < 1_000_000);
    assert!(matches!(
        ingest::read(&[SourceFile::new(&pickle, "bomb")], &Options::default()),
        Err(IngestError::UnknownLayout { .. })
    ));
    assert!(start.elapsed() < Duration::from_secs(1));

    // The same list copied by a call, over and over: counted before it is made.
    let copies = [
        b"\x80\x02](".to_vec(),
        b"N".repeat(100_000),
        b"eq\x000".to_vec(),
        b"c__builtin__\nlist\nh\x00\x85R0".repeat(1000),
        b"N.".to_vec(),
    ];
    assert!(matches!(load(&copies.concat()), Err(PickleError::Limit { what: "objects", .. })));

    // The same text encoded by a call, over and over: encoded once.
    let encodings = [
        b"\x80\x02X\xa0\x86\x01\x00".to_vec(),
        "é".repeat(50_000).into_bytes(),
        b"q\x000".to_vec(),
        b"c_codecs\nencode\nh\x00U\x06latin1\x86R0".repeat(1000),
        b"N.".to_vec(),
    ];
    assert!(load(&encodings.concat()).is_ok());
}

#[test]
fn other_files_are_recognised() {
    let cases: [(&[u8], &str); 15] = [
        (b"", "empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "Git LFS"),
        (b"PK\x03\x04\x14\x00", "zip"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"  <HTML>", "web page"),
        (&[0; 4096], "zeros"),
        (b"\x1f\x8b\x08\x00", "gzip"),
        (b"\x78\x9c\x00", "zlib"),
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
        (b"\x93NUMPY\x01\x00", "npy"),
        (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02", "torch.save"),
        (b"Segments of CMU-MOSI\n", "plain text"),
        (b"id,text,label\n", "plain text"),
        (b"hello", "plain text"),
        (b"Please log in\n", "plain text"),
    ];
    for (bytes, part) in cases {
        let error = load(bytes).err().unwrap();
        assert!(matches!(error, PickleError::NotAPickle { .. }), "{part}: {error}");
        assert!(error.to_string().contains(part), "{part}: {error}");
        assert!(error.hint().is_some(), "{part}");
    }
    let damaged = load(b"(dp0\r\nVid\r\nI1\r\ns.").err().unwrap();
    assert!(matches!(damaged, PickleError::LineEnds { offset: 2 }), "{damaged}");
}

#[test]
fn every_truncation_is_an_error() {
    for (name, bytes) in fixtures() {
        for len in 0..bytes.len() {
            let error = load(&bytes[..len]).err();
            assert!(error.is_some(), "{name} cut to {len} bytes was read");
        }
    }
}

/// A small generator of the same numbers everywhere (Steele et al., «SplitMix64»).
struct SplitMix(u64);

impl SplitMix {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n as u64) as usize
    }
}

#[test]
fn mutated_fixtures_never_panic() {
    const N_MUTANTS: usize = 20_000;
    let files = fixtures();
    let mut random = SplitMix(20_231_206);
    let mut n_read = 0;
    for _ in 0..N_MUTANTS {
        let (_, original) = &files[random.below(files.len())];
        let mut bytes = original.clone();
        for _ in 0..=random.below(4) {
            let place = random.below(bytes.len());
            match random.below(4) {
                0 => bytes[place] = random.below(256) as u8,
                1 => bytes[place] ^= 1 << random.below(8),
                2 => drop(
                    bytes.drain(place..(place + random.below(9)).min(bytes.len() - 1).max(place)),
                ),
                _ => {
                    let (_, donor) = &files[random.below(files.len())];
                    let from = random.below(donor.len());
                    let part = donor[from..].iter().take(random.below(40)).copied();
                    let part: Vec<u8> = part.collect();
                    bytes.splice(place..place, part);
                }
            }
        }
        if let Ok(pickle) = Pickle::from_bytes(bytes, &Limits::default()) {
            n_read += 1;
            let _ = describe(&pickle, "mutant").to_string();
            let file = [SourceFile::new(&pickle, "mutant")];
            let options = Options { split: Some(SplitName::Train), ..Options::default() };
            for layout in Layout::ALL.into_iter().map(Some).chain([None]) {
                let options = Options { layout, ..options.clone() };
                if let Ok(corpus) = ingest::read(&file, &options) {
                    for split in &corpus.splits {
                        for block in split.features.values() {
                            let mut out = vec![0.0; block.shape[1] * block.shape[2]];
                            (0..block.shape[0]).for_each(|idx| {
                                block.rows.read(idx, &mut out);
                            });
                        }
                    }
                }
            }
        }
    }
    assert!(n_read > N_MUTANTS / 100, "mutants hardly ever reach the layouts: {n_read}");
}

/// Plain objects that `serde-pickle` can write.
fn plain() -> impl Strategy<Value = serde_pickle::Value> {
    use serde_pickle::{HashableValue as Key, Value as Plain};
    let leaf = prop_oneof![
        Just(Plain::None),
        any::<bool>().prop_map(Plain::Bool),
        any::<i64>().prop_map(Plain::I64),
        any::<f64>().prop_filter("NaN is unlike itself", |v| !v.is_nan()).prop_map(Plain::F64),
        any::<String>().prop_map(Plain::String),
        proptest::collection::vec(any::<u8>(), 0..300).prop_map(Plain::Bytes),
    ];
    leaf.prop_recursive(4, 64, 8, |inner| {
        let key =
            prop_oneof![any::<String>().prop_map(Key::String), any::<i64>().prop_map(Key::I64)];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..8).prop_map(Plain::List),
            proptest::collection::vec(inner.clone(), 0..8).prop_map(Plain::Tuple),
            proptest::collection::btree_map(key, inner, 0..8).prop_map(Plain::Dict),
        ]
    })
}

fn from_serde(value: &serde_pickle::Value) -> Json {
    use serde_pickle::{HashableValue as Key, Value as Plain};
    let all = |items: &[Plain]| items.iter().map(from_serde).collect::<Vec<_>>();
    match value {
        Plain::None => json!({"const": "None"}),
        Plain::Bool(value) => json!({"const": if *value { "True" } else { "False" }}),
        Plain::I64(value) => json!({"int": value.to_string()}),
        Plain::F64(value) => float(*value),
        Plain::String(text) => json!({"str": text}),
        Plain::Bytes(bytes) => json!({"bytes": hex(bytes)}),
        Plain::List(items) => json!({"list": all(items)}),
        Plain::Tuple(items) => json!({"tuple": all(items)}),
        Plain::Dict(entries) => {
            let pair = |(key, value): (&Key, &Plain)| {
                let key = match key {
                    Key::String(text) => json!({"str": text}),
                    Key::I64(value) => json!({"int": value.to_string()}),
                    other => panic!("no strategy makes {other:?}"),
                };
                vec![key, from_serde(value)]
            };
            json!({"dict": entries.iter().map(pair).collect::<Vec<_>>()})
        }
        other => panic!("no strategy makes {other:?}"),
    }
}

proptest! {
    #[test]
    fn plain_objects_agree_with_serde_pickle(value in plain(), protocol_2 in any::<bool>()) {
        let options = serde_pickle::SerOptions::new();
        let options = if protocol_2 { options.proto_v2() } else { options };
        let bytes = serde_pickle::value_to_vec(&value, options).unwrap();
        let oracle = serde_pickle::value_from_slice(&bytes, Default::default()).unwrap();
        let pickle = load(&bytes).unwrap();
        prop_assert_eq!(dump(&pickle, pickle.root()), from_serde(&oracle));
    }
}
