"""Prints what h5py reads of a computational sequence: entries, rows, and digests of names, times and values.

Usage: csd.py FILE
"""

import hashlib
import json
import sys

import h5py
import numpy as np

file = h5py.File(sys.argv[1], "r")
root = next(iter(file))
digest = hashlib.sha256()
n_rows = 0
widths = {}
for name, entry in file[root]["data"].items():
    features, times = entry["features"][()], entry["intervals"][()]
    digest.update(name.encode())
    digest.update(times.astype("<f8").tobytes())
    if features.dtype.kind == "S":
        for row in features:
            for text in row:
                digest.update(text + b"\n")
        widths[name] = features.dtype.itemsize
    else:
        digest.update(features.astype("<f8").tobytes())
    n_rows += len(features)
metadata = {}
for name, value in file[root]["metadata"].items():
    metadata[name] = value[0].decode()
print(json.dumps({
    "root": root,
    "names": list(file[root]["data"]),
    "n_rows": n_rows,
    "widths": widths,
    "sha256": digest.hexdigest(),
    "metadata": metadata,
}))
