#!/bin/sh
# Fills the corpora of all targets with the fixtures; those of `layouts` once for each layout.
set -eu
cd "$(dirname "$0")"
mkdir -p corpus/machine corpus/scan corpus/layouts
find ../fixtures/pickles -name '*.pkl' | while read -r file; do
    name=$(echo "${file#../fixtures/pickles/}" | tr / -)
    cp "$file" "corpus/machine/$name"
    cp "$file" "corpus/scan/$name"
    for layout in 0 1 2 3; do
        { printf "\\00$layout"; cat "$file"; } > "corpus/layouts/$layout-$name"
    done
done
