//! Small files that request too much: the program reads or refuses each in the processor time of a few
//! program starts and under 64 MiB of memory; both are measured.

use std::path::Path;
use std::process::Command;

use almt_data::ingest::{self, IngestError, IngestOptions, SourceFile};
use almt_data::limit::Limit;
use almt_data::pickle::{Limits, Pickle, PickleError, describe};

use super::load;
use crate::support::hint;

/// What a run of the program may take beyond what it takes for nothing, which is its code and its
/// libraries.
const MOST_BYTES: u64 = 56 << 20;
/// The processor time that a run may take, in seconds. All take a small part of one; what grows with the
/// square of a bomb takes hours.
const MOST_SECONDS: f64 = 20.0;

fn all(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// A name for the file, and its bytes.
fn bombs() -> Vec<(&'static str, Vec<u8>)> {
    let empty_array = b"cnumpy\nndarray\nq\x00K\x00\x85q\x01R";
    let long_text = all(&[b"X\x00\x0f\x00\x00", &b"k".repeat(0xf00)]);
    let wide_key = all(&[b"(", &b"h\x00".repeat(60), b"t"]);
    let colliding: Vec<u8> = (0..100_000_u64)
        // Python hashes integers modulo 2^61 - 1.
        .flat_map(|idx| {
            [
                b"\x8a\x0a".to_vec(),
                (u128::from(idx) * ((1 << 61) - 1)).to_le_bytes()[..10].to_vec(),
                b"N".to_vec(),
            ]
            .concat()
        })
        .collect();
    let integers: Vec<u8> =
        (0..300_000_u32).flat_map(|idx| [b"J", &idx.to_le_bytes()[..], b"N"].concat()).collect();
    let puts: Vec<u8> =
        (0..300_000_u32).flat_map(|idx| [b"r", &(idx * 5).to_le_bytes()[..]].concat()).collect();
    let level = b"(h\x00h\x00h\x00h\x00h\x00h\x00h\x00h\x00h\x00h\x00";
    vec![
        ("tuples-of-ten", all(&[b"\x80\x02)q\x00", &all(&[level, b"tq\x00"]).repeat(60), b"."])),
        ("lists-of-ten", all(&[b"\x80\x02]q\x00", &all(&[b"]", level, b"eq\x00"]).repeat(60), b"."])),
        ("dicts-of-two", all(&[b"\x80\x02}q\x00", &b"}(K\x00h\x00K\x01h\x00uq\x00".repeat(60), b"."])),
        ("nested-tuples", all(&[b"\x80\x02)", &b"\x85".repeat(1_000_000), b"."])),
        ("nested-lists", all(&[b"\x80\x02", &b"]".repeat(1_000_000), &b"a".repeat(999_999), b"."])),
        ("nested-keys", all(&[b"\x80\x02}N", &b"\x85".repeat(90), b"Ns."])),
        ("long4-2gb", all(&[b"\x80\x02\x8b\xff\xff\xff\x7f", &[0; 64]])),
        ("long4-negative", b"\x80\x02\x8b\xff\xff\xff\xff.".to_vec()),
        ("string-negative", b"\x80\x02T\x00\x00\x00\x80.".to_vec()),
        ("unicode8-huge", b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\xff.".to_vec()),
        ("bytes8-huge", b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.".to_vec()),
        ("bytearray8-huge", b"\x80\x05\x96\x00\x00\x00\x00\x00\x00\x00\x40.".to_vec()),
        ("unicode-4gb", b"\x80\x02X\xff\xff\xff\xff.".to_vec()),
        ("frame-huge", b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\xffN.".to_vec()),
        ("memo-huge", b"\x80\x02Nr\xff\xff\xff\xff.".to_vec()),
        ("memo-huge-text", b"Np18446744073709551615\n.".to_vec()),
        ("memo-sparse", all(&[b"\x80\x02N", &puts, b"."])),
        ("marks", b"(".repeat(5_000_000)),
        ("values", b"N".repeat(5_000_000)),
        ("dups", all(&[b"N", &b"2".repeat(5_000_000)])),
        ("pops", all(&[&b"N0".repeat(1_500_000), b"N."])),
        ("pop-marks", all(&[&b"(N1".repeat(1_000_000), b"N."])),
        ("empty-lists", all(&[b"\x80\x02", &b"]".repeat(3_000_000), b"."])),
        ("empty-dicts", all(&[b"\x80\x02(", &b"}".repeat(3_000_000), b"l."])),
        ("empty-sets", all(&[b"\x80\x04(", &b"\x8f".repeat(3_000_000), b"t."])),
        ("empty-tuples", all(&[b"\x80\x02(", &b")".repeat(3_000_000), b"t."])),
        ("memoised-lists", all(&[b"\x80\x04(", &b"]\x94".repeat(1_500_000), b"t."])),
        ("lists-of-one", all(&[b"\x80\x02(", &b"]Na".repeat(1_000_000), b"t."])),
        ("list-of-none", all(&[b"\x80\x02](", &b"N".repeat(2_000_000), b"e."])),
        ("appended-none", all(&[b"\x80\x02]", &b"Na".repeat(1_000_000), b"."])),
        ("equal-keys", all(&[b"\x80\x02}(", &b"NN".repeat(1_000_000), b"u."])),
        ("colliding-keys", all(&[b"\x80\x02}(", &colliding, b"u."])),
        ("many-keys", all(&[b"\x80\x02}(", &integers, b"u."])),
        ("long-keys", all(&[b"\x80\x02}", &long_text, b"q\x00(", &b"h\x00N".repeat(500_000), b"u."])),
        ("wide-keys", all(&[b"\x80\x02}", &long_text, b"q\x000(", &all(&[&wide_key, b"N"]).repeat(10_000), b"u."])),
        ("copied-lists", all(&[b"\x80\x02](", &b"N".repeat(100_000), b"eq\x000", &b"c__builtin__\nlist\nh\x00\x85R0".repeat(1000), b"N."])),
        ("appended-lists", all(&[b"\x80\x02](", &b"N".repeat(1000), b"eq\x000]", &all(&[b"(", &b"h\x00".repeat(100), b"e"]).repeat(5000), b"."])),
        ("copied-dicts", all(&[b"\x80\x02}(", &integers, b"uq\x000", &b"c__builtin__\ndict\nh\x00\x85R0".repeat(1000), b"N."])),
        ("encodings", all(&[b"\x80\x02X\xa0\x86\x01\x00", &"é".repeat(50_000).into_bytes(), b"q\x000", &b"c_codecs\nencode\nh\x00U\x06latin1\x86R0".repeat(20_000), b"N."])),
        ("arrays", all(&[b"\x80\x02", empty_array, b"0", &b"h\x00h\x01R".repeat(500_000), b"."])),
        ("array-overflow", b"\x80\x02cnumpy\nndarray\n(K\x00J\xff\xff\xff\x7fJ\xff\xff\xff\x7fJ\xff\xff\xff\x7ft\x85R.".to_vec()),
        ("array-huge", b"\x80\x02cnumpy\nndarray\nJ\xff\xff\xff\x7f\x85\x85R.".to_vec()),
        ("digits", all(&[b"L", &b"9".repeat(3_000_000), b"L\n."])),
        ("long-integers", all(&[b"(", &all(&[b"L", &b"9".repeat(1000), b"L\n"]).repeat(3000), b"t."])),
        ("line-without-end", all(&[b"V", &b"x".repeat(3_000_000)])),
        ("names", b"cos\nsystem\n".repeat(300_000)),
        ("distinct-names", (0..200_000).flat_map(|idx| format!("cm{idx}\nn\n").into_bytes()).collect()),
        ("stack-names", all(&[b"\x80\x04", &all(&[b"X\xff\x00\x00\x00", &b"m".repeat(255), b"\x94"]), &b"h\x00h\x00\x93".repeat(500_000), b"."])),
        ("calls", all(&[b"\x80\x02", &b"c__builtin__\nlist\n)R".repeat(150_000), b"."])),
        // No bomb: what the program takes for nothing.
        ("none", b"\x80\x02N.".to_vec()),
        ("pickles", b"\x80\x02N.".repeat(700_000)),
    ]
}

#[test]
fn bombs_stay_small() {
    let folder = tempfile::tempdir().unwrap();
    let bombs = bombs();
    for (name, bytes) in &bombs {
        std::fs::write(folder.path().join(format!("{name}.pkl")), bytes).unwrap();
    }
    let commands = ["scan", "inspect", "convert"];
    let output = Command::new("python3")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peak_memory.py"))
        .arg(env!("CARGO_BIN_EXE_almt-data"))
        .arg(folder.path())
        .args(commands)
        .output()
        .expect("python3 measures the memory");
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{err}");
    type Run = (String, String, i32, f64, u64, String);
    let runs: Vec<Run> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(runs.len(), bombs.len() * commands.len());
    let nothing = runs.iter().filter(|run| run.1 == "none.pkl");
    let of_nothing = nothing.map(|run| run.4).max().unwrap();
    let mut wrong = Vec::new();
    for (command, file, code, seconds, bytes, error) in &runs {
        let is_done = *code == 1 || (*code == 0 && command != "convert");
        let is_said = command == "scan" || *code == 0 || error.starts_with("error: ");
        assert!(*bytes > 1 << 20, "{command} {file}: the memory could not be read");
        if !is_done || !is_said || *seconds > MOST_SECONDS || *bytes > MOST_BYTES + of_nothing {
            let mib = bytes >> 20;
            wrong.push(format!(
                "{command} {file}: code {code}, {seconds} s, {mib} MiB\n{error:.300}"
            ));
        }
    }
    let slowest = runs.iter().max_by(|one, other| one.3.total_cmp(&other.3)).unwrap();
    let largest = runs.iter().max_by_key(|run| run.4).unwrap();
    println!("slowest: {} {}: {} s of {MOST_SECONDS} s", slowest.0, slowest.1, slowest.3);
    println!("largest: {} {}: {} MiB", largest.0, largest.1, largest.4 >> 20);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let left = crate::support::files(folder.path());
    assert_eq!(left.len(), bombs.len(), "something was left behind: {left:?}");
}

#[test]
fn sharing_does_not_multiply() {
    // Each level mentions the one below ten times; spelled out, the last has 10^60 elements.
    let (_, doubling) = bombs().swap_remove(0);
    let pickle = load(&doubling).unwrap();
    assert!(describe(&pickle, "bomb").to_string().len() < 1_000_000);
    assert!(matches!(
        ingest::read(&[SourceFile::new(&pickle, "bomb")], &IngestOptions::default()),
        Err(IngestError::UnknownLayout { .. })
    ));
}

/// A file that needs more of one thing than the default, the smallest limit that reads it, and how
/// the thing is called.
#[test]
fn each_limit_is_kept_to_the_unit() {
    type Set = fn(&mut Limits, u64);
    let array = |shape: &[u8]| all(&[b"\x80\x02cnumpy\nndarray\n", shape, b"\x85R."]);
    let cases: [(Vec<u8>, Set, u64, Limit); 9] = [
        (b"]]]aa.".to_vec(), |limits, n| limits.depth = n, 3, Limit::Depth),
        (b"Nq\x00q\x01.".to_vec(), |limits, n| limits.memo_entries = n, 2, Limit::Memo),
        (b"NN(N10.".to_vec(), |limits, n| limits.stack_values = n, 4, Limit::Stack),
        (b"](NNe.".to_vec(), |limits, n| limits.objects = n, 3, Limit::Objects),
        (b"Vab\n.".to_vec(), |limits, n| limits.decoded_bytes = n, 2, Limit::Decoded),
        (b"X\x02\0\0\0ab.".to_vec(), |limits, n| limits.string_bytes = n, 2, Limit::String),
        (b"\x8a\x02ab.".to_vec(), |limits, n| limits.integer_bytes = n, 2, Limit::Integer),
        (array(b"K\x00K\x01\x86"), |limits, n| limits.axes = n, 2, Limit::Axes),
        (
            b"\x80\x04cnumpy.core.numeric\n_frombuffer\n(C\x03abccnumpy\ndtype\nX\x02\0\0\0u1\x85RK\x03\x85X\x01\0\0\0CtR.".to_vec(),
            |limits, n| limits.elements = n,
            3,
            Limit::Elements,
        ),
    ];
    for (bytes, set, least, what) in cases {
        let open = |limit| {
            let mut limits = Limits::default();
            set(&mut limits, limit);
            Pickle::from_bytes(bytes.clone(), &limits)
        };
        let found = open(least - 1).err().unwrap_or_else(|| panic!("{what}: limit not kept"));
        assert!(
            matches!(&found, PickleError::Limit { what: found, .. } if *found == what),
            "{found}"
        );
        assert!(hint(&found).contains("--max-"), "{what}");
        if let Err(error) = open(least) {
            panic!("{what}: {error}");
        }
    }
    let lists = b"]".repeat(1_000_000);
    let mut limits = Limits::default();
    let refused = Pickle::from_bytes([&lists, &b"."[..]].concat(), &limits).err().unwrap();
    assert!(matches!(refused, PickleError::Limit { what: Limit::Memory, .. }), "{refused}");
    limits.memory_per_byte = 100;
    assert!(Pickle::from_bytes([lists, b".".to_vec()].concat(), &limits).is_ok());
}

#[test]
fn limits_are_options_of_every_command() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("deep.pkl"), b"\x80\x02]]]aa.").unwrap();
    for command in ["scan", "inspect"] {
        let call = crate::support::almt(folder.path(), &[command, "deep.pkl", "--max-depth", "2"]);
        assert_eq!(call.code(), 1, "{}", call.explain());
        let said = call.stdout() + &call.stderr();
        assert!(said.contains("levels of nesting") && said.contains("`--max-depth`"), "{said}");
        crate::support::almt(folder.path(), &[command, "deep.pkl"]).ok();
    }
}
