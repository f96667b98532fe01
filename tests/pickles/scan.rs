//! The security report: its content, and its agreement with the reader.

use serde_json::Value as Json;

use super::{fixtures, load};
use crate::support::almt;
use almt_data::pickle::{Limits, Scan};

fn scan(bytes: &[u8]) -> Scan {
    Scan::from_bytes(bytes.to_vec(), &Limits::default()).unwrap()
}

#[test]
fn every_fixture_is_allowed_and_counted_as_python_does() {
    for (name, bytes) in fixtures() {
        let scan = scan(&bytes);
        assert!(scan.allowed && scan.refusal.is_none(), "{name}: {scan:?}");
        assert_eq!(scan.protocol, load(&bytes).unwrap().protocol(), "{name}");
        assert_eq!((scan.n_pickles, scan.n_trailing_bytes), (1, 0), "{name}");
        assert_eq!(scan.opcodes["STOP"], 1, "{name}");
        assert_eq!(scan.opcodes.values().sum::<u64>(), scan.n_opcodes, "{name}");
        let calls = ["REDUCE", "BUILD", "NEWOBJ", "NEWOBJ_EX", "INST", "OBJ"];
        let n_calls: u64 = calls.iter().filter_map(|name| scan.opcodes.get(name)).sum();
        assert_eq!(scan.n_calls, n_calls, "{name}");
        assert_eq!((scan.n_globals as usize, scan.n_forbidden_globals), (scan.globals.len(), 0));
        assert!(scan.globals.iter().all(|global| global.allowed && global.name.is_some()));
    }
}

#[test]
fn all_names_are_listed_beyond_the_first_refused_one() {
    let bytes = b"\x80\x04cos\nsystem\nVa\n\x85R0\x8c\x02io\x94\x8c\x04open\x93h\x00\x82\x05N\x8c\x01x\x93cnumpy\ndtype\n.";
    let scan = scan(bytes);
    let found: Vec<(u64, Option<&str>, bool)> = scan
        .globals
        .iter()
        .map(|global| (global.offset, global.name.as_deref(), global.allowed))
        .collect();
    assert_eq!(
        found,
        [
            (2, Some("os.system"), false),
            (30, Some("io.open"), false),
            (33, None, false),
            // Its module is `None`: nothing in the file says what Python would import.
            (39, None, false),
            (40, Some("numpy.dtype"), true),
        ]
    );
    assert_eq!(scan.refusal.unwrap().offset, Some(2));
    assert_eq!((scan.n_globals, scan.n_forbidden_globals, scan.n_calls), (5, 4, 1));
}

#[test]
fn a_further_pickle_is_scanned_too() {
    let scan_two = scan(b"\x80\x02N.\x80\x02cos\nsystem\n.");
    assert_eq!((scan_two.n_pickles, scan_two.allowed), (2, false));
    assert_eq!(scan_two.refusal.unwrap().offset, Some(6));
    // It counts although it does not end.
    let cut = scan(b"\x80\x02N.\x80\x02cos\nsystem\n");
    assert_eq!((cut.n_pickles, cut.n_forbidden_globals), (2, 1));
    let trailing = scan(b"\x80\x02N.cos\nsystem\n.");
    assert_eq!((trailing.n_pickles, trailing.n_trailing_bytes), (1, 12));
    assert!(trailing.allowed);
    // Behind one of an older protocol, whose start has no mark.
    let unmarked = scan(b"N.N.\x80\x02cos\nsystem\n.");
    assert_eq!((unmarked.n_pickles, unmarked.n_forbidden_globals), (3, 1));
    assert_eq!(unmarked.refusal.unwrap().offset, Some(unmarked.globals[0].offset));
    let garbage = scan(b"N.no pickle");
    assert_eq!((garbage.n_pickles, garbage.n_trailing_bytes), (1, 9));
}

#[test]
fn an_old_file_of_torch_is_listed_and_refused_for_what_it_imports() {
    let magic = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.";
    let scan = scan(&[&magic[..], b"\x80\x02M\xe9\x03.\x80\x02ctorch\nload\n."].concat());
    assert_eq!(scan.n_pickles, 3);
    assert_eq!(scan.globals[0].name.as_deref(), Some("torch.load"));
    assert!(scan.refusal.unwrap().message.contains("refused to import `torch.load`"));
}

#[test]
fn what_cannot_be_followed_is_said() {
    let cut = scan(b"\x80\x02]\x8c\xffabc");
    assert_eq!(cut.unread.unwrap().offset, 3);
    assert!(cut.refusal.unwrap().message.contains("truncated"));
    let unknown = scan(b"\x80\x02]\xff.");
    assert!(unknown.unread.unwrap().reason.contains("0xff"));
}

#[test]
fn the_command_prints_one_report_per_file() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    write("good.pkl", b"\x80\x02cnumpy\ndtype\n.");
    write("bad.pkl", b"cos\nsystem\n(Va\ntR.");
    write("note.txt", b"no pickle at all\n");
    let good = almt(folder.path(), &["scan", "good.pkl"]).ok();
    assert!(good.stdout().starts_with("good.pkl: allowed\n"), "{}", good.explain());
    let all = almt(folder.path(), &["scan", "--json", "note.txt", "bad.pkl", "good.pkl"]);
    assert_eq!(all.code(), 1, "{}", all.explain());
    assert!(all.stderr().starts_with("error: note.txt: not a pickle: plain text"));
    assert!(all.stderr().contains("\n  hint: "), "{}", all.explain());
    let lines: Vec<Json> =
        all.stdout().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["file"], "bad.pkl");
    assert_eq!(lines[0]["allowed"], false);
    assert_eq!(lines[0]["refusal"]["offset"], 0);
    assert_eq!(lines[0]["globals"][0]["name"], "os.system");
    assert_eq!(lines[0]["opcodes"]["REDUCE"], 1);
    assert_eq!(lines[1]["refusal"], Json::Null);
    let fields: Vec<&str> = lines[1].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        fields,
        [
            "file",
            "allowed",
            "refusal",
            "size",
            "protocol",
            "n_pickles",
            "n_opcodes",
            "opcodes",
            "n_calls",
            "globals",
            "n_globals",
            "n_forbidden_globals",
            "n_trailing_bytes",
            "unread"
        ]
    );
}

/// What `torch.save` wrote before version 1.6: five pickles, which `torch.load` loads one after another,
/// of whatever protocol they are.
#[test]
fn every_pickle_of_an_old_torch_file_is_walked() {
    let magic = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.";
    // A version, and then a pickle of protocol 0 without a mark of its beginning.
    let file =
        [&magic[..], b"\x80\x02M\xe9\x03.", b"cos\nsystem\n(S'ls'\ntR.", b"N.", b"N.", b"N."];
    let scan = scan(&file.concat());
    assert!(!scan.allowed, "{scan:?}");
    assert_eq!((scan.n_pickles, scan.n_trailing_bytes), (5, 2), "{scan:?}");
    let names: Vec<_> = scan.globals.iter().map(|global| global.name.as_deref()).collect();
    assert_eq!(names, [Some("os.system")]);
}
