"""The exceptions of the package."""

from __future__ import annotations

import pickle
from collections.abc import Sequence


class Error(Exception):
    """A call failed: the data are bad, or the call was wrong.

    Attributes:
        message: The problem, with the file and the place in it.
        hints: Possible fixes, as commands of `almt-data`; may be empty.
        code: 1 for bad data or failed work, 2 for a wrong call. The program exits with it.
    """

    def __init__(self, message: str, hints: Sequence[str] = (), code: int = 1) -> None:
        # All arguments, so that the exception can be sent to another process.
        super().__init__(message, list(hints), code)
        self.message = message
        self.hints = list(hints)
        self.code = code

    def __str__(self) -> str:
        return "\n  hint: ".join([self.message, *self.hints])


class UnsafePickleError(pickle.UnpicklingError):
    """A pickle asks for something that its data do not need, such as a call of `os.system`.

    Attributes:
        name: The refused `module.name`; `None` if the pickle does not contain it.
        offset: Offset of the refused instruction, in bytes from the start of the file.
    """

    def __init__(self, message: str, name: str | None = None, offset: int = 0) -> None:
        super().__init__(message, name, offset)
        self.name = name
        self.offset = offset

    def __str__(self) -> str:
        return str(self.args[0])


class FileChangedError(OSError):
    """A file was shortened while arrays lay in it.

    The values beyond its new end are lost. They read as zeros from then on.
    """
