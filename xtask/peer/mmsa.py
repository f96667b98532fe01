"""Reads a pickle and its export with the data loader of the package MMSA, and compares every value
that its models would see.

    mmsa.py MMSA_FOLDER DATASET aligned|unaligned SOURCE.pkl EXPORT.pkl
"""

import importlib.util
import sys

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


def main(folder, dataset, alignment, source, export):
    # Its data loader alone: the package itself imports all that its models need.
    spec = importlib.util.spec_from_file_location("mmsa_loader", f"{folder}/MMSA/data_loader.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    both = [loaders(module, dataset, alignment == "aligned", path) for path in [source, export]]
    (one, *shapes), (other, *other_shapes) = both
    assert shapes == other_shapes, (shapes, other_shapes)
    n_samples = 0
    for split in ["train", "valid", "test"]:
        pairs = list(zip(samples(one[split]), samples(other[split]), strict=True))
        for index, (a, b) in enumerate(pairs):
            assert same(a, b), (split, index)
        assert sum(len(batch["index"]) for batch in other[split]) == len(pairs)
        n_samples += len(pairs)
    print(f"{dataset} {alignment}: {n_samples} samples equal, shapes {shapes}")


main(*sys.argv[1:])
