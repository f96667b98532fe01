"""Memory of mapped files: what happens to it when the file changes, and when nobody needs it."""

from __future__ import annotations

import gc
import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import almt_data
from support import check, resident_bytes, run

N_VALUES = 4 << 20
"""Values of a large array, in a file of 16 MiB."""


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A pickle with a large array."""
    path = tmp_path / "large.pkl"
    with path.open("wb") as file:
        pickle.dump({"a": np.arange(N_VALUES, dtype="f4")}, file, protocol=4)
    return path


def test_a_shortened_file_is_an_exception_not_a_crash(large: Path) -> None:
    printed = check(
        """
        import os
        import sys

        import numpy as np

        import almt_data

        path = sys.argv[1]
        array = almt_data.pickle.load(path)["a"]
        first = array[:1000].copy()
        os.truncate(path, 1 << 20)
        try:
            total = array.sum()
            for _ in range(1000):
                pass
        except almt_data.FileChangedError as error:
            print("changed:", error)
        # Both what is still there and what is lost can be read on.
        assert (array[:1000] == first).all()
        assert array[-1] == 0
        try:
            almt_data.pickle.load(path)
        except almt_data.pickle.UnpicklingError:
            print("truncated")
        """,
        large,
    )
    assert printed.startswith("changed:") and printed.endswith("truncated\n")


@pytest.mark.parametrize("form", ["h5", "arrow"])
def test_a_shortened_store_is_an_exception_not_a_crash(
    data: Path, tmp_path: Path, form: str
) -> None:
    copy = tmp_path / f"copy.{form}"
    if form == "h5":
        shutil.copy(data / "mosi.h5", copy)
    else:
        shutil.copytree(data / "mosi.arrow", copy)
    file = copy if form == "h5" else copy / "train.arrow"
    printed = check(
        """
        import os
        import sys

        import almt_data

        chunks = almt_data.open(sys.argv[1])["train"]["text"].chunks
        os.truncate(sys.argv[2], 4096)
        try:
            sum(chunk.sum() for chunk in chunks)
            for _ in range(1000):
                pass
        except almt_data.FileChangedError:
            print("changed")
        """,
        copy,
        file,
    )
    assert printed == "changed\n"


def test_reads_in_a_thread_survive_a_shortened_file(large: Path) -> None:
    check(
        """
        import os
        import sys
        import threading

        import almt_data

        array = almt_data.pickle.load(sys.argv[1])["a"]
        os.truncate(sys.argv[1], 1 << 20)
        found = []
        thread = threading.Thread(target=lambda: found.append(float(array[-1])))
        try:
            thread.start()
            thread.join()
            for _ in range(1000):
                pass
        except almt_data.FileChangedError:
            thread.join()
        assert found == [0.0]
        """,
        large,
    )


def test_other_bus_errors_still_end_the_process(tmp_path: Path) -> None:
    path = tmp_path / "other"
    path.write_bytes(bytes(1 << 16))
    done = run(
        """
        import mmap
        import os
        import pickle
        import sys

        import almt_data

        pickled = sys.argv[1] + ".pkl"
        open(pickled, "wb").write(pickle.dumps(1))
        almt_data.pickle.load(pickled)
        with open(sys.argv[1], "r+b") as file:
            mapped = mmap.mmap(file.fileno(), 0)
        os.truncate(sys.argv[1], 0)
        mapped[40_000]
        """,
        path,
    )
    assert done.returncode < 0


def test_a_replaced_file_leaves_the_old_values(large: Path, tmp_path: Path) -> None:
    array = almt_data.pickle.load(large)["a"]
    other = tmp_path / "other.pkl"
    other.write_bytes(pickle.dumps({"a": np.zeros(3, "f4")}))
    os.replace(other, large)
    assert array[N_VALUES - 1] == N_VALUES - 1 and array[N_VALUES // 2] == N_VALUES // 2
    assert almt_data.pickle.load(large)["a"].tolist() == [0, 0, 0]
    large.unlink()
    assert array[12345] == 12345


def test_a_replaced_store_leaves_the_old_values(data: Path, tmp_path: Path) -> None:
    path = tmp_path / "store.h5"
    shutil.copy(data / "mosi.h5", path)
    column = almt_data.open(path)["train"]["text"]
    expected = almt_data.open(data / "mosi.h5")["train"]["text"].numpy().copy()
    almt_data.convert(data / "mosi.pkl", path, overwrite=True, dtype="float16", progress=False)
    assert np.array_equal(column, expected)
    assert almt_data.open(path)["train"]["text"].dtype == np.float16


def test_arrays_outlive_their_file_and_store(large: Path, data: Path) -> None:
    with large.open("rb") as file:
        array = almt_data.pickle.load(file)["a"]
    column = almt_data.open(data / "mosi.arrow")["train"]["text"]
    chunk, part = column.chunks[1], almt_data.open(data / "mosi.h5")["test"]["audio"][4:6]
    expected = chunk.copy(), part.copy()
    del column, file
    gc.collect()
    assert array[-1] == N_VALUES - 1
    assert np.array_equal(chunk, expected[0]) and np.array_equal(part, expected[1])


def test_loading_maps_and_does_not_read(large: Path) -> None:
    almt_data.pickle.load(large)
    before = resident_bytes()
    value = almt_data.pickle.load(large)
    assert resident_bytes() - before < 4 << 20
    assert value["a"][N_VALUES - 1] == N_VALUES - 1


def grown(action: Any, n_times: int, n_first: int) -> int:
    """By how much memory grows when an action is repeated, after some repetitions."""
    for _ in range(n_first):
        action()
    gc.collect()
    before = resident_bytes()
    for _ in range(n_times):
        action()
    gc.collect()
    return resident_bytes() - before


MOST_GROWTH = 8 << 20
"""What 1,000 repetitions may leave behind: less than one object of a few KiB each."""


def test_a_thousand_loads_keep_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "value.pkl"
    arrays = {"f4": np.zeros((64, 500), "f4"), "U": np.array(["ab"] * 500), "O": np.array([{}, 1])}
    path.write_bytes(pickle.dumps({"a": arrays, "b": ["text"] * 1000}, 4))
    data = path.read_bytes()
    hostile = b"\x80\x02]cos\nsystem\na."

    def mapped() -> None:
        value = almt_data.pickle.load(path)
        value["a"]["f4"][:] = 1

    def refused() -> None:
        with pytest.raises(almt_data.UnsafePickleError):
            almt_data.pickle.loads(hostile)

    assert grown(mapped, 1000, 200) < MOST_GROWTH
    assert grown(lambda: almt_data.pickle.loads(data), 1000, 200) < MOST_GROWTH
    assert grown(refused, 1000, 200) < MOST_GROWTH


@pytest.mark.parametrize("name", ["mosi.h5", "mosi.arrow"])
def test_a_thousand_opened_stores_keep_no_memory(data: Path, name: str) -> None:
    def opened() -> None:
        train = almt_data.open(data / name)["train"]
        assert train["audio"][[1, 40]].shape == (2, 375, 5)
        assert len(train.texts) == 64

    assert grown(opened, 1000, 200) < MOST_GROWTH


def test_file_descriptors_are_closed(data: Path, large: Path) -> None:
    def n_open() -> int:
        return len(os.listdir("/proc/self/fd"))

    array = almt_data.pickle.load(large)["a"]
    store = almt_data.open(data / "mosi.h5")
    before = n_open()
    for _ in range(50):
        almt_data.pickle.load(large)
        almt_data.open(data / "mosi.h5")["train"]["text"].numpy()
        almt_data.open(data / "mosi.arrow")["train"]["text"].numpy()
    gc.collect()
    assert n_open() <= before
    assert array[1] == 1 and store["train"]["text"].is_mapped


def test_a_shortened_file_is_read_in_any_order(tmp_path: Path) -> None:
    # More pages than the system allows a process maps.
    printed = check(
        """
        import os
        import pickle
        import sys

        import numpy as np

        import almt_data

        path = sys.argv[1]
        n_pages = 70_000
        with open(path, "wb") as file:
            pickle.dump({"a": np.zeros(n_pages * 1024, dtype="f4")}, file, protocol=4)
        array = almt_data.pickle.load(path)["a"]
        os.truncate(path, 4096)
        try:
            assert array[np.random.default_rng(1).permutation(n_pages) * 1024].sum() == 0
            for _ in range(1000):
                pass
        except almt_data.FileChangedError:
            print("changed")
        """,
        tmp_path / "pages.pkl",
    )
    assert printed == "changed\n"


@pytest.mark.parametrize(
    "read", ["load(path)", "load(path, mmap=False)", "load(open(path, 'rb'))", "scan(path)"]
)
def test_a_file_that_is_shortened_while_it_is_read_is_an_exception(
    tmp_path: Path, read: str
) -> None:
    path = tmp_path / "numbers.pkl"
    path.write_bytes(pickle.dumps([float(value) for value in range(3_000_000)], protocol=4))
    check(
        f"""
        import os
        import sys
        import threading
        import time

        import almt_data
        from almt_data.pickle import load, scan

        path = sys.argv[1]

        def shorten():
            time.sleep(0.03)
            os.truncate(path, 1000)

        threading.Thread(target=shorten).start()
        try:
            {read}
            for _ in range(1000):
                pass
        except (almt_data.FileChangedError, almt_data.pickle.UnpicklingError, almt_data.Error):
            pass
        """,
        path,
    )


def test_a_compressed_store_that_is_shortened_is_an_exception(data: Path, tmp_path: Path) -> None:
    store = tmp_path / "copy.arrow"
    almt_data.copy(data / "mosi.h5", store, compression="zstd", progress=False)
    check(
        """
        import os
        import sys

        import almt_data

        store = almt_data.open(sys.argv[1])
        os.truncate(sys.argv[1] + "/train.arrow", 20_000)
        try:
            store["train"]["text"].numpy()
            for _ in range(1000):
                pass
            print("read")
        except (almt_data.FileChangedError, almt_data.Error):
            print("raised")
        """,
        store,
    )
