"""Opens an Arrow store by memory map and reads a batch of 64 rows. Prints the seconds.

    open_arrow.py FOLDER
"""

import sys
import time

import pyarrow as pa

N_ROWS = 64

start = time.perf_counter()
file = pa.ipc.open_file(pa.memory_map(f"{sys.argv[1]}/train.arrow"))
parts, n_rows = [], 0
while n_rows < N_ROWS:
    parts.append(file.get_batch(len(parts)).slice(0, N_ROWS - n_rows))
    n_rows += parts[-1].num_rows
total = 0.0
for name in ["text", "audio", "vision"]:
    for part in parts:
        # Summed, so that every value is read.
        total += float(part[name].to_numpy_ndarray().sum())
seconds = time.perf_counter() - start
assert n_rows == N_ROWS and total == total
print(seconds)
