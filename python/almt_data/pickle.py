"""A safe `pickle`: the standard library's functions, behind them a reader that cannot run code.

`from almt_data import pickle` can replace `import pickle` where data are read. Pickles of data
(dicts, lists, texts, numbers, NumPy arrays) load as before, only faster; everything else is refused
by name. What writes pickles is the standard library's.

The reader differs from `pickle.load` in these points:

- It takes paths too, and maps arrays instead of reading them.
- Arrays can always be written to. Two arrays never share memory, even if the pickle has their bytes
  once.
- A damaged pickle always raises `UnpicklingError`, and no pickle needs more than a fixed multiple
  of its size in memory.
- Every pickle stands alone: an `Unpickler` does not remember objects of earlier pickles.
"""

from __future__ import annotations

from pickle import (
    DEFAULT_PROTOCOL,
    HIGHEST_PROTOCOL,
    PickleError,
    Pickler,
    PicklingError,
    UnpicklingError,
    dump,
    dumps,
)
from typing import TYPE_CHECKING, Any

from almt_data import _calls
from almt_data._errors import FileChangedError, UnsafePickleError
from almt_data._guard import guard
from almt_data._limits import Limits, options
from almt_data._unpickle import Options, PathLike, Unpickler, load, loads, read

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = [
    "DEFAULT_PROTOCOL",
    "HIGHEST_PROTOCOL",
    "FileChangedError",
    "PickleError",
    "Pickler",
    "PicklingError",
    "UnpicklingError",
    "Unpickler",
    "UnsafePickleError",
    "dump",
    "dumps",
    "guard",
    "info",
    "load",
    "loads",
    "scan",
]


def info(file: Any, **limits: Unpack[Limits]) -> list[dict[str, Any]]:
    """Describes the arrays of a pickle, and where `load` puts them.

    Args:
        file: As for `load`.
        **limits: As for `load`.

    Returns:
        A dict per array, in the order of the file: `shape`, `dtype`, `n_bytes`, its `offset` in the
        file, whether it is `mapped`, and if not the `reason`, such as its alignment.

    Raises:
        UnsafePickleError, pickle.UnpicklingError, EOFError, OSError: As for `load`.

    Example:
        >>> [array["reason"] for array in almt_data.pickle.info("mosi.pkl") if not array["mapped"]]
        []
    """
    # An encoding in which every text of Python 2 is valid.
    return read(file, Options("latin1", "strict", options("info", limits)), None).arrays


def scan(file: PathLike) -> dict[str, Any]:
    """Reports what a pickle would import and call, without loading it.

    Args:
        file: A path of a pickle of any kind, packed or not.

    Returns:
        The report: whether it is `allowed`, the `refusal` if not, every name in `globals`, counts
        of `opcodes`. `almt_data.schema("scan")` describes it.

    Raises:
        almt_data.Error: The file cannot be read.

    Example:
        >>> almt_data.pickle.scan("model.pkl")["refusal"]["message"]
        'refused to import `posix.system` at byte 5'
    """
    return _calls.scan(file, progress=False)
