"""Training on a GPU: ours beside the same model in PyTorch, in one run. `cargo xtask bench gpu` starts
it; on a machine without Rust, it needs this repository, the release binaries and PyTorch 2.11:

    python3 xtask/peer/gpu.py PROGRAM [--device cuda] [--steps N] [--epochs N] [--samples N]

It holds PyTorch's model to the golden files and ours to PyTorch's, and prints one table in Markdown.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import almt

BATCH = 64
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
GOLDEN = os.path.join(ROOT, "fixtures", "golden")
# The first epochs of ours record their graphs.
N_WARM = 4
# The first steps of PyTorch compile.
N_PEER_WARM = 3


def call(*words):
    words = [str(word) for word in words]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"$ {' '.join(words)}\n{done.stdout}{done.stderr}")
    if "warning" in done.stderr:
        print(done.stderr.strip(), file=sys.stderr)
    return done.stdout


def store(program, folder, dataset, samples):
    pickle, path = (os.path.join(folder, f"{dataset}-{samples}.{end}") for end in ("pkl", "h5"))
    if os.path.exists(path):
        return path
    call(program, "synth", "--dataset", dataset, "--unaligned", "--samples", samples, "-o", pickle)
    call(program, "convert", pickle, "-o", path, "--dataset", dataset)
    os.remove(pickle)
    return path


def train(program, out, path, *more):
    """Trains, and returns the seconds that the whole call took."""
    start = time.perf_counter()
    call(program, "train", "--store", path, "--out", out, *more)
    return time.perf_counter() - start


def seconds_per_step(run, n_steps):
    with open(os.path.join(run, "metrics.jsonl")) as lines:
        seconds = [json.loads(line)["train_seconds"] for line in lines]
    return statistics.median(seconds[N_WARM:]) / n_steps


def result(run):
    with open(os.path.join(run, "result.json")) as file:
        return json.load(file)


def synchronize(device):
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def peer_step(h, device, n_steps, compiled):
    """Seconds of a step of PyTorch, and its floating-point operations."""
    torch.manual_seed(1)
    model = almt.Almt(h).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=1e-4, fused=True)
    batch = [
        torch.randn(BATCH, h[f"{m}_input_length"], h[f"{m}_input_dim"], device=device) for m in "lav"
    ]
    label = torch.randn(BATCH, 1, device=device)

    def loss():
        return nn.functional.mse_loss(model(*batch), label)

    with FlopCounterMode(display=False) as counter:
        loss().backward()
    forward = torch.compile(loss, mode="reduce-overhead") if compiled else loss
    seconds = []
    for _ in range(n_steps + N_PEER_WARM):
        start = time.perf_counter()
        optimizer.zero_grad()
        forward().backward()
        optimizer.step()
        synchronize(device)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[N_PEER_WARM:]), counter.get_total_flops()


def rates(device):
    """Floating-point operations and bytes per second that the device does in float32."""
    size = 4096 if device.startswith("cuda") else 1024
    a = torch.randn(size, size, device=device)
    big = torch.zeros(size * size * 8, device=device)

    def best(work):
        seconds = []
        for _ in range(10):
            synchronize(device)
            start = time.perf_counter()
            work()
            synchronize(device)
            seconds.append(time.perf_counter() - start)
        return min(seconds)

    flops = 2 * size**3 / best(lambda: a @ a)
    return flops, 2 * big.numel() * 4 / best(lambda: big.add_(1))


def parity(program, folder, device):
    """The largest difference of our predictions from PyTorch's, both on the device, with the weights of
    a run of ours."""
    path = store(program, folder, "mosi", 64)
    run = os.path.join(folder, "parity")
    train(program, run, path, "--epochs", 3, "--lr", "1e-3", "--device", device)
    call(program, "export-weights", run, "--to", "released")
    export = os.path.join(folder, "parity.npz")
    call(program, "export", path, "--to", "npz", "-o", export)
    table = os.path.join(folder, "parity.csv")
    checkpoint = os.path.join(run, "best.safetensors")
    call(program, "predict", "--store", path, "--checkpoint", checkpoint, "-o", table, "--device", device)
    with open(table) as lines:
        ours = [float(line.split(",")[3]) for line in list(lines)[1:]]
    weights = os.path.join(run, "released.safetensors")
    sizes = os.path.join(GOLDEN, "param_counts.json")
    theirs = almt.predictions(sizes, "mosi", weights, export, device)
    return max(abs(a - b) for a, b in zip(ours, theirs, strict=True))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--steps", type=int, default=20, help="steps of an epoch")
    parser.add_argument("--epochs", type=int, default=200, help="of the long run")
    parser.add_argument("--samples", type=int, default=1284, help="of the long run")
    parser.add_argument("--peer-steps", type=int, default=10, help="steps of PyTorch that count")
    parser.add_argument("--datasets", nargs="+", default=["mosi", "sims", "mosei"])
    args = parser.parse_args()
    program, device = os.path.abspath(args.program), args.device
    torch.backends.cuda.matmul.allow_tf32 = False
    card = torch.cuda.get_device_name() if device.startswith("cuda") else platform.processor()
    print(f"{time.strftime('%Y-%m-%d')}, {card}, PyTorch {torch.__version__}\n")
    print(call(program, "devices"))
    almt.check(os.path.join(GOLDEN, "model_tiny_official.safetensors"), device)
    print("PyTorch's model has the golden prediction and gradients on this device")
    folder = tempfile.mkdtemp()
    print(f"largest difference of our predictions from PyTorch's: {parity(program, folder, device):.1e}\n")
    flops_per_s, bytes_per_s = rates(device)
    print(f"{flops_per_s / 1e12:.1f} TFLOP/s in float32 products, {bytes_per_s / 1e9:.0f} GB/s\n")
    print("| ms per step, batch 64 | ours, recorded | ours, piece by piece | PyTorch | torch.compile | PyTorch / ours | compile / ours | floor of PyTorch's operations |")
    print("|---|---|---|---|---|---|---|---|")
    with open(os.path.join(GOLDEN, "param_counts.json")) as file:
        sizes = json.load(file)
    for dataset in args.datasets:
        path = store(program, folder, dataset, BATCH * args.steps)
        ours = []
        for name, flags in (("graph", []), ("pieces", ["--no-graph"])):
            run = os.path.join(folder, f"{dataset}-{name}")
            train(program, run, path, "--epochs", N_WARM + 6, "--device", device, *flags)
            ours.append(seconds_per_step(run, args.steps))
        h = sizes[dataset]["hyper_parameters"]
        eager, flops = peer_step(h, device, args.peer_steps, False)
        compiled, _ = peer_step(h, device, args.peer_steps, True)
        cells = [1e3 * s for s in (*ours, eager, compiled)]
        row = " | ".join(f"{ms:.3f}" for ms in cells)
        floor = f"{1e3 * flops / flops_per_s:.3f}"
        print(f"| {dataset} | {row} | {eager / ours[0]:.1f} | {compiled / ours[0]:.1f} | {floor} |", flush=True)
    path = store(program, folder, "mosi", args.samples)
    epochs = ("--epochs", args.epochs, "--device", device)
    runs = [os.path.join(folder, f"long-{n}") for n in (1, 2)]
    walls = [train(program, run, path, *epochs) for run in runs]
    digests = {result(run)["checkpoint_blake3"] for run in runs}
    print(f"\n{args.epochs} epochs of {args.samples} segments: {min(walls):.1f} s;", end=" ")
    print("two runs have the same bytes" if len(digests) == 1 else "TWO RUNS DIFFER")
    together = train(program, os.path.join(folder, "five"), path, *epochs, "--seeds", 5, "--together", "always")
    print(f"five seeds as one: {together:.1f} s, {together / min(walls):.2f} times one")


if __name__ == "__main__":
    main()
