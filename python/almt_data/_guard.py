"""Makes the unpicklers of other packages safe, or refuses them, for the time of a `with` block."""

from __future__ import annotations

import _pickle
import contextlib
import functools
import pickle
import sys
import threading
from collections.abc import Callable, Iterable
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Any, NoReturn

from almt_data import _unpickle
from almt_data._errors import UnsafePickleError
from almt_data._limits import Limits, known

if TYPE_CHECKING:
    from typing_extensions import Unpack

BOUND = ("cloudpickle", "cloudpickle.cloudpickle", "shelve")
"""Modules that hold functions of `pickle` under names of their own, once they are imported."""

PIPES = (
    "multiprocessing.connection",
    "multiprocessing.queues",
    "multiprocessing.spawn",
    "torch.multiprocessing.queue",
)
"""Modules that read pickles from pipes between the processes of one program, never from a file."""


class guard(contextlib.ContextDecorator):
    """Makes the code in a `with` block, or a decorated function, load pickles safely.

    Inside it, `pickle.load`, `pickle.loads` and `pickle.Unpickler` read like those of
    `almt_data.pickle`, for all threads. So does what calls them, such as `shelve` and
    `numpy.load(..., allow_pickle=True)`. Loaders that cannot do without code from the file raise
    `UnsafePickleError`: `pandas.read_pickle`, `joblib.load`, `dill.load`,
    `torch.load(..., weights_only=False)`, and every subclass of pickle's unpicklers.

    Blocks can be nested, and entered by several threads. Everything is restored when the last one
    ends.

    The guard does not reach:

    - a name that a module imported before the block by `from pickle import load`. Pass such modules
      as `modules`; those of the standard library and cloudpickle are known;
    - what is read after the block, such as an array of an `.npz` file that was opened in it;
    - `multiprocessing`, and with it the workers of a PyTorch `DataLoader`: they read pipes of this
      program, not files, and keep the original functions;
    - extension modules with an unpickler of their own, and processes that are spawned.

    Args:
        modules: Modules whose own names for functions of `pickle` are replaced, too.
        **limits: What a pickle may ask for, as for `load`. Those of nested blocks add up, and
            hold for all threads until the last block ends.

    Example:
        >>> with almt_data.pickle.guard():
        ...     data = pickle.load(file)
    """

    def __init__(self, modules: Iterable[ModuleType] = (), **limits: Unpack[Limits]) -> None:
        self._modules = list(modules)
        self._limits = dict(known("guard", limits))

    def __enter__(self) -> guard:
        _patches.enter(self._modules, self._limits)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _patches.leave()


class _Patches:
    """The replaced attributes, as long as any guard is active."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._n_guards = 0
        self.limits: dict[str, Any] = {}
        self._undo: list[Callable[[], None]] = []

    @property
    def are_active(self) -> bool:
        return self._n_guards > 0

    def reader(self, file: Any, **options: Any) -> _unpickle.Unpickler:
        return _unpickle.Unpickler(file, **options, **self.limits)

    def enter(self, modules: Iterable[ModuleType], limits: dict[str, Any]) -> None:
        with self._lock:
            try:
                if not self.are_active:
                    self._replace_readers()
                for module in modules:
                    self._replace_bound(module)
            except BaseException:
                if not self.are_active:
                    self._restore()
                raise
            self._n_guards += 1
            self.limits |= limits

    def leave(self) -> None:
        with self._lock:
            self._n_guards -= 1
            if not self.are_active:
                self._restore()

    def _restore(self) -> None:
        self.limits = {}
        while self._undo:
            self._undo.pop()()

    def _replace_readers(self) -> None:
        for module in (pickle, _pickle, *_imported(*BOUND)):
            self._replace_bound(module)
        # In place, so that subclasses have them, those of the past and those of the future.
        self._set(pickle._Unpickler, "load", _load_of_python)
        self._set(pickle._Unpickler, "find_class", _find_class)
        self._set(pickle._Unpickler, "get_extension", _get_extension)
        for kind in _descendants(_OriginalUnpickler):
            self._set(kind, "load", _refused_load)
        for module in _imported("pandas", "pandas.io.api", "pandas.io.pickle"):
            self._set(module, "read_pickle", _refusing(module.read_pickle))
        for module in _imported("joblib", "joblib.numpy_pickle"):
            self._set(module, "load", _refusing(module.load))
        for module in _imported("torch", "torch.serialization"):
            self._set(module, "load", _weights_only(module.load))

    def _replace_bound(self, module: ModuleType) -> None:
        for name, value in list(vars(module).items()):
            for reader, original in _ORIGINALS.items():
                # By identity: to compare an arbitrary object may do anything.
                if value is original:
                    self._set(module, name, _REPLACEMENTS[reader])

    def _set(self, target: Any, name: str, value: Any) -> None:
        missing = object()
        before = vars(target).get(name, missing)

        def undo() -> None:
            # Unless somebody else replaced it meanwhile.
            if vars(target).get(name, missing) is value:
                if before is missing:
                    delattr(target, name)
                else:
                    setattr(target, name, before)

        setattr(target, name, value)
        self._undo.append(undo)


_patches = _Patches()

_ORIGINALS: dict[str, Any] = {
    name: getattr(pickle, name) for name in ("load", "loads", "Unpickler", "_load", "_loads")
}
_OriginalUnpickler = pickle.Unpickler
_original_load_of_python = pickle._Unpickler.load
_original_find_class = pickle._Unpickler.find_class
_original_get_extension = pickle._Unpickler.get_extension


# Outside a guard, the replacements act as the originals: a module that is imported in a block keeps
# them.


def _is_original(caller: Any) -> bool:
    """Whether the replacement that a frame called acts as the original."""
    module = None if caller is None else caller.f_globals.get("__name__")
    return not _patches.are_active or module in PIPES


@functools.wraps(pickle.load)
def _load(file: Any, **options: Any) -> Any:
    is_original = _is_original(sys._getframe().f_back)
    if is_original:
        return _ORIGINALS["load"](file, **options)
    return _unpickle.load(file, **options, **_patches.limits)


@functools.wraps(pickle.loads)
def _loads(data: Any, /, **options: Any) -> Any:
    is_original = _is_original(sys._getframe().f_back)
    if is_original:
        return _ORIGINALS["loads"](data, **options)
    return _unpickle.loads(data, **options, **_patches.limits)


class _Unpickler(_OriginalUnpickler):
    """`pickle.Unpickler` inside a guard."""

    def __init__(self, file: Any, **options: Any) -> None:
        super().__init__(file, **options)
        self._almt_data_source = (file, options)
        self._almt_data_reader: _unpickle.Unpickler | None = None

    def load(self) -> Any:
        if not _patches.are_active:
            return super().load()
        # Its definition may lie in a block, too, so a subclass is refused only when it is used.
        if type(self) is not _Unpickler:
            _refuse(type(self))
        if self._almt_data_reader is None:
            file, options = self._almt_data_source
            self._almt_data_reader = _patches.reader(file, **options)
        return self._almt_data_reader.load()


def _load_of_python(self: Any) -> Any:
    """`load` of the unpickler in Python and of its subclasses, inside a guard."""
    if not _patches.are_active:
        return _original_load_of_python(self)
    kind = type(self)
    if kind is not pickle._Unpickler:
        _refuse(kind)
    reader = vars(self).get("_almt_data_reader")
    if reader is None:
        # It keeps only the methods of its file.
        file = getattr(self._file_read, "__self__", None)
        reader = _patches.reader(file, encoding=self.encoding, errors=self.errors)
        self._almt_data_reader = reader
    return reader.load()


def _find_class(self: Any, module: str, name: str) -> Any:
    """`find_class` of the unpickler in Python, inside a guard: for loaders with their own loop."""
    if not _patches.are_active:
        return _original_find_class(self, module, name)
    problem = f"refused to import `{module}.{name}` inside `almt_data.pickle.guard()`"
    raise UnsafePickleError(problem, f"{module}.{name}")


def _get_extension(self: Any, code: int) -> Any:
    """`get_extension` of the unpickler in Python, inside a guard: its cache needs no name."""
    if not _patches.are_active:
        return _original_get_extension(self, code)
    raise UnsafePickleError(f"refused extension {code} inside `almt_data.pickle.guard()`", None)


def _refused_load(self: Any) -> NoReturn:
    """`load` of subclasses of the unpickler in C, inside a guard."""
    _refuse(type(self))


def _refuse(loader: Any) -> NoReturn:
    name = f"{loader.__module__}.{loader.__qualname__}"
    problem = (
        f"`{name}` is refused inside `almt_data.pickle.guard()`: it can run code from a pickle"
    )
    raise UnsafePickleError(problem, name)


def _refusing(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that loads objects, inside a guard."""

    @functools.wraps(function)
    def refused(*args: Any, **options: Any) -> Any:
        if not _patches.are_active:
            return function(*args, **options)
        _refuse(function)

    return refused


def _weights_only(load: Callable[..., Any]) -> Callable[..., Any]:
    """`torch.load` inside a guard: PyTorch's own restricted reader, or nothing."""

    @functools.wraps(load)
    def restricted(*args: Any, **options: Any) -> Any:
        if not _patches.are_active:
            return load(*args, **options)
        if options.get("weights_only") is False:
            _refuse(load)
        return load(*args, **{**options, "weights_only": True})

    return restricted


_REPLACEMENTS: dict[str, Any] = {
    "load": _load,
    "loads": _loads,
    "Unpickler": _Unpickler,
    "_load": _load,
    "_loads": _loads,
}


def _imported(*names: str) -> list[ModuleType]:
    return [sys.modules[name] for name in names if name in sys.modules]


def _descendants(kind: type[Any]) -> list[type[Any]]:
    """All classes derived from `kind`, without the one that is safe and those derived from it."""
    children: list[type[Any]] = [
        child for child in kind.__subclasses__() if child is not _Unpickler
    ]
    return [*children, *(further for child in children for further in _descendants(child))]
