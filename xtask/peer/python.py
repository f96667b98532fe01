"""One contender of `cargo xtask bench python`: prints seconds and, where it counts, KiB.

    python.py load ours|python PICKLE       read a pickle, then a batch of 64
    python.py epoch ours|python PATH        one epoch of batches through a DataLoader with two workers
    python.py metrics                       MMSA's metrics of 4,659 predictions: MMSA, ours
"""

import importlib.util
import pickle
import sys
import time

import numpy as np

MODALITIES = ("text", "audio", "vision")
BATCH = 64


def anonymous_kib():
    """Resident memory without the pages of files."""
    with open("/proc/self/status") as status:
        lines = dict(line.split(":", 1) for line in status)
    return int(lines["RssAnon"].split()[0])


def of_pickle(path, whose):
    if whose == "ours":
        import almt_data

        return lambda: almt_data.pickle.load(path)

    def load():
        with open(path, "rb") as file:
            return pickle.load(file)

    return load


def load(whose, path):
    read = of_pickle(path, whose)
    before = anonymous_kib()
    start = time.perf_counter()
    data = read()
    batch = [np.array(data["train"][name][:BATCH], np.float32) for name in MODALITIES]
    seconds = time.perf_counter() - start
    assert all(len(part) == BATCH for part in batch)
    print(seconds, anonymous_kib() - before)


def epoch(whose, path):
    import torch
    from torch.utils.data import DataLoader, Dataset

    class InMemory(Dataset):
        """As published loaders do it: float32 arrays, a tensor per sample and modality."""

        def __init__(self):
            with open(path, "rb") as file:
                split = pickle.load(file)["train"]
            self.features = {name: split[name].astype(np.float32) for name in MODALITIES}
            self.labels = split["regression_labels"]

        def __len__(self):
            return len(self.labels)

        def __getitem__(self, idx):
            sample = {name: torch.tensor(values[idx]) for name, values in self.features.items()}
            return {**sample, "label": torch.tensor(self.labels[idx])}

    if whose == "ours":
        import almt_data

        dataset = almt_data.torch.Segments(path, "train")
        collate = dataset.collate
    else:
        dataset, collate = InMemory(), None
    loader = DataLoader(
        dataset, BATCH, shuffle=True, num_workers=2, collate_fn=collate, persistent_workers=True
    )
    list(loader)  # Starts the workers.
    start = time.perf_counter()
    n_samples = sum(len(batch["label"]) for batch in loader)
    seconds = time.perf_counter() - start
    assert n_samples == len(dataset)
    print(seconds, anonymous_kib())


def metrics():
    import torch

    import almt_data

    # Alone: the package itself imports every model.
    folder = importlib.util.find_spec("MMSA").submodule_search_locations[0]
    spec = importlib.util.spec_from_file_location("metrics", f"{folder}/utils/metricsTop.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    random = np.random.default_rng(1)
    labels = np.round(random.uniform(-3, 3, 4659) * 3).astype(np.float32) / 3
    predictions = (labels + random.normal(0, 0.8, len(labels))).astype(np.float32)
    theirs = module.MetricsTop("regression").getMetics("MOSEI")
    tensors = torch.from_numpy(predictions), torch.from_numpy(labels)
    expected = theirs(*tensors)
    found = almt_data.metrics(predictions, labels, "mosei")
    for name, value in expected.items():
        assert abs(found[name] - value) < 1e-4, (name, found[name], value)

    def median(call):
        times = []
        for _ in range(15):
            start = time.perf_counter()
            call()
            times.append(time.perf_counter() - start)
        return sorted(times)[len(times) // 2]

    print(
        median(lambda: theirs(*tensors)),
        median(lambda: almt_data.metrics(predictions, labels, "mosei")),
    )


{"load": load, "epoch": epoch, "metrics": metrics}[sys.argv[1]](*sys.argv[2:])
