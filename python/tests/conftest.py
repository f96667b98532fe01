"""The installed package, synthetic data, and packages that may be missing."""

from __future__ import annotations

import copyreg
import importlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

pytest.register_assert_rewrite("hostile", "support")

import almt_data
import hostile
from support import ROOT

REQUIRED = {"h5py", "pandas", "pyarrow"}
"""Packages that the complete test environment has."""


def pytest_sessionstart() -> None:
    if (ROOT / "python") in Path(almt_data.__file__).resolve().parents:
        raise pytest.UsageError("the tests are of the installed wheel, not of its sources")


@pytest.fixture(scope="session")
def optional() -> Callable[[str], ModuleType]:
    """Imports a package, or skips the test where it is missing."""

    def load(name: str) -> ModuleType:
        try:
            return importlib.import_module(name)
        except ImportError:
            if name in REQUIRED and "ALMT_DATA_TEST_PYTHON" in os.environ:
                pytest.fail(f"the test environment lacks {name}")
            pytest.skip(f"{name} is not installed")

    return load


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with synthetic data: `mosi.pkl`, and the same as `.h5`, `-gzip.h5` and `.arrow`."""
    folder = tmp_path_factory.mktemp("data")
    pickle = folder / "mosi.pkl"
    almt_data.synth(pickle, samples=64, unaligned=True)
    almt_data.convert(pickle, progress=False)
    store = folder / "mosi.h5"
    almt_data.copy(store, folder / "mosi-gzip.h5", compression="gzip", progress=False)
    almt_data.copy(store, folder / "mosi.arrow", progress=False)
    return folder


@pytest.fixture(params=["mosi.h5", "mosi-gzip.h5", "mosi.arrow"])
def path(data: Path, request: pytest.FixtureRequest) -> Path:
    """A store of each form, with the same content."""
    name: str = request.param
    return data / name


@pytest.fixture
def store(path: Path) -> almt_data.Store:
    """A store of each form."""
    return almt_data.open(path)


@pytest.fixture
def target(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Puts what hostile pickles call into their reach, and asserts that none got there."""
    module = ModuleType(hostile.HERE)
    module.run_me, module.Victim = hostile.run_me, hostile.Victim
    monkeypatch.setitem(sys.modules, hostile.HERE, module)
    hostile.executed.clear()
    yield
    assert hostile.executed == []


@pytest.fixture
def warm_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """Extension codes that pickle's own reader resolves without looking up a name."""
    monkeypatch.setitem(copyreg._extension_cache, 1, hostile.run_me)
    monkeypatch.setitem(copyreg._inverted_registry, 1, (hostile.HERE, "run_me"))
