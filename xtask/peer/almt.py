"""ALMT in plain eager PyTorch, every token and every projection as the paper writes them: what
`cargo xtask bench train`, `cargo xtask bench gpu` and `cargo xtask interop --torch` compare with.
Parameter names are those of the released code, so that golden files load into it.

    almt.py check GOLDEN.safetensors
    almt.py step DIMS.json            one step of training, timed: see `step`
    almt.py strict SIZES.json DATASET WEIGHTS.safetensors EXPORT.npz
                                      predictions of the test split: see `strict`
"""

import json
import struct
import sys
import time

import numpy as np
import torch
from torch import nn


class Attention(nn.Module):
    def __init__(self, dim, heads, dim_head):
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(dim, heads * dim_head, bias=False)
        self.to_k = nn.Linear(dim, heads * dim_head, bias=False)
        self.to_v = nn.Linear(dim, heads * dim_head, bias=False)
        self.to_out = nn.Sequential(nn.Linear(heads * dim_head, dim))

    def forward(self, q, k, v):
        q, k, v = split(self.to_q(q), self), split(self.to_k(k), self), split(self.to_v(v), self)
        return self.to_out(join(weights(q, k) @ v))


def split(x, attention):
    return x.unflatten(-1, (attention.heads, -1)).transpose(1, 2)


def join(x):
    return x.transpose(1, 2).flatten(2)


def weights(q, k):
    return (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5).softmax(-1)


class NormedAttention(nn.Module):
    def __init__(self, dim, heads, dim_head):
        super().__init__()
        self.norm_q, self.norm_k, self.norm_v = (nn.LayerNorm(dim) for _ in range(3))
        self.fn = Attention(dim, heads, dim_head)

    def forward(self, target, source):
        return self.fn(self.norm_q(target), self.norm_k(source), self.norm_v(source))


class FeedForward(nn.Module):
    def __init__(self, dim, mlp_dim):
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.fn = nn.Module()
        drop = nn.Identity()
        self.fn.net = nn.Sequential(
            nn.Linear(dim, mlp_dim), nn.GELU(), drop, nn.Linear(mlp_dim, dim)
        )

    def forward(self, x):
        return self.fn.net(self.norm(x))


class Layers(nn.Module):
    def __init__(self, dim, depth, heads, dim_head, mlp_dim):
        super().__init__()
        self.layers = nn.ModuleList(
            nn.ModuleList([NormedAttention(dim, heads, dim_head), FeedForward(dim, mlp_dim)])
            for _ in range(depth)
        )

    def forward(self, target, source=None):
        """Attends to `source`, or to itself."""
        for attention, feed_forward in self.layers:
            target = attention(target, target if source is None else source) + target
            target = feed_forward(target) + target
        return target


class Embedding(nn.Module):
    def __init__(self, tokens, frames, dim, *sizes):
        super().__init__()
        self.pos_embedding = nn.Parameter(torch.randn(1, tokens + frames, dim))
        self.extra_token = nn.Parameter(torch.zeros(1, tokens, dim))
        self.encoder = Layers(dim, *sizes)

    def forward(self, x):
        x = torch.cat([self.extra_token.expand(len(x), -1, -1), x], 1)
        return self.encoder(x + self.pos_embedding)


class Language(nn.Module):
    def __init__(self, tokens, dim, *sizes):
        super().__init__()
        self.pos_embedding = nn.Parameter(torch.randn(1, tokens, dim))
        self.encoder = Layers(dim, *sizes)

    def forward(self, x):
        scales = [x + self.pos_embedding]
        for attention, feed_forward in self.encoder.layers:
            x = attention(scales[-1], scales[-1]) + scales[-1]
            scales.append(feed_forward(x) + x)
        return scales


class Ahl(nn.Module):
    def __init__(self, dim, heads, dim_head):
        super().__init__()
        self.norm1, self.norm2, self.norm3, self.norm4 = (nn.LayerNorm(dim) for _ in range(4))
        self.fn = nn.Module()
        self.fn.heads = heads
        for name in ["to_q", "to_k_ta", "to_k_tv", "to_v_ta", "to_v_tv"]:
            setattr(self.fn, name, nn.Linear(dim, heads * dim_head, bias=False))
        self.fn.to_out = nn.Sequential(nn.Linear(heads * dim_head, dim))

    def forward(self, language, audio, vision, hyper):
        fn, audio, vision = self.fn, self.norm2(audio), self.norm3(vision)
        q = split(fn.to_q(self.norm1(language)), fn)
        from_audio = weights(q, split(fn.to_k_ta(audio), fn)) @ split(fn.to_v_ta(audio), fn)
        from_vision = weights(q, split(fn.to_k_tv(vision), fn)) @ split(fn.to_v_tv(vision), fn)
        return self.norm4(hyper) + fn.to_out(join(from_audio + from_vision))


class Fusion(nn.Module):
    def __init__(self, tokens, dim, *sizes):
        super().__init__()
        self.pos_embedding_s = nn.Parameter(torch.randn(1, tokens + 1, dim))
        self.pos_embedding_t = nn.Parameter(torch.randn(1, tokens + 1, dim))
        self.extra_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.CrossTransformerEncoder = Layers(dim, *sizes)

    def forward(self, source, target):
        token = self.extra_token.expand(len(source), -1, -1)
        source = torch.cat([token, source], 1) + self.pos_embedding_s
        target = torch.cat([token, target], 1) + self.pos_embedding_t
        return self.CrossTransformerEncoder(target, source)


class Almt(nn.Module):
    """`h` are the hyper-parameters under their names in the golden files."""

    def __init__(self, h):
        super().__init__()
        dim, tokens = h["token_dim"], h["token_len"]
        width = h["transformer_dim_head"]
        self.tokens = tokens
        self.h_hyper = nn.Parameter(torch.ones(1, tokens, dim))
        for m in "lav":
            sizes = h["proj_depth"], h["proj_heads"], width, h["proj_mlp_dim"]
            embedding = Embedding(tokens, h[f"{m}_input_length"], dim, *sizes)
            project = nn.Linear(h[f"{m}_input_dim"], dim)
            setattr(self, f"proj_{m}", nn.Sequential(project, embedding))
        self.l_encoder = Language(
            tokens, dim, h["AHL_depth"] - 1, h["l_enc_heads"], width, h["l_enc_mlp_dim"]
        )
        self.h_hyper_layer = nn.Module()
        self.h_hyper_layer.layers = nn.ModuleList(
            nn.ModuleList([Ahl(dim, h["ahl_heads"], h["ahl_dim_head"])])
            for _ in range(h["AHL_depth"])
        )
        sizes = h["fusion_layer_depth"], h["fusion_heads"], width, h["fusion_mlp_dim"]
        self.fusion_layer = Fusion(tokens, dim, *sizes)
        self.regression_layer = nn.Sequential(nn.Linear(dim, 1))

    def forward(self, text, audio, vision):
        def embed(project, x):
            return project(x)[:, : self.tokens]

        vision, audio = embed(self.proj_v, vision), embed(self.proj_a, audio)
        scales = self.l_encoder(embed(self.proj_l, text))
        hyper = self.h_hyper.expand(len(text), -1, -1)
        for (layer,), scale in zip(self.h_hyper_layer.layers, scales):
            hyper = layer(scale, audio, vision, hyper)
        return self.regression_layer(self.fusion_layer(hyper, scales[-1])[:, 0])


def load(path):
    """A safetensors file of float32 tensors."""
    with open(path, "rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(size))
        data = bytearray(file.read())
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        assert entry["dtype"] == "F32", name
        first, end = entry["data_offsets"]
        flat = torch.frombuffer(data, dtype=torch.float32, offset=first, count=(end - first) // 4)
        tensors[name] = flat.reshape(entry["shape"])
    return tensors


def check(path, device="cpu"):
    """Prediction and all gradients against a golden file, with the tolerances that it suggests."""
    with open(path.replace(".safetensors", ".json")) as file:
        model = Almt(json.load(file)["hyper_parameters"]).to(device)
    golden = {name: x.to(device) for name, x in load(path).items()}
    weights = {name[6:]: x for name, x in golden.items() if name.startswith("param/")}
    model.load_state_dict(weights)
    pred = model(golden["input/text"], golden["input/audio"], golden["input/visual"])
    nn.functional.mse_loss(pred, golden["input/label"].view(-1, 1)).backward()
    assert (pred - golden["output/pred"]).abs().max() < 1e-5
    for name, parameter in model.named_parameters():
        expected = golden[f"grad/{name}"]
        difference = (parameter.grad - expected).abs().max()
        bound = 1e-6 if name.endswith("norm_k.bias") else 2e-5 * expected.abs().max()
        assert difference <= bound, (name, difference, bound)


def step(path):
    """Seconds of each training step on random data of the sizes in a JSON file, as a JSON list."""
    with open(path) as file:
        job = json.load(file)
    torch.manual_seed(1)
    torch.set_num_threads(job["threads"])
    h = job["hyper_parameters"]
    model = Almt(h)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=1e-4)
    batch = [
        torch.randn(job["batch_size"], h[f"{m}_input_length"], h[f"{m}_input_dim"]) for m in "lav"
    ]
    label = torch.randn(job["batch_size"], 1)
    seconds = []
    for _ in range(job["steps"]):
        start = time.perf_counter()
        optimizer.zero_grad()
        nn.functional.mse_loss(model(*batch), label).backward()
        optimizer.step()
        seconds.append(time.perf_counter() - start)
    print(json.dumps(seconds))


def strict(sizes, dataset, weights, export):
    """Prints what weights predict of the test split of an exported store, as a JSON list."""
    print(json.dumps(predictions(sizes, dataset, weights, export)))


def predictions(sizes, dataset, weights, export, device="cpu"):
    """What weights predict of the test split of an exported store. The weights must have the names and
    shapes of the model, no more and no fewer."""
    with open(sizes) as file:
        h = json.load(file)[dataset]["hyper_parameters"]
    with np.load(export, allow_pickle=False) as arrays:
        batch = [torch.from_numpy(arrays[f"test/{name}"]) for name in ("text", "audio", "vision")]
    for m, features in zip("lav", batch):
        h[f"{m}_input_length"], h[f"{m}_input_dim"] = features.shape[1:]
    model = Almt(h)
    model.load_state_dict(load(weights), strict=True)
    model.to(device)
    with torch.no_grad():
        return model(*(features.to(device) for features in batch))[:, 0].tolist()


if __name__ == "__main__":
    {"check": check, "step": step, "strict": strict}[sys.argv[1]](*sys.argv[2:])
