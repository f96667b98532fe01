"""Files that differ in one respect from those that converters write, with made-up values.

    python3 variants.py FOLDER      writes all of them

Each is named after what is unlike in it.
"""

import pathlib
import pickle
import sys

import numpy

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from cases import columns, item, labels, padded, save, segment_ids  # noqa: E402

SPLITS = {"train": 12, "valid": 5, "test": 6}


def mmsa(seed=1, **extents):
    random = numpy.random.default_rng(seed)
    sizes = {"audio": (10, 5), "vision": (12, 20), "text": (8, 768)} | extents
    return {split: columns(random, split, n, **sizes) for split, n in SPLITS.items()}


def sdk(n_labels=1, seed=2, back=()):
    """Aligned, padded at the front, but for the modalities in `back`."""
    random = numpy.random.default_rng(seed)
    data = {}
    for split, n in SPLITS.items():
        lengths = random.integers(2, 8, n)
        data[split] = {
            "vision": padded(random, lengths, 8, 20, "vision" not in back),
            "audio": padded(random, lengths, 8, 5, "audio" not in back),
            "text": padded(random, lengths, 8, 768, "text" not in back),
            "labels": numpy.repeat(labels(random, n).reshape(n, 1, 1).clip(0, 3), n_labels, 2),
            "id": [[name] for name in segment_ids(split, n, "{}_{}")],
        }
    return data


def misa(seed=3):
    random = numpy.random.default_rng(seed)
    made = {}
    for split, n in SPLITS.items():
        ids = segment_ids(split, n, "{}[{}]")
        made[split] = [item(random, 5, 5, 5, segment, "misa", (20, 5)) for segment in ids]
    return made


def save_all(values, path):
    """Several pickles, one after another."""
    with path.open("wb") as file:
        for value in values:
            pickle.dump(value, file, 4)


def changed(data, split, key, row, value):
    data[split][key][row] = value
    return data


def make(folder):
    save(mmsa(), folder / "mmsa.pkl")
    # A split of fewer frames than the others, with lengths beyond its own.
    data = mmsa()
    data["valid"]["audio"] = numpy.concatenate([data["valid"]["audio"]] * 2, axis=1)
    for split, n in SPLITS.items():
        data[split]["audio_lengths"] = [10] * n
    data["train"]["audio_lengths"][1:3] = [15, 19]
    save(data, folder / "lengths-beyond.pkl")
    # Several pickles in one file.
    data = mmsa()
    save_all([{split: data[split]} for split in data], folder / "dicts-after-another.pkl")
    save_all([data[split] for split in data], folder / "columns-after-another.pkl")
    # Labels that float32 cannot hold.
    save(changed(mmsa(), "train", "regression_labels", 1, 1e39), folder / "label-beyond.pkl")
    save(changed(mmsa(), "train", "regression_labels", 1, -1e-50), folder / "label-tiny.pkl")
    data = mmsa()
    for split, n in SPLITS.items():
        data[split]["regression_labels_T"] = numpy.zeros(n)
    save(changed(data, "valid", "regression_labels_T", 2, 1e39), folder / "text-label-beyond.pkl")
    save(changed(data, "valid", "regression_labels_T", 2, numpy.nan), folder / "text-label-nan.pkl")
    data = sdk(7)
    data["train"]["labels"][2, 0, 3] = -1e39
    save(data, folder / "emotion-beyond.pkl")
    data["train"]["labels"][2, 0, 3] = numpy.nan
    save(data, folder / "emotion-nan.pkl")
    files = misa()
    features, _, segment = files["train"][1]
    files["train"][1] = (features, numpy.array([[1e39]]), segment)
    for split, samples in files.items():
        save(samples, folder / "tuple-label-beyond" / f"{split}.pkl")
    # Padding.
    save(sdk(back=["text"]), folder / "sides.pkl")
    data = mmsa()
    for split, n in SPLITS.items():
        data[split]["audio_lengths"] = [5] * n
        data[split]["audio"][:, 5:] = numpy.nan
    save(data, folder / "nan-padding.pkl")
    data = mmsa()
    data["train"]["audio"][:, :, 2] = numpy.nan
    save(data, folder / "nan-feature.pkl")
    # Splits that are not there.
    save(mmsa() | {"valid": None}, folder / "valid-none.pkl")
    save(mmsa() | {"valid": {}}, folder / "valid-no-keys.pkl")
    for split, samples in (misa() | {"valid": []}).items():
        save(samples, folder / "valid-no-samples" / f"{split}.pkl")
    data = mmsa()
    data["valid"] = {key: value[:0] for key, value in data["valid"].items()}
    save(data, folder / "valid-zero-rows.pkl")
    # Labels that are not there.
    data = mmsa()
    del data["test"]["regression_labels"], data["test"]["classification_labels"]
    del data["test"]["annotations"]
    save(data, folder / "test-unlabelled.pkl")
    data = mmsa()
    for split in "valid", "test":
        del data[split]["regression_labels"], data[split]["annotations"]
    save(data, folder / "train-labelled.pkl")
    data = mmsa()
    for split in data.values():
        del split["regression_labels"], split["annotations"]
    save(data, folder / "classes-alone.pkl")
    data = mmsa()
    data["train"]["regression_labels"][1] = numpy.inf
    data["train"]["regression_labels"][2] = numpy.nan
    data["train"]["classification_labels"][2] = numpy.nan
    save(data, folder / "labels-missing.pkl")
    # None in place of a label, in every form of a column, and NaN for comparison.
    def no_label(row, none):
        data = mmsa()
        data["train"]["regression_labels"] = none(data["train"]["regression_labels"], row)
        return data

    def with_none(values, row):
        return [None if idx == row else float(value) for idx, value in enumerate(values)]

    forms = {
        "nan": lambda values, row: numpy.array(with_none(values, row), dtype=float),
        "list": with_none,
        "object": lambda values, row: numpy.array(with_none(values, row), dtype=object),
        "column": lambda values, row: numpy.array(with_none(values, row), dtype=object)[:, None],
        "nested": lambda values, row: [[value] for value in with_none(values, row)],
    }
    for name, form in forms.items():
        save(no_label(3, form), folder / f"label-none-{name}.pkl")
    for name in ("nan", "list"):
        data = mmsa()
        for split, n in SPLITS.items():
            data[split]["regression_labels_T"] = forms[name](numpy.zeros(n), 2)
        save(data, folder / f"text-label-none-{name}.pkl")
    data = mmsa()
    del data["test"]["regression_labels"]
    save(data, folder / "test-of-classes.pkl")
    save_all([mmsa(), mmsa(2)], folder / "two-datasets.pkl")
    save({"test": mmsa()["test"]}, folder / "only-test.pkl")
    data = mmsa()
    for split in data:
        del data[split]["raw_text"], data[split]["text_bert"], data[split]["text"]
    save(data, folder / "no-words.pkl")
    data = mmsa()
    data["valid"]["audio"] = data["valid"]["audio"][:, :, :4]
    save(data, folder / "widths.pkl")
    data = mmsa()
    del data["valid"]["text"]
    save(data, folder / "text-in-some.pkl")
    data = {split: mmsa()[split] for split in ("train", "test")}
    data["train"]["id"] = [f"one$_${row}" for row in range(12)]
    save(data, folder / "one-video.pkl")
    # Texts that are bytes of several encodings.
    chinese = "今天的电影很好看，我们都喜欢这个故事吧"
    data = mmsa()
    for split in data:
        n = len(data[split]["id"])
        data[split]["raw_text"] = [f"{chinese}{row}".encode("gbk" if row % 2 else "utf-8") for row in range(n)]
    save(data, folder / "gbk-and-utf8.pkl")
    for name, encoding in (("utf16", "utf-16"), ("utf16le", "utf-16-le"), ("utf8-mark", "utf-8-sig")):
        data = mmsa()
        for split in data:
            data[split]["raw_text"] = [text.encode(encoding) for text in data[split]["raw_text"]]
        save(data, folder / f"{name}.pkl")
    # Layouts that lack little.
    data = mmsa()
    for split, n in SPLITS.items():
        data[split]["regression_labels"] = numpy.repeat(labels(numpy.random.default_rng(n), n).clip(0, 3), 7).reshape(n, 1, 7)
    save(data, folder / "mmsa-emotions.pkl")
    data = sdk()
    for split in data:
        data[split]["labels"] = data[split]["labels"].astype(object)
    save(data, folder / "sdk-object-labels.pkl")
    for split, samples in misa().items():
        save(numpy.array([None, *samples], dtype=object)[1:], folder / "misa-objects" / f"{split}.pkl")
    save({s: [(f, l, i, "more") for f, l, i in samples] for s, samples in misa().items()}, folder / "four-parts.pkl")
    data = mmsa()
    for split in data:
        data[split]["audio"] = [row[:n].astype(numpy.float32) for row, n in zip(data[split]["audio"], data[split]["audio_lengths"])]
    data["train"]["audio"][1] = data["train"]["audio"][1].astype(numpy.float64)
    save(data, folder / "two-types.pkl")
    data = mmsa()
    for idx, split in enumerate(data):
        data[split]["id"] = numpy.arange(len(data[split]["id"])) + 100 * idx
    save(data, folder / "integer-ids.pkl")
    data = mmsa()
    data["train"]["raw_text"][1] = None
    data["test"]["raw_text"][2] = float("nan")
    save(data, folder / "text-none.pkl")
    # Files of one split that say it within.
    data = mmsa()
    for split, value in data.items():
        save({split: value}, folder / "named-twice" / f"{split}.pkl")
        save({split: value}, folder / "named-wrong" / f"{'test' if split == 'valid' else split}.pkl")
    save({"test": data["test"]}, folder / "named-wrong" / "valid.pkl")
    save({"valid": data["valid"]}, folder / "named-wrong" / "test.pkl")


make(pathlib.Path(sys.argv[1]))
