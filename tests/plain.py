"""What Python says of plain pickles; needs nothing but Python.

    python3 plain.py dump FOLDER        what each file of the folder holds, or the error
    python3 plain.py generate FOLDER    writes random objects in all protocols, and what they hold

Prints one JSON object, file names to values in the form of fixtures/pickles/make.py. Only the names
that plain objects need can be imported.
"""

import collections
import io
import json
import pathlib
import pickle
import pickletools
import random
import struct
import sys

ALLOWED = {
    ("_codecs", "encode"),
    ("collections", "Counter"),
    ("collections", "OrderedDict"),
    ("collections", "defaultdict"),
    *(
        ("builtins", name)
        for name in "bool bytearray bytes dict float frozenset int list set str tuple".split()
    ),
}


class PlainUnpickler(pickle.Unpickler):
    def find_class(self, module, name):
        module = {"__builtin__": "builtins"}.get(module, module)
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"refused {module}.{name}")
        return super().find_class(module, name)


def dump(value):
    if value is None or isinstance(value, bool):
        return {"const": repr(value)}
    if isinstance(value, int):
        return {"int": str(value)}
    if isinstance(value, float):
        return {"float": struct.pack("<d", value).hex() if value == value else "nan"}
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return {"halves": value.encode("utf-8", "surrogatepass").hex()}
        return {"str": value}
    if isinstance(value, (bytes, bytearray)):
        return {"bytes": bytes(value).hex()}
    if isinstance(value, dict):
        return {"dict": [[dump(key), dump(item)] for key, item in value.items()]}
    if isinstance(value, (set, frozenset)):
        return {"set": [dump(item) for item in value]}
    if isinstance(value, (list, tuple)):
        return {type(value).__name__: [dump(item) for item in value]}
    return {"other": repr(value)}


def load(data):
    try:
        return dump(PlainUnpickler(io.BytesIO(data), encoding="latin1").load())
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}


def text(rng):
    alphabet = "ab\\u'\"\n\r\t\x00\x1a\x7f\x80\xff\u00e9\u2028\u4f60\ud7ff\ufffd\U0001f600"
    return "".join(rng.choices(alphabet, k=rng.choice([0, 1, 3, 20, 300])))


def scalar(rng):
    edge = rng.choice([0, 7, 8, 15, 16, 31, 32, 63, 64, 200, 2039, 2040])
    return rng.choice(
        [
            None,
            rng.random() < 0.5,
            rng.choice([-1, 1]) * ((1 << edge) + rng.randint(-1, 1)),
            rng.choice([0.0, -0.0, 1.5, 1e-320, 1e308, float("inf"), float("nan"), rng.gauss(0, 1)]),
            text(rng),
            rng.randbytes(rng.choice([0, 1, 5, 300])),
            bytearray(rng.randbytes(rng.choice([0, 3, 300]))),
        ]
    )


def key(rng):
    return rng.choice([text(rng), rng.randint(-3, 70000), (rng.randint(0, 2), text(rng)), 0.5, b"k"])


def value(rng, depth, shared):
    if shared and rng.random() < 0.15:
        return rng.choice(shared)
    if depth == 0 or rng.random() < 0.3:
        return scalar(rng)
    n_items = rng.choice([0, 1, 2, 3, 4, 7])
    items = [value(rng, depth - 1, shared) for _ in range(n_items)]
    keys = [key(rng) for _ in range(n_items)]
    pairs = list(zip(keys, items))
    made = rng.choice(
        [
            lambda: items,
            lambda: tuple(items),
            lambda: dict(pairs),
            lambda: collections.OrderedDict(pairs),
            lambda: collections.defaultdict(rng.choice([list, dict, int, float, str, None]), pairs),
            lambda: collections.Counter(keys),
            lambda: set(keys),
            lambda: frozenset(keys),
        ]
    )()
    shared.append(made)
    return made


def generate(folder):
    rng = random.Random(20231206)
    expected = {}
    for idx in range(200):
        made = value(rng, 4, [])
        if idx == 0:
            made = [rng.randint(0, 10**6) for _ in range(2500)]
        for protocol in range(6):
            data = pickle.dumps(made, protocol)
            if rng.random() < 0.3:
                data = pickletools.optimize(data)
            if rng.random() < 0.2:
                out = io.BytesIO()
                pickle._Pickler(out, protocol).dump(made)
                data = out.getvalue()
            name = f"{idx}-protocol{protocol}"
            (folder / name).write_bytes(data)
            expected[name] = dump(made)
    return expected


def main():
    task, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    if task == "generate":
        found = generate(folder)
    else:
        found = {path.name: load(path.read_bytes()) for path in folder.iterdir()}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
