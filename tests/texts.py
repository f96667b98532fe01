"""texts.py make FOLDER: pickles whose texts are no plain `str`, and beside each what Python reads of it, as JSON.
texts.py nul FOLDER: a pickle with an id that has a NUL.
texts.py compare STORE JSON: prints `same` where the store has these texts."""

import json
import pickle
import sys
from pathlib import Path

import numpy as np

SPLITS = {"train": 6, "valid": 3, "test": 3}
CHINESE = ["今天去看了一场电影", "不太喜欢这个故事", "演员表现真的非常一般", "希望下次更有意思", "这个很好", "我们都很喜欢"]
TRADITIONAL = ["今天去看了一場電影", "不太喜歡這個故事", "演員表現真的非常一般", "希望下次更有意思", "這個很好", "我們都很喜歡"]


def data(texts=None):
    rng = np.random.default_rng(7)
    out = {}
    for split, n in SPLITS.items():
        y = rng.integers(-15, 16, n) / 5.0
        out[split] = {
            "id": [f"{split[0] if split != 'train' else 'a'}$_${i}" for i in range(n)],
            "raw_text": [texts[i] if texts else f"text {i} of {split}" for i in range(n)],
            "text": rng.normal(0, 1, (n, 4, 3)).astype(np.float32),
            "audio": rng.normal(0, 1, (n, 4, 5)),
            "vision": rng.normal(0, 1, (n, 4, 20)),
            "annotations": ["Negative" if v < 0 else "Positive" if v > 0 else "Neutral" for v in y],
            "regression_labels": y,
        }
    return out


class Python2:
    """A text that is pickled as a `str` of Python 2."""

    def __init__(self, raw):
        self.raw = raw


class Python2Pickler(pickle._Pickler):
    dispatch = dict(pickle._Pickler.dispatch)

    def save_python2(self, obj):
        self.write(b"U" + bytes([len(obj.raw)]) + obj.raw)

    dispatch[Python2] = save_python2


def make(folder):
    def keep(name, value, decode, key="raw_text", protocol=4):
        """Keeps a pickle, and what `decode` makes of each text."""
        with open(folder / f"{name}.pkl", "wb") as file:
            if any(isinstance(t, Python2) for t in value.get("train", {}).get("raw_text", [])):
                Python2Pickler(file, 2).dump(value)
            else:
                pickle.dump(value, file, protocol)
        expected = {
            split: {k: [decode(t) if k == key else str(t) for t in columns[k]] for k in ("id", "raw_text", "annotations")}
            for split, columns in value.items()
            if isinstance(columns, dict) and "id" in columns
        }
        (folder / f"{name}.json").write_text(json.dumps(expected))

    def of(encoding):
        return lambda t: (t.raw if isinstance(t, Python2) else bytes(t)).decode(encoding) if not isinstance(t, str) else t

    def each(value, change, key="raw_text"):
        for split in value:
            value[split][key] = change(value[split][key])
        return value

    x = each(data(), lambda texts: [t.encode() for t in texts])
    x["train"]["raw_text"][1] = b"it\x92s a \x93great\x94 film \x96 really"
    keep("cp1252", x, of("cp1252"))
    keep("gbk", each(data(CHINESE), lambda texts: [t.encode("gbk") for t in texts]), of("gbk"))
    keep("gbk_arrays", each(data(CHINESE), lambda texts: np.array([t.encode("gbk") for t in texts])), of("gbk"))
    keep("gbk_python2", each(data(CHINESE), lambda texts: [Python2(t.encode("gbk")) for t in texts]), of("gbk"))
    keep("big5", each(data(TRADITIONAL), lambda texts: [t.encode("big5") for t in texts]), of("big5"))
    keep("utf8_bytes", each(data(CHINESE), lambda texts: [t.encode() for t in texts]), of("utf-8"))
    keep("ascii_arrays", each(data(), lambda texts: np.array([t.encode() for t in texts])), of("ascii"))
    x = data()
    for split in x:
        x[split]["raw_text"] = [Python2(("é " if i == 0 else "e ").encode() + t.encode()) for i, t in enumerate(x[split]["raw_text"])]
    keep("utf8_python2", x, of("utf-8"))
    x = data()
    x["train"]["id"][0:2] = ["电影$_$0".encode("gbk"), "故事$_$1".encode("gbk")]
    keep("ids", x, of("gbk"), key="id")

    x = data()
    keep("keys", x, str)
    with open(folder / "keys.pkl", "wb") as file:
        pickle.dump({s.encode(): {k.encode(): v for k, v in c.items()} for s, c in x.items()}, file, 4)

    x = data()
    t = x["train"]["raw_text"]
    t[0], t[1], t[2], t[3], t[4], t[5] = "b'i liked it'", "line one\nline two\r\n", "nul \x00 inside", "", "NA", "caf\u00e9 \u2019 \U0001F600"
    x["test"]["raw_text"][0] = 'b"it\'s"'
    # HDF5 cannot hold a NUL within a text: it becomes a space, which is noted.
    keep("odd", x, lambda t: t.replace("\x00", " "))

    def replaced(t):
        return t.encode("utf-16", "surrogatepass").decode("utf-16", "replace")

    x = data()
    x["train"]["raw_text"][2] = "lone \ud83d surrogate"
    x["test"]["raw_text"][1] = "a pair \ud83d\ude00 of halves"
    keep("surrogate", x, replaced)
    x = data()
    x["train"]["raw_text"][2] = "lone \ud83d surrogate"
    x["train"]["raw_text"] = np.array(x["train"]["raw_text"])
    keep("surrogate_array", x, replaced)
    x = data()
    x["valid"]["raw_text"][2] = "lone \udc00 surrogate"
    keep("surrogate_protocol0", x, replaced, protocol=0)

    x = each(data(CHINESE), lambda texts: [t.encode("gbk") for t in texts])
    x["train"]["raw_text"][0] = b"\xff broken"
    keep("mixed", x, lambda t: bytes(t).decode("gbk", "replace"))

    # MAG-BERT: words of each sample.
    words, expected = {}, {}
    for split, columns in data().items():
        rows, texts = [], []
        for i, name in enumerate(columns["id"]):
            word = b"caf\xe9" if split == "train" and i == 2 else b"coffee"
            rows.append((([b"the", word], np.ones((2, 47)), np.ones((2, 74))), np.array([[1.0]]), name.replace("$_$", "_")))
            texts.append(b"the " + word)
        words[split] = rows
        expected[split] = {
            "id": [r[2] for r in rows],
            "raw_text": [t.decode("latin-1") for t in texts],
        }
    with open(folder / "words.pkl", "wb") as file:
        pickle.dump(words, file, 4)
    (folder / "words.json").write_text(json.dumps(expected))


def nul(folder):
    x = data()
    x["train"]["id"][0] = "a\x00$_$0"
    with open(folder / "nul.pkl", "wb") as file:
        pickle.dump(x, file, 4)


def stored(path, split, key):
    if path.suffix == ".arrow":
        import pyarrow

        with pyarrow.memory_map(str(path / f"{split}.arrow")) as source:
            return pyarrow.ipc.open_file(source).read_all()[key].to_pylist()
    import h5py

    with h5py.File(path) as store:
        return [str(t) for t in store[split][key].asstr()[...]]


def compare(path, expected):
    for split, columns in json.loads(expected.read_text()).items():
        for key, texts in columns.items():
            found = stored(path, split, key)
            if found != texts:
                unlike = [(a, b) for a, b in zip(found, texts) if a != b]
                raise SystemExit(f"{split}/{key}: {unlike[:3]} {len(found)} {len(texts)}")
    print("same")


if __name__ == "__main__":
    task, *paths = sys.argv[1:]
    {"make": make, "nul": nul, "compare": compare}[task](*[Path(path) for path in paths])
