#!/bin/sh
# Fills the corpora of all targets with the fixtures; those of `layouts` once for each layout, those of
# `containers` packed in each way, those of `tensors` as the storage of a tensor.
set -eu
cd "$(dirname "$0")"
mkdir -p corpus/machine corpus/scan corpus/layouts corpus/containers corpus/tensors
find ../fixtures/pickles ../fixtures/tensors -name '*.pkl' | while read -r file; do
    name=$(echo "${file#../fixtures/}" | tr / -)
    cp "$file" "corpus/machine/$name"
    cp "$file" "corpus/scan/$name"
    for layout in 0 1 2 3; do
        { printf "\\00$layout"; cat "$file"; } > "corpus/layouts/$layout-$name"
    done
done
python3 make_packed.py
