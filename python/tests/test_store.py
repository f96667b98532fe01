"""Stores: the same content in every form, without a copy where it lies in a file."""

from __future__ import annotations

import json
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import almt_data
from almt_data import Store

FEATURES = ("text", "audio", "vision")
SIZES = {"train": 64, "valid": 16, "test": 32}


@pytest.fixture(scope="module")
def source(data: Path) -> dict[str, Any]:
    """What the stores were made from."""
    with (data / "mosi.pkl").open("rb") as file:
        return pickle.load(file)


def test_a_store_has_the_content_of_its_source(store: Store, source: dict[str, Any]) -> None:
    assert store.splits == list(store) == list(SIZES)
    for name, split in source.items():
        found = store[name]
        assert len(found) == SIZES[name]
        assert found.ids == list(split["id"]) and found.texts == list(split["raw_text"])
        assert found["annotations"].list() == list(split["annotations"])
        for column in FEATURES:
            expected = np.asarray(split[column], "f4")
            assert found[column].shape == expected.shape
            assert found[column].dtype == np.dtype("f4")
            assert np.array_equal(found[column], expected)
        assert np.array_equal(found["text_bert"], split["text_bert"])
        assert np.array_equal(found["audio_lengths"], split["audio_lengths"])
        assert np.array_equal(found["regression_labels"], split["regression_labels"])


def test_all_forms_have_one_digest(data: Path) -> None:
    stores = [almt_data.open(data / name) for name in ("mosi.h5", "mosi-gzip.h5", "mosi.arrow")]
    assert len({store.digest for store in stores}) == 1
    assert [store.format for store in stores] == ["hdf5", "hdf5", "arrow"]
    assert all(store.n_bytes > 0 for store in stores)


def test_the_manifest_names_the_source(store: Store, path: Path) -> None:
    assert store.path == str(path)
    assert store.manifest["digest"] == store.digest
    assert store.manifest["sources"][0]["file_name"] == "mosi.pkl"
    assert store.manifest is store.manifest


def test_h5py_reads_the_same(store: Store, data: Path, optional: Callable[[str], Any]) -> None:
    h5py = optional("h5py")
    with h5py.File(data / "mosi.h5") as file:
        for split in store:
            assert store[split].ids == file[split]["id"].asstr()[:].tolist()
            for name in store[split].columns:
                found = np.asarray(store[split][name])
                if found.dtype == object:
                    assert found.tolist() == file[split][name].asstr()[:].tolist()
                else:
                    assert found.dtype == file[split][name].dtype
                    assert np.array_equal(found, file[split][name][:])


def test_columns_lie_in_the_file_unless_they_are_compressed(store: Store, path: Path) -> None:
    is_mapped = "gzip" not in path.name
    for name in FEATURES:
        column = store["train"][name]
        assert column.is_mapped == is_mapped
        assert sum(len(chunk) for chunk in column.chunks) == len(column)
        assert (len(column.chunks) > 1) == (store.format == "arrow")
        for chunk in column.chunks:
            assert chunk.flags.c_contiguous and chunk.flags.writeable and chunk.flags.aligned
    single = store["train"]["text"]
    if store.format == "hdf5":
        assert np.shares_memory(np.asarray(single), single.chunks[0])
        assert np.shares_memory(single.numpy(), single[3:5])


def test_two_columns_of_one_store_share_their_memory(data: Path) -> None:
    train = almt_data.open(data / "mosi.h5")["train"]
    assert np.shares_memory(train["audio"].chunks[0], train["audio"].chunks[0])


def test_writing_to_an_array_leaves_the_file_alone(data: Path, path: Path) -> None:
    files = [path] if path.is_file() else sorted(path.iterdir())
    before = [file.read_bytes() for file in files]
    column = almt_data.open(path)["valid"]["audio"]
    first = column.chunks[0][0].copy()
    column.chunks[0][0] = 42
    assert [file.read_bytes() for file in files] == before
    assert np.array_equal(almt_data.open(path)["valid"]["audio"][0], first)


KEYS: list[Any] = [
    0,
    63,
    -1,
    np.int64(17),
    slice(None),
    slice(10, 20),
    slice(None, None, -7),
    slice(5, 5),
    [3, 1, 60, 3],
    [-1, 0],
    [],
    np.array([2, 40], np.int32),
    np.array([[0, 1], [62, 63]]),
    np.arange(64) % 3 == 0,
    (0, slice(None), 2),
    (slice(0, 60, 20), 1),
    ...,
    None,
]


CASES = [
    pytest.param(name, key, id=f"{name}-{key!r}")
    for name in ("vision", "regression_labels", "bins/acc_7")
    for key in KEYS
    if name == "vision" or not isinstance(key, tuple)
]


@pytest.mark.parametrize(("name", "key"), CASES)
def test_indexing_is_that_of_numpy(store: Store, name: str, key: Any) -> None:
    column = store["train"][name]
    values = column.numpy()
    found, expected = column[key], values[key]
    assert type(found) is type(expected)
    assert found.shape == expected.shape and found.dtype == expected.dtype
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("key", [64, -65, [0, 64], [-65], np.array([100])])
def test_a_row_beyond_the_end_is_an_error(store: Store, key: Any) -> None:
    with pytest.raises(IndexError):
        store["train"]["audio"][key]


def test_array_copies_only_where_it_must(store: Store) -> None:
    column = store["train"]["vision"]
    is_single = len(column.chunks) == 1
    if is_single:
        assert np.shares_memory(column.__array__(copy=False), column.chunks[0])
        assert np.shares_memory(column.__array__(np.float32), column.chunks[0])
    else:
        with pytest.raises(ValueError, match="chunks"):
            column.__array__(copy=False)
    copied = column.__array__(copy=True)
    assert not any(np.shares_memory(copied, chunk) for chunk in column.chunks)
    doubles = np.asarray(column, np.float64)
    assert doubles.dtype == np.float64 and np.array_equal(doubles, copied)
    with pytest.raises(ValueError):
        column.__array__(np.float64, copy=False)


def test_other_libraries_take_columns(store: Store) -> None:
    column = store["train"]["audio"]
    assert column.__dlpack_device__() == np.zeros(1).__dlpack_device__()
    assert np.array_equal(np.from_dlpack(column), column.numpy())


def test_arrow_takes_columns_and_splits(store: Store, optional: Callable[[str], Any]) -> None:
    pyarrow = optional("pyarrow")
    train = store["train"]
    table = pyarrow.table(train)
    assert table.column_names == train.columns and table.num_rows == len(train)
    assert table["id"].to_pylist() == train.ids
    assert table["regression_labels"].to_numpy().tolist() == train["regression_labels"][:].tolist()
    features = [chunk.to_numpy_ndarray() for chunk in table["audio"].chunks]
    assert np.array_equal(np.concatenate(features), train["audio"])
    column = pyarrow.table(train["vision"])
    assert column.num_rows == len(train) and column.column_names == ["vision"]


def test_arrow_memory_outlives_the_store(data: Path, optional: Callable[[str], Any]) -> None:
    pyarrow = optional("pyarrow")
    store = almt_data.open(data / "mosi.arrow")
    expected = store["test"]["regression_labels"].numpy().tolist()
    table = pyarrow.table(store["test"])
    del store
    assert table["regression_labels"].to_pylist() == expected


def test_texts_are_lists_and_arrays(store: Store) -> None:
    column = store["valid"]["raw_text"]
    texts = column.list()
    assert len(column) == len(texts) == 16 and all(type(text) is str for text in texts)
    assert (column.shape, column.dtype) == ((16,), np.dtype(object))
    assert list(column) == np.asarray(column).tolist() == texts
    assert column[-1] == texts[-1] and column[2:4] == texts[2:4]
    assert column[[3, 0]] == [texts[3], texts[0]]
    assert column[np.arange(16) < 2] == texts[:2]
    texts.clear()
    assert len(column.list()) == 16
    with pytest.raises(IndexError):
        column[16]
    with pytest.raises(ValueError, match="copy"):
        column.__array__(copy=False)


def test_missing_parts_are_named(store: Store, tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="train, valid, test"):
        store["dev"]
    with pytest.raises(KeyError, match="regression_labels"):
        store["train"]["labels"]
    assert "train" in store and "dev" not in store and len(store) == 3
    assert "audio" in store["train"] and "labels" not in store["train"]
    with pytest.raises(TypeError):
        iter(store["train"])
    with pytest.raises(FileNotFoundError):
        almt_data.open(tmp_path / "none.h5")
    (tmp_path / "text.h5").write_text("no store")
    with pytest.raises(almt_data.Error, match="text.h5"):
        almt_data.open(tmp_path / "text.h5")


def test_validate_lists_findings(store: Store) -> None:
    findings = store.validate()
    assert {finding["rule"] for finding in findings} >= {"AD003"}
    assert all(finding["severity"] == "warning" for finding in findings)
    assert store.validate(quick=True) == []


def test_a_damaged_store_is_found(data: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.h5"
    content = bytearray((data / "mosi.h5").read_bytes())
    needle = almt_data.open(data / "mosi.h5")["train"]["text"][5].tobytes()
    content[content.index(needle)] ^= 1
    broken.write_bytes(content)
    findings = almt_data.open(broken).validate()
    assert "error" in {finding["severity"] for finding in findings}


def test_to_pandas_has_a_row_per_segment(store: Store, optional: Callable[[str], Any]) -> None:
    optional("pandas")
    table = store.to_pandas()
    assert table.index.names == ["split", "id"] and len(table) == sum(SIZES.values())
    assert {"raw_text", "regression_labels", "classification_labels", "acc_7"} <= set(table)
    assert not {"text", "audio", "vision", "text_bert", "id"} & set(table)
    train = table.loc["train"]
    assert train.index.tolist() == store["train"].ids
    assert train["regression_labels"].tolist() == store["train"]["regression_labels"][:].tolist()
    assert train["acc_7"].tolist() == store["train"]["bins/acc_7"][:].tolist()
    assert store.to_pandas("valid").equals(table.loc[["valid"]])
    with pytest.raises(KeyError):
        store.to_pandas("dev")


def test_without_pandas_the_error_names_it(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="pip install"):
        store.to_pandas()


def test_a_store_is_sent_by_its_path(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    data = pickle.dumps(almt_data.open(path.name))
    monkeypatch.chdir("/")
    copy = pickle.loads(data)
    assert copy.digest == almt_data.open(path).digest
    assert len(data) < 1000
    assert almt_data.validate(copy, quick=True)["valid"]


def test_representations_show_what_is_there(store: Store) -> None:
    lines = repr(store).splitlines()
    assert lines[0].startswith("Store(") and len(lines) == 4
    assert "train: 64 segments" in lines[1] and "audio [375, 5]" in lines[1]
    assert "float32 [64, 375, 5]" in repr(store["train"]["audio"])
    assert "64 texts" in repr(store["train"]["id"])


def test_half_precision_stays_as_it_is(data: Path, tmp_path: Path) -> None:
    almt_data.convert(data / "mosi.pkl", tmp_path / "half.h5", dtype="float16", progress=False)
    half = almt_data.open(tmp_path / "half.h5")["train"]["text"]
    assert half.dtype == np.float16 and half.is_mapped
    full = almt_data.open(data / "mosi.h5")["train"]["text"].numpy()
    assert np.array_equal(half, full.astype(np.float16))


# Split manifests.


@pytest.fixture(scope="module")
def folds(data: Path) -> Path:
    path = data / "folds.json"
    almt_data.split(data / "mosi.h5", path, k_fold=4, seed=3)
    return path


def test_select_finds_the_rows_of_a_fold(store: Store, folds: Path) -> None:
    plan = json.loads(folds.read_text())
    for fold in range(4):
        found = store.select(folds, fold)
        assert list(found) == ["train", "valid", "test"]
        assert {name: part.ids for name, part in found.items()} == plan["folds"][fold]
        everything = [row for part in found.values() for row in part.rows]
        assert len(everything) == len(set(everything)) == sum(SIZES.values())
        for part in found.values():
            ids = [store[split].ids[row] for split, row in part.rows[:5]]
            assert ids == part.ids[:5] and len(part) == len(part.ids)
    assert store.select(plan, 1) == store.select(folds, 1)


def test_the_only_fold_needs_no_number(store: Store, data: Path, tmp_path: Path) -> None:
    path = tmp_path / "ratio.json"
    almt_data.split(data / "mosi.h5", path, ratio=[0.6, 0.2, 0.2])
    assert store.select(path) == store.select(path, 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda plan: plan.update(store_digest="0"), "another store"),
        (lambda plan: plan.update(version=9), "version 9"),
        (lambda plan: plan.update(folds=[]), "no folds"),
        (lambda plan: plan["folds"][0]["train"].append("none$_$1"), "none.* is not in the store"),
        (lambda plan: plan["folds"][0]["test"].append(plan["folds"][0]["train"][0]), "once"),
        (lambda plan: plan.pop("folds"), "not a split manifest"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(
    store: Store, folds: Path, change: Callable[[Any], Any], message: str
) -> None:
    plan = json.loads(folds.read_text())
    change(plan)
    with pytest.raises(almt_data.Error, match=message):
        store.select(plan, 0)


def test_a_fold_must_be_chosen_and_exist(store: Store, folds: Path, tmp_path: Path) -> None:
    with pytest.raises(almt_data.Error, match="folds 0 to 3"):
        store.select(folds)
    for fold in (4, -1):
        with pytest.raises(almt_data.Error, match="does not exist") as caught:
            store.select(folds, fold)
        assert caught.value.code == 2
    (tmp_path / "text.json").write_text("{")
    with pytest.raises(almt_data.Error, match="not a split manifest"):
        store.select(tmp_path / "text.json")
    with pytest.raises(FileNotFoundError):
        store.select(tmp_path / "none.json")
