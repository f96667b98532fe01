"""Values that a store cannot hold as they are, in Python's own words.

`values.py make FOLDER` writes pickles of every layout and type with such values.
`values.py check FOLDER JOBS` compares stores with the pickles that they come from: JOBS is a list
of [store, pickle, on_nonfinite, on_overflow, dtype]. Prints how many arrays and counts were compared.
"""

import json
import pickle
import sys
from pathlib import Path

import numpy as np

SPLITS = {"train": 6, "valid": 3, "test": 4}
AUDIO, VISION = (6, 5), (4, 20)
# Rounds to the largest float32, and to infinity: half a step beyond it lies between the two.
LARGEST, BEYOND = 3.4028235677973362e38, 3.4028235677973366e38


def plant(name, split, block):
    """Puts unusual values into the first segments of a block [n_samples, seq_len, feat_dim]."""
    dtype = block.dtype
    if dtype.kind in "iu":
        if split == "train":
            block[0, 0, 0] = 2**53 + 1
            block[1, 0, 1] = np.iinfo(dtype).max
        return
    block[0, 0, 0] = np.nan
    block[0, 1, 1] = -np.inf
    if split == "train":
        block[0, 0, 1] = np.inf
        block[1, 0, 0] = -np.inf
        block[2, 1, 2] = np.nan
    if dtype.itemsize == 8:
        block[0, 0, 2] = -4.2e40
        if split == "train":
            block[1, 1, 1] = 1e39
            block[2, 0, 3], block[2, 0, 4] = LARGEST, BEYOND
            block[3, 0, 0], block[3, 0, 1] = 1e-310, 5e-324
            # A signalling NaN, and the largest number.
            bits = block.view(np.uint64 if dtype.isnative else ">u8")
            bits[2, 0, 0], bits[2, 0, 2] = 0x7FF0000000000001, 0x7FEFFFFFFFFFFFFF
    if dtype.itemsize > 2 and split == "train":
        block[3, 0, 2], block[3, 0, 3], block[3, 0, 4] = 65519.9, 65520.0, -70000.25


def blocks(name, dtype=np.float64, lengths=None):
    """Audio and vision of all splits, filled up to the lengths."""
    rng = np.random.default_rng(len(name))
    made = {}
    for split, n in SPLITS.items():
        made[split] = {}
        for modality, (seq_len, feat_dim) in [("audio", AUDIO), ("vision", VISION)]:
            scale = 100 if np.dtype(dtype).kind in "iu" else 1
            block = (rng.uniform(0.5, 2, (n, seq_len, feat_dim)) * scale).astype(dtype)
            for row in range(n):
                block[row, (lengths or (lambda *_: seq_len))(row, seq_len) :] = 0
            if modality == "audio":
                plant(name, split, block)
            made[split][modality] = block
    return made


def short(row, seq_len):
    return max(2, seq_len - row)


def mmsa(made, change=lambda block: block, lengths=None):
    data = {}
    for split, columns in made.items():
        n = SPLITS[split]
        data[split] = {
            "id": [f"{split}{row // 2}$_${row}" for row in range(n)],
            "raw_text": [f"{split} words {row}" for row in range(n)],
            "regression_labels": np.linspace(-2, 2, n),
        }
        for modality, block in columns.items():
            data[split][modality] = change(block)
            if lengths:
                all_lengths = [lengths(row, block.shape[1]) for row in range(n)]
                data[split][f"{modality}_lengths"] = all_lengths
    return data


def objects(rows):
    array = np.empty(len(rows), dtype=object)
    array[:] = rows
    return array


def ragged(block):
    return [row[: short(idx, len(row))] for idx, row in enumerate(block)]


def front(block):
    """The same samples, padded at the front."""
    moved = np.zeros_like(block)
    for row, sample in enumerate(block):
        length = short(row, len(sample))
        moved[row, len(sample) - length :] = sample[:length]
    return moved


def make(folder):
    full = blocks("aligned")
    padded = blocks("padded", lengths=short)
    half = blocks("half", np.float16, short)
    files = {
        "aligned": mmsa(full),
        "lengths": mmsa(padded, lengths=short),
        "no-lengths": mmsa(padded),
        "big-endian": mmsa(blocks("big", np.dtype(">f8"), short), lengths=short),
        "fortran": mmsa(padded, np.asfortranarray, short),
        "lists": mmsa(padded, lambda block: block.tolist(), short),
        "ragged": mmsa(padded, ragged),
        "ragged-lists": mmsa(padded, lambda block: [row.tolist() for row in ragged(block)]),
        "objects": mmsa(padded, lambda block: objects(ragged(block))),
        "float32": mmsa(blocks("f4", np.float32, short), lengths=short),
        "float16": mmsa(half, lengths=short),
        "int64": mmsa(blocks("i8", np.int64, short), lengths=short),
        "uint64": mmsa(blocks("u8", np.uint64, short), lengths=short),
    }
    sdk, tuples, misa = {}, {}, {}
    for split, columns in padded.items():
        n = SPLITS[split]
        ids = [f"{split}{row // 2}[{row}]" for row in range(n)]
        labels = np.linspace(-2, 2, n)
        sdk[split] = {key: front(block) for key, block in columns.items()}
        sdk[split] |= {"labels": labels.reshape(n, 1, 1), "id": ids}
        sdk[split]["text"] = front(np.ones((n, 6, 3), dtype=np.float32))
        sides = [ragged(columns["vision"]), ragged(columns["audio"])]
        samples = list(zip(*sides, labels, ids))
        # One length per sample over both modalities, as these files have it.
        tuples[{"valid": "dev"}.get(split, split)] = [
            ((["w"] * len(a), v[: len(a)], a[: len(v)]), np.array([[y]]), i)
            for v, a, y, i in samples
        ]
    files |= {"sdk": sdk, "mag-bert": tuples}
    for name, data in files.items():
        with open(folder / f"{name}.pkl", "wb") as file:
            pickle.dump(data, file, protocol=4)
    print(" ".join(files))


def frames(data, split, modality):
    """Samples as float64 [seq_len, feat_dim], without the padding of the front."""
    if isinstance(data[split], list):
        at = {"vision": 1, "audio": 2}[modality]
        return [np.asarray(sample[0][at], dtype=np.float64) for sample in data[split]]
    samples = [np.asarray(sample) for sample in data[split][modality]]
    if "labels" in data[split]:
        samples = [sample[np.flatnonzero((sample != 0).any(-1))[0] :] for sample in samples]
    return samples


def narrowed(sample, dtype):
    with np.errstate(over="ignore", invalid="ignore"):
        return sample.astype(np.float32).astype(dtype)


def kinds(sample, dtype):
    finite = np.isfinite(sample)
    return {
        "NaN": np.isnan(sample),
        "+inf": np.isposinf(sample),
        "-inf": np.isneginf(sample),
        "overflow": finite & np.isinf(narrowed(sample, dtype)),
    }


def action(kind, on_nonfinite, on_overflow):
    if kind == "overflow":
        return on_overflow
    if on_nonfinite == "loaders":
        return "zero" if kind == "-inf" else "error"
    return on_nonfinite


def check_one(folder, store_name, pickle_name, on_nonfinite, on_overflow, dtype):
    import h5py

    data = pickle.load(open(folder / pickle_name, "rb"))
    n_compared = 0
    with h5py.File(folder / store_name) as store:
        manifest = json.loads(store.attrs["manifest"])
        names = {split: {"valid": "dev"}.get(split, split) for split in SPLITS}
        if "dev" not in data:
            names = {split: split for split in SPLITS}
        found = {}
        unusual = {}
        left_out = {split: set() for split in SPLITS}
        for split in SPLITS:
            for modality in ("audio", "vision"):
                samples = frames(data, names[split], modality)
                found[split, modality] = samples
                per_row = [kinds(sample, dtype) for sample in samples]
                unusual[split, modality] = per_row
                for row, by_kind in enumerate(per_row):
                    for kind, mask in by_kind.items():
                        if mask.any() and action(kind, on_nonfinite, on_overflow) == "drop-segment":
                            left_out[split].add(row)
        # The record in the manifest has the counts of NumPy.
        expected = {}
        for (split, modality), per_row in unusual.items():
            for kind in ("NaN", "+inf", "-inf", "overflow"):
                done = action(kind, on_nonfinite, on_overflow)
                rows = [
                    row
                    for row, by_kind in enumerate(per_row)
                    if by_kind[kind].any() and (done == "drop-segment" or row not in left_out[split])
                ]
                if rows:
                    n_values = sum(int(per_row[row][kind].sum()) for row in rows)
                    largest = None
                    if kind == "overflow":
                        values = np.concatenate(
                            [found[split, modality][row][per_row[row][kind]] for row in rows]
                        )
                        largest = np.abs(values).max()
                    expected[f"/{split}/{modality}", kind] = (done, n_values, len(rows), largest)
        record = manifest.get("values") or {"counts": []}
        counts = {
            (c["column"], c["kind"]): (
                c["action"],
                c["n_values"],
                c["n_segments"],
                abs(c["largest"]) if "largest" in c else None,
            )
            for c in record["counts"]
        }
        if dtype == "float16":
            # What fits float32 is known rounded to it.
            for all_counts in (counts, expected):
                for key, (done, n_values, n_segments, largest) in list(all_counts.items()):
                    if largest is not None and largest < 1e38:
                        largest = np.float32(largest)
                    all_counts[key] = (done, n_values, n_segments, largest)
        assert counts == expected, (store_name, counts, expected)
        assert record.get("on_nonfinite", on_nonfinite) == on_nonfinite
        n_compared += len(counts)
        recorded = {entry["split"]: entry["ids"] for entry in record.get("left_out", [])}
        for split in SPLITS:
            n = SPLITS[split]
            kept = [row for row in range(n) if row not in left_out[split]]
            source = data[names[split]]
            ids = [s[2] for s in source] if isinstance(source, list) else list(source["id"])
            labels = (
                [float(s[1][0, 0]) for s in source]
                if isinstance(source, list)
                else np.ravel(source.get("regression_labels", source.get("labels")))
            )
            assert list(store[split]["id"].asstr()) == [ids[row] for row in kept], store_name
            stored_labels = store[split]["regression_labels"][...]
            assert np.array_equal(stored_labels, np.float32(labels)[kept]), store_name
            assert recorded.get(split, []) == [ids[row] for row in sorted(left_out[split])]
            for modality in ("audio", "vision"):
                compare(store, split, modality, kept, found, unusual, left_out, record, locals())
                n_compared += 1
    return n_compared


def means(store, modality, found, unusual, left_out):
    """Of each feature: the mean of the ordinary values in the training split's real frames."""
    samples = found["train", modality]
    kept = [row for row in range(len(samples)) if row not in left_out["train"]]
    recorded = store["train"].get(f"{modality}_lengths")
    total, number = 0.0, 0
    for at, row in enumerate(kept):
        sample = samples[row]
        real = (sample != 0).any(-1)
        if recorded is not None:
            real = np.arange(len(sample)) < recorded[at]
        odd = np.any(list(unusual["train", modality][row].values()), axis=0)
        use = real[:, None] & ~odd
        total = total + np.where(use, narrowed(np.where(odd, 0, sample), np.float32), 0).astype(
            np.float64
        ).sum(0)
        number = number + use.sum(0)
    return total / np.maximum(number, 1), number


def compare(store, split, modality, kept, found, unusual, left_out, record, job):
    on_nonfinite, on_overflow, dtype = job["on_nonfinite"], job["on_overflow"], job["dtype"]
    block = store[split][modality][...]
    assert block.dtype == dtype and len(block) == len(kept), (job["store_name"], block.dtype)
    mean, number = means(store, modality, found, unusual, left_out)
    replaced = set()
    for stored, row in zip(block, kept):
        sample, by_kind = found[split, modality][row], unusual[split, modality][row]
        expected = np.zeros(stored.shape, dtype=dtype)
        expected[: len(sample)] = narrowed(sample, dtype)
        by_mean = np.zeros(stored.shape, dtype=bool)
        for kind, mask in by_kind.items():
            done = action(kind, on_nonfinite, on_overflow)
            mask = np.pad(mask, ((0, len(stored) - len(sample)), (0, 0)))
            if done == "zero":
                expected[mask] = 0
            elif done == "clip":
                expected[mask] = np.sign(expected[mask]) * np.finfo(dtype).max
            elif done == "mean":
                by_mean |= mask
            else:
                assert done == "keep" or not mask.any(), (kind, done)
        at = np.argwhere(by_mean)
        replaced |= {int(feature) for _, feature in at}
        for frame, feature in at:
            tolerance = 1e-3 if dtype == "float16" else 1e-6
            close = np.isclose(stored[frame, feature], mean[feature], rtol=tolerance)
            assert close, (job["store_name"], stored[frame, feature], mean[feature])
        same = (stored == expected) | (np.isnan(stored) & np.isnan(expected)) | by_mean
        assert same.all(), (job["store_name"], split, modality, row, np.argwhere(~same)[:3])
    in_record = {m["feature"]: m for m in record.get("means", []) if m["modality"] == modality}
    for feature in replaced:
        assert in_record[feature]["n_values"] == number[feature], (job["store_name"], feature)
        assert np.isclose(in_record[feature]["mean"], mean[feature], rtol=1e-6)


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(Path(sys.argv[2]))
    else:
        jobs = json.load(open(sys.argv[3]))
        print(sum(check_one(Path(sys.argv[2]), *job) for job in jobs))
