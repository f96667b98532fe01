"""The commands as functions: options, reports, progress and errors."""

from __future__ import annotations

import inspect
import re
import shutil
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest

import almt_data
from almt_data import Limits
from support import ROOT

COMMANDS: dict[str, Callable[..., Any]] = {
    name: getattr(almt_data, name)
    for name in (
        "convert",
        "align",
        "build",
        "copy",
        "validate",
        "inspect",
        "stats",
        "labels",
        "split",
        "scan",
        "export",
        "synth",
    )
}

OPTION = re.compile(r"^ +(?:-\w, )?--([a-z-]+)(.*(?:\n(?! +(?:-\w, )?--).*)*)", re.MULTILINE)


def options(command: str) -> dict[str, str | None]:
    """The options in the help text of a command, and their defaults."""
    text = (ROOT / "fixtures" / "help" / f"{command}.txt").read_text()
    found = {}
    for name, rest in OPTION.findall(text):
        default = re.search(r"\[default: ([\w.-]+)\]", rest)
        found[name.replace("-", "_")] = default[1] if default else None
    del found["help"]
    return found


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_of_a_command_is_an_argument(command: str) -> None:
    parameters = inspect.signature(COMMANDS[command]).parameters
    names = {name.rstrip("_") for name in parameters}
    limits = set(Limits.__annotations__) if "limits" in parameters else set()
    for name, default in options(command).items():
        # Every function returns what the program prints with `--json`.
        if name == "json":
            continue
        assert name in names | limits, f"{command} lacks {name}"
        if name in parameters and parameters[name].default not in (None, inspect.Parameter.empty):
            given = parameters[name].default
            assert given is False if default is None else str(given) == default, name


@pytest.mark.parametrize("command", COMMANDS)
def test_every_function_is_documented(command: str) -> None:
    text = inspect.getdoc(COMMANDS[command]) or ""
    for part in ("Args:", "Returns:", "Raises:", "Example:"):
        assert part in text, part
    for name in inspect.signature(COMMANDS[command]).parameters:
        assert f"{name}:" in text, name


@pytest.fixture
def pickle(data: Path, tmp_path: Path) -> Path:
    """A pickle in a folder of its own."""
    path = tmp_path / "mosi.pkl"
    shutil.copy(data / "mosi.pkl", path)
    return path


def test_convert_reports_what_it_did(pickle: Path) -> None:
    report = almt_data.convert(pickle, max_len={"audio": 200, "vision": 100})
    store = almt_data.open(report["output"])
    assert report["output"] == str(pickle.with_suffix(".h5"))
    assert report["digest"] == store.digest and report["dataset"] == "mosi"
    assert store["train"]["audio"].shape == (64, 200, 5)
    assert store["train"]["vision"].shape == (64, 100, 20)
    assert any("audio" in note for note in report["notes"])
    assert {finding["rule"] for finding in report["findings"]} >= {"AD003"}


def test_build_makes_a_store_of_a_table_and_arrays(tmp_path: Path) -> None:
    numpy.save(tmp_path / "a_1.npy", numpy.ones((7, 3)))
    table = tmp_path / "own.csv"
    table.write_text("id,score\na_1,1.5\na_2,-1\n")
    options: dict[str, Any] = {"audio": tmp_path, "dataset": "mosi", "column": {"label": "score"}}
    with pytest.raises(almt_data.Error, match="1 of 2 clips are incomplete"):
        almt_data.build(table, **options)
    report = almt_data.build(table, **options, drop_incomplete=True, length={"audio": 5})
    assert report["reconciled"][0]["missing"] == ["a_2"]
    assert report["reconciled"][0]["part"] == "audio"
    assert report["splits"] == [{"name": "train", "n_segments": 1, "shapes": {"audio": [5, 3]}}]
    assert almt_data.open(report["output"])["train"]["audio"].shape == (1, 5, 3)


def test_build_takes_labels_of_ones_own(tmp_path: Path) -> None:
    for name in ("a_1", "a_2"):
        numpy.save(tmp_path / f"{name}.npy", numpy.ones((7, 3)))
    table = tmp_path / "own.csv"
    table.write_text("id,label\na_1,4.5\na_2,2\n")
    report = almt_data.build(
        table,
        audio=tmp_path,
        dataset="own",
        label_range="1,5",
        label_neutral=3,
        label_bins={"stars": "1.5,2.5,3.5,4.5"},
    )
    assert report["dataset"] == "own" and report["label_scale"]["range"] == [1, 5]
    store = almt_data.open(report["output"])
    labels = numpy.asarray(store["train"]["regression_labels"])
    assert list(store["train"]["bins/acc_stars"]) == [4, 1]
    found = almt_data.metrics(labels + 0.1, labels, store)
    assert found["acc_stars"] == 1 and found["MAE"] == pytest.approx(0.1, abs=1e-6)
    counted = almt_data.labels(report["output"])
    assert {entry["bins"] for entry in counted["classes"]} == {"acc_2_has0", "acc_2_non0", "acc_stars"}
    scale = tmp_path / "moods.toml"
    scale.write_text('classes = ["bad", "good"]\n')
    table.write_text("id,label\na_1,good\na_2,bad\n")
    report = almt_data.build(
        table, tmp_path / "moods.h5", audio=tmp_path, label_scale=scale, column={"label": "label"}
    )
    classes = almt_data.open(report["output"])["train"]["classification_labels"]
    assert list(classes) == [1, 0]


def test_convert_explains_without_writing(pickle: Path) -> None:
    report = almt_data.convert(pickle, explain=True)
    assert "mmsa fits" in report["explanation"]
    assert list(pickle.parent.iterdir()) == [pickle]


def test_a_store_is_not_replaced_unless_asked_for(pickle: Path) -> None:
    almt_data.convert(pickle)
    with pytest.raises(almt_data.Error) as caught:
        almt_data.convert(pickle)
    assert caught.value.code == 1 and "already exists" in caught.value.message
    assert any("`overwrite`" in hint for hint in caught.value.hints)
    text = str(caught.value)
    assert text.startswith(caught.value.message) and f"hint: {caught.value.hints[0]}" in text
    almt_data.convert(pickle, overwrite=True, compression="gzip")
    assert not almt_data.open(pickle.with_suffix(".h5"))["train"]["text"].is_mapped


@pytest.mark.parametrize(
    "wrong",
    [
        {"on_nonfinite": "ignore"},
        {"max_len": {"audio": 0}},
        {"max_len": {"smell": 5}},
        {"dataset": "imdb"},
        {"compression": "zstd"},
        {"max_depth": -1},
    ],
    ids=str,
)
def test_a_wrong_call_has_its_own_code(pickle: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(almt_data.Error) as caught:
        almt_data.convert(pickle, **wrong)
    assert caught.value.code == 2
    assert list(pickle.parent.iterdir()) == [pickle]


@pytest.mark.parametrize("function", [almt_data.convert, almt_data.scan, almt_data.inspect])
def test_limits_are_passed_and_checked(pickle: Path, function: Callable[..., Any]) -> None:
    with pytest.raises(TypeError, match="max_dept"):
        function(pickle, max_dept=1)
    if function is almt_data.scan:
        assert function(pickle, max_depth=1)["allowed"] is False
    else:
        with pytest.raises(almt_data.Error, match="limit is 1"):
            function(pickle, max_depth=1)


def test_names_that_begin_with_a_dash_are_paths(
    pickle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(pickle.parent)
    pickle.rename(pickle.parent / "-o.pkl")
    report = almt_data.convert("-o.pkl", "--store.h5")
    assert Path(report["output"]).name == "--store.h5"
    assert almt_data.validate("--store.h5")["valid"]
    almt_data.copy("--store.h5", "--copy.arrow")
    assert almt_data.inspect("-o.pkl")["tree"]["children"]
    assert almt_data.scan(["-o.pkl"])[0]["allowed"]


def test_validate_returns_a_report_per_store(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = almt_data.validate(data / "mosi.h5")
    assert report["valid"] and not almt_data.validate(data / "mosi.h5", strict=True)["valid"]
    reports = almt_data.validate([data / "mosi.h5", str(data / "mosi.arrow")], quick=True)
    assert [one["valid"] for one in reports] == [True, True]
    missing = almt_data.validate(tmp_path / "none.h5")
    assert not missing["valid"] and "none.h5" in missing["failure"]
    shutil.copy(data / "mosi.h5", tmp_path / "here.h5")
    monkeypatch.chdir(tmp_path)
    assert [one["path"] for one in almt_data.validate()] == ["here.h5"]


def test_validate_compares_with_published_labels(data: Path, tmp_path: Path) -> None:
    store = almt_data.open(data / "mosi.h5")
    table = tmp_path / "labels.csv"
    rows = zip(store["test"].ids, store["test"]["regression_labels"][:].tolist(), strict=True)
    table.write_text("segment,score\n" + "".join(f"{id},{label}\n" for id, label in rows))
    columns = {"id": "segment", "label": 2}
    report = almt_data.validate(data / "mosi.h5", labels=table, column=columns)
    assert report["compared"]["n_labels"] == 32
    with pytest.raises(almt_data.Error):
        almt_data.validate(data / "mosi.h5", labels=tmp_path / "none.csv")


def test_reports_describe_a_store(data: Path, tmp_path: Path) -> None:
    path = data / "mosi.h5"
    blocks = almt_data.stats(path, svg=tmp_path / "lengths.svg")["blocks"]
    assert {block["modality"] for block in blocks} == {"text", "audio", "vision"}
    assert (tmp_path / "lengths.svg").read_text().startswith("<")
    classes = almt_data.labels(path, output=tmp_path / "labels.csv")["classes"]
    train = [row for row in classes if (row["split"], row["bins"]) == ("train", "acc_7")]
    assert sum(row["count"] for row in train) == 64
    assert (tmp_path / "labels.csv").exists()
    tree = almt_data.inspect(path)["tree"]
    assert [child["name"] for child in tree["children"]][:3] == ["train", "valid", "test"]


def test_split_takes_one_of_its_methods(data: Path, tmp_path: Path) -> None:
    store, path = data / "mosi.h5", tmp_path / "splits.json"
    report = almt_data.split(store, path, k_fold=3, by="segment", seed=5)
    assert len(report["folds"]) == 3
    again = almt_data.split(data / "mosi.arrow", tmp_path / "other.json", from_manifest=path)
    assert again["n_unused"] == 0
    with pytest.raises(almt_data.Error) as caught:
        almt_data.split(store, path, overwrite=True)
    assert caught.value.code == 2
    with pytest.raises(almt_data.Error, match="already has a validation split"):
        almt_data.split(store, path, ratio=(0.9, 0.1), from_="train", overwrite=True)


@pytest.mark.parametrize("form", ["mmsa-pickle", "parquet", "csv", "npz", "croissant"])
def test_export_writes_every_form(data: Path, tmp_path: Path, form: Any) -> None:
    output = tmp_path / "export"
    license = "CC-BY-4.0" if form == "croissant" else None
    report = almt_data.export(data / "mosi.h5", form, output=output, license=license)
    assert report["output"] == str(output) and output.exists() and report["n_bytes"] > 0


def test_schemas_are_data_and_specifications_are_texts() -> None:
    names = {entry["name"] for entry in almt_data.schema()}
    assert {"validation", "scan", "mosi"} <= names
    assert almt_data.schema("validation")["type"] == "array"
    assert isinstance(almt_data.schema("mosi"), str)
    with pytest.raises(almt_data.Error, match="not a known schema"):
        almt_data.schema("none")


def test_progress_is_told_to_a_function(pickle: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    almt_data.convert(pickle, progress=lambda *told: seen.append(told))
    assert {stage for stage, _, _ in seen} == {"converting"}
    done = [done for _, done, _ in seen]
    assert done == sorted(done) and done[-1] == seen[-1][2] > 0


def test_an_error_in_a_progress_function_ends_the_call(pickle: Path) -> None:
    def fail(*told: object) -> None:
        raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        almt_data.convert(pickle, progress=fail)


class Bar:
    """What tqdm would show."""

    shown: list[Bar] = []

    def __init__(self, total: int, desc: str, **options: Any) -> None:
        self.total, self.stage, self.n, self.is_open = total, desc, 0, True
        Bar.shown.append(self)

    def update(self, n: int) -> None:
        self.n += n

    def close(self) -> None:
        self.is_open = False


@pytest.fixture
def tqdm(monkeypatch: pytest.MonkeyPatch) -> None:
    tqdm, auto = types.ModuleType("tqdm"), types.ModuleType("tqdm.auto")
    auto.tqdm = Bar
    monkeypatch.setitem(sys.modules, "tqdm", tqdm)
    monkeypatch.setitem(sys.modules, "tqdm.auto", auto)
    Bar.shown = []


@pytest.mark.usefixtures("tqdm")
def test_a_bar_is_shown_on_a_terminal(pickle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    almt_data.convert(pickle)
    assert [bar.stage for bar in Bar.shown] == ["converting"]
    assert all(bar.n == bar.total and not bar.is_open for bar in Bar.shown)
    Bar.shown = []
    almt_data.convert(pickle, overwrite=True, progress=False)
    assert Bar.shown == []


@pytest.mark.usefixtures("tqdm")
def test_a_bar_is_shown_in_a_notebook_but_not_in_a_log(
    pickle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False, raising=False)
    almt_data.convert(pickle)
    assert Bar.shown == []
    monkeypatch.setitem(sys.modules, "ipykernel", types.ModuleType("ipykernel"))
    almt_data.convert(pickle, overwrite=True)
    assert [bar.stage for bar in Bar.shown] == ["converting"]


def test_the_program_is_the_same_program(data: Path, tmp_path: Path) -> None:
    program = [sys.executable, "-m", "almt_data"]
    version = subprocess.run([*program, "--version"], capture_output=True, text=True)
    assert version.stdout.split() == ["almt-data", almt_data.__version__]
    wrong = subprocess.run([*program, "convert"], capture_output=True, text=True)
    assert wrong.returncode == 2 and "Usage" in wrong.stderr and not wrong.stdout
    missing = subprocess.run([*program, "stats", "none.h5"], capture_output=True, cwd=tmp_path)
    assert missing.returncode == 1
    valid = subprocess.run([*program, "validate", data / "mosi.h5"], capture_output=True, text=True)
    assert valid.returncode == 0 and "valid" in valid.stdout


def test_importing_the_package_imports_nothing_optional() -> None:
    code = (
        "import sys, almt_data, almt_data.torch\n"
        "almt_data.torch.order(1, 1, 3)\n"
        "found = {'torch', 'pandas', 'tqdm', 'pyarrow', 'h5py'} & set(sys.modules)\n"
        "sys.exit(f'imported {found}' if found else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_public_names_exist_and_are_documented() -> None:
    for name in almt_data.__all__:
        assert hasattr(almt_data, name), name
        if name != "__version__":
            assert getattr(almt_data, name).__doc__, name
