"""What several tests share: places, deep comparison, and programs of their own."""

from __future__ import annotations

import collections
import os
import struct
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

IDENTIFIED = (list, dict, set, bytearray, np.ndarray)
"""Types whose objects a pickle may share, so that a change of one is one of the other."""


def root() -> Path:
    """The repository, by the program that wrote its pickles."""
    for folder in Path(__file__).resolve().parents:
        if (folder / "fixtures" / "pickles" / "make.py").is_file():
            return folder
    raise FileNotFoundError("the tests are not in a checkout of the repository")


ROOT = root()
PICKLES = ROOT / "fixtures" / "pickles"
GOLDEN = ROOT / "fixtures" / "golden"

PYTHON_2 = {"python2-protocol0.pkl", "python2-protocol2.pkl"}
"""Fixtures with texts of Python 2."""


def real_pickles() -> list[Path]:
    """Published files, which the repository must not hold; they may lie beside it."""
    return sorted((ROOT.parent / "shared" / "data").glob("*.pkl"))


def assert_same(found: Any, expected: Any) -> None:
    """Asserts that two values are equal, with their types, and share objects in the same places."""
    _Comparison().compare(found, expected, "value")


class _Comparison:
    def __init__(self) -> None:
        self._twins: dict[int, tuple[Any, Any]] = {}

    def compare(self, found: Any, expected: Any, place: str) -> None:
        assert type(found) is type(expected), f"{place}: {type(found)} for {type(expected)}"
        if isinstance(expected, IDENTIFIED) and self._is_known(found, expected, place):
            return
        if isinstance(expected, np.ndarray):
            self._arrays(found, expected, place)
        elif isinstance(expected, np.generic):
            assert found.dtype.str == expected.dtype.str, place
            assert found.tobytes() == expected.tobytes(), place
        elif isinstance(expected, dict):
            self._dicts(found, expected, place)
        elif isinstance(expected, (list, tuple)):
            self._items(found, expected, place)
        elif isinstance(expected, float):
            assert struct.pack("<d", found) == struct.pack("<d", expected), place
        else:
            assert found == expected, place

    def _items(self, found: Sequence[Any], expected: Sequence[Any], place: str) -> None:
        assert len(found) == len(expected), place
        for idx, (one, other) in enumerate(zip(found, expected, strict=True)):
            self.compare(one, other, f"{place}[{idx}]")

    def _is_known(self, found: Any, expected: Any, place: str) -> bool:
        """Whether both were met before, at the same time."""
        twins = self._twins.get(id(expected)), self._twins.get(id(found))
        assert twins[0] is twins[1], f"{place}: shared in one of them alone"
        if twins[0] is None:
            self._twins[id(expected)] = self._twins[id(found)] = (found, expected)
        return twins[0] is not None

    def _arrays(self, found: Any, expected: Any, place: str) -> None:
        assert found.dtype.str == expected.dtype.str, place
        assert found.shape == expected.shape, place
        for flag in ("C_CONTIGUOUS", "F_CONTIGUOUS"):
            assert found.flags[flag] == expected.flags[flag], f"{place}: {flag}"
        if expected.size:
            assert _strides(found) == _strides(expected), place
        assert found.flags.writeable, place
        if expected.dtype == object:
            self._items(list(found.flat), list(expected.flat), place)
        else:
            assert found.tobytes() == expected.tobytes(), place

    def _dicts(self, found: Any, expected: Any, place: str) -> None:
        if isinstance(expected, collections.defaultdict):
            assert found.default_factory is expected.default_factory, place
        self._items(list(found), list(expected), f"{place}: keys")
        for key, other in expected.items():
            self.compare(found[key], other, f"{place}[{key!r}]")


def _strides(array: Any) -> list[int]:
    """Strides that matter: an axis of one element may have any."""
    pairs = zip(array.shape, array.strides, strict=True)
    return [stride for length, stride in pairs if length > 1]


def run(code: str, *args: object, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    """Runs a program in a process of its own."""
    return subprocess.run(command(code, *args), capture_output=True, text=True, timeout=timeout)


def check(code: str, *args: object, timeout: float = 120) -> str:
    """Runs a program that must succeed, and returns what it printed."""
    done = run(code, *args, timeout=timeout)
    assert done.returncode == 0, f"exit code {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def command(code: str, *args: object) -> list[str]:
    """The command line of a program."""
    return [sys.executable, "-c", textwrap.dedent(code), *map(str, args)]


def resident_bytes() -> int:
    """Memory of this process that is in RAM."""
    n_pages = int(Path("/proc/self/statm").read_text().split()[1])
    return n_pages * os.sysconf("SC_PAGE_SIZE")
