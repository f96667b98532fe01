"""The trainer, which is a package of its own: it needs PyTorch."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from types import ModuleType

from almt_data._errors import Error


def launcher(command: str) -> ModuleType:
    """Return the package that starts the trainer.

    Raises:
        Error: It is not installed.
    """
    try:
        return importlib.import_module("almt_data_train")
    except ModuleNotFoundError:
        problem = f"`{command}` needs the trainer, which is not installed"
        raise Error(problem, ["pip install almt-data-train"]) from None


def run(arguments: Sequence[str]) -> None:
    """Replace this process by the trainer, with the arguments of the command line.

    Raises:
        Error: The trainer is not installed.
        almt_data_train.TrainerError: PyTorch is missing or of another version.
    """
    launcher(arguments[0]).run(arguments)
