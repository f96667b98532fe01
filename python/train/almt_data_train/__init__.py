"""Starts the trainer of almt-data with the libtorch of the installed PyTorch."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
from collections.abc import Sequence
from pathlib import Path

__all__ = ["TrainerError", "environment", "program", "run"]

#: The PyTorch whose C++ interface the program was built with.
TORCH = "2.11"


class TrainerError(Exception):
    """The trainer cannot start; the text says what to install."""


def program() -> Path:
    """Return the path of the trainer, which runs with the PyTorch of this environment.

    PyTorch is found but not imported, which would take a second.

    Raises:
        TrainerError: PyTorch is missing or of another version.
    """
    try:
        found = importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        raise TrainerError(
            f"the trainer needs PyTorch {TORCH}: pip install 'torch=={TORCH}.*'"
        ) from None
    if not found.startswith(f"{TORCH}."):
        raise TrainerError(
            f"the trainer needs PyTorch {TORCH}, found {found}: pip install 'torch=={TORCH}.*'"
        )
    if _libraries() is None:
        raise TrainerError(f"PyTorch {found} is installed, but its folder `torch/lib` is missing")
    return Path(__file__).parent / "bin" / "almt-data-train"


def environment() -> dict[str, str]:
    """Return the environment variables with which to start the program.

    The program finds PyTorch beside this package by itself; elsewhere, such as where PyTorch is a
    package of the system below a virtual environment, the loader is told.
    """
    variables = dict(os.environ)
    libraries = _libraries()
    beside = Path(__file__).parent.parent / "torch" / "lib"
    if libraries is not None and libraries != beside:
        search = [str(libraries), *filter(None, [variables.get("LD_LIBRARY_PATH")])]
        variables["LD_LIBRARY_PATH"] = os.pathsep.join(search)
    if libraries is not None:
        # Where the program looks for what a GPU needs.
        variables.setdefault("LIBTORCH", str(libraries.parent))
    # A waiting thread spins for a time above the system's time slices by default.
    if not {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & variables.keys():
        variables["GOMP_SPINCOUNT"] = "30000"
    return variables


def run(arguments: Sequence[str]) -> None:
    """Replace this process by the trainer.

    Raises:
        TrainerError: PyTorch is missing or of another version.
    """
    path = program()
    os.execve(path, [str(path), *arguments], environment())


def _libraries() -> Path | None:
    """Return the folder of PyTorch's libraries."""
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "lib"
    return folder if folder.is_dir() else None
