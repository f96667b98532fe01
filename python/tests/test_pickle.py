"""`almt_data.pickle` gives what `pickle.load` gives, on harmless files."""

from __future__ import annotations

import bz2
import collections
import gzip
import io
import lzma
import pickle
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import almt_data
from almt_data import pickle as safe
from support import PICKLES, PYTHON_2, assert_same, real_pickles

FILES = sorted(PICKLES.rglob("*.pkl"))
NAMES = [str(path.relative_to(PICKLES)) for path in FILES]


def reference(path: Path, **options: Any) -> Any:
    """What `pickle.load` gives; the test is skipped if the installed NumPy cannot read the file."""
    try:
        with path.open("rb") as file:
            return pickle.load(file, **options)
    except (AttributeError, ImportError, TypeError) as error:
        pytest.skip(f"NumPy {np.__version__} cannot read the file: {error}")


def encodings(path: Path) -> list[dict[str, str]]:
    is_python_2 = path.name in PYTHON_2
    return [{"encoding": "latin1"}, {"encoding": "bytes"}] if is_python_2 else [{}]


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_every_file_is_read_alike(path: Path) -> None:
    for options in encodings(path):
        expected = reference(path, **options)
        assert_same(safe.load(path, **options), expected)
        assert_same(safe.load(str(path), mmap=False, **options), expected)
        assert_same(safe.loads(path.read_bytes(), **options), expected)
        with path.open("rb") as file:
            assert_same(safe.load(file, **options), expected)
        assert_same(safe.load(io.BytesIO(path.read_bytes()), **options), expected)


def test_published_files_are_read_alike() -> None:
    files = real_pickles()
    if not files:
        pytest.skip("no real data")
    for path in files:
        assert_same(safe.load(path), reference(path))


def test_texts_of_python_2_follow_encoding_and_errors() -> None:
    path = PICKLES / "python2-protocol2.pkl"
    with pytest.raises(UnicodeDecodeError):
        safe.load(path)
    for errors in ("ignore", "replace", "surrogateescape"):
        expected = reference(path, errors=errors)
        assert_same(safe.load(path, errors=errors), expected)
    with pytest.raises(LookupError):
        safe.load(path, encoding="no such encoding")


def values() -> dict[str, Any]:
    shared = [1, {"a": 2}]
    array = np.arange(6.0).reshape(2, 3)
    counts = collections.defaultdict(int, {"x": 1})
    return {
        "shared lists": [shared, shared, (shared,)],
        "shared arrays": {"a": array, "b": array, "view": [array]},
        "empty containers": [[], (), {}, set(), frozenset(), b"", "", bytearray()],
        "equal but not shared": [[], [], {}, {}, bytearray(b"a"), bytearray(b"a")],
        "order": {"z": 1, "a": 2, 3: "b", None: 4, (1, "x"): 5, False: 6},
        "collections": [
            counts,
            collections.defaultdict(None, {"k": 1}),
            collections.defaultdict(list, {"k": [1]}),
            collections.Counter("abracadabra"),
            collections.OrderedDict([("b", 1), ("a", 2)]),
        ],
        "bytes": [b"\x00\xff" * 200, bytearray(b"\x00\xff" * 200), bytearray(b"x")],
        "integers": [0, -1, 255, 256, 2**31, -(2**31), 2**63, -(2**63), 2**64, 10**300],
        "floats": [0.0, -0.0, 1e-320, float("inf"), float("nan")],
        "texts": ["", "\x00", "\u00e9\u4f60\U0001f600", "\ud800", "a" * 70_000],
        "sets": [{1, "a", None}, frozenset({(1, 2)})],
        "scalars": [np.float32(0.1), np.float16(2), np.int8(-1), np.uint64(2**64 - 1), np.True_],
        "text scalars": [np.str_("caf\u00e9"), np.bytes_(b"\xff\x00a"), np.str_("")],
        "zero dimensions": [np.array(1.5), np.array("text"), np.array(None, dtype=object)],
        "empty arrays": [np.zeros((0, 3), "f4"), np.zeros((2, 0)), np.array([], dtype=object)],
        "byte orders": [np.arange(3, dtype=">f4"), np.arange(3, dtype="<i2")],
        "orders": [np.asfortranarray(array), array.T, array[:, ::2], array[::-1]],
        "ones": [np.zeros((1, 5)), np.zeros((5, 1), order="F"), np.zeros((1, 1, 1))],
        "texts in arrays": [np.array(["ab", "", "\U0001f600"]), np.array([b"a", b""])],
        "objects": np.array([["a", [1]], [None, array]], dtype=object),
        "objects in columns": np.asfortranarray(np.array([["a", 1], ["b", 2]], dtype=object)),
        "large": np.random.default_rng(1).normal(size=(40, 50)).astype("f4"),
        "large texts": np.array([f"segment {idx}" for idx in range(500)]),
    }


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("name", values())
def test_every_kind_of_value_is_read_alike(tmp_path: Path, name: str, protocol: int) -> None:
    path = tmp_path / "value.pkl"
    data = pickle.dumps(values()[name], protocol)
    path.write_bytes(data)
    expected = pickle.loads(data)
    assert_same(safe.loads(data), expected)
    assert_same(safe.load(path), expected)
    assert_same(safe.load(path, mmap=False), expected)


def opened(kind: str, path: Path, data: bytes) -> Any:
    """A file object of some kind with these bytes."""
    path.write_bytes(gzip.compress(data) if kind == "gzip" else data)
    if kind == "temporary":
        file = tempfile.NamedTemporaryFile()
        file.write(data)
        file.seek(0)
        return file
    return {
        "file": lambda: path.open("rb"),
        "unbuffered": lambda: path.open("rb", buffering=0),
        "update": lambda: path.open("r+b"),
        "memory": lambda: io.BytesIO(data),
        "gzip": lambda: gzip.open(path),
    }[kind]()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("kind", ["file", "unbuffered", "update", "memory", "gzip", "temporary"])
def test_several_pickles_follow_each_other_in_a_file(
    tmp_path: Path, kind: str, protocol: int
) -> None:
    parts = [{"a": np.arange(4.0)}, [1, 2], "text", np.arange(600, dtype="f4")]
    data = b"".join(pickle.dumps(part, protocol) for part in parts)
    with opened(kind, tmp_path / "several.pkl", data) as file:
        ends = []
        for part in parts:
            assert_same(safe.load(file), part)
            ends.append(file.tell())
        with pytest.raises(EOFError):
            safe.load(file)
    lengths = [len(pickle.dumps(part, protocol)) for part in parts]
    assert ends == np.cumsum(lengths).tolist()


def test_a_file_is_read_from_its_position_and_left_after_the_pickle(tmp_path: Path) -> None:
    path = tmp_path / "within.pkl"
    path.write_bytes(b"header" + pickle.dumps(np.arange(5)) + b"rest")
    with path.open("rb") as file:
        assert file.read(6) == b"header"
        assert_same(safe.load(file), np.arange(5))
        assert file.read() == b"rest"


def test_an_unpickler_reads_one_pickle_after_another() -> None:
    file = io.BytesIO(pickle.dumps([1]) + pickle.dumps("a"))
    unpickler = safe.Unpickler(file)
    assert [unpickler.load(), unpickler.load()] == [[1], "a"]
    with pytest.raises(EOFError):
        unpickler.load()


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_an_unpickler_refuses_what_refers_to_an_earlier_pickle(protocol: int) -> None:
    file = io.BytesIO()
    pickler = pickle.Pickler(file, protocol)
    pickler.dump("hello")
    pickler.dump(("world", 5))
    pickler.dump(("again", "hello"))
    file.seek(0)
    unpickler = safe.Unpickler(file)
    assert [unpickler.load(), unpickler.load()] == ["hello", ("world", 5)]
    with pytest.raises(pickle.UnpicklingError, match="earlier pickle"):
        unpickler.load()


def many_arrays_of_one_text(n_arrays: int) -> bytes:
    """A pickle with arrays that all have the same megabyte of bytes."""
    # NumPy 1 and 2 have `_frombuffer` in different modules.
    one = pickle.dumps(np.zeros(1 << 20, "u1"), protocol=5)
    names = ("numpy._core.numeric", "numpy.core.numeric")
    module = next(name for name in names if name.encode() in one)
    text = io.BytesIO()
    text.write(b"\x80\x05B" + (1 << 20).to_bytes(4, "little") + bytes(1 << 20) + b"q\x010")
    text.write(f"c{module}\n_frombuffer\nq\x02".encode() + b"0")
    text.write(b"cnumpy\ndtype\n(X\x02\0\0\0u1K\x00K\x01tRq\x030")
    text.write(b"(J" + (1 << 20).to_bytes(4, "little") + b"tq\x040](")
    text.write(b"h\x02(h\x01h\x03h\x04X\x01\0\0\0CtR" * n_arrays + b"e.")
    return text.getvalue()


def test_copies_of_the_same_bytes_have_a_limit() -> None:
    assert len(safe.loads(many_arrays_of_one_text(20))) == 20
    bomb = many_arrays_of_one_text(40)
    with pytest.raises(pickle.UnpicklingError, match=r"max_memory_per_byte"):
        safe.loads(bomb)
    assert len(safe.loads(bomb, max_memory_per_byte=40)) == 40


def test_limits_can_be_raised(tmp_path: Path) -> None:
    nested: Any = []
    for _ in range(120):
        nested = [nested]
    data = pickle.dumps(nested)
    path = tmp_path / "nested.pkl"
    path.write_bytes(data)
    for read in (
        lambda **limits: safe.loads(data, **limits),
        lambda **limits: safe.load(path, **limits),
        lambda **limits: safe.Unpickler(io.BytesIO(data), **limits).load(),
        lambda **limits: safe.info(path, **limits),
    ):
        with pytest.raises(pickle.UnpicklingError, match="`max_depth` raises it"):
            read()
        read(max_depth=200)
        with pytest.raises(TypeError, match="max_dept"):
            read(max_dept=200)


def test_a_key_without_a_hash_is_damage() -> None:
    for data in (b"\x80\x05}\x96\x01\0\0\0\0\0\0\0aNs.", b"\x80\x05(\x96\x01\0\0\0\0\0\0\0a\x91."):
        with pytest.raises(pickle.UnpicklingError, match="unhashable"):
            safe.loads(data)


@pytest.mark.parametrize("name", ["find_class", "persistent_load"])
def test_an_unpickler_has_nothing_to_override(name: str) -> None:
    with pytest.raises(TypeError, match=name):
        type("Custom", (safe.Unpickler,), {name: lambda self, *args: None})
    assert type("Plain", (safe.Unpickler,), {})(io.BytesIO(pickle.dumps(1))).load() == 1


def test_a_stream_that_cannot_seek_is_read() -> None:
    class Pipe:
        def read(self) -> bytes:
            return pickle.dumps({"a": np.arange(3)}) + b"more"

    assert_same(safe.load(Pipe()), {"a": np.arange(3)})


@pytest.mark.parametrize(
    ("module", "ending"), [(gzip, "gz"), (bz2, "bz2"), (lzma, "xz")], ids=["gz", "bz2", "xz"]
)
def test_compressed_files_are_read(tmp_path: Path, module: Any, ending: str) -> None:
    value = {"a": np.arange(1000.0), "b": ["text"]}
    path = tmp_path / f"value.pkl.{ending}"
    path.write_bytes(module.compress(pickle.dumps(value)))
    with module.open(path) as file:
        assert_same(safe.load(file), value)
    assert_same(safe.load(path), value)
    assert [array["mapped"] for array in safe.info(path)] == [False]


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_buffer_is_read(kind: Any) -> None:
    data = pickle.dumps([1, np.arange(3)]) + b"after the pickle"
    assert_same(safe.loads(kind(data)), [1, np.arange(3)])


@pytest.mark.parametrize("wrong", ["text", 5, None, [1]])
def test_what_is_no_buffer_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError):
        safe.loads(wrong)


@pytest.mark.parametrize("wrong", [5, None, b"bytes are no path", [1]])
def test_what_is_no_file_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError):
        safe.load(wrong)
    with pytest.raises(TypeError):
        safe.Unpickler(wrong)
    with pytest.raises(TypeError, match="binary"):
        safe.load(io.StringIO("text"))


def test_an_empty_input_is_its_end(tmp_path: Path) -> None:
    (tmp_path / "empty.pkl").touch()
    with pytest.raises(EOFError):
        safe.load(tmp_path / "empty.pkl")
    with pytest.raises(EOFError):
        safe.load(io.BytesIO())
    with pytest.raises(EOFError):
        safe.loads(b"")


def test_a_missing_file_is_the_systems_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as missing:
        safe.load(tmp_path / "none.pkl")
    assert missing.value.filename == str(tmp_path / "none.pkl")
    with pytest.raises(IsADirectoryError):
        safe.load(tmp_path)


def test_options_that_mean_nothing_here_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "value.pkl"
    path.write_bytes(pickle.dumps(1))
    for call in (
        lambda: safe.load(path, buffers=[]),
        lambda: safe.loads(pickle.dumps(1), buffers=[]),
        lambda: safe.Unpickler(io.BytesIO(), buffers=[]),
    ):
        with pytest.raises(ValueError, match="buffers"):
            call()
    with pytest.raises(ValueError, match="mmap"):
        safe.load(io.BytesIO(pickle.dumps(1)), mmap=True)
    assert safe.load(path, fix_imports=False) == safe.loads(pickle.dumps(1), fix_imports=False) == 1


def test_arrays_lie_in_the_file_and_do_not_change_it(tmp_path: Path) -> None:
    path = tmp_path / "array.pkl"
    path.write_bytes(pickle.dumps({"a": np.arange(5000, dtype="f4")}))
    before = path.read_bytes()
    array = safe.load(path)["a"]
    assert [entry["mapped"] for entry in safe.info(path)] == [True]
    array[:] = -1
    assert (array == -1).all()
    assert path.read_bytes() == before
    assert_same(safe.load(path)["a"], np.arange(5000, dtype="f4"))


def test_arrays_of_the_same_bytes_have_memory_of_their_own(tmp_path: Path) -> None:
    # Two arrays whose elements the pickle has once, in its memo.
    state = b"(K\x01M\xe8\x03\x85cnumpy\ndtype\nU\x02f4\x89\x88\x87R(K\x03U\x01<NNN"
    state += b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89%stb"
    make = b"cnumpy\nndarray\nK\x00\x85\x85R"
    elements = np.arange(1000, dtype="<f4").tobytes()
    first = make + state % (b"B" + len(elements).to_bytes(4, "little") + elements + b"q\x07")
    path = tmp_path / "twice.pkl"
    path.write_bytes(b"\x80\x03]" + first + b"a" + make + state % b"h\x07" + b"a.")
    for found in (safe.load(path), safe.loads(path.read_bytes())):
        one, other = found
        assert_same(one, np.arange(1000, dtype="<f4"))
        one[:] = 7
        assert_same(other, np.arange(1000, dtype="<f4"))


def test_info_says_what_lies_in_the_file_and_why_not(tmp_path: Path) -> None:
    path = tmp_path / "arrays.pkl"
    arrays = {"f4": np.zeros((40, 50), "f4"), "o": np.array([{}]), "empty": np.zeros((0, 2))}
    path.write_bytes(pickle.dumps(arrays, 4))
    found = by_dtype(path)
    floats = found["float32"]
    assert (floats["shape"], floats["mapped"], floats["reason"]) == ((40, 50), True, None)
    assert 0 < floats["offset"] < path.stat().st_size
    empty = found["float64"]
    assert not empty["mapped"] and empty["reason"]
    # By default, nothing lies in a file that the caller opened.
    with path.open("rb") as file:
        opened = by_dtype(file)
    in_memory = by_dtype(io.BytesIO(path.read_bytes()))
    for entry in [*opened.values(), *in_memory.values()]:
        assert not entry["mapped"] and entry["reason"]
    assert opened["float32"]["offset"] == floats["offset"]


def by_dtype(file: Any) -> dict[str, dict[str, Any]]:
    return {entry["dtype"]: entry for entry in safe.info(file)}


def test_scan_is_the_report_of_the_program(data: Path, tmp_path: Path) -> None:
    report = safe.scan(data / "mosi.pkl")
    assert report["allowed"] and report["protocol"] == 4
    assert {entry["name"] for entry in report["globals"]} == {"numpy.dtype", "numpy.ndarray"}
    bad = tmp_path / "bad.pkl"
    bad.write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    report = safe.scan(bad)
    assert not report["allowed"] and "os.system" in report["refusal"]["message"]
    with pytest.raises(almt_data.Error):
        safe.scan(tmp_path / "none.pkl")


def test_the_module_can_take_the_place_of_pickle() -> None:
    value = {"a": [1, 2.5, "x"]}
    assert safe.loads(safe.dumps(value, safe.HIGHEST_PROTOCOL)) == value
    assert issubclass(safe.UnsafePickleError, safe.UnpicklingError)
    assert safe.UnpicklingError is pickle.UnpicklingError
    assert set(safe.__all__) <= set(dir(safe))


def test_a_synthetic_dataset_is_read_alike(data: Path) -> None:
    with (data / "mosi.pkl").open("rb") as file:
        expected = pickle.load(file)
    assert_same(safe.load(data / "mosi.pkl"), expected)
    # In a pickle by the program, all numbers can lie in the file.
    numbers = [entry for entry in safe.info(data / "mosi.pkl") if entry["dtype"] != "object"]
    assert numbers and all(entry["mapped"] for entry in numbers if 0 not in entry["shape"])
