#!/bin/sh
# Fills the corpora of all targets with the fixtures; those of `layouts` once for each layout, those of
# `containers` packed in each way, those of `tensors` as the storage of a tensor.
set -eu
cd "$(dirname "$0")"
mkdir -p corpus/machine corpus/scan corpus/layouts corpus/containers corpus/tensors corpus/tables
find ../fixtures/pickles ../fixtures/tensors -name '*.pkl' | while read -r file; do
    name=$(echo "${file#../fixtures/}" | tr / -)
    cp "$file" "corpus/machine/$name"
    cp "$file" "corpus/scan/$name"
    for layout in 0 1 2 3; do
        { printf "\\00$layout"; cat "$file"; } > "corpus/layouts/$layout-$name"
    done
done
python3 make_packed.py
seed() {
    printf "$1" > "corpus/tables/$2"
}
seed '\000video_id,clip_id,text,label,label_T,label_A,label_V,annotation,mode\nv_1,0001,"a, ""b""\nc",-1.0,0,0.2,nan,Negative,valid\n' sims
seed '\000FileName;sentiment_score\r\nv_1.wav;2,4\r\nv_2.wav;-0,6\r\n' semicolon
seed '\000sep=\t\nfile\tindex\tsentiment\nv\t1\t1\n' tab
seed '\000\357\273\277id,label,text\nv_1,1,\344\275\240\345\245\275\n' marked
seed '\002id,label,text\nv_1,1,\304\343\272\303\n' gbk
seed '\000\377\376i\000d\000,\000l\000a\000b\000e\000l\000\n\000v\000,\0001\000\n\000' utf16
seed '\0141.5,2.5,v,1,2.4\n3.0,4.5,v,2,-1.0\n' bare
seed '\022name,t,text,split\nv_1,1,well,dev\n' chosen
