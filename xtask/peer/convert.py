"""What people do today: `pickle.load`, a finite check, `h5py`. Timed by `cargo xtask bench convert`.

    convert.py PICKLE STORE
"""

import pickle
import sys

import h5py
import numpy as np


def main(source, target):
    with open(source, "rb") as file:
        content = pickle.load(file)
    with h5py.File(target, "w") as store:
        for split, columns in content.items():
            for name, values in columns.items():
                values = np.asarray(values)
                if values.dtype.kind == "f":
                    # As the loaders of MMSA and ALMT: float32, and -inf in features becomes 0.
                    values = values.astype(np.float32)
                    values[values == -np.inf] = 0
                    if not np.isfinite(values).all():
                        raise ValueError(f"{split}/{name} is not finite")
                elif values.dtype.kind == "U":
                    values = values.astype(h5py.string_dtype())
                store[f"{split}/{name}"] = values


main(sys.argv[1], sys.argv[2])
