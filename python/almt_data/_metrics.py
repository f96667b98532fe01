"""The published metrics, their confidence intervals, and the comparison of two models."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from almt_data import _native
from almt_data._store import Store

Dataset = Literal["mosi", "mosei", "sims", "simsv2"] | Store | Mapping[str, Any]

DATASETS = ("mosi", "mosei", "sims", "simsv2")

MOST_RESAMPLES = 1_000_000
"""Each takes 100 bytes of memory."""


def metrics(predictions: Any, labels: Any, dataset: Dataset = "mosi") -> dict[str, float]:
    """The metrics that papers report, with MMSA's names and the arithmetic of its code.

    For CMU-MOSI and CMU-MOSEI, in this order:

    - `Has0_acc_2`, `Has0_F1_score`: negative against non-negative, over all segments;
    - `Non0_acc_2`, `Non0_F1_score`: negative against positive, over the segments whose label is not
      zero. A prediction of exactly zero counts as negative;
    - `Mult_acc_3`, `Mult_acc_5`, `Mult_acc_7`: clipped to [-1, 1], [-2, 2], [-3, 3] and rounded
      half to even;
    - `MAE`, in units of the label, and `Corr`, Pearson's correlation.

    For CH-SIMS, where predictions and labels are clipped to [-1, 1] first:

    - `Mult_acc_2` (zero is negative), `Mult_acc_3`, `Mult_acc_5`: intervals that are closed on the
      right;
    - `F1_score` over the two classes, and `F1_score_swapped`, which exchanges labels and
      predictions, as the published CH-SIMS table did before its authors corrected it;
    - `MAE` and `Corr`.

    For a dataset of your own:

    - `Has0_*` and `Non0_*` as for CMU-MOSI, if a neutral label is defined, which takes the place of
      zero;
    - `acc_NAME` for each of its binning schemes, and `acc_classes` for classes with values;
    - `MAE` and `Corr`.

    F1 scores are weighted by class. A higher value is better, except for `MAE`.

    Args:
        predictions: `[n_segments]` or `[n_segments, 1]`, anything that NumPy or PyTorch reads as an
            array; computed as float32.
        labels: The same of the labels, in [-3, 3] for CMU-MOSI and CMU-MOSEI, in [-1, 1] for
            CH-SIMS.
        dataset: `mosi`, `mosei`, `sims` or `simsv2`; a store; or a description of labels, such as
            `{"range": [1, 5], "neutral": 3, "bins": {"stars": {"edges": [1.5, 2.5, 3.5, 4.5]}}}`.

    Returns:
        The values by name; NaN where one is not defined, such as a correlation with a constant.

    Raises:
        ValueError: The lengths differ, there are no segments, a value is not finite in float32, or
            the dataset or its description is not valid.

    Example:
        >>> round(almt_data.metrics([0.5, -1.2, 2.0], [1.0, -0.8, 2.4])["MAE"], 4)
        0.4333
    """
    found, truth = _aligned(predictions=predictions, labels=labels)
    return _native.metrics(found, truth, _known(dataset))


def bootstrap(
    predictions: Any,
    labels: Any,
    dataset: Dataset = "mosi",
    *,
    resamples: int = 10_000,
    seed: int = 1,
    level: float = 0.95,
) -> dict[str, tuple[float, float, float]]:
    """The metrics with bootstrap intervals: percentiles over resampled segments.

    They cover the choice of segments, not that of random seeds.

    Args:
        predictions: `[n_segments]` or `[n_segments, 1]`, as for `metrics`.
        labels: The same of the labels.
        dataset: As for `metrics`.
        resamples: Number of resamples.
        seed: Random seed; the same seed gives the same intervals.
        level: Confidence level, between 0 and 1.

    Returns:
        Value, lower and upper end by the name of the metric.

    Raises:
        ValueError: As for `metrics`; or `resamples`, `seed` or `level` is out of range.

    Example:
        >>> mae, low, high = almt_data.bootstrap(predictions, labels)["MAE"]
    """
    _check(resamples, seed)
    if not 0 < level < 1:
        raise ValueError(f"`level` must be between 0 and 1, found {level}")
    found, truth = _aligned(predictions=predictions, labels=labels)
    return _native.bootstrap(found, truth, _known(dataset), resamples, seed, level)


def compare(
    a: Any,
    b: Any,
    labels: Any,
    dataset: Dataset = "mosi",
    *,
    resamples: int = 10_000,
    seed: int = 1,
) -> dict[str, dict[str, Any]]:
    """Compares two models on the same segments: paired bootstrap and permutation test.

    Args:
        a: Predictions of the first model, `[n_segments]` or `[n_segments, 1]`, as for `metrics`.
        b: The same of the second model.
        labels: The same of the labels.
        dataset: As for `metrics`.
        resamples: Resamples of each test.
        seed: Random seed of both.

    Returns:
        By the name of the metric, what `almt-data compare --json` reports: the values of `a` and
        `b`, their `difference` b - a, its 95% `interval`, and the `p_value`; `None` where one is
        not defined. Each is a test of its own: correct for multiple testing before you report one.

    Raises:
        ValueError: As for `metrics`; or `resamples` or `seed` is out of range.

    Example:
        >>> almt_data.compare(baseline, model, labels)["MAE"]["p_value"]
    """
    _check(resamples, seed)
    of_a, of_b, truth = _aligned(a=a, b=b, labels=labels)
    found = json.loads(_native.compare(of_a, of_b, truth, _known(dataset), resamples, seed))
    return {difference.pop("metric"): difference for difference in found}


def _aligned(**given: Any) -> list[bytes]:
    """The bytes of float32 values `[n_segments]`, one per segment each."""
    arrays = {name: _floats(name, values) for name, values in given.items()}
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{n} {name}" for name, n in lengths.items())
        raise ValueError(f"one value per segment is needed in each, found {found}")
    return [array.tobytes() for array in arrays.values()]


def _floats(name: str, values: Any) -> NDArray[np.float32]:
    if hasattr(values, "detach"):
        # A tensor, which may be on a GPU or have a gradient.
        values = values.detach().cpu()
    # What float32 cannot hold becomes infinite, and is reported below.
    with np.errstate(over="ignore"):
        array = np.asarray(values).astype(np.float32)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        shape = list(array.shape)
        raise ValueError(f"`{name}` must have the shape [n] or [n, 1], found {shape}")
    if not array.size:
        raise ValueError(f"`{name}` is empty")
    n_wrong = np.count_nonzero(~np.isfinite(array))
    if n_wrong:
        first = int(np.argmin(np.isfinite(array)))
        raise ValueError(
            f"`{name}`: {n_wrong} values are not finite in float32, the first at index {first}"
        )
    return array


def _known(dataset: Dataset) -> tuple[str, str | None]:
    """The name of a dataset, and the description of its labels as JSON if it has one of its own."""
    if isinstance(dataset, Store):
        manifest = dataset.manifest
        scale = manifest.get("label_scale")
        return manifest["dataset"], None if scale is None else json.dumps(scale)
    if isinstance(dataset, Mapping):
        return "own", json.dumps(dict(dataset))
    if dataset not in DATASETS:
        raise ValueError(f"unknown dataset {dataset!r}: expected one of {', '.join(DATASETS)}")
    return dataset, None


def _check(resamples: int, seed: int) -> None:
    if not 1 <= resamples <= MOST_RESAMPLES:
        raise ValueError(f"`resamples` must be from 1 to {MOST_RESAMPLES:,}, found {resamples}")
    if not 0 <= seed < 2**64:
        raise ValueError(f"`seed` must be from 0 to 2**64 - 1, found {seed}")
