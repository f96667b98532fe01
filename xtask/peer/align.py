"""Computational sequences of the size of CMU-MOSEI, and the time that the CMU SDK takes to align them.

    align.py make FOLDER N_VIDEOS   writes words, audio, vision and labels of so many videos, and prints the
                                    number of their rows
    align.py time FOLDER            prints the seconds that the SDK takes

The SDK is the copy `cmu-multimodal-sdk` 0.0.6 of the Python index, unchanged. Its steps are those that MISA,
BBFN and MMIM take from a tutorial: all sequences to the words, by the mean, and then to the labels.
"""

import contextlib
import importlib
import importlib.util
import io
import sys
import time
import types
from pathlib import Path

import h5py
import numpy as np

# CMU-MOSEI has 3,228 videos with 65.9 hours of segments, 23,453 segments and 447,143 words.
SECONDS = 73.5
N_WORDS = 138
N_SEGMENTS = 7
# Sequence: columns, and rows per second.
STREAMS = {"audio": (74, 100), "vision": (35, 30)}


def steps(rate, seconds):
    edges = np.arange(int(seconds * rate) + 1) / rate
    return np.stack([edges[:-1], edges[1:]], 1)


def split(random, start, end, n):
    """Intervals that follow each other."""
    edges = np.sort(random.uniform(start, end, n - 1))
    edges = np.concatenate([[start], edges, [end]])
    return np.stack([edges[:-1], edges[1:]], 1)


def video(random):
    """Sequences of one video: name, intervals, features."""
    seconds = SECONDS * random.uniform(0.5, 1.5)
    words = random.choice([b"one", b"two", b"three", b"four", b"fifteen"], (N_WORDS, 1))
    yield "words", split(random, 0.2, seconds - 0.2, N_WORDS), words.astype("S16")
    for name, (n_columns, rate) in STREAMS.items():
        intervals = steps(rate, seconds)
        yield name, intervals, random.standard_normal((len(intervals), n_columns), np.float32)
    segments = split(random, 0.2, seconds - 0.2, N_SEGMENTS)
    yield "labels", segments, random.uniform(-3, 3, (N_SEGMENTS, 7))


def make(folder, n_videos):
    """Contiguous and uncompressed, as the published files are."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(1)
    names = ["words", *STREAMS, "labels"]
    files = {name: h5py.File(folder / f"{name}.csd", "w") for name in names}
    groups = {name: file.create_group(f"{name}/data") for name, file in files.items()}
    n_rows = 0
    for idx in range(int(n_videos)):
        for name, intervals, features in video(random):
            entry = groups[name].create_group(f"video{idx:05}")
            entry["intervals"], entry["features"] = intervals, features
            n_rows += len(intervals)
    for name, file in files.items():
        metadata = file.create_group(f"{name}/metadata")
        metadata.create_dataset("root name", data=[name], dtype=h5py.string_dtype())
        file.close()
    print(n_rows)


def mean(_, features):
    try:
        return np.average(features, axis=0)
    except (TypeError, ValueError):
        # Words.
        return features


def measure(folder):
    # Its own beginning would import models, and PyTorch with them.
    package = types.ModuleType("mmsdk")
    package.__path__ = list(importlib.util.find_spec("mmsdk").submodule_search_locations)
    sys.modules["mmsdk"] = package
    mmdatasdk = importlib.import_module("mmsdk.mmdatasdk")
    paths = {name: str(Path(folder) / f"{name}.csd") for name in ["words", *STREAMS]}
    labels = str(Path(folder) / "labels.csd")
    # It prints a line per video.
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        start = time.perf_counter()
        dataset = mmdatasdk.mmdataset(paths)
        dataset.align("words", collapse_functions=[mean])
        dataset.add_computational_sequences({"labels": labels}, destination=None)
        dataset.align("labels")
        seconds = time.perf_counter() - start
    assert len(dataset["audio"].keys()) > 0
    print(seconds)


task, *rest = sys.argv[1:]
{"make": make, "time": measure}[task](*rest)
