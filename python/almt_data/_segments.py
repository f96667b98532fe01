"""The PyTorch dataset over a store, and the trainer's order as a sampler.

`almt_data.torch` has both; this module imports PyTorch.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, Sampler, get_worker_info

from almt_data._calls import PathLike
from almt_data._store import Column, Selection, Store
from almt_data.torch import order

MODALITIES = ("text", "audio", "vision")

Sample = dict[str, Any]
"""What belongs to one segment or to a batch, by name."""


class Segments(Dataset[Sample]):
    """The segments of a split: features by modality, label, id.

    A sample is a dict:

    - `id`: the segment id, a str;
    - each modality: float32 `[seq_len, feat_dim]`, padded with zeros at the back;
    - `audio_lengths` and so on, if the store has them: frames before the padding, int64;
    - `label`: float32, or int64 if it is a class.

    A batch has the same names, with tensors `[batch, ...]` and a list of ids. With
    `collate_fn=dataset.collate`, a batch is read into one tensor per modality, without an
    intermediate sample. Any other `collate_fn` gets the samples.

    An uncompressed store stays in its files; of a compressed one, the used columns are in memory.
    A forked worker shares both with its parent, and a spawned one opens the store itself.

    Args:
        store: The store, or its path.
        split: `train`, `valid` or `test`.
        modalities: Columns of features, in any order; `text_bert` is possible, too (int64).
        labels: Column of labels, such as `regression_labels_T` or `bins/acc_7`; `None` for none.
        manifest: A split manifest by `almt-data split`, its path or content, whose splits replace
            those of the store.
        fold: The fold of the manifest, from 0; not needed if it has only one.

    Raises:
        KeyError: The store does not have the split or a column.
        ValueError: `fold` is given without a manifest.
        Error: The store or the manifest cannot be read, or they do not belong together.

    Example:
        >>> dataset = almt_data.torch.Segments("mosi.arrow", "train")
        >>> order = almt_data.torch.Order(seed=1, n=len(dataset))
        >>> loader = DataLoader(
        ...     dataset, batch_size=64, sampler=order, num_workers=2, collate_fn=dataset.collate
        ... )
        >>> next(iter(loader))["text"].shape
        torch.Size([64, 50, 768])
    """

    def __init__(
        self,
        store: Store | PathLike,
        split: str,
        modalities: Sequence[str] = MODALITIES,
        labels: str | None = "regression_labels",
        manifest: PathLike | Mapping[str, Any] | None = None,
        fold: int | None = None,
    ) -> None:
        if fold is not None and manifest is None:
            raise ValueError("`fold` needs a `manifest`")
        # Absolute, because a worker may be in another folder.
        if isinstance(manifest, (str, os.PathLike)):
            manifest = os.path.abspath(manifest)
        self.path = os.path.abspath(store)
        self.split = split
        self.modalities = (modalities,) if isinstance(modalities, str) else tuple(modalities)
        self.labels = labels
        self.manifest = manifest
        self.fold = fold
        self._opened: _Opened | None = None
        self._open()

    def __len__(self) -> int:
        """Number of segments."""
        return len(self._open().ids)

    def __getitem__(self, idx: int) -> Sample:
        """The sample of a segment; a negative index counts from the end.

        Raises:
            IndexError: There is no such segment.
        """
        return self.__getitems__([idx])[0]

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        """The samples of several segments, read at once. `DataLoader` calls this.

        Raises:
            IndexError: There is no such segment.
        """
        opened = self._open()
        chosen = np.arange(len(opened.ids))[list(indices)]
        stacked: Sample = {"id": [opened.ids[idx] for idx in chosen.tolist()]}
        for name, features in opened.features.items():
            stacked[name] = features.fetch(opened.rows[chosen])
        for name, values in opened.values.items():
            stacked[name] = values[chosen]
        return Batch(stacked)

    @staticmethod
    def collate(samples: Sequence[Sample]) -> Sample:
        """The `collate_fn` for this dataset: a batch of tensors `[batch, ...]` by name."""
        if isinstance(samples, Batch):
            return samples.stacked
        columns = {name: [sample[name] for sample in samples] for name in samples[0]}
        return {
            name: torch.stack(column) if isinstance(column[0], Tensor) else column
            for name, column in columns.items()
        }

    collate_fn = collate

    def _open(self) -> _Opened:
        """The store, opened on the first access after it was sent to another process."""
        if self._opened is None:
            self._opened = _Opened.of(self)
        return self._opened

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": None}

    def __repr__(self) -> str:
        of_fold = "" if self.manifest is None else f", fold {self.fold or 0} of a manifest"
        return f"Segments({self.path!r}, {self.split!r}{of_fold}: {len(self)} segments)"


class Batch(Sequence[Sample]):
    """The samples of a batch, which share its tensors."""

    def __init__(self, stacked: Sample) -> None:
        self.stacked = stacked
        """The batch as one sample, with tensors `[batch, ...]` and a list of ids."""

    def __len__(self) -> int:
        return len(self.stacked["id"])

    @overload
    def __getitem__(self, idx: int) -> Sample: ...
    @overload
    def __getitem__(self, idx: slice) -> Batch: ...
    def __getitem__(self, idx: int | slice) -> Any:
        part = {name: values[idx] for name, values in self.stacked.items()}
        return Batch(part) if isinstance(idx, slice) else part


class Order(Sampler[int]):
    """A sampler with the trainer's order of samples: the same seed gives the same batches.

    Args:
        seed: Seed of the run.
        n: Number of samples.

    Example:
        >>> for epoch in range(1, 21):
        ...     sampler.set_epoch(epoch)
        ...     for batch in loader: ...
    """

    def __init__(self, seed: int, n: int) -> None:
        self.seed = seed
        self.n = n
        self.epoch = 1

    def set_epoch(self, epoch: int) -> None:
        """Chooses the epoch, from 1, before each pass."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        return iter(order(self.seed, self.epoch, self.n))

    def __len__(self) -> int:
        return self.n


@dataclass(frozen=True)
class _Opened:
    """What is read of a store: memory alone, so that a fork can use it, too."""

    ids: list[str]
    rows: NDArray[np.int64]
    """Row of each segment in the columns of `features`."""
    features: dict[str, _Features]
    values: dict[str, Tensor]
    """Lengths and labels, `[n_segments]` each."""

    @staticmethod
    def of(dataset: Segments) -> _Opened:
        store = Store(dataset.path)
        chosen = _chosen(store, dataset)
        # A fold takes segments from several splits of the store, whose columns are then joined.
        splits = list(dict.fromkeys(split for split, _ in chosen.rows)) or [dataset.split]
        sizes = [len(store[split]) for split in splits]
        starts = dict(zip(splits, np.cumsum([0, *sizes]).tolist(), strict=False))
        rows = np.array([starts[split] + row for split, row in chosen.rows], np.int64)

        def values(name: str) -> Tensor:
            column = np.concatenate([store[split][name].numpy() for split in splits])
            return torch.from_numpy(column[rows]).to(_type_of(column.dtype))

        features = {name: _Features.of(store, splits, name) for name in dataset.modalities}
        lengths = [f"{name}_lengths" for name in dataset.modalities]
        known = {name: values(name) for name in lengths if all(name in store[it] for it in splits)}
        if dataset.labels is not None:
            known["label"] = values(dataset.labels)
        return _Opened(chosen.ids, rows, features, known)


def _chosen(store: Store, dataset: Segments) -> Selection:
    if dataset.manifest is not None:
        folds = store.select(dataset.manifest, dataset.fold)
        if dataset.split not in folds:
            raise KeyError(f"no split {dataset.split!r}: a fold has {', '.join(folds)}")
        return folds[dataset.split]
    ids = store[dataset.split].ids
    return Selection(ids, [(dataset.split, row) for row in range(len(ids))])


@dataclass(frozen=True)
class _Features:
    """A column of several splits, one below the other."""

    chunks: list[NDArray[Any]]
    starts: NDArray[np.int64]
    """The row at which each chunk begins."""
    shape: tuple[int, ...]
    """Shape of a sample: as in the trainer, the longest of all splits."""
    dtype: torch.dtype

    @staticmethod
    def of(store: Store, splits: Sequence[str], name: str) -> _Features:
        columns: list[Column] = [store[split][name] for split in splits]
        chunks = [chunk for column in columns for chunk in column.chunks]
        starts = np.cumsum([0, *(len(chunk) for chunk in chunks)])[:-1]
        shapes = [store[split][name].shape[1:] for split in store if name in store[split]]
        shape = tuple(max(lengths) for lengths in zip(*shapes, strict=True))
        return _Features(chunks, starts, shape, _type_of(columns[0].dtype))

    def fetch(self, rows: NDArray[np.int64]) -> Tensor:
        """Copies rows into a tensor `[batch, ...]`."""
        out = _uninitialised((len(rows), *self.shape), self.dtype)
        places = np.searchsorted(self.starts, rows, side="right") - 1
        within = rows - self.starts[places]
        targets = out.numpy()
        for idx, (place, row) in enumerate(zip(places.tolist(), within.tolist(), strict=True)):
            values = self.chunks[place][row]
            if values.shape == self.shape:
                targets[idx] = values
            else:
                targets[idx] = 0
                targets[(idx, *map(slice, values.shape))] = values
        return out


def _type_of(dtype: np.dtype[Any]) -> torch.dtype:
    """Type of the tensors for a column: what layers, losses and embeddings expect."""
    return torch.float32 if dtype.kind == "f" else torch.int64


def _uninitialised(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    n_values = int(np.prod(shape))
    if get_worker_info() is None or n_values == 0:
        return torch.empty(shape, dtype=dtype)
    # In a worker, in memory that the other process shares, so that sending it does not copy.
    storage = torch.UntypedStorage._new_shared(n_values * dtype.itemsize)
    return torch.empty(0, dtype=dtype).set_(storage, 0, (n_values,), (1,)).view(shape)
