//! Pickles that would run code, and inconsistent ones: refused with the offset of the fault, and
//! nothing in them is run.

use std::path::Path;
use std::time::Duration;

use almt_data::pickle::describe;

use super::load;
use crate::support::{almt, files};

/// The offset of the last instruction before the end.
const LAST: u64 = u64::MAX;

/// `cMODULE\nNAME\n` with one text argument, called.
fn call(module: &str, name: &str, argument: &str) -> Vec<u8> {
    format!("c{module}\n{name}\n(V{argument}\ntR.").into_bytes()
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
        ("os.system", call("os", "system", "true"), 0, "`os.system`"),
        ("posix.system", call("posix", "system", "true"), 0, "`posix.system`"),
        ("subprocess", call("subprocess", "Popen", "true"), 0, "`subprocess.Popen`"),
        ("builtins.eval", call("builtins", "eval", "true"), 0, "`builtins.eval`"),
        ("getattr", call("__builtin__", "getattr", "true"), 0, "`__builtin__.getattr`"),
        ("torch", call("torch._utils", "_rebuild_qtensor", "true"), 0, "_rebuild_qtensor"),
        ("numpy load", call("numpy", "load", "true"), 0, "`numpy.load`"),
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
            LAST,
            "overflows",
        ),
        ("negative axis", array_of(b"J\xff\xff\xff\xff\x85", b"C\x00"), LAST, "negative length"),
        ("too few elements", array_of(b"K\x03\x85", b"C\x04abcd"), LAST, "needs 12 bytes, found 4"),
        (
            "too many axes",
            array_of(&[b"(".to_vec(), long(b"K\x01", 40), b"t".into()].concat(), b"C\x04abcd"),
            LAST,
            "array axes",
        ),
        ("elements without data", b"cnumpy\nndarray\n((I9\nttR.".to_vec(), 22, "without any data"),
        ("unhashable key", b"\x80\x02}]K\x01s.".to_vec(), 3, "a list as a key"),
        ("stack underflow", b"\x80\x02\x85.".to_vec(), 2, "`TUPLE1` without a value"),
        ("missing mark", b"\x80\x02t.".to_vec(), 2, "`TUPLE` without a mark"),
        ("values below the mark", b"\x80\x02N(\x85.".to_vec(), 4, "`TUPLE1` without a value"),
        ("odd SETITEMS", b"\x80\x02}(Nu.".to_vec(), 5, "key without a value"),
        ("invalid UTF-8", b"\x80\x04\x8c\x01\xff.".to_vec(), 2, "not UTF-8"),
        // A class makes an object by `__new__`, to which these arguments mean something else.
        ("NEWOBJ of a list", b"\x80\x02c__builtin__\nlist\n]\x85\x81.".to_vec(), LAST, "`list`"),
        (
            "NEWOBJ of a function",
            b"\x80\x02c_codecs\nencode\nVa\nVlatin1\n\x86\x81.".to_vec(),
            LAST,
            "`encode` in an unknown form",
        ),
        (
            "list of a set",
            b"\x80\x04cbuiltins\nlist\n\x8f\x85R.".to_vec(),
            LAST,
            "`list` in an unknown form",
        ),
        ("octal integer", b"\x80\x02I010\n.".to_vec(), 2, "leading zeros"),
        ("text of a cut character", b"\x80\x04\x8c\x03\xed\xa0\x41.".to_vec(), 2, "not UTF-8"),
        ("READONLY_BUFFER", b"\x80\x05C\x00\x98.".to_vec(), LAST, "`READONLY_BUFFER`"),
        ("EXT2", b"\x80\x02\x83\x01\x00.".to_vec(), 2, "`EXT2`"),
        ("a factory called", call("builtins", "int", "1"), LAST, "`int` in an unknown form"),
    ]
}

/// The processor time of this thread, whatever else the machine does; `None` where nothing says it.
fn own_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(text.split_whitespace().next()?.parse().ok()?))
}

#[test]
fn hostile_pickles_are_refused_with_the_offset() {
    for (name, bytes, offset, part) in hostile() {
        let start = own_time();
        let error = match load(&bytes) {
            Ok(pickle) => panic!("{name} was read:\n{}", describe(&pickle, name)),
            Err(error) => error,
        };
        // Each takes some microseconds.
        if let (Some(start), Some(end)) = (start, own_time()) {
            assert!(end - start < Duration::from_secs(1), "{name} took too long");
        }
        let text = error.to_string();
        assert!(text.contains(part), "{name}: {text}");
        assert!(!text.contains('\n') && !text.ends_with('.'), "{name}: {text}");
        let offset = if offset == LAST { bytes.len() as u64 - 2 } else { offset };
        assert_eq!(error.offset(), Some(offset), "{name}: {text}");
        assert!(text.contains(&format!("byte {offset}")), "{name}: {text}");
    }
}

/// Name, a pickle that Python would create `witness` by, and the name that is refused.
fn payloads(witness: &Path) -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let witness = witness.display();
    let touch = format!("touch {witness}");
    let open = format!("open('{witness}', 'w')");
    let text = |text: &str| {
        let mut out = b"X".to_vec();
        out.extend(u32::try_from(text.len()).unwrap().to_le_bytes());
        out.extend(text.as_bytes());
        out
    };
    let parts = |parts: &[&[u8]]| parts.concat();
    let (touch_text, open_text) = (text(&touch), text(&open));
    vec![
        ("os.system", call("os", "system", &touch), "os.system"),
        ("posix.system", call("posix", "system", &touch), "posix.system"),
        ("os.popen", call("os", "popen", &touch), "os.popen"),
        ("getoutput", call("subprocess", "getoutput", &touch), "subprocess.getoutput"),
        ("eval", call("builtins", "eval", &open), "builtins.eval"),
        ("eval of Python 2", call("__builtin__", "eval", &open), "__builtin__.eval"),
        ("exec", call("builtins", "exec", &open), "builtins.exec"),
        ("timeit", call("timeit", "timeit", &open), "timeit.timeit"),
        ("doctest", call("code", "interact", &open), "code.interact"),
        ("profile", call("cProfile", "run", &open), "cProfile.run"),
        ("run by NumPy", call("numpy.testing._private.utils", "runstring", &open), "runstring"),
        ("pickle in a pickle", call("pickle", "loads", &touch), "pickle.loads"),
        ("torch in a pickle", call("torch", "load", &touch), "torch.load"),
        (
            "PROTO 2 subprocess",
            parts(&[
                b"\x80\x02csubprocess\nPopen\n(]X\x05\x00\x00\x00toucha",
                &text(&witness.to_string()),
                b"atR.",
            ]),
            "subprocess.Popen",
        ),
        (
            "dotted name of protocol 4",
            parts(&[b"\x80\x04\x8c\x05numpy\x8c\x09os.system\x93", &touch_text, b"\x85R."]),
            "numpy.os.system",
        ),
        (
            "STACK_GLOBAL",
            parts(&[b"\x80\x04\x8c\x02os\x8c\x06system\x93", &touch_text, b"\x85R."]),
            "os.system",
        ),
        (
            "STACK_GLOBAL from the memo",
            parts(&[
                b"\x80\x04(\x8c\x06system\x94\x8c\x02os\x94t0h\x01h\x00\x93",
                &touch_text,
                b"\x85R.",
            ]),
            "os.system",
        ),
        (
            "STACK_GLOBAL by DUP and POP",
            parts(&[b"\x80\x04\x8c\x02os20\x8c\x06systemN0\x93", &touch_text, b"\x85R."]),
            "os.system",
        ),
        (
            "escaped name",
            parts(&[b"\x80\x04V\\u006fs\nS'sy\\x73tem'\n\x93", &touch_text, b"\x85R."]),
            "os.system",
        ),
        ("INST", parts(&[b"(", &touch_text, b"ios\nsystem\n."]), "os.system"),
        ("OBJ", parts(&[b"(cos\nsystem\n", &touch_text, b"o."]), "os.system"),
        ("NEWOBJ", parts(&[b"\x80\x02cos\nsystem\n", &touch_text, b"\x85\x81."]), "os.system"),
        ("NEWOBJ_EX", parts(&[b"\x80\x04cos\nsystem\n", &touch_text, b"\x85}\x92."]), "os.system"),
        (
            "nested REDUCE",
            parts(&[b"\x80\x02c__builtin__\nlist\n(c__builtin__\neval\n", &open_text, b"\x85RtR."]),
            "__builtin__.eval",
        ),
        (
            "BUILD on a global",
            parts(&[b"\x80\x02cos\nenviron\n}X\x01\x00\x00\x00a", &touch_text, b"sb."]),
            "os.environ",
        ),
        (
            "after a dropped value",
            parts(&[b"\x80\x02}0cos\nsystem\n", &touch_text, b"\x85R0}."]),
            "os.system",
        ),
        (
            "in an array",
            parts(&[
                b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncos\nsystem\n",
                &touch_text,
                b"\x85RK\x00\x85U\x01b\x87R.",
            ]),
            "os.system",
        ),
    ]
}

#[test]
fn payloads_are_refused_by_every_command_and_not_run() {
    let folder = tempfile::tempdir().unwrap();
    let witness = folder.path().join("witness");
    let payloads = payloads(&witness);
    let names: Vec<String> = (0..payloads.len()).map(|idx| format!("{idx:02}.pkl")).collect();
    for (name, (_, bytes, _)) in names.iter().zip(&payloads) {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    for (file, (name, _, global)) in names.iter().zip(&payloads) {
        for command in ["inspect", "convert"] {
            almt(folder.path(), &[command, file]).fails_with(&[file, global, "byte"]);
        }
        let call = almt(folder.path(), &["scan", file]);
        assert_eq!(call.code(), 1, "{name}: {}", call.explain());
        assert!(call.stdout().starts_with(&format!("{file}: REFUSED: ")), "{}", call.explain());
        let listed = |line: &str| line.contains(global) && line.contains("REFUSED  byte");
        assert!(call.stdout().lines().skip(1).any(listed), "{name}: {}", call.explain());
    }
    assert_eq!(files(folder.path()), names, "something was run, or left behind");
}
