"""The PyTorch dataset: samples, batches, worker processes and the trainer's order."""

from __future__ import annotations

import json
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import almt_data
from support import check


def test_without_pytorch_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "almt_data._segments", raising=False)
    with pytest.raises(ImportError, match="pip install"):
        almt_data.torch.Segments  # noqa: B018
    assert dir(almt_data.torch) == ["Order", "Segments", "order"]
    with pytest.raises(AttributeError):
        almt_data.torch.Other  # noqa: B018


@pytest.fixture
def torch(optional: Callable[[str], Any]) -> Any:
    return optional("torch")


@pytest.fixture
def segments(torch: Any, path: Path) -> Any:
    """The training split of a store of each form."""
    return almt_data.torch.Segments(path, "train")


def test_a_sample_is_a_segment(torch: Any, segments: Any, store: almt_data.Store) -> None:
    train = store["train"]
    assert len(segments) == len(train) == 64
    for idx in (0, 17, -1):
        sample = segments[idx]
        assert list(sample) == [
            "id",
            "text",
            "audio",
            "vision",
            "audio_lengths",
            "vision_lengths",
            "label",
        ]
        assert sample["id"] == train.ids[idx]
        for name in ("text", "audio", "vision"):
            assert sample[name].dtype == torch.float32
            assert np.array_equal(sample[name].numpy(), train[name][idx])
        assert sample["label"].dtype == torch.float32 and sample["label"].shape == ()
        assert sample["label"] == float(train["regression_labels"][idx])
        assert sample["audio_lengths"].dtype == torch.int64
        assert sample["audio_lengths"] == int(train["audio_lengths"][idx])
    for idx in (64, -65):
        with pytest.raises(IndexError):
            segments[idx]


def test_a_batch_is_its_samples(torch: Any, segments: Any) -> None:
    indices = [5, 63, 0, 5, -2]
    fetched = segments.__getitems__(indices)
    assert len(fetched) == len(indices)
    batch = segments.collate(fetched)
    assert batch is fetched.stacked
    assert batch["text"].shape == (5, 50, 768) and batch["label"].shape == (5,)
    singles = [segments[idx] for idx in indices]
    stacked = segments.collate(singles)
    assert list(stacked) == list(batch)
    for name, values in stacked.items():
        assert values == batch[name] if name == "id" else torch.equal(values, batch[name])
    for one, other in zip(fetched, singles, strict=True):
        assert one["id"] == other["id"] and torch.equal(one["audio"], other["audio"])
    # What the default collation of PyTorch makes of the samples.
    default = torch.utils.data.default_collate(fetched)
    assert torch.equal(default["vision"], batch["vision"]) and default["id"] == batch["id"]
    assert [sample["id"] for sample in fetched[1:3]] == batch["id"][1:3]
    assert segments.collate(segments.__getitems__([]))["text"].shape == (0, 50, 768)


def test_a_batch_has_memory_of_its_own(segments: Any) -> None:
    batch = segments.collate(segments.__getitems__([0, 1]))
    before = batch["audio"].clone()
    batch["audio"].fill_(7)
    assert segments.collate(segments.__getitems__([0, 1]))["audio"].equal(before)


def test_columns_can_be_chosen(torch: Any, path: Path, store: almt_data.Store) -> None:
    dataset = almt_data.torch.Segments(
        store, "valid", ["vision", "text_bert"], labels="bins/acc_2_non0"
    )
    sample = dataset[3]
    assert list(sample) == ["id", "vision", "text_bert", "vision_lengths", "label"]
    assert sample["text_bert"].dtype == sample["label"].dtype == torch.int64
    assert np.array_equal(sample["text_bert"], store["valid"]["text_bert"][3])
    assert sample["label"] == int(store["valid"]["bins/acc_2_non0"][3])
    bare = almt_data.torch.Segments(path, "valid", "audio", labels=None)
    assert list(bare[0]) == ["id", "audio", "audio_lengths"]


def test_half_precision_becomes_single(torch: Any, data: Path, tmp_path: Path) -> None:
    almt_data.convert(data / "mosi.pkl", tmp_path / "half.arrow", dtype="float16", progress=False)
    sample = almt_data.torch.Segments(tmp_path / "half.arrow", "train")[5]
    expected = almt_data.open(data / "mosi.h5")["train"]["text"][5].astype("f2").astype("f4")
    assert sample["text"].dtype == torch.float32
    assert np.array_equal(sample["text"].numpy(), expected)


def test_what_does_not_exist_is_an_error_at_once(torch: Any, path: Path) -> None:
    segments = almt_data.torch.Segments
    with pytest.raises(KeyError, match="train, valid, test"):
        segments(path, "dev")
    with pytest.raises(KeyError, match="smell"):
        segments(path, "train", ["smell"])
    with pytest.raises(KeyError, match="regression_labels_T"):
        segments(path, "train", labels="regression_labels_T")
    with pytest.raises(ValueError, match="manifest"):
        segments(path, "train", fold=0)
    with pytest.raises(FileNotFoundError):
        segments(path.parent / "none.h5", "train")


def test_a_fold_takes_the_place_of_the_splits(torch: Any, path: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "folds.json"
    almt_data.split(path, manifest, k_fold=4)
    store = almt_data.open(path)
    place = {id: (split, row) for split in store for row, id in enumerate(store[split].ids)}
    plan = json.loads(manifest.read_text())
    for split in ("train", "valid", "test"):
        dataset = almt_data.torch.Segments(path, split, manifest=manifest, fold=2)
        assert [dataset[idx]["id"] for idx in range(len(dataset))] == plan["folds"][2][split]
        batch = dataset.collate(dataset.__getitems__(range(len(dataset))))
        for idx, id in enumerate(batch["id"]):
            home, row = place[id]
            assert np.array_equal(batch["audio"][idx], store[home]["audio"][row])
            assert batch["label"][idx] == float(store[home]["regression_labels"][row])
    assert len(pickle.loads(pickle.dumps(dataset))) == len(dataset)
    with pytest.raises(KeyError, match="train, valid, test"):
        almt_data.torch.Segments(path, "dev", manifest=manifest, fold=0)


def test_a_dataset_is_sent_by_its_path(
    torch: Any, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(path.parent)
    dataset = almt_data.torch.Segments(path.name, "test")
    data = pickle.dumps(dataset)
    monkeypatch.chdir("/")
    copy = pickle.loads(data)
    assert len(data) < 2000 and copy[3]["id"] == dataset[3]["id"]
    assert "32 segments" in repr(copy)


LOADER = """
    import json
    import sys

    import torch
    from torch.utils.data import DataLoader

    import almt_data

    def epoch(context, n_workers, collate, guarded):
        dataset = almt_data.torch.Segments(sys.argv[1], "train")
        order = almt_data.torch.Order(seed=7, n=len(dataset))
        order.set_epoch(2)
        options = {"collate_fn": dataset.collate} if collate else {}
        loader = DataLoader(
            dataset,
            batch_size=10,
            sampler=order,
            num_workers=n_workers,
            multiprocessing_context=context,
            **options,
        )
        with almt_data.pickle.guard() if guarded else torch.no_grad():
            batches = list(loader)
        sums = [float(batch["text"].double().sum() + batch["label"].sum()) for batch in batches]
        return [id for batch in batches for id in batch["id"]], sums

    if __name__ == "__main__":
        expected = epoch(None, 0, True, False)
        for context in ("fork", "spawn"):
            for collate in (True, False):
                assert epoch(context, 2, collate, False) == expected, (context, collate)
        # The workers' objects do not go through the guard.
        assert epoch("fork", 2, True, True) == epoch("spawn", 2, True, True) == expected
        print(json.dumps(expected[0]))
"""


def test_workers_give_the_same_batches(torch: Any, path: Path) -> None:
    printed = check(LOADER, path, timeout=300)
    ids = almt_data.open(path)["train"].ids
    order = almt_data.torch.order(7, 2, 64)
    assert json.loads(printed) == [ids[idx] for idx in order]


def test_subsets_and_pairs_of_datasets_work(torch: Any, path: Path) -> None:
    data = torch.utils.data
    train = almt_data.torch.Segments(path, "train")
    valid = almt_data.torch.Segments(path, "valid")
    assert isinstance(train, data.Dataset)
    subset = data.Subset(train, [3, 1, 4])
    batch = next(iter(data.DataLoader(subset, batch_size=3, collate_fn=train.collate)))
    assert batch["id"] == [train[idx]["id"] for idx in (3, 1, 4)]
    both = data.ConcatDataset([train, valid])
    batch = next(iter(data.DataLoader(both, batch_size=80, collate_fn=train.collate)))
    assert batch["text"].shape == (80, 50, 768) and len(set(batch["id"])) == 80


def test_the_sampler_has_the_trainers_order(torch: Any) -> None:
    sampler = almt_data.torch.Order(seed=3, n=20)
    assert len(sampler) == 20
    assert list(sampler) == almt_data.torch.order(3, 1, 20)
    sampler.set_epoch(5)
    assert list(sampler) == list(sampler) == almt_data.torch.order(3, 5, 20)


def test_tensors_of_a_column_share_its_memory(torch: Any, data: Path) -> None:
    column = almt_data.open(data / "mosi.h5")["train"]["text"]
    tensor = torch.from_dlpack(column)
    assert np.shares_memory(tensor.numpy(), column.chunks[0])
    assert torch.from_numpy(np.asarray(column)).data_ptr() == tensor.data_ptr()


def test_a_guard_keeps_weights_and_refuses_objects(torch: Any, tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    torch.save({"weight": torch.arange(3.0)}, path)
    with almt_data.pickle.guard():
        assert torch.load(path)["weight"].tolist() == [0, 1, 2]
        with pytest.raises(almt_data.UnsafePickleError, match="torch"):
            torch.load(path, weights_only=False)
    assert torch.load(path, weights_only=False)["weight"].tolist() == [0, 1, 2]
