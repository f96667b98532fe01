"""Feature stores: splits, columns as NumPy arrays without a copy, and selections of segments."""

from __future__ import annotations

import builtins
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from almt_data import _calls, _native
from almt_data._calls import PathLike
from almt_data._errors import Error

PLAN_VERSION = 1
"""The version of split manifests, and the only one that is read."""

SPLITS = ("train", "valid", "test")
"""The splits of a fold, in order."""


def open(path: PathLike) -> Store:
    """Opens a store.

    Args:
        path: An HDF5 file (`.h5`) or a folder of Arrow files (`.arrow`), as written by `convert`.

    Returns:
        The store. Values are read on access.

    Raises:
        FileNotFoundError: There is nothing at `path`.
        Error: It is not a store, or its structure is damaged.

    Example:
        >>> store = almt_data.open("mosi.h5")
        >>> store["train"]["text"].shape
        (1284, 50, 768)
    """
    return Store(path)


class Store:
    """A feature store, read-only: its splits by name, and where its content came from.

    A store can be sent to another process, which opens the same path, and be passed wherever a path
    is expected.

    Example:
        >>> for name in store:
        ...     print(name, len(store[name]))
        train 1284
        valid 229
        test 686
    """

    def __init__(self, path: PathLike) -> None:
        """See `almt_data.open`."""
        self._native = _native.Store(os.fspath(path))
        # Wherever the process goes from here, or another one starts.
        self._absolute = os.path.abspath(path)

    @property
    def path(self) -> str:
        """The path, as given."""
        return os.fspath(self._native.path)

    @property
    def format(self) -> str:
        """`"hdf5"` or `"arrow"`."""
        return self._native.format

    @property
    def digest(self) -> str:
        """BLAKE3 digest of the content, the same for both formats and every compression."""
        return self._native.digest

    @property
    def n_bytes(self) -> int:
        """Size on disk."""
        return self._native.n_bytes

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """Sources with their digests, notes on every changed value, columns and ids.

        `almt_data.schema("store")` describes it.
        """
        manifest: dict[str, Any] = json.loads(self._native.manifest)
        return manifest

    @property
    def splits(self) -> list[str]:
        """Names of the splits, in the order train, valid, test."""
        return self._native.splits

    def __getitem__(self, split: str) -> Split:
        """A split by name.

        Raises:
            KeyError: The store does not have it.
        """
        if split not in self.splits:
            raise KeyError(f"no split {split!r}: the store has {', '.join(self.splits)}")
        return Split(self._native, split)

    def __iter__(self) -> Iterator[str]:
        return iter(self.splits)

    def __len__(self) -> int:
        """Number of splits."""
        return len(self.splits)

    def validate(self, **options: Any) -> list[dict[str, Any]]:
        """Checks the store.

        Args:
            **options: Those of `almt_data.validate`.

        Returns:
            The findings, errors first; each has `rule`, `severity`, `message`, `examples` and
            `advice`.

        Raises:
            Error: The store or the label table cannot be read.
        """
        report = _calls.validate(self, **options)
        if report.get("failure"):
            raise Error(report["failure"])
        findings: list[dict[str, Any]] = report["findings"]
        return findings

    def to_pandas(self, split: str | None = None) -> Any:
        """Texts, labels and bins as a `pandas.DataFrame`, with a row per segment.

        Args:
            split: One split; by default all.

        Returns:
            A frame whose index is (split, id). Its columns are those of the store that hold a text,
            a label or a class of labels; `bins/acc_7` is called `acc_7`.

        Raises:
            ImportError: pandas is missing.
            KeyError: The store does not have the split.
        """
        try:
            import pandas
        except ImportError as error:
            problem = "`to_pandas` needs pandas: pip install 'almt-data[pandas]'"
            raise ImportError(problem) from error
        splits = {name: self[name] for name in ([split] if split else self.splits)}
        frames = {
            name: pandas.DataFrame(part._table(), index=pandas.Index(part.ids, name="id"))
            for name, part in splits.items()
        }
        return pandas.concat(frames, names=["split"])

    def select(
        self, manifest: PathLike | Mapping[str, Any], fold: int | None = None
    ) -> dict[str, Selection]:
        """The segments of each split of a fold, in the order in which the trainer counts them.

        Args:
            manifest: A split manifest that `almt-data split` wrote for this store: its path or
                content.
            fold: The fold, from 0; not needed if there is only one.

        Returns:
            The segments of train, valid and test.

        Raises:
            FileNotFoundError: There is no such file.
            Error: The manifest belongs to another store, does not have the fold, names a segment
                that the store lacks or one twice, or is not a split manifest.
        """
        plan, place = _plan(manifest)
        if plan["store_digest"] != self.digest:
            problem = (
                f"{place}: belongs to another store: expected digest {self.digest}, "
                f"found {plan['store_digest']}"
            )
            hint = "`almt-data split --from-manifest` applies its folds to this store"
            raise Error(problem, [hint])
        chosen = _fold(plan, fold, place)
        rows: dict[str, list[tuple[str, int]]] = {}
        for split in self.splits:
            for row, segment in enumerate(self[split].ids):
                rows.setdefault(segment, []).append((split, row))
        seen: set[str] = set()
        for segment in (segment for ids in chosen.values() for segment in ids):
            if segment in seen:
                raise Error(f"{place}: segment `{segment}` appears more than once in the fold")
            if segment not in rows:
                raise Error(f"{place}: segment `{segment}` is not in the store")
            seen.add(segment)
        return {split: Selection.of(chosen.get(split, []), rows) for split in SPLITS}

    def __fspath__(self) -> str:
        return self._absolute

    def __reduce__(self) -> tuple[Any, ...]:
        return Store, (self._absolute,)

    def __repr__(self) -> str:
        title = f"Store({self.path!r}): {self.format}, {self.manifest['dataset']}"
        return "\n".join([title, *(f"  {self[split]!r}" for split in self.splits)])


@dataclass(frozen=True)
class Selection:
    """The segments of a split of a fold."""

    ids: list[str]
    """Segment ids."""
    rows: list[tuple[str, int]]
    """Where each is: the split of the store that has it, and its row in that split."""

    @staticmethod
    def of(ids: Sequence[str], rows: Mapping[str, list[tuple[str, int]]]) -> Selection:
        """The segments `ids`, of which a store may have several rows."""
        found = [(segment, row) for segment in ids for row in rows[segment]]
        return Selection([segment for segment, _ in found], [row for _, row in found])

    def __len__(self) -> int:
        return len(self.rows)


def _plan(manifest: PathLike | Mapping[str, Any]) -> tuple[Mapping[str, Any], str]:
    """A split manifest, and how messages call it."""
    if isinstance(manifest, Mapping):
        plan, place = manifest, "split manifest"
    else:
        place = os.fspath(manifest)
        with builtins.open(place, encoding="utf-8") as file:
            try:
                plan = json.load(file)
            except ValueError as error:
                raise Error(f"{place}: is not a split manifest: {error}") from error
    if not isinstance(plan, Mapping) or not {"version", "store_digest", "folds"} <= plan.keys():
        raise Error(f"{place}: is not a split manifest", ["`almt-data split` writes one"])
    if plan["version"] != PLAN_VERSION:
        found = plan["version"]
        raise Error(f"{place}: version {found} is not supported, expected {PLAN_VERSION}")
    return plan, place


def _fold(plan: Mapping[str, Any], fold: int | None, place: str) -> Mapping[str, Sequence[str]]:
    folds: Sequence[Mapping[str, Sequence[str]]] = plan["folds"]
    last = len(folds) - 1
    if not folds:
        raise Error(f"{place}: the split manifest has no folds")
    if fold is None and last > 0:
        raise Error(f"{place}: has folds 0 to {last}: choose one with `fold`", code=2)
    idx = fold or 0
    if not 0 <= idx <= last:
        raise Error(f"{place}: fold {idx} does not exist: there are folds 0 to {last}", code=2)
    return folds[idx]


class Split:
    """A split of a store: its columns by name, with a row per segment.

    `pyarrow.table(split)` and `polars.DataFrame(split)` do not copy its numbers.
    """

    # `in` asks for columns, and `len` counts segments: neither suits a loop.
    __iter__ = None

    def __init__(self, store: _native.Store, name: str) -> None:
        self._native = store
        self.name = name
        """Name of the split."""

    @property
    def columns(self) -> list[str]:
        """Names of the columns, such as `id`, `raw_text`, `audio` and `bins/acc_7`."""
        return self._native.columns(self.name)

    @cached_property
    def ids(self) -> list[str]:
        """Segment ids."""
        return self._native.texts(self.name, "id")

    @cached_property
    def texts(self) -> list[str]:
        """Transcripts.

        Raises:
            KeyError: The source had none.
        """
        return self._native.texts(self.name, "raw_text")

    def __len__(self) -> int:
        """Number of segments."""
        return len(self.ids)

    def __contains__(self, column: object) -> bool:
        return column in self.columns

    def __getitem__(self, name: str) -> Any:
        """A column: `TextColumn` for texts, `Column` for numbers.

        Raises:
            KeyError: The split does not have it.
        """
        if name not in self.columns:
            raise KeyError(f"no column {name!r}: {self.name} has {', '.join(self.columns)}")
        try:
            return Column(self._native.column(self.name, name))
        except KeyError:
            return TextColumn(self.name, name, self._native.texts(self.name, name))

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self._native.stream(self.name)

    def _table(self) -> dict[str, Any]:
        """The columns of a data frame."""
        table: dict[str, Any] = {}
        for name in self.columns:
            if name in ("raw_text", "annotations"):
                table[name] = self[name].list()
            elif name.startswith("bins/"):
                table[name.removeprefix("bins/")] = self[name].numpy()
            elif "labels" in name:
                table.update(_flat(name, self[name].numpy()))
        return table

    def __repr__(self) -> str:
        columns = [self[name] for name in self.columns]
        shapes = [f"{it.name} {list(it.shape[1:])}" for it in columns if len(it.shape) > 1]
        return "  ".join([f"{self.name}: {len(self)} segments", *shapes])


def _flat(name: str, values: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Labels by column of a table: several for labels of several values, such as emotions."""
    if values.ndim == 1:
        return {name: values}
    return {f"{name}_{idx}": column for idx, column in enumerate(values.T)}


class Column:
    """A column of numbers, `[n_segments, ...]`: any array library can use it.

    `numpy.asarray(column)`, `torch.from_dlpack(column)` and `pyarrow.table(column)` do not copy a
    mapped column; the first two join its chunks, though, if there are several. The memory stays
    valid as long as an array uses it, even after the file is replaced. It is a private map: values
    can be written, and the file never changes. If the file is shortened in place, an access beyond
    its new end raises `FileChangedError`.
    """

    def __init__(self, native: _native.Column) -> None:
        self._native = native

    @property
    def split(self) -> str:
        """Name of the split."""
        return self._native.split

    @property
    def name(self) -> str:
        """Name of the column."""
        return self._native.name

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes, the number of segments first."""
        return tuple(self._native.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""
        return np.dtype(self._native.dtype)

    @property
    def is_mapped(self) -> bool:
        """Whether the values lie in the file. Compressed ones are read into memory."""
        return self._native.is_mapped

    @cached_property
    def chunks(self) -> list[NDArray[Any]]:
        """The values in order: one array for HDF5, one per record batch for Arrow.

        Not copied if the column is mapped.
        """
        return [np.asarray(block) for block in self._native.chunks]

    def numpy(self) -> NDArray[Any]:
        """All values as one array, which is a copy if there are several chunks."""
        if len(self.chunks) == 1:
            return self.chunks[0]
        empty = np.empty((0, *self.shape[1:]), self.dtype)
        return np.concatenate([empty, *self.chunks])

    def __len__(self) -> int:
        """Number of segments."""
        return self.shape[0]

    def __getitem__(self, key: Any) -> Any:
        """The values of a row, of a slice, or of a list or mask of rows; otherwise as in NumPy.

        If the column lies in one chunk, this is NumPy's indexing of it. Otherwise only these rows
        are copied.

        Raises:
            IndexError: The column does not have a row.
        """
        if len(self.chunks) == 1:
            return self.chunks[0][key]
        if not isinstance(key, (int, np.integer, slice, list, np.ndarray)):
            return self.numpy()[key]
        rows = np.arange(len(self))[key]
        block = self._native.read(np.asarray(rows, np.int64).tobytes())
        # The empty index turns a single number into a scalar, as in NumPy.
        return np.asarray(block).reshape((*np.shape(rows), *self.shape[1:]))[()]

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False and len(self.chunks) > 1:
            problem = f"`{self.name}` has {len(self.chunks)} chunks: joining them copies"
            raise ValueError(problem)
        values = self.numpy()
        if dtype is not None and np.dtype(dtype) != values.dtype:
            if copy is False:
                raise ValueError(f"`{self.name}` is {values.dtype}: another type needs a copy")
            return values.astype(dtype)
        is_shared = len(self.chunks) == 1
        return values.copy() if copy and is_shared else values

    def __dlpack__(self, **options: Any) -> Any:
        return self.numpy().__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        # The CPU, without joining chunks to find out.
        return 1, 0

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self._native.__arrow_c_stream__(requested_schema)

    def __repr__(self) -> str:
        place = "mapped" if self.is_mapped else "in memory"
        return f"Column({self.split}/{self.name}: {self.dtype} {list(self.shape)}, {place})"


class TextColumn:
    """A column of texts, `[n_segments]`."""

    def __init__(self, split: str, name: str, texts: builtins.list[str]) -> None:
        self._texts = texts
        self.split = split
        """Name of the split."""
        self.name = name
        """Name of the column."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of segments."""
        return (len(self._texts),)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of `numpy.asarray(column)`, objects."""
        return np.dtype(object)

    def list(self) -> builtins.list[str]:
        """The texts."""
        return self._texts.copy()

    def __len__(self) -> int:
        """Number of segments."""
        return len(self._texts)

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    @overload
    def __getitem__(self, key: int) -> str: ...
    @overload
    def __getitem__(self, key: slice | ArrayLike) -> Sequence[str]: ...
    def __getitem__(self, key: Any) -> Any:
        """The text of a row; those of a slice, or of a list or mask of rows.

        Raises:
            IndexError: The column does not have a row.
        """
        if isinstance(key, (slice, int, np.integer)):
            return self._texts[key]
        return [self._texts[row] for row in np.arange(len(self))[key].tolist()]

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError(f"`{self.name}` is a list of texts: an array of them is a copy")
        return np.array(self._texts, dtype=object if dtype is None else dtype)

    def __repr__(self) -> str:
        return f"TextColumn({self.split}/{self.name}: {len(self)} texts)"
