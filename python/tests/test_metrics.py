"""Metrics: the recorded values of the published code, and its formulas."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

import almt_data
from support import GOLDEN

TOLERANCE = {"MAE": 2e-6, "Corr": 1e-9}
"""MAE is a sum in float32; the other metrics are shares."""

CMU = [
    "Has0_acc_2",
    "Has0_F1_score",
    "Non0_acc_2",
    "Non0_F1_score",
    "Mult_acc_3",
    "Mult_acc_5",
    "Mult_acc_7",
    "MAE",
    "Corr",
]

SIMS = ["Mult_acc_2", "Mult_acc_3", "Mult_acc_5", "F1_score", "F1_score_swapped", "MAE", "Corr"]


def recorded(dataset: str) -> list[dict[str, Any]]:
    file = GOLDEN / f"metrics_{dataset}.json"
    cases: list[dict[str, Any]] = json.loads(file.read_text())["cases"]
    return cases


CASES = [
    pytest.param(dataset, case, id=f"{dataset}-{case['name']}")
    for dataset in ("mosi", "mosei", "sims")
    for case in recorded(dataset)
]


def assert_close(name: str, found: float, expected: float | None) -> None:
    if expected is None or math.isnan(expected):
        assert math.isnan(found), f"{name}: {found}"
    else:
        assert abs(found - expected) <= TOLERANCE.get(name, 1e-12), f"{name}: {found}, {expected}"


@pytest.mark.parametrize(("dataset", "case"), CASES)
def test_every_value_is_the_recorded_one(dataset: Any, case: dict[str, Any]) -> None:
    found = almt_data.metrics(case["y_pred"], case["y_true"], dataset)
    assert list(found) == (SIMS if dataset == "sims" else CMU)
    expected = case["metrics_full_precision"]
    if "error" in expected:
        # The published code fails where all labels are zero.
        assert math.isnan(found["Non0_acc_2"]) and math.isnan(found["Non0_F1_score"])
        return
    for name, value in expected.items():
        assert_close(name, found[name], value)


# The formulas of MMSA's `metricsTop.py`, in NumPy alone.


def share(one: Any, other: Any) -> float:
    return float(np.mean(one == other)) if len(one) else math.nan


def weighted_f1(truth: Any, found: Any) -> float:
    """`f1_score(truth, found, average="weighted")` of scikit-learn."""
    if not len(truth):
        return math.nan
    total = 0.0
    for kind in np.unique(truth):
        n_both = np.sum((truth == kind) & (found == kind))
        n_any = np.sum(truth == kind) + np.sum(found == kind)
        total += np.sum(truth == kind) * 2 * n_both / n_any
    return float(total / len(truth))


def correlation(one: Any, other: Any) -> float:
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return math.nan
    return float(np.corrcoef(one.astype("f8"), other.astype("f8"))[0, 1])


def cmu(found: Any, truth: Any) -> dict[str, float]:
    def rounded(limit: int) -> float:
        one, other = (np.round(np.clip(values, -limit, limit)) for values in (found, truth))
        return share(one, other)

    kept = truth != 0
    return {
        "Has0_acc_2": share(found >= 0, truth >= 0),
        "Has0_F1_score": weighted_f1(truth >= 0, found >= 0),
        "Non0_acc_2": share(found[kept] > 0, truth[kept] > 0),
        "Non0_F1_score": weighted_f1(truth[kept] > 0, found[kept] > 0),
        "Mult_acc_3": rounded(1),
        "Mult_acc_5": rounded(2),
        "Mult_acc_7": rounded(3),
        "MAE": float(np.mean(np.abs(found - truth))),
        "Corr": correlation(found, truth),
    }


def sims(found: Any, truth: Any) -> dict[str, float]:
    found, truth = np.clip(found, -1, 1), np.clip(truth, -1, 1)

    def binned(values: Any, *limits: float) -> Any:
        """The interval of each value, closed on the right."""
        return np.sum([values > np.float32(limit) for limit in limits], axis=0)

    def accuracy(*limits: float) -> float:
        return share(binned(found, *limits), binned(truth, *limits))

    two = binned(truth, 0.0), binned(found, 0.0)
    return {
        "Mult_acc_2": accuracy(0.0),
        "Mult_acc_3": accuracy(-0.1, 0.1),
        "Mult_acc_5": accuracy(-0.7, -0.1, 0.1, 0.7),
        "F1_score": weighted_f1(*two),
        "F1_score_swapped": weighted_f1(*reversed(two)),
        "MAE": float(np.mean(np.abs(found - truth))),
        "Corr": correlation(found, truth),
    }


@pytest.mark.parametrize("seed", range(20))
def test_values_follow_the_published_formulas(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 700))
    for formula, dataset, step, limit in ((cmu, "mosei", 0.2, 3), (sims, "simsv2", 0.2, 1)):
        truth = np.round(rng.uniform(-limit, limit, n) / step) * step
        found = truth * rng.uniform(-0.5, 1.5) + rng.normal(size=n) * rng.uniform(0, 1)
        found = np.where(rng.random(n) < 0.1, np.round(found * 2) / 2, found)
        pair = found.astype("f4"), truth.astype("f4")
        values = almt_data.metrics(*pair, dataset)
        for name, expected in formula(*pair).items():
            assert_close(name, values[name], expected)


def test_datasets_share_their_scheme() -> None:
    found, truth = np.linspace(-1, 1, 50), np.linspace(-0.8, 1, 50) ** 2
    assert almt_data.metrics(found, truth) == almt_data.metrics(found, truth, "mosei")
    assert almt_data.metrics(found, truth, "sims") == almt_data.metrics(found, truth, "simsv2")


class Tensor:
    """What a tensor of PyTorch that has a gradient offers."""

    def __init__(self, values: list[float]) -> None:
        self.values = values

    def detach(self) -> Tensor:
        return self

    def cpu(self) -> Any:
        return np.array(self.values)


def test_anything_that_is_an_array_is_read() -> None:
    found, truth = [0.5, -1.25, 2.0], [1.0, -0.75, 2.5]
    expected = almt_data.metrics(found, truth)
    for one in (
        tuple(found),
        np.array(found, "f8"),
        np.array(found, "f4")[:, None],
        np.array(found, ">f4"),
        np.repeat(found, 2)[::2],
        [[value] for value in found],
        Tensor(found),
    ):
        assert almt_data.metrics(one, truth) == expected
    assert almt_data.metrics([1, -1, 2], truth)["Has0_acc_2"] == 1.0


@pytest.mark.parametrize(
    ("predictions", "labels", "message"),
    [
        ([1.0, 2.0], [1.0], "2 predictions, 1 labels"),
        ([], [], "empty"),
        ([1.0, math.nan], [1.0, 2.0], "`predictions`: 1 values are not finite"),
        ([1.0, 2.0], [math.inf, 2.0], "`labels`: 1 values .* index 0"),
        ([1e39, 2.0], [1.0, 2.0], "not finite in float32"),
        ([[1.0, 2.0]], [[1.0, 2.0]], r"found \[1, 2\]"),
        (1.0, 1.0, r"found \[\]"),
        (["a"], [1.0], "could not convert"),
    ],
)
def test_what_has_no_metrics_is_refused(predictions: Any, labels: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        almt_data.metrics(predictions, labels)


def test_an_unknown_dataset_is_refused() -> None:
    with pytest.raises(ValueError, match="mosi, mosei, sims, simsv2"):
        almt_data.metrics([1.0], [1.0], "imdb")


def noisy(seed: int, noise: float) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    truth = np.round(rng.uniform(-3, 3, 300), 1)
    return truth + rng.normal(0, noise, 300), truth


def test_intervals_contain_their_value_and_repeat() -> None:
    found, truth = noisy(1, 0.5)
    values = almt_data.metrics(found, truth)
    intervals = almt_data.bootstrap(found, truth, resamples=500)
    assert list(intervals) == list(values)
    for name, (value, low, high) in intervals.items():
        assert value == values[name] and low <= value <= high and low < high, name
    assert almt_data.bootstrap(found, truth, resamples=500) == intervals
    assert almt_data.bootstrap(found, truth, resamples=500, seed=2) != intervals
    narrow = almt_data.bootstrap(found, truth, resamples=500, level=0.5)
    assert narrow["MAE"][2] - narrow["MAE"][1] < intervals["MAE"][2] - intervals["MAE"][1]


def test_a_better_model_is_told_from_a_worse_one() -> None:
    (good, truth), (bad, _) = noisy(1, 0.3), noisy(1, 1.2)
    found = almt_data.compare(bad, good, truth, resamples=500)
    assert list(found) == CMU
    mae = found["MAE"]
    assert mae["difference"] == mae["b"] - mae["a"] < 0
    assert mae["interval"][0] < mae["difference"] < mae["interval"][1] < 0
    assert mae["p_value"] < 0.01
    assert almt_data.compare(bad, good, truth, resamples=500) == found
    same = almt_data.compare(good, good, truth, resamples=200)
    assert all(row["difference"] == 0 and row["p_value"] == 1 for row in same.values())
    assert list(almt_data.compare(bad, good, truth, "sims", resamples=100)) == SIMS


def test_wrong_options_are_refused() -> None:
    for call in (
        lambda: almt_data.bootstrap([1.0], [1.0], resamples=0),
        lambda: almt_data.bootstrap([1.0], [1.0], level=1.0),
        lambda: almt_data.compare([1.0], [1.0, 2.0], [1.0]),
        lambda: almt_data.compare([1.0], [1.0], [1.0], resamples=0),
        lambda: almt_data.compare([1.0], [1.0], [1.0], seed=-1),
        lambda: almt_data.bootstrap([1.0], [1.0], resamples=10**12),
        lambda: almt_data.torch.order(-1, 1, 5),
        lambda: almt_data.torch.order(1, 1, -5),
    ):
        with pytest.raises(ValueError):
            call()


def test_what_is_not_defined_has_no_test() -> None:
    constant = almt_data.compare([1.0, 1, 1], [1.0, 2, 3], [1.0, 2, 3], resamples=50)["Corr"]
    assert constant["a"] is constant["difference"] is constant["p_value"] is None
    assert constant["b"] == pytest.approx(1)


def test_what_does_not_fit_into_memory_is_an_exception() -> None:
    with pytest.raises(MemoryError):
        almt_data.torch.order(1, 1, 10**15)


def test_the_order_is_a_permutation_of_its_own_per_epoch_and_seed() -> None:
    order = almt_data.torch.order
    assert sorted(order(1, 1, 100)) == list(range(100))
    assert order(1, 1, 100) == order(1, 1, 100)
    assert len({tuple(order(seed, epoch, 100)) for seed in (1, 2) for epoch in (1, 2)}) == 4
    assert order(1, 1, 0) == []
    with pytest.raises(ValueError, match="from 1"):
        order(1, 0, 5)


STARS: dict[str, Any] = {
    "range": [1, 5],
    "neutral": 3,
    "bins": {"stars": {"edges": [1.5, 2.5, 3.5, 4.5]}},
}


def test_labels_of_ones_own_have_the_metrics_of_their_description() -> None:
    predictions, labels = [3.0, 2.0, 4.6, 7.0], [3.0, 4.0, 5.0, 5.0]
    found = almt_data.metrics(predictions, labels, STARS)
    assert list(found) == [*CMU[:4], "acc_stars", "MAE", "Corr"]
    assert found["acc_stars"] == 0.75
    moved = almt_data.metrics(np.subtract(predictions, 3), np.subtract(labels, 3), "mosi")
    assert all(found[name] == pytest.approx(moved[name]) for name in CMU[:4])
    interval = almt_data.bootstrap(predictions, labels, STARS, resamples=50)["acc_stars"]
    assert interval[0] == 0.75
    difference = almt_data.compare(predictions, labels, labels, {"range": [1, 5]}, resamples=50)
    assert list(difference) == ["MAE", "Corr"]


def test_a_wrong_description_is_refused() -> None:
    for wrong, problem in [
        ({"range": [5, 1]}, "range: expected the smaller number first"),
        ({"netural": 3}, "unknown field `netural`"),
        ({}, "expected a `range`"),
    ]:
        with pytest.raises(ValueError, match=problem):
            almt_data.metrics([1.0, 2.0], [1.0, 2.0], wrong)
