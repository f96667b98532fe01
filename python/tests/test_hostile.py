"""Hostile pickles raise, and nothing in them is executed."""

from __future__ import annotations

import io
import pickle
import time
from pathlib import Path

import numpy as np
import pytest

import almt_data
from almt_data import pickle as safe
from hostile import BOMBS, DAMAGED, EVERYTHING, NAMES, assert_refused, called, named, stacked, text
from support import check, resident_bytes

pytestmark = pytest.mark.usefixtures("target")


@pytest.mark.usefixtures("warm_cache")
@pytest.mark.parametrize("name", EVERYTHING)
def test_everything_that_is_no_data_is_refused(tmp_path: Path, name: str) -> None:
    data = EVERYTHING[name]
    path = tmp_path / "hostile.pkl"
    path.write_bytes(data)
    assert_refused(lambda: safe.loads(data))
    assert_refused(lambda: safe.load(path))
    assert_refused(lambda: safe.load(path, mmap=False))
    assert_refused(lambda: safe.load(io.BytesIO(data)))
    assert_refused(lambda: safe.Unpickler(io.BytesIO(data)).load())
    assert_refused(lambda: safe.info(path))
    with path.open("rb") as file:
        assert_refused(lambda: safe.load(file))
    assert not safe.scan(path)["allowed"]


@pytest.mark.parametrize(("module", "name"), NAMES)
def test_a_refusal_has_the_name_and_its_offset(module: str, name: str) -> None:
    for function in (named(module, name), stacked(module, name)):
        data = called(function, text("x"))
        with pytest.raises(safe.UnsafePickleError) as caught:
            safe.loads(data)
        assert caught.value.name == f"{module}.{name}"
        assert caught.value.offset == 2 + (len(function) - 1 if function[:1] == b"X" else 0)
        assert caught.value.name in str(caught.value)


@pytest.mark.parametrize("name", DAMAGED)
def test_what_is_damaged_or_too_large_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "damaged.pkl"
    path.write_bytes(DAMAGED[name])
    before, started = resident_bytes(), time.process_time()
    for load in (lambda: safe.load(path), lambda: safe.loads(DAMAGED[name])):
        with pytest.raises(pickle.UnpicklingError):
            load()
    assert time.process_time() - started < 20
    assert resident_bytes() - before < 512 << 20


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_read_or_refused_in_time_and_memory(name: str, tmp_path: Path) -> None:
    path = tmp_path / "bomb.pkl"
    path.write_bytes(BOMBS[name])
    # In a process of its own, which can be ended.
    grown = check(
        """
        import pickle
        import sys

        import almt_data

        def resident():
            return int(open("/proc/self/statm").read().split()[1]) * 4096

        before = resident()
        try:
            almt_data.pickle.load(sys.argv[1])
        except pickle.UnpicklingError:
            pass
        print(resident() - before)
        """,
        path,
        timeout=60,
    )
    assert int(grown) < 256 << 20


@pytest.mark.parametrize("kind", ["cut", "flipped"])
def test_no_change_of_a_byte_is_a_crash(kind: str) -> None:
    data = pickle.dumps({"a": np.arange(5.0), "b": [1, "x", (2.5, None)], "c": {3}}, 4)
    changed = [data[:end] for end in range(len(data))]
    if kind == "flipped":
        changed = [
            data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]
            for at in range(len(data))
            for bit in range(8)
        ]
    for one in changed:
        try:
            safe.loads(one)
        except (pickle.UnpicklingError, EOFError, UnicodeDecodeError):
            pass


def test_exceptions_can_be_sent_to_another_process() -> None:
    for error in (
        safe.UnsafePickleError("refused", "os.system", 5),
        almt_data.Error("cause", ["fix"], 2),
        almt_data.FileChangedError("changed"),
    ):
        copy = pickle.loads(pickle.dumps(error))
        assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))
