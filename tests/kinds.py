"""Writes files of many kinds with the programs that people use, and prints `KIND NAME` for each.

    python3 kinds.py FOLDER
"""

import bz2
import gzip
import json
import lzma
import pathlib
import pickle
import sqlite3
import sys
import tarfile
import zipfile
import zlib

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet

folder = pathlib.Path(sys.argv[1])
data = {"train": {"id": ["a", "b"], "text": np.zeros((2, 3, 4), "f4")}}
plain = pickle.dumps(data)


def keep(kind, name, content=None):
    if content is not None:
        (folder / name).write_bytes(content)
    print(kind, name)


for protocol in range(6):
    kind = "pickle" if protocol > 1 else "old-pickle"
    keep(kind, f"p{protocol}.pkl", pickle.dumps(data, protocol))
    keep(kind, f"list{protocol}.pkl", pickle.dumps([1, [2.5, "x"], ("a", 1)], protocol))
keep("gzip", "a.pkl.gz", gzip.compress(plain))
keep("bzip2", "a.pkl.bz2", bz2.compress(plain))
keep("bzip2", "empty.bz2", bz2.compress(b""))
for preset in (0, 6, 9 | lzma.PRESET_EXTREME):
    keep("xz", f"a{preset}.pkl.xz", lzma.compress(plain, preset=preset))
    keep("lzma", f"a{preset}.lzma", lzma.compress(plain, lzma.FORMAT_ALONE, preset=preset))
for level in (1, 3, 6, 9):
    # joblib.dump(data, name, compress=level)
    keep("joblib-zlib", f"joblib{level}.pkl.z", zlib.compress(plain, level))
for name, method in [("stored", zipfile.ZIP_STORED), ("deflated", zipfile.ZIP_DEFLATED)]:
    with zipfile.ZipFile(folder / f"{name}.zip", "w", method) as archive:
        archive.writestr("mosei_senti_data.pkl", plain)
    keep("zip", f"{name}.zip")
    whole = (folder / f"{name}.zip").read_bytes()
    keep("zip-cut", f"{name}-cut.zip", whole[: len(whole) // 2])
for name, kind in [("ustar", tarfile.USTAR_FORMAT), ("gnu", tarfile.GNU_FORMAT), ("pax", tarfile.PAX_FORMAT)]:
    with tarfile.open(folder / f"{name}.tar", "w", format=kind) as archive:
        member = tarfile.TarInfo("x" * 120 + "/a.pkl" if kind != tarfile.USTAR_FORMAT else "f/a.pkl")
        member.size = len(plain)
        import io

        archive.addfile(member, io.BytesIO(plain))
    keep("tar", f"{name}.tar")
np.savez(folder / "a.npz", **data["train"])
keep("npz", "a.npz")
np.savez_compressed(folder / "b.npz", x=np.arange(3))
keep("npz", "b.npz")
np.save(folder / "a.npy", np.arange(3))
keep("npy", "a.npy")
with h5py.File(folder / "a.h5", "w") as file:
    file["text"], file["audio"] = np.zeros(3), np.zeros(3)
keep("hdf5", "a.h5")
with h5py.File(folder / "latest.h5", "w", libver="latest") as file:
    file["text"] = np.zeros(3)
keep("hdf5", "latest.h5")
for name, key in [("X_train.h5", "data"), ("y_train.h5", "d1")]:
    with h5py.File(folder / name, "w") as file:
        file[key] = np.zeros((4, 20, 5))
    keep("processed", name)
with h5py.File(folder / "CMU_MOSI_COVAREP.csd", "w") as file:
    for video in ("03bSnISJMiM", "0h-zjBukYpk"):
        file[f"COVAREP/data/{video}/features"] = np.zeros((5, 74), "f4")
        file[f"COVAREP/data/{video}/intervals"] = np.zeros((5, 2), "f4")
    for name in ("root name", "computational sequence version", "dimension names"):
        file[f"COVAREP/metadata/{name}"] = np.array([json.dumps("x")], h5py.string_dtype())
keep("csd", "CMU_MOSI_COVAREP.csd")
with h5py.File(folder / "v73.mat", "w", userblock_size=512) as file:
    file["audio"] = np.zeros(3)
with open(folder / "v73.mat", "r+b") as file:
    file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64, Created on: x".ljust(128))
keep("matlab73", "v73.mat")
with h5py.File(folder / "userblock.h5", "w", userblock_size=1024) as file:
    file["text"], file["audio"] = np.zeros(3), np.zeros(3)
keep("hdf5", "userblock.h5")
table = pa.table({"id": ["a", "b"], "label": [0.5, 1.0]})
pa.parquet.write_table(table, folder / "a.parquet")
keep("parquet", "a.parquet")
pa.feather.write_feather(table, folder / "a.feather")
keep("arrow-file", "a.feather")
with pa.OSFile(str(folder / "a.arrows"), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as out:
    out.write_table(table)
keep("arrow-stream", "a.arrows")
sqlite3.connect(folder / "a.db").execute("create table t (x)").connection.close()
keep("sqlite", "a.db")
keep("json", "a.json", json.dumps(data["train"]["id"]).encode())
keep("json", "indented.json", json.dumps({"train": [1]}, indent=2).encode())
keep("table", "label.csv", b"video_id,clip_id,text,label,mode\n1,1,\"one, two\",0.5,train\n")
