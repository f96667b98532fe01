"""The models of MMSA as the package MMSA has them, in eager PyTorch: what `cargo xtask bench models`
compares with. Models, losses and training loops are MMSA's own; what its package imports besides and
no model needs is left out.

    models.py check MMSA_FOLDER NAME GOLDEN      predictions against a golden file: see `check`
    models.py bert FOLDER                        writes a small random BERT: see `bert`
    models.py step MMSA_FOLDER NAME PICKLE BATCH_SIZE EPOCHS THREADS [BERT_FOLDER]
                                                 training, timed: see `step`
"""

import importlib
import json
import math
import pickle
import struct
import sys
import time
import types

import torch
from torch import nn

# Name of a model here: its module in MMSA, its class, and its name in MMSA's configurations.
MODELS = {
    "tfn": ("singleTask.TFN", "TFN", "tfn"),
    "lmf": ("singleTask.LMF", "LMF", "lmf"),
    "mfm": ("singleTask.MFM", "MFM", "mfm"),
    "mult": ("singleTask.MULT", "MULT", "mult"),
    "misa": ("singleTask.MISA", "MISA", "misa"),
    "mag_bert": ("singleTask.BERT_MAG", "BERT_MAG", "bert_mag"),
    "self_mm": ("multiTask.SELF_MM", "SELF_MM", "self_mm"),
    "mmim": ("singleTask.MMIM", "MMIM", "mmim"),
}


class Args(dict):
    """Settings that MMSA reads both as items and as attributes."""

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    __setattr__ = dict.__setitem__


class GivenText(nn.Module):
    """In the place of the text encoder: returns what `with_features` stored with the tokens."""

    def __init__(self, **_):
        super().__init__()

    def forward(self, text):
        return text.features


def with_features(tokens, features):
    """Tokens that carry the features which an encoder would make of them. Models read the mask of the
    tokens as well, so that features alone would not do."""
    tokens.features = features
    return tokens


class NoMetrics:
    """In the place of MMSA's metrics, which need scikit-learn and are no part of a step."""

    def __init__(self, _):
        pass

    def getMetics(self, _):
        return lambda *_: {}


def module(name, **attributes):
    sys.modules[name] = types.ModuleType(name)
    vars(sys.modules[name]).update(attributes)


def mmsa(folder, name):
    """Model and trainer of MMSA. The `__init__` of its packages would import all models and much that
    they do not need, so packages of the same paths without one take their place."""
    module("MMSA", __path__=[f"{folder}/MMSA"])
    for kind in ["models", "trains"]:
        for place in [kind, f"{kind}/singleTask", f"{kind}/multiTask"]:
            module(f"MMSA.{place.replace('/', '.')}", __path__=[f"{folder}/MMSA/{place}"])
    module("MMSA.utils", MetricsTop=NoMetrics, dict_to_str=str)
    module("MMSA.models.subNets.BertTextEncoder", BertTextEncoder=GivenText)
    if name != "mag_bert":
        # Imported by name and never used.
        module("transformers", BertModel=None, BertConfig=None)
    place, title, _ = MODELS[name]
    model = importlib.import_module(f"MMSA.models.{place}")
    trainer = importlib.import_module(f"MMSA.trains.{place}")
    if hasattr(trainer, "ReduceLROnPlateau"):
        # The argument is gone from PyTorch.
        plateau = trainer.ReduceLROnPlateau
        trainer.ReduceLROnPlateau = lambda *args, verbose, **named: plateau(*args, **named)
    return model, getattr(model, title), getattr(trainer, title)


def published(folder, name):
    """The published configuration for CMU-MOSI, put together as MMSA does."""
    with open(f"{folder}/MMSA/config/config_regression.json") as file:
        config = json.load(file)
    own, mosi = config[MODELS[name][2]], config["datasetCommonParams"]["mosi"]
    alignment = "aligned" if own["commonParams"]["need_data_aligned"] else "unaligned"
    return Args({**mosi[alignment], **own["commonParams"], **own["datasetParams"]["mosi"]})


def complete(args, name):
    """Settings that MMSA adds when it starts."""
    args.update(model_name=name, dataset_name="mosi", train_mode="regression", cur_seed=1)
    args.update(device="cpu", custom_feature="", feature_T="", feature_A="", feature_V="")
    args.setdefault("use_finetune", True)
    args.setdefault("language", "en")
    return args


def load(path):
    """A safetensors file of numbers."""
    types_by_name = {"F32": torch.float32, "I64": torch.int64}
    with open(path, "rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(size))
        data = bytearray(file.read())
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        first, end = entry["data_offsets"]
        flat = torch.frombuffer(data[first:end], dtype=types_by_name[entry["dtype"]])
        tensors[name] = flat.reshape(entry["shape"])
    return tensors


def without_dropout(model):
    for part in model.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0
        elif isinstance(part, nn.MultiheadAttention):
            part.dropout = 0.0


def check(folder, name, golden):
    """Predictions in training and in evaluation against the golden file `NAME/tiny`."""
    golden_json = f"{golden}/{name}/tiny.json"
    with open(golden_json) as file:
        args = complete(Args(json.load(file)["hyper_parameters"]), name)
    values = load(golden_json.replace(".json", ".safetensors"))
    of_model, build, _ = mmsa(folder, name)
    if name == "mag_bert":
        from transformers import BertConfig

        config = BertConfig.from_json_file(f"{golden}/bert_tiny16_config.json")
        config.num_labels = 1
        inner = of_model.MAG_BertForSequenceClassification
        inner.from_pretrained = lambda _, args, num_labels: inner(config, args)
    model = build(args)
    if name == "misa":
        # Its number of inputs is a constant, and smaller in the recording.
        model.project_t.project_t = nn.Linear(args.feature_dims[0], args.hidden_size)
    weights = {}
    for key, x in values.items():
        kind, own = key.split("/", 1)
        # Those of the text encoder are for nothing where its output is given.
        if kind in ["param", "buffer"] and (name == "mag_bert" or ".model." not in own):
            weights[own] = x
    missing, unexpected = model.load_state_dict(weights, strict=False)
    assert all(key.endswith(".version") for key in missing), missing
    assert not unexpected, unexpected
    without_dropout(model)
    batch = [values["input/text"], values["input/audio"], values["input/vision"]]
    for encoder in ["mid/bertmodel", "mid/text_model"]:
        if encoder in values:
            batch[0] = with_features(batch[0], values[encoder])
    if name in ["self_mm", "mmim"]:
        lengths = [values[f"input/{part}_lengths"].long() for part in ["audio", "vision"]]
        batch[1:] = zip(batch[1:], lengths)
    # In training, running statistics move: evaluation comes first.
    for mode, key in [(False, "eval/pred"), (True, "output/pred")]:
        model.train(mode)
        pred = model(*batch)
        pred = pred["M"] if isinstance(pred, dict) else pred[0]
        difference = (pred.view(-1) - values[key].view(-1)).abs().max().item()
        assert difference < 1e-5, (name, key, difference)


def bert(folder):
    """Writes a random BERT of two layers of the published widths, for models that live inside one."""
    from transformers import BertConfig, BertModel

    torch.manual_seed(1)
    sizes = {"hidden_size": 768, "num_attention_heads": 12, "intermediate_size": 3072}
    BertModel(BertConfig(num_hidden_layers=2, **sizes)).save_pretrained(folder)


class Batches(list):
    """Batches that note when the first pass over them since the end of an epoch began."""

    start = None

    def __iter__(self):
        if self.start is None:
            self.start = time.perf_counter()
        return super().__iter__()


class Network(nn.Module):
    """What MMSA wraps a model in. It would also align the modalities, which are aligned already in
    files for the models that need it."""

    def __init__(self, model):
        super().__init__()
        self.Model = model

    def forward(self, *args, **named):
        return self.Model(*args, **named)


def batches(args):
    """The training samples as MMSA's own data set returns them. Made before the time begins: MMSA
    loads them in processes of their own."""
    loader = importlib.import_module("MMSA.data_loader")
    samples = loader.MMDataset(args, mode="train")
    args["train_samples"] = len(samples)
    args["seq_lens"] = samples.get_seq_len()
    found = list(loader.DataLoader(samples, batch_size=args.batch_size, shuffle=True))
    if args.get("use_bert"):
        with open(args.featurePath, "rb") as file:
            features = torch.from_numpy(pickle.load(file)["train"]["text"])
        for batch in found:
            with_features(batch["text"], features[batch["index"]])
    return Batches(found)


def step(folder, name, path, batch_size, n_epochs, n_threads, bert_folder=None):
    """Trains with MMSA's own trainer on a file in MMSA's layout and prints the seconds of a step in each
    epoch, as a JSON list. One pass of each of MMIM's two phases makes an epoch."""
    torch.set_num_threads(int(n_threads))
    torch.manual_seed(1)
    args = complete(published(folder, name), name)
    assert args.batch_size == int(batch_size), args.batch_size
    args["featurePath"] = path
    # No validation loss is ever the best one, so that training ends after so many epochs.
    args["early_stop"] = int(n_epochs)
    of_model, build, build_trainer = mmsa(folder, name)
    train = batches(args)
    if bert_folder is not None:
        inner = of_model.MAG_BertForSequenceClassification
        released = inner.from_pretrained
        inner.from_pretrained = lambda _, **named: released(bert_folder, **named)
    model = Network(build(args))
    trainer = build_trainer(args)
    seconds = []

    def end_of_epoch(*_, **__):
        seconds.append((time.perf_counter() - train.start) / len(train))
        train.start = None
        return {"Loss": math.inf}

    trainer.do_test = end_of_epoch
    trainer.do_train(model, {"train": train, "valid": None})
    print(json.dumps(seconds))


if __name__ == "__main__":
    {"check": check, "bert": bert, "step": step}[sys.argv[1]](*sys.argv[2:])
