"""Loads pickles with the package's own reader, which has no way to run code.

The reader knows a fixed list of names (NumPy's arrays and dtypes, the built-in containers,
`collections`) and constructs each of them itself. It imports nothing, so neither attributes of
allowed modules nor extension codes lead out of it.
"""

from __future__ import annotations

import io
import os
import stat
from typing import TYPE_CHECKING, Any, NamedTuple

from almt_data import _native
from almt_data._limits import Limits, options

if TYPE_CHECKING:
    from typing_extensions import Unpack

PathLike = str | os.PathLike[str]


def load(
    file: Any,
    *,
    fix_imports: bool = True,
    encoding: str = "ASCII",
    errors: str = "strict",
    buffers: None = None,
    mmap: bool | None = None,
    **limits: Unpack[Limits],
) -> Any:
    """Reads a pickle like `pickle.load`, without a way to run code from it.

    Returns dicts, lists, tuples, sets, texts, bytes, numbers, `None`, the containers of
    `collections`, and NumPy arrays and scalars, as `pickle.load` does: with the same types, shapes,
    orders and shared objects.

    Args:
        file: A path, which the standard library does not take; or a binary file, read from its
            position, which is after the pickle then. A file that cannot seek is read to its end.
        fix_imports: Without effect: the names of Python 2 and 3 are known.
        encoding: Encoding of the texts of Python 2; `"bytes"` keeps them as bytes.
        errors: How to handle texts that are invalid in this encoding.
        buffers: Not supported: only `None`.
        mmap: Whether arrays lie in the file instead of in memory; the default for a path, but not
            for a file, as old code may expect arrays to be aligned, which those in a file seldom
            are. The map is private: arrays can be written to, and the file never changes. What
            cannot lie there is copied, see `info`.
        **limits: What the pickle may ask for, see `almt_data.Limits`. The defaults fit feature
            files. Raise them for a file that you trust and that has mostly small objects.

    Raises:
        UnsafePickleError: The pickle asks for anything else, such as a call of `os.system`. Nothing
            was imported or called.
        pickle.UnpicklingError: The pickle is damaged or truncated, or exceeds a limit.
        EOFError: The file is empty, or at its end.
        OSError: The file cannot be read.
        ValueError: `buffers` is not `None`, or `mmap` is true for something that cannot be mapped.

    Example:
        >>> data = almt_data.pickle.load("unaligned_50.pkl")
        >>> data["train"]["text"].shape
        (1284, 50, 768)
    """
    _refuse(buffers)
    return read(file, Options(encoding, errors, options("load", limits)), mmap).value


def loads(
    data: Any,
    /,
    *,
    fix_imports: bool = True,
    encoding: str = "ASCII",
    errors: str = "strict",
    buffers: None = None,
    **limits: Unpack[Limits],
) -> Any:
    """Reads a pickle from bytes, like `pickle.loads`; otherwise like `load`.

    Args:
        data: Bytes, or another object that is a buffer. Bytes after the pickle are ignored.
        fix_imports: Without effect.
        encoding: Encoding of the texts of Python 2; `"bytes"` keeps them as bytes.
        errors: How to handle texts that are invalid in this encoding.
        buffers: Not supported: only `None`.
        **limits: As for `load`.

    Raises:
        UnsafePickleError: The pickle asks for anything that is not plain data.
        pickle.UnpicklingError: The pickle is damaged or truncated, or exceeds a limit.
        EOFError: There are no bytes.
        ValueError: `buffers` is not `None`.

    Example:
        >>> almt_data.pickle.loads(pickle.dumps([1, "a"]))
        [1, 'a']
    """
    _refuse(buffers)
    how = Options(encoding, errors, options("loads", limits))
    return _of_bytes(data if type(data) is bytes else bytes(memoryview(data)), how)[0].value


class Unpickler:
    """Reads pickles one after another from a file, like `pickle.Unpickler`; otherwise like `load`.

    A pickle that refers to an object of an earlier one, as one `Pickler` writes them, raises
    `UnpicklingError`: each must stand alone.

    No name is looked up and no persistent id resolved, so a subclass cannot override how: its
    definition raises `TypeError`.
    """

    def __init__(
        self,
        file: Any,
        *,
        fix_imports: bool = True,
        encoding: str = "ASCII",
        errors: str = "strict",
        buffers: None = None,
        **limits: Unpack[Limits],
    ) -> None:
        """Arguments and errors are those of `load`."""
        _refuse(buffers)
        if not _is_source(file):
            raise TypeError(f"expected a path or a binary file, found {type(file).__name__}")
        self._file = file
        self._options = Options(encoding, errors, options("Unpickler", limits))
        self._n_memo = 0

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for name in ("find_class", "persistent_load"):
            if hasattr(cls, name):
                problem = (
                    f"`{name}` would have no effect: this reader looks up no names and resolves no "
                    "persistent ids"
                )
                raise TypeError(problem)

    def load(self) -> Any:
        """Reads the next pickle."""
        loaded = read(self._file, self._options, None, self._n_memo)
        self._n_memo = loaded.n_memo
        return loaded.value


class Options(NamedTuple):
    """How to read a pickle."""

    encoding: str
    errors: str
    limits: list[str]
    """Options of the program."""


class Loaded(NamedTuple):
    """What was read of a pickle."""

    value: Any
    n_memo: int
    """Memo entries of this pickle and those before it."""
    arrays: list[dict[str, Any]]
    """A description of each array."""


def read(file: Any, how: Options, mmap: bool | None, n_memo: int = 0) -> Loaded:
    """Reads a pickle, before which the same unpickler had `n_memo` memo entries."""
    if isinstance(file, (str, os.PathLike)):
        return _native_load(os.fspath(file), 0, mmap is not False, how, n_memo)[0]
    if _is_mappable(file):
        return _of_file(file, how, bool(mmap), n_memo)
    if not _is_source(file):
        raise TypeError(f"expected a path or a binary file, found {type(file).__name__}")
    if mmap:
        raise ValueError("`mmap` needs a path or an uncompressed file")
    return _of_stream(file, how, n_memo)


def _is_source(file: Any) -> bool:
    return isinstance(file, (str, os.PathLike)) or callable(getattr(file, "read", None))


def _of_file(file: io.FileIO, how: Options, mmap: bool, n_memo: int) -> Loaded:
    file.flush()
    loaded, end = _native_load(file.fileno(), file.tell(), mmap, how, n_memo)
    file.seek(end)
    return loaded


def _of_stream(file: Any, how: Options, n_memo: int) -> Loaded:
    seekable = getattr(file, "seekable", None)
    start = file.tell() if callable(seekable) and seekable() else None
    data = file.read()
    if not isinstance(data, bytes):
        raise TypeError(f"the file must be binary: its `read` returns {type(data).__name__}")
    loaded, end = _of_bytes(data, how, n_memo)
    # Going back in a compressed file would unpack it again from its beginning.
    if start is not None and end < len(data):
        file.seek(start + end)
    return loaded


def _of_bytes(data: bytes, how: Options, n_memo: int = 0) -> tuple[Loaded, int]:
    if not data:
        raise EOFError("Ran out of input")
    return _native_load(data, 0, False, how, n_memo)


def _native_load(
    source: str | int | bytes, offset: int, mmap: bool, how: Options, n_memo: int
) -> tuple[Loaded, int]:
    """What was read, and the offset after it."""
    value, end, n_memo, arrays = _native.load_pickle(source, (offset, n_memo), mmap, *how)
    return Loaded(value, n_memo, arrays), end


def _is_mappable(file: Any) -> bool:
    """Whether a file object reads the bytes of a regular file as they are."""
    is_buffered = type(file) in (io.BufferedReader, io.BufferedRandom)
    raw = file.raw if is_buffered else file
    # Neither a subclass, which may decode, nor the file that a compressed one unpacks.
    return type(raw) is io.FileIO and stat.S_ISREG(os.fstat(raw.fileno()).st_mode)


def _refuse(buffers: object) -> None:
    if buffers is not None:
        raise ValueError("`buffers` must be None: out-of-band buffers are not supported")
