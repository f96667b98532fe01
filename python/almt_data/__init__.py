"""Safe pickles, validated feature stores and published metrics for multimodal sentiment analysis.

For CMU-MOSI, CMU-MOSEI and CH-SIMS:

- `pickle.load`, `pickle.loads` and `pickle.guard` read pickles without a way to run code from them;
- `convert` makes a store of them, `align` one of computational sequences, `build` one of a table of
  clips and their features; `validate`, `inspect`, `stats`, `labels`, `split`, `copy` and `export` are
  the other commands of `almt-data`, as functions that return data;
- `open` gives access to the columns of a store as NumPy arrays, without a copy;
- `torch.Segments` is a PyTorch dataset over a store;
- `metrics`, `bootstrap` and `compare` compute what papers report;
- `train` starts the trainer, a package of its own, and yields its epochs.

NumPy is the only dependency: PyTorch, pandas and tqdm are imported only where they are used.
"""

from __future__ import annotations

from almt_data import pickle, torch
from almt_data._calls import (
    align,
    build,
    convert,
    copy,
    export,
    inspect,
    labels,
    scan,
    schema,
    split,
    stats,
    synth,
    validate,
)
from almt_data._errors import Error, FileChangedError, UnsafePickleError
from almt_data._limits import Limits
from almt_data._metrics import bootstrap, compare, metrics
from almt_data._native import __version__
from almt_data._store import Column, Selection, Split, Store, TextColumn, open
from almt_data._train import train

__all__ = [
    "Column",
    "Error",
    "FileChangedError",
    "Limits",
    "Selection",
    "Split",
    "Store",
    "TextColumn",
    "UnsafePickleError",
    "__version__",
    "align",
    "bootstrap",
    "build",
    "compare",
    "convert",
    "copy",
    "export",
    "inspect",
    "labels",
    "metrics",
    "open",
    "pickle",
    "scan",
    "schema",
    "split",
    "stats",
    "synth",
    "torch",
    "train",
    "validate",
]
