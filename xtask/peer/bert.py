"""ALMT on text alone with a BERT encoder that is trained in the loop, in plain eager PyTorch: what
`train --text bert` is compared with. Parameter names are those of Hugging Face, so that golden files load.

    bert.py check GOLDEN.safetensors
    bert.py step ENCODER_FOLDER SIZES.json SAMPLES N_TOKENS STEPS THREADS
                                      seconds of steps of training on random tokens, as a JSON list
"""

import json
import os
import sys
import time

import torch
from torch import nn
from torch.nn import functional

import almt


class Layer(nn.Module):
    def __init__(self, c):
        super().__init__()
        width, inner, eps = c["hidden_size"], c["intermediate_size"], c.get("layer_norm_eps", 1e-12)
        self.heads = c["num_attention_heads"]
        self.rates = c.get("attention_probs_dropout_prob", 0.1), c.get("hidden_dropout_prob", 0.1)
        self.attention, self.intermediate, self.output = nn.Module(), nn.Module(), nn.Module()
        self.attention.self, self.attention.output = nn.Module(), nn.Module()
        for name in ["query", "key", "value"]:
            setattr(self.attention.self, name, nn.Linear(width, width))
        for block, n_in in [(self.attention.output, width), (self.output, inner)]:
            block.dense, block.LayerNorm = nn.Linear(n_in, width), nn.LayerNorm(width, eps)
        self.intermediate.dense = nn.Linear(width, inner)

    def forward(self, x, mask):
        own, (of_weights, of_hidden) = self.attention.self, self.rates
        q, k, v = (
            part(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in (own.query, own.key, own.value)
        )
        weights = (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5 + mask).softmax(-1)
        gathered = functional.dropout(weights, of_weights, self.training) @ v
        for block, y in [
            (self.attention.output, lambda: gathered.transpose(1, 2).flatten(2)),
            (self.output, lambda: functional.gelu(self.intermediate.dense(x))),
        ]:
            x = block.LayerNorm(functional.dropout(block.dense(y()), of_hidden, self.training) + x)
        return x


class Bert(nn.Module):
    """Tokens `[batch, 3, n_tokens]` (ids, mask, segments) to `[batch, n_tokens, width]`."""

    def __init__(self, c):
        super().__init__()
        width = c["hidden_size"]
        self.rate = c.get("hidden_dropout_prob", 0.1)
        self.embeddings, self.encoder = nn.Module(), nn.Module()
        for name, size in [
            ("word", c["vocab_size"]),
            ("position", c["max_position_embeddings"]),
            ("token_type", c["type_vocab_size"]),
        ]:
            setattr(self.embeddings, f"{name}_embeddings", nn.Embedding(size, width))
        self.embeddings.LayerNorm = nn.LayerNorm(width, c.get("layer_norm_eps", 1e-12))
        self.encoder.layer = nn.ModuleList(Layer(c) for _ in range(c["num_hidden_layers"]))

    def forward(self, tokens):
        ids, mask, segments = tokens.long().unbind(1)
        e = self.embeddings
        x = e.word_embeddings(ids) + e.token_type_embeddings(segments)
        x = e.LayerNorm(x + e.position_embeddings.weight[: ids.shape[1]])
        x = functional.dropout(x, self.rate, self.training)
        mask = (1.0 - mask.float())[:, None, None] * torch.finfo(torch.float32).min
        for layer in self.encoder.layer:
            x = layer(x, mask)
        return x


class TextOnly(nn.Module):
    """The top scale of language is source and target of the fusion, since nothing else is there."""

    def __init__(self, encoder, h):
        super().__init__()
        self.encoder, self.almt = encoder, almt.Almt(h)

    def forward(self, tokens):
        text = self.almt.proj_l(self.encoder(tokens))[:, : self.almt.tokens]
        top = self.almt.l_encoder(text)[-1]
        return self.almt.regression_layer(self.almt.fusion_layer(top, top)[:, 0])


def check(path):
    """Hidden states against a golden file, with the tolerance that it suggests."""
    golden = almt.load(path)
    with open(path.replace(".safetensors", "_config.json")) as file:
        encoder = Bert(json.load(file)).eval()
    weights = {name[6:]: x for name, x in golden.items() if name.startswith("param/")}
    encoder.load_state_dict({name: weights[name] for name in encoder.state_dict()})
    assert (encoder(golden["input/text"]) - golden["output/last_hidden_state"]).abs().max() < 1e-5


def step(folder, sizes, samples, n_tokens, steps, threads):
    torch.manual_seed(1)
    torch.set_num_threads(int(threads))
    with open(os.path.join(folder, "config.json")) as file:
        config = json.load(file)
    # With whatever weights: a step takes as long.
    encoder = Bert(config)
    with open(sizes) as file:
        h = json.load(file)["mosi"]["hyper_parameters"]
    h |= {"l_input_length": int(n_tokens), "l_input_dim": config["hidden_size"]}
    model = TextOnly(encoder, h)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=1e-4)
    shape = int(samples), int(n_tokens)
    ids = torch.randint(1000, config["vocab_size"], shape)
    tokens = torch.stack([ids, torch.ones_like(ids), torch.zeros_like(ids)], 1)
    label = torch.randn(int(samples), 1)
    seconds = []
    for _ in range(int(steps)):
        start = time.perf_counter()
        optimizer.zero_grad()
        functional.mse_loss(model(tokens), label).backward()
        optimizer.step()
        seconds.append(time.perf_counter() - start)
    print(json.dumps(seconds))


if __name__ == "__main__":
    {"check": check, "step": step}[sys.argv[1]](*sys.argv[2:])
