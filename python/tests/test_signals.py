"""Ctrl-C ends a long call at once, and leaves no output behind."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

import almt_data
from support import check, command

LONG = """
    import sys

    import almt_data

    def told(stage, done, total):
        print(stage, done, flush=True)

    try:
        almt_data.convert(sys.argv[1], sys.argv[2], compression="gzip", progress=told)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
        sys.exit(7)
"""


@pytest.fixture(scope="module")
def pickle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pickle of 240 MB, whose conversion takes seconds."""
    path = tmp_path_factory.mktemp("long") / "mosi.pkl"
    almt_data.synth(path, samples=800)
    return path


@contextmanager
def started(call: Sequence[object], **options: object) -> Iterator[subprocess.Popen[str]]:
    """A process that Ctrl-C reaches, even where this one ignores it (a shell's background job)."""
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen(call, preexec_fn=heed, text=True, **options)  # type: ignore
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def interrupted(process: subprocess.Popen[str]) -> tuple[str, float]:
    """Presses Ctrl-C once a call is under way: the rest that is printed, and the time it took."""
    assert process.stdout is not None
    first = process.stdout.readline()
    assert first.startswith("converting"), first
    process.send_signal(signal.SIGINT)
    pressed = time.monotonic()
    rest, _ = process.communicate(timeout=60)
    return rest, time.monotonic() - pressed


def test_a_call_is_interrupted_without_output(pickle: Path, tmp_path: Path) -> None:
    call = command(LONG, pickle, tmp_path / "mosi.h5")
    with started(call, stdout=subprocess.PIPE) as process:
        rest, seconds = interrupted(process)
    assert rest.endswith("interrupted\n") and process.returncode == 7
    assert seconds < 10
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("call", ["bootstrap(a, b", "compare(a, b, b"])
def test_resampling_is_interrupted(call: str) -> None:
    code = f"""
        import sys

        import numpy as np

        import almt_data

        a, b = np.random.default_rng(1).normal(size=(2, 5000))
        print("ready", flush=True)
        try:
            almt_data.{call}, resamples=1_000_000)
        except KeyboardInterrupt:
            sys.exit(7)
    """
    with started(command(code), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        # All rounds take minutes.
        process.communicate(timeout=30)
    assert process.returncode == 7


def test_the_program_is_interrupted(pickle: Path, tmp_path: Path) -> None:
    output = tmp_path / "mosi.h5"
    program = [sys.executable, "-m", "almt_data", "convert", pickle, "-o", output]
    call = [*program, "--compression", "gzip"]
    with started(call, stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob(".mosi.h5.*.part")) and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    # Like every program that does not handle the signal.
    assert process.returncode == -signal.SIGINT
    assert not output.exists()


def test_threads_run_during_a_call(pickle: Path, tmp_path: Path) -> None:
    code = """
        import sys
        import threading
        import time

        import almt_data

        n_steps = 0
        is_over = threading.Event()

        def count():
            global n_steps
            while not is_over.is_set():
                n_steps += 1
                time.sleep(0.001)

        thread = threading.Thread(target=count)
        thread.start()
        started = time.monotonic()
        almt_data.convert(sys.argv[1], sys.argv[2], compression="gzip", progress=False)
        seconds = time.monotonic() - started
        is_over.set()
        thread.join()
        # A lock that is held would stop the other thread for most of the time.
        print(n_steps / seconds)
    """
    assert float(check(code, pickle, tmp_path / "mosi.h5", timeout=300)) > 50
