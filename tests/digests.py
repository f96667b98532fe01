"""SHA-256 of every array of a pickle or a store, as JSON: digests.py FILE.

Features and labels are digested as little-endian float32, tokens, lengths and classes as int32,
texts as UTF-8 with their length before each. A pickle is read by Python's own `pickle.load`, a
store by h5py or pyarrow: equal digests mean equal bits.
"""

import hashlib
import json
import pickle
import sys

import numpy as np

FLOATS = ("text", "audio", "vision")
TEXTS = ("id", "raw_text", "annotations")


def digest_floats(values):
    return hashlib.sha256(np.ascontiguousarray(values).astype("<f4").tobytes()).hexdigest()


def digest_ints(values):
    values = np.asarray(values)
    assert np.all(values == values.astype("<i4"))
    return hashlib.sha256(np.ascontiguousarray(values).astype("<i4").tobytes()).hexdigest()


def digest_texts(values):
    digest = hashlib.sha256()
    for value in values:
        data = value if isinstance(value, bytes) else str(value).encode()
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()


def digest(name, values):
    if name in TEXTS:
        return digest_texts(values)
    if name in FLOATS or name.startswith("regression_labels"):
        return digest_floats(values)
    return digest_ints(values)


def of_mmsa(content):
    return {
        f"/{split}/{name}": digest(name, values)
        for split, columns in content.items()
        for name, values in columns.items()
    }


def of_misa(items):
    def pad(rows):
        length = max(len(row) for row in rows)
        return np.stack([np.pad(r, [(0, length - len(r))] + [(0, 0)] * (r.ndim - 1)) for r in rows])

    lengths = [len(item[0][1]) for item in items]
    columns = {
        "id": [item[2] for item in items],
        "raw_text": [" ".join(item[0][3]) for item in items],
        "words": pad([item[0][0] for item in items]),
        "vision": pad([item[0][1] for item in items]),
        "audio": pad([item[0][2] for item in items]),
        "vision_lengths": lengths,
        "audio_lengths": lengths,
        "regression_labels": [item[1][0, 0] for item in items],
    }
    return {f"/valid/{name}": digest(name, values) for name, values in columns.items()}


def of_store(path):
    import h5py

    with h5py.File(path) as store:
        return {
            f"/{split}/{name}": digest(name, store[split][name][()])
            for split in store
            for name in store[split]
            if name != "bins"
        }


def of_arrow_column(column):
    import pyarrow as pa

    if isinstance(column.type, pa.FixedShapeTensorType):
        return np.concatenate([chunk.to_numpy_ndarray() for chunk in column.chunks])
    return column.to_pylist() if pa.types.is_string(column.type) else column.to_numpy()


def of_arrow(path):
    import pyarrow as pa

    digests = {}
    for split in ("train", "valid", "test"):
        with pa.memory_map(f"{path}/{split}.arrow") as file:
            table = pa.ipc.open_file(file).read_all()
            table.validate(full=True)
            for name in table.column_names:
                if not name.startswith("bins/"):
                    digests[f"/{split}/{name}"] = digest(name, of_arrow_column(table[name]))
    return digests


def main(path):
    if path.endswith(".h5"):
        digests = of_store(path)
    elif path.endswith(".arrow"):
        digests = of_arrow(path)
    else:
        with open(path, "rb") as file:
            content = pickle.load(file)
        digests = of_mmsa(content) if isinstance(content, dict) else of_misa(content)
    json.dump(digests, sys.stdout)


main(sys.argv[1])
