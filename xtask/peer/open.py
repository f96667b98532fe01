"""What people do today to see one batch: `pickle.load` of the whole file. Prints the seconds.

    open.py PICKLE
"""

import pickle
import sys
import time

start = time.perf_counter()
with open(sys.argv[1], "rb") as file:
    content = pickle.load(file)
batch = {name: content["train"][name][:64] for name in ["text", "audio", "vision"]}
print(time.perf_counter() - start)
