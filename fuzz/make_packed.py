"""Writes seeds of `containers` (small pickles packed in each way) and `tensors` (storages).

    python3 make_packed.py
"""

import bz2
import gzip
import io
import lzma
import pathlib
import pickle
import pickletools
import tarfile
import zipfile

HERE = pathlib.Path(__file__).parent
TENSORS = HERE.parent / "fixtures/tensors"


def zipped(content, method):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        archive.writestr("e", content)
        archive.writestr("a.pkl", content)
    return out.getvalue()


def tarred(content, form):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for name in ("e", "f/a.pkl"):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


def main():
    target = HERE / "corpus/containers"
    plain = pickle.dumps({"train": {"id": ["a", "b"], "labels": [0.5, 1.0]}})
    packed = {
        "gz": gzip.compress(plain),
        "bz2": bz2.compress(plain),
        "xz": lzma.compress(plain),
        "lzma": lzma.compress(plain, lzma.FORMAT_ALONE),
        "stored.zip": zipped(plain, zipfile.ZIP_STORED),
        "deflated.zip": zipped(plain, zipfile.ZIP_DEFLATED),
        "bzip2.zip": zipped(plain, zipfile.ZIP_BZIP2),
        "ustar.tar": tarred(plain, tarfile.USTAR_FORMAT),
        "gnu.tar": tarred(plain, tarfile.GNU_FORMAT),
        "pax.tar": tarred(plain, tarfile.PAX_FORMAT),
        "tar.gz": gzip.compress(tarred(plain, tarfile.USTAR_FORMAT)),
        # A frame of zstd that holds the pickle as it is.
        "zst": b"\x28\xb5\x2f\xfd\x20" + bytes([len(plain)])
        + (len(plain) << 3 | 1).to_bytes(3, "little") + plain,
    }
    for path in sorted(TENSORS.glob("*.pt")):
        packed[path.name] = path.read_bytes()
    for name, content in packed.items():
        for choice in (0, 1):
            (target / f"{choice}-{name}").write_bytes(bytes([choice]) + content)
    count = 0
    for path in sorted(TENSORS.glob("*.pkl")):
        for op, argument, _ in pickletools.genops(path.read_bytes()):
            is_stream = isinstance(argument, bytes) and b"storage" in argument
            if is_stream and op.name.endswith(("BINBYTES", "BINBYTES8")):
                for head in (b"\2\0\1\1\1\1\2", b"\2\1\2\2\2\1\2", b"\1\0\2\1\1\1\1"):
                    (HERE / f"corpus/tensors/{count}").write_bytes(head + argument)
                    count += 1


if __name__ == "__main__":
    main()
