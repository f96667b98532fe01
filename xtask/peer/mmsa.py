"""Reads a pickle, its export, and the pickle once more inside `almt_data.pickle.guard()`, with the data
loader of the package MMSA, and compares every value that its models would see. Reads the pickle like
the released ALMT, too, inside the guard and outside.

    mmsa.py MMSA_FOLDER DATASET aligned|unaligned SOURCE.pkl EXPORT.pkl
"""

import contextlib
import importlib.util
import pickle
import sys

import almt_data
import numpy as np
import torch


def loaders(module, dataset, aligned, pickle):
    args = {
        "dataset_name": dataset,
        "custom_feature": "",
        "featurePath": pickle,
        "use_bert": False,
        "feature_dims": [0, 0, 0],
        "feature_T": "",
        "feature_A": "",
        "feature_V": "",
        "need_data_aligned": aligned,
        "need_normalized": False,
        "batch_size": 16,
        "seq_lens": None,
    }
    found = module.MMDataLoader(args, num_workers=0)
    return found, args["seq_lens"], args["feature_dims"]


def samples(loader):
    return [loader.dataset[index] for index in range(len(loader.dataset))]


def same(one, other):
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    return one == other


def like_almt(path):
    """The arrays that the data set of the released ALMT takes from a pickle, as it takes them."""
    with open(path, "rb") as file:
        data = pickle.load(file)
    arrays = {}
    for split, columns in data.items():
        for name in ("text_bert", "vision", "audio"):
            arrays[split, name] = columns[name].astype(np.float32)
        arrays[split, "label"] = np.array(columns["regression_labels"]).astype(np.float32)
        arrays[split, "audio"][arrays[split, "audio"] == -np.inf] = 0
        arrays[split, "text"] = columns["raw_text"]
        arrays[split, "id"] = columns["id"]
    return arrays


def main(folder, dataset, alignment, source, export):
    # Its data loader alone: the package itself imports all that its models need.
    spec = importlib.util.spec_from_file_location("mmsa_loader", f"{folder}/MMSA/data_loader.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    one, *shapes = loaders(module, dataset, alignment == "aligned", source)
    guard = almt_data.pickle.guard
    for around, path in [(contextlib.nullcontext, export), (guard, source)]:
        with around():
            other, *other_shapes = loaders(module, dataset, alignment == "aligned", path)
        assert shapes == other_shapes, (shapes, other_shapes)
        n_samples = 0
        for split in ["train", "valid", "test"]:
            pairs = list(zip(samples(one[split]), samples(other[split]), strict=True))
            for index, (a, b) in enumerate(pairs):
                assert same(a, b), (split, index)
            assert sum(len(batch["index"]) for batch in other[split]) == len(pairs)
            n_samples += len(pairs)
    plain = like_almt(source)
    with guard():
        guarded = like_almt(source)
    assert plain.keys() == guarded.keys()
    for key, values in plain.items():
        np.testing.assert_array_equal(guarded[key], values, strict=True)
    print(f"{dataset} {alignment}: {n_samples} samples equal, shapes {shapes}, also inside the guard")


main(*sys.argv[1:])
