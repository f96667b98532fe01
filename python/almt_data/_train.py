"""Training from Python: the trainer runs as a process of its own, and its epochs arrive one by one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from almt_data._errors import Error
from almt_data._trainer import launcher

#: Seconds between two looks at the run folder.
PAUSE = 0.1


def train(
    store: str | os.PathLike[str],
    *,
    out: str | os.PathLike[str],
    model: str = "almt",
    overwrite: bool = False,
    **settings: Any,
) -> Iterator[dict[str, Any]]:
    """Train a model on a store and yield the record of each epoch as it ends.

    The run is the one of ``almt-data train``: the same settings give the same bytes. If the iteration
    is left early, or interrupted by Ctrl-C, the process is stopped and the run can go on later with
    ``almt-data resume``.

    Args:
        store: The store.
        out: The run folder to write. ``result.json`` and ``predictions.csv`` in it have the result.
        model: The model; ``almt-data models`` lists them.
        overwrite: Replace a run in the folder.
        **settings: Other options of ``almt-data train`` by their names, such as ``epochs=20``,
            ``seed=1``, ``lr=1e-4``, ``device="cpu"``. ``set={"fusion_depth": 2}`` overrides values of
            the model and of the recipe.

    Yields:
        A line of ``metrics.jsonl`` for each epoch: ``epoch``, ``loss``, metrics of the validation split
        and others, as ``almt-data schema epoch`` describes them.

    Raises:
        Error: The trainer is not installed, a setting is wrong, or the run failed.
        almt_data_train.TrainerError: PyTorch is missing or of another version.

    Example:
        >>> for epoch in almt_data.train("mosi.h5", out="runs/first", epochs=10):
        ...     print(epoch["epoch"], epoch["valid"]["MAE"])
    """
    if "seeds" in settings:
        problem = "`train` yields the epochs of one run"
        raise Error(problem, ["`almt-data train --seeds` trains several"], 2)
    trainer = launcher("train")
    folder = Path(out)
    arguments = ["train", "--store", os.fspath(store), "--out", str(folder), "--model", model]
    if overwrite:
        arguments.append("--overwrite")
    arguments += _options(settings)
    return _epochs([str(trainer.program()), *arguments], trainer.environment(), folder)


def _options(settings: dict[str, Any]) -> list[str]:
    """The settings as arguments of the command line."""
    arguments = []
    for name, value in settings.items():
        option = "--" + name.replace("_", "-")
        if value is True:
            arguments.append(option)
        elif isinstance(value, dict):
            arguments += [f"{option}={key}={part}" for key, part in value.items()]
        elif isinstance(value, (list, tuple)):
            arguments.append(f"{option}={','.join(map(str, value))}")
        elif value is not None and value is not False:
            arguments.append(f"{option}={value}")
    return arguments


def _epochs(
    command: list[str], environment: dict[str, str], folder: Path
) -> Iterator[dict[str, Any]]:
    path = folder / "metrics.jsonl"
    before = _identity(path)
    # A kernel that is restarted leaves no run behind.
    environment = {**environment, "ALMT_DATA_PARENT": str(os.getpid())}
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said:
        # In a session of its own, so that Ctrl-C reaches the trainer through us alone.
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
            start_new_session=True,
        )
        try:
            yield from _lines(process, path, before)
        finally:
            _stop(process)
        if process.returncode != 0:
            raise _failure(said, process.returncode)


def _lines(
    process: subprocess.Popen[bytes], path: Path, before: tuple[int, int, int] | None
) -> Iterator[dict[str, Any]]:
    """The lines that the process appends, until it ends."""
    file: IO[str] | None = None
    try:
        rest = ""
        while True:
            is_over = process.poll() is not None
            if file is None and _identity(path) not in (None, before):
                file = path.open(encoding="utf-8")
            if file is not None:
                *lines, rest = (rest + file.read()).split("\n")
                yield from map(json.loads, lines)
            if is_over:
                return
            time.sleep(PAUSE)
    finally:
        if file is not None:
            file.close()


def _identity(path: Path) -> tuple[int, int, int] | None:
    """Tells a file from the one of an earlier run, whose inode it may have."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_ctime_ns


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()


def _failure(said: IO[str], code: int) -> Error:
    """The error that the trainer printed last."""
    said.seek(0)
    text = said.read().strip()
    _, found, problem = text.rpartition("error: ")
    message, *rest = (problem if found else text).splitlines() or ["the trainer was stopped"]
    hints = [line.removeprefix("  hint: ") for line in rest if line.startswith("  hint: ")]
    return Error(message, hints, code if code in (1, 2) else 1)
