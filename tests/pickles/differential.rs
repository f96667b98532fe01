//! Our reader, Python and `serde-pickle` on the same generated files: all that read a file get the same
//! values, and Python reads every file that we read.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use almt_data::pickle::Writer;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value as Json, json};

use super::dump::{dump, float, hex};
use super::mutation::mutant;
use super::{fixtures, load};

/// Runs `tests/plain.py` with bare Python; `None` where there is no Python, which is allowed only
/// for a bare `cargo test`.
fn python(task: &str, folder: &Path) -> Option<BTreeMap<String, Json>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plain.py");
    let output = match Command::new("python3").arg(script).arg(task).arg(folder).output() {
        Ok(output) => output,
        Err(error) => {
            let required = std::env::var_os("ALMT_DATA_TEST_PYTHON").is_some();
            assert!(!required, "python3 does not start: {error}");
            println!("skipped: no python3");
            return None;
        }
    };
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "plain.py failed\n{err}");
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// Sorts the elements of sets, whose order has no meaning.
fn sorted(mut value: Json) -> Json {
    match &mut value {
        Json::Array(items) => {
            for item in items {
                *item = sorted(item.take());
            }
        }
        Json::Object(fields) => {
            for (name, field) in fields {
                *field = sorted(field.take());
                if let (true, Json::Array(items)) = (name == "set", field) {
                    items.sort_by_cached_key(Json::to_string);
                }
            }
        }
        _ => {}
    }
    value
}

fn ours(bytes: &[u8]) -> Option<Json> {
    let pickle = load(bytes).ok()?;
    Some(dump(&pickle, pickle.root()))
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

/// Writes a dict of what our writer can write, and gives what it holds.
fn written(entries: &[(String, serde_pickle::Value)]) -> (Vec<u8>, Json) {
    use serde_pickle::Value as Plain;
    let mut writer = Writer::new(Vec::new()).unwrap();
    let mut pairs = Vec::new();
    writer.begin_dict().unwrap();
    for (key, value) in entries {
        writer.key(key).unwrap();
        match value {
            Plain::I64(value) => writer.int(*value).unwrap(),
            Plain::F64(value) => writer.float(*value).unwrap(),
            Plain::String(text) => writer.str(text).unwrap(),
            _ => {
                writer.str_list([key, "x"]).unwrap();
                pairs.push(json!([{"str": key}, {"list": [{"str": key}, {"str": "x"}]}]));
                continue;
            }
        }
        pairs.push(json!([{"str": key}, from_serde(value)]));
    }
    writer.end_dict().unwrap();
    (writer.finish().unwrap(), json!({"dict": pairs}))
}

#[test]
fn generated_objects_read_alike_by_all_three() {
    const N_OBJECTS: usize = 300;
    let folder = tempfile::tempdir().unwrap();
    let mut runner = TestRunner::deterministic();
    let mut expected = BTreeMap::new();
    let mut keep = |name: String, bytes: Vec<u8>, value: Json| {
        assert_eq!(ours(&bytes).as_ref(), Some(&value), "{name}");
        std::fs::write(folder.path().join(&name), bytes).unwrap();
        expected.insert(name, value);
    };
    for idx in 0..N_OBJECTS {
        let value = plain().new_tree(&mut runner).unwrap().current();
        for protocol in [2, 3] {
            let options = serde_pickle::SerOptions::new();
            let options = if protocol == 2 { options.proto_v2() } else { options };
            let bytes = serde_pickle::value_to_vec(&value, options).unwrap();
            let oracle = serde_pickle::value_from_slice(&bytes, Default::default()).unwrap();
            keep(format!("{idx}-protocol{protocol}"), bytes, from_serde(&oracle));
        }
        let entries = proptest::collection::btree_map(any::<String>(), plain(), 0..6);
        let entries: Vec<_> =
            entries.new_tree(&mut runner).unwrap().current().into_iter().collect();
        let (bytes, value) = written(&entries);
        keep(format!("{idx}-writer"), bytes, value);
    }
    let Some(found) = python("dump", folder.path()) else { return };
    for (name, value) in &expected {
        assert_eq!(found.get(name), Some(value), "{name}");
    }
}

#[test]
fn what_python_generates_reads_as_python_says() {
    let folder = tempfile::tempdir().unwrap();
    let Some(expected) = python("generate", folder.path()) else { return };
    assert!(expected.len() >= 1000, "{}", expected.len());
    for (name, expected) in expected {
        let bytes = std::fs::read(folder.path().join(&name)).unwrap();
        let pickle = load(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(sorted(dump(&pickle, pickle.root())), sorted(expected), "{name}");
    }
}

/// Whatever we read of a damaged or oddly spelled file, Python reads as the same.
#[test]
fn what_we_read_python_reads_alike() {
    const N_MUTANTS: usize = 40_000;
    let folder = tempfile::tempdir().unwrap();
    let files: Vec<(String, Vec<u8>)> =
        fixtures().into_iter().filter(|(name, _)| name.starts_with("plain")).collect();
    let mut expected = BTreeMap::new();
    let spelled = SPELLINGS.iter().enumerate();
    let spelled = spelled.map(|(idx, bytes)| (format!("spelling-{idx}"), bytes.to_vec()));
    let mutants = (0..N_MUTANTS).map(|idx| {
        let (name, bytes) = mutant(&files, idx);
        (format!("{idx}-{name}"), bytes)
    });
    for (name, bytes) in spelled.chain(mutants) {
        // Names and dtypes by themselves have no form that Python shares.
        if let Some(value) = ours(&bytes).filter(|value| !value.to_string().contains("{\"other\""))
        {
            std::fs::write(folder.path().join(&name), bytes).unwrap();
            expected.insert(name, sorted(value));
        }
    }
    assert!(expected.len() > N_MUTANTS / 50, "hardly any mutant is read: {}", expected.len());
    let Some(found) = python("dump", folder.path()) else { return };
    let mut wrong = Vec::new();
    for (name, value) in expected {
        let found = sorted(found[&name].clone());
        // A value that crosses the end of its frame is read by `pickle.loads` as by us, but not by
        // the reader of streams, which is the one that can be told which names to import.
        let crosses_frame = found["error"] == "UnpicklingError: pickle data was truncated";
        if found != value && !crosses_frame {
            wrong.push(format!("{name}\n  python {found:.400}\n  ours   {value:.400}"));
        }
    }
    assert!(wrong.is_empty(), "{} differ\n{}", wrong.len(), wrong.join("\n"));
}

/// Odd but possible spellings of plain values; each is read as Python does, or refused.
const SPELLINGS: [&[u8]; 62] = [
    b"I0\n.",
    b"I00\n.",
    b"I01\n.",
    b"I1\n.",
    b"I010\n.",
    b"I0x10\n.",
    b"I-0\n.",
    b"I+7\n.",
    b"I 1\n.",
    b"I1 \n.",
    b"I1_0\n.",
    b"I12L\n.",
    b"I9223372036854775808\n.",
    b"I-9223372036854775809\n.",
    b"L\n.",
    b"L0L\n.",
    b"L00L\n.",
    b"L-5L\n.",
    b"L5\n.",
    b"L5LL\n.",
    b"F1\n.",
    b"F-0.0\n.",
    b"F1e400\n.",
    b"Finf\n.",
    b"F-inf\n.",
    b"Fnan\n.",
    b"FInfinity\n.",
    b"F 1.5\n.",
    b"F1_0.5\n.",
    b"F0x1p3\n.",
    b"F.5\n.",
    b"F5.\n.",
    b"S'a\\x41\\101\\n\\\\\\'\\q'\n.",
    b"S\"it's\"\n.",
    b"S'\\777'\n.",
    b"S'\\8'\n.",
    b"S'a'b'\n.",
    b"S''\n.",
    b"S'\n.",
    b"Sa\n.",
    b"S'a' \n.",
    b"S'\\x4'\n.",
    b"S'\xe9'\n.",
    b"V\\u00e9\xe9\\\\u0041\\\\\\u0041\n.",
    b"V\\U0001f600\n.",
    b"V\\\n.",
    b"V\\x41\n.",
    b"Va\r\n.",
    b"V\\u12\n.",
    b"(I1\nI2\nd.",
    b"(I1\nI2\nI1\nI3\nd.",
    b"(I1\nI2\nI01\nI3\nF1\nI4\nd.",
    b"(I1\nI2\nI3\nd.",
    b"\x80\x04(I1\nI01\nF1\nVa\nVa\n\x91.",
    b"(lp007\ng7\n.",
    b"(lp-1\n.",
    b"((I1\ntt0](I5\ne.",
    b"NN2\x85\x86.",
    b"\x80\x02\x8a\x00.",
    b"\x80\x02\x8b\x00\x00\x00\x00.",
    b"\x80\x02\x8a\x03\xff\xff\xff.",
    b"\x80\x02]}\x86\x80\x03\x95\x01\x00\x00\x00\x00\x00\x00\x00\x85.",
];
