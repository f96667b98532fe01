"""The trainer's package, the notebook, and how commands get from one package to the other."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import almt_data
from support import ROOT, command

NOTEBOOK = ROOT / "docs" / "first-model.ipynb"

PLACE = "ALMT_DATA_TEST_TRAINER"
"""Environment variable with a folder in which `almt_data_train` lies beside PyTorch's libraries."""


def environment(*folders: str) -> dict[str, str]:
    path = os.pathsep.join([*folders, os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "PYTHONPATH": path}


@pytest.fixture
def trainer() -> dict[str, str]:
    """The environment of processes in which the trainer is installed."""
    folder = os.environ.get(PLACE)
    if folder is None:
        pytest.skip("the trainer is not installed")
    return environment(folder)


def call(*args: object, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "almt_data", *map(str, args)]
    return subprocess.run(words, env=env, capture_output=True, text=True, timeout=300)


def test_without_the_trainer_one_line_says_what_to_install(data: Path) -> None:
    for arguments in (["train", "--store", data / "mosi.h5"], ["train", "--help"], ["models"]):
        done = call(*arguments, env=environment())
        assert done.returncode == 1
        name = arguments[0]
        assert done.stderr == (
            f"error: `{name}` needs the trainer, which is not installed\n"
            "  hint: pip install almt-data-train\n"
        )


def test_another_pytorch_is_named(tmp_path: Path, trainer: dict[str, str]) -> None:
    metadata = tmp_path / "torch-2.9.1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: torch\nVersion: 2.9.1\n")
    env = {**trainer, "PYTHONPATH": os.pathsep.join([str(tmp_path), trainer["PYTHONPATH"]])}
    done = call("models", env=env)
    assert done.returncode == 1
    assert "needs PyTorch 2.11, found 2.9.1: pip install 'torch==2.11.*'" in done.stderr


def test_the_program_passes_commands_on(trainer: dict[str, str]) -> None:
    done = call("models", env=trainer)
    assert done.returncode == 0, done.stderr
    assert "self_mm" in done.stdout
    assert call("train", "--no-such-option", env=trainer).returncode == 2


def test_epochs_arrive_and_a_failure_is_an_error(
    data: Path, tmp_path: Path, trainer: dict[str, str]
) -> None:
    code = """
        import sys

        import almt_data

        store, out = sys.argv[1:]
        options = {"model": "tfn", "device": "cpu", "threads": 1}
        for epoch in almt_data.train(store, out=out, epochs=2, **options):
            print(epoch["epoch"])
        try:
            list(almt_data.train(store, out=out, epochs=2, **options))
        except almt_data.Error as error:
            print(error.message)
        run = almt_data.train(store, out=out, epochs=500, overwrite=True, **options)
        print(next(run)["epoch"])
        run.close()
    """
    call = command(code, data / "mosi.h5", tmp_path / "run")
    done = subprocess.run(call, env=trainer, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[:2] == ["1", "2"] and lines[3] == "1"
    assert lines[2].startswith(str(tmp_path / "run"))
    # The last run was stopped, and can go on.
    assert not (tmp_path / "run" / "result.json").exists()


def test_the_trainer_ends_with_the_process_that_started_it(
    data: Path, tmp_path: Path, trainer: dict[str, str]
) -> None:
    code = """
        import os
        import signal
        import sys

        import almt_data

        store, out = sys.argv[1:]
        options = {"model": "tfn", "device": "cpu", "threads": 1}
        for epoch in almt_data.train(store, out=out, epochs=100_000, **options):
            print(epoch["epoch"], flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
    """
    run = tmp_path / "run"
    call = command(code, data / "mosi.h5", run)
    subprocess.run(call, env=trainer, capture_output=True, timeout=300)
    assert (run / "metrics.jsonl").exists()
    # The kernel ends it at once, and frees what it used in a moment.
    for _ in range(100):
        if not processes_with(run):
            break
        time.sleep(0.1)
    left = processes_with(run)
    for process in left:
        os.kill(process, signal.SIGKILL)
    assert left == []


def processes_with(argument: Path) -> list[int]:
    """Processes that were started with an argument."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if os.fsencode(argument) in (folder / "cmdline").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found


def test_several_seeds_are_refused(data: Path) -> None:
    with pytest.raises(almt_data.Error, match="one run"):
        almt_data.train(data / "mosi.h5", out="run", seeds=3)


def test_the_notebook_runs(tmp_path: Path, trainer: dict[str, str]) -> None:
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**trainer, "MPLBACKEND": "Agg"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "validation MAE" in done.stdout
