"""Files that users of neighbouring projects have, with made-up values; and what Python reads there.

    python3 cases.py make KIND FOLDER      writes the files of one kind
    python3 cases.py cut PICKLE FOLDER     cuts a file of the MISA layout in three, by video
    python3 cases.py compare STORE PICKLE...
                                           compares every array of a store with `pickle.load`

The kinds are described where they are made.
"""

import pathlib
import pickle
import sys

import numpy

WORDS = "this film was really quite good bad dull bright story actor scene end start like hate".split()
SPLITS = {"train": 12, "valid": 5, "test": 6}


def segment_ids(split, n, form):
    names = [(f"{split}vid{row // 3:04d}", row % 3) for row in range(n)]
    return [form.format(video, clip) for video, clip in names]


def labels(random, n):
    return random.integers(-15, 16, n) / 5.0


def padded(random, lengths, most, width, front=False, dtype=numpy.float64):
    block = numpy.zeros((len(lengths), most, width), dtype)
    for row, length in enumerate(lengths):
        start = most - length if front else 0
        block[row, start : start + length] = random.normal(0, 1, (length, width)) + 5
    return block


def columns(random, split, n, audio=(20, 5), vision=(24, 20), text=(10, 768)):
    """One split as MMSA has it, with features of other lengths."""
    lengths = {name: random.integers(1, most + 1, n) for name, most in (("audio", audio[0]), ("vision", vision[0]))}
    tokens = numpy.zeros((n, 3, text[0]), numpy.int64)
    tokens[:, 0, :3] = [101, 2000, 102]
    tokens[:, 1, :3] = 1
    values = labels(random, n)
    return {
        "raw_text": [" ".join(random.choice(WORDS, 4)) for _ in range(n)],
        "id": segment_ids(split, n, "{}$_${}"),
        "text": random.normal(0, 1, (n, *text)).astype(numpy.float32),
        "text_bert": tokens,
        "audio": padded(random, lengths["audio"], *audio),
        "vision": padded(random, lengths["vision"], *vision),
        "audio_lengths": lengths["audio"].tolist(),
        "vision_lengths": lengths["vision"].tolist(),
        "annotations": [("Negative", "Neutral", "Positive")[int(numpy.sign(v)) + 1] for v in values],
        "classification_labels": numpy.sign(values) + 1,
        "regression_labels": values,
    }


def item(random, words, visual, acoustic, segment, form, dims=(47, 74)):
    """One sample of a list: `form` says which parts its features have."""
    text = [str(word) for word in random.choice(WORDS, words)]
    vision = random.normal(0, 1, (visual, dims[0])).astype(numpy.float32)
    audio = random.normal(0, 1, (acoustic, dims[1])).astype(numpy.float32)
    label = numpy.array([labels(random, 1)], numpy.float32)
    features = {
        "mag": (text, vision, audio),
        "misa": (random.integers(1, 900, words), vision, audio, text),
        "mmim": ([], vision, audio, text, visual, acoustic),
        "cenet": (text, vision, audio, [1] * words, [0] * words, [3] * visual, [4] * acoustic),
    }[form]
    return (features, label, segment)


def listed(random, form, longest, dims=(47, 74), id_form="{}[{}]"):
    """`{split: [sample]}`, each split as long as its own longest sample."""
    splits = {}
    for split, n in SPLITS.items():
        samples = []
        for row, segment in enumerate(segment_ids(split, n, id_form)):
            words = int(random.integers(2, longest[split])) if row else longest[split]
            visual, acoustic = (3 * words, 2 * words) if form in ("mmim", "cenet") else (words, words)
            samples.append(item(random, words, visual, acoustic, segment, form, dims))
        splits[split] = samples
    return splits


def save(value, path, protocol=4):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        pickle.dump(value, file, protocol)


OWN_LONGEST = {"train": 14, "valid": 9, "test": 11}


def make_files_of_lists(random, folder):
    """declare-lab/Multimodal-Infomax#18: MISA's and MMIM's files, each padded to its own longest."""
    for form, dims in (("misa", (47, 74)), ("mmim", (20, 5))):
        id_form = "{}_{}" if form == "mmim" else "{}[{}]"
        for split, samples in listed(random, form, OWN_LONGEST, dims, id_form).items():
            save(samples, folder / form / f"{'dev' if split == 'valid' else split}.pkl", 3)


def make_mag_bert(random, folder):
    """MAG-BERT's one file, and the same as a file for each split."""
    splits = listed(random, "mag", OWN_LONGEST)
    save({"dev" if split == "valid" else split: samples for split, samples in splits.items()}, folder / "mag.pkl")
    for split, samples in splits.items():
        save(samples, folder / "mag-files" / f"mosi_{split}.pkl")


def make_cenet(random, folder):
    """Say2L/CENet#3: MAG-BERT's tuples with four parts more, each modality as long as it likes."""
    splits = listed(random, "cenet", OWN_LONGEST)
    save({"dev" if split == "valid" else split: samples for split, samples in splits.items()}, folder / "mosi.pkl")


def make_columns_per_file(random, folder):
    """MultimodalAffectiveComputing/FV2ES#10: a dict of columns for each split, padded at the front."""
    for split, n in SPLITS.items():
        most = {"text": 10, "audio": 20, "vision": 24}
        lengths = {name: random.integers(1, longest + 1, n) for name, longest in most.items()}
        # Each file as long as its own longest sample.
        lengths = {name: numpy.append(rows[1:], rows.max()) for name, rows in lengths.items()}
        block = lambda name, width: padded(random, lengths[name], int(lengths[name].max()), width, front=True)
        save(
            {
                "vision": block("vision", 35),
                "audio": block("audio", 74),
                "text": block("text", 300),
                "labels": (random.integers(-9, 10, n) / 3).reshape(n, 1, 1),
                "id": numpy.array(segment_ids(split, n, "{}_{}")),
            },
            folder / "hcf" / f"mosei_senti_hcf_{split}.pkl",
        )


def make_unlabelled(random, folder):
    """A2Zadeh/CMU-MultimodalSDK#310: clips of one's own beside a labelled dataset."""
    save({split: columns(random, split, n) for split, n in SPLITS.items()}, folder / "mosi.pkl")
    own = columns(random, "own", 4)
    bare = {key: own[key] for key in own if key not in ("annotations", "classification_labels", "regression_labels")}
    save({"test": bare}, folder / "own_absent.pkl")
    save({"test": {**bare, "regression_labels": numpy.full(4, numpy.nan)}}, folder / "own_nan.pkl")
    save({"test": {**bare, "regression_labels": [None] * 4, "annotations": [None] * 4}}, folder / "own_none.pkl")
    some = numpy.array([1.0, numpy.nan, -0.4, numpy.nan])
    save({"test": {**bare, "regression_labels": some}}, folder / "own_some.pkl")


def make_no_valid(random, folder):
    """Splits under other names, and none to validate on."""
    save({"Train": columns(random, "train", 18), "TEST": columns(random, "test", 6)}, folder / "mosi.pkl")
    names = {"training": "train", "Validation": "valid", "testing": "test"}
    save({name: columns(random, split, SPLITS[split]) for name, split in names.items()}, folder / "named.pkl")


def make_emotions(random, folder):
    """CMU-MOSEI with seven labels, with six emotions alone, and with class labels alone."""

    def split(name, n, width):
        values = random.uniform(0, 3, (n, 1, width))
        if width == 7:
            values[:, 0, 0] = random.integers(-9, 10, n) / 3
        lengths = random.integers(1, 9, n)
        return {
            "text": padded(random, lengths, 8, 300),
            "audio": padded(random, lengths, 8, 74),
            "vision": padded(random, lengths, 8, 35),
            "labels": values,
            "id": numpy.array(segment_ids(name, n, "{}_{}")),
        }

    for width in (6, 7):
        save({name: split(name, n, width) for name, n in SPLITS.items()}, folder / f"mosei_labels{width}.pkl")
    classes = {name: columns(random, name, n) for name, n in SPLITS.items()}
    for columns_of_split in classes.values():
        del columns_of_split["regression_labels"]
    save(classes, folder / "classes.pkl")


def make_conversations(random, folder):
    """Features for emotion recognition in conversations: DialogueRNN's IEMOCAP, MELD's by turn."""
    dialogues = [f"Ses0{row}" for row in range(4)]
    by_dialogue = lambda value: {name: value for name in dialogues}
    array = [random.normal(0, 1, 100) for _ in range(3)]
    iemocap = (
        by_dialogue(["a", "b", "c"]), by_dialogue(["M", "F", "M"]), by_dialogue([0, 1, 2]), by_dialogue(array),
        by_dialogue(array), by_dialogue(array), by_dialogue(["x", "y", "z"]), set(dialogues[:3]), set(dialogues[3:]),
    )
    save(iemocap, folder / "IEMOCAP_features.pkl")
    save([{f"{row}_{turn}": array[turn] for row in range(3) for turn in range(3)}] * 3, folder / "meld.pkl")


def make_npy_folder(random, folder):
    """A file per segment beside a table: for a script of one's own."""
    (folder / "features").mkdir(parents=True)
    for segment in segment_ids("train", 3, "{}_{}"):
        numpy.save(folder / "features" / f"{segment}.npy", random.normal(0, 1, (5, 20)))


def make_own_features(random, folder):
    """What docs/own-data.md begins with: arrays per segment, and a table of labels."""
    lines = ["video_id,clip_id,text,label,mode"]
    for mode, n in SPLITS.items():
        for row in range(n):
            video, clip = f"{mode}clip{row // 3}", row % 3
            for modality, width in (("audio", 5), ("vision", 20)):
                path = folder / "features" / modality / f"{video}_{clip}.npy"
                path.parent.mkdir(parents=True, exist_ok=True)
                numpy.save(path, random.normal(0, 1, (int(random.integers(2, 30)), width)))
            lines.append(f"{video},{clip},{' '.join(random.choice(WORDS, 4))},{labels(random, 1)[0]},{mode}")
    (folder / "label.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def cut(source, folder):
    """A file of the MISA layout as three, by video."""
    samples = pickle.loads(source.read_bytes())
    videos = sorted({segment.split("[")[0] for _, _, segment in samples})
    homes = {video: ("train", "train", "train", "dev", "test")[row % 5] for row, video in enumerate(videos)}
    for name in ("train", "dev", "test"):
        chosen = [sample for sample in samples if homes[sample[2].split("[")[0]] == name]
        save(chosen, folder / "misa" / f"{name}.pkl", 3)
        print(name, len(chosen))


def moved(sample):
    """Padding at the front to the back."""
    filled = numpy.flatnonzero((sample != 0).any(-1))
    first = filled[0] if len(filled) else len(sample)
    return numpy.concatenate([sample[first:], numpy.zeros_like(sample[:first])])


def source_columns(paths):
    """`{split: {column: [sample]}}` of any of the layouts, in Python's own words."""
    names = {"dev": "valid", "validation": "valid", "training": "train", "testing": "test"}
    named = lambda name: names.get(name.lower(), name.lower())
    raw = {}
    for path in paths:
        value = pickle.loads(path.read_bytes())
        is_dict = isinstance(value, dict) and any(named(str(key)) in SPLITS for key in value)
        raw |= {named(key): split for key, split in value.items()} if is_dict else {named(path.stem.split("_")[-1]): value}
    splits = {}
    for name, split in raw.items():
        if isinstance(split, list):
            parts = [features for features, _, _ in split]
            has_actual = len(parts[0]) in (4, 6)
            split = {
                "vision": [part[1] for part in parts],
                "audio": [part[2] for part in parts],
                "raw_text": [" ".join(part[3] if has_actual else part[0]) for part in parts],
                "regression_labels": [float(numpy.ravel(label)[0]) for _, label, _ in split],
                "id": [segment for _, _, segment in split],
            }
        elif "labels" in split:
            values = split["labels"].reshape(len(split["id"]), -1)
            split = {key: value for key, value in split.items() if key != "labels"}
            for key in ("text", "audio", "vision"):
                split[key] = [moved(sample) for sample in split[key]]
            if values.shape[1] != 6:
                split["regression_labels"] = values[:, 0]
            if values.shape[1] > 1:
                split["emotion_labels"] = values[:, -6:]
        splits[name] = split
    return splits


def compare(store, paths):
    """Every array of the source is in the store: same values, and zeros beyond them."""
    import h5py

    n_arrays = 0
    with h5py.File(store) as file:
        sources = source_columns(paths)
        assert sorted(file.keys()) == sorted(sources), (sorted(file.keys()), sorted(sources))
        for name, split in sources.items():
            for key, expected in split.items():
                found = file[name][key]
                if key in ("id", "raw_text", "annotations"):
                    assert list(found.asstr()) == [str(text) for text in expected], (name, key)
                elif key in ("text", "audio", "vision"):
                    assert len(found) == len(expected), (name, key)
                    for row, sample in enumerate(expected):
                        sample = numpy.asarray(sample, numpy.float32)
                        stored = found[row]
                        assert stored[: len(sample)].tobytes() == sample[: len(stored)].tobytes(), (name, key, row)
                        assert not stored[len(sample) :].any(), (name, key, row)
                else:
                    expected = numpy.asarray(expected).astype(found.dtype)
                    assert found.shape == expected.shape, (name, key, found.shape, expected.shape)
                    assert numpy.array_equal(found[()], expected, equal_nan=expected.dtype.kind == "f"), (name, key)
                n_arrays += 1
    print(n_arrays)


def main():
    match sys.argv[1:]:
        case ["make", kind, folder]:
            globals()[f"make_{kind}"](numpy.random.default_rng(len(kind)), pathlib.Path(folder))
        case ["cut", source, folder]:
            cut(pathlib.Path(source), pathlib.Path(folder))
        case ["compare", store, *paths]:
            compare(store, [pathlib.Path(path) for path in paths])
        case other:
            sys.exit(f"unknown call {other}; see the head of the file")


if __name__ == "__main__":
    main()
