"""Writes pickle.dict: opcodes, names and arguments that random bytes hardly ever spell.

    python3 make_dict.py
"""

import pathlib
import pickletools

NAMES = [
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy.core.numeric", "_frombuffer"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
    ("builtins", "bytearray"),
    ("__builtin__", "list"),
    ("__builtin__", "set"),
    ("builtins", "dict"),
    ("collections", "OrderedDict"),
    ("collections", "defaultdict"),
    ("collections", "Counter"),
    ("torch._utils", "_rebuild_tensor_v2"),
    ("torch._utils", "_rebuild_tensor_v3"),
    ("torch._utils", "_rebuild_parameter"),
    ("torch.storage", "_load_from_bytes"),
    ("torch", "FloatStorage"),
    ("torch", "BFloat16Storage"),
    ("torch", "uint16"),
    ("torch", "Size"),
    ("os", "system"),
]
TEXTS = """
train valid test dev text audio vision id raw_text text_bert audio_lengths vision_lengths
annotations regression_labels classification_labels latin1 f4 f8 i8 S3 U2 O8
""".split()


def text(value):
    return bytes([0x8C, len(value)]) + value.encode()


def main():
    entries = {op.name.lower(): op.code.encode("latin1") for op in pickletools.opcodes}
    for module, name in NAMES:
        entries[f"global_{module}_{name}"] = f"c{module}\n{name}\n".encode()
        entries[f"stack_global_{module}_{name}"] = text(module) + text(name) + b"\x93"
    entries |= {f"text_{value}": text(value) for value in TEXTS}
    entries["empty_array"] = b"cnumpy\nndarray\nK\x00\x85\x85R"
    entries["dtype_state"] = b"(K\x03" + text("<") + b"NNN" + 2 * b"J\xff\xff\xff\xff" + b"K\x00tb"
    entries["torch_magic"] = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03."
    entries["torch_little"] = b"\x80\x02}X\x0d\0\0\0little_endian\x88s."
    entries["zip_local"] = b"PK\x03\x04"
    entries["zip_directory"] = b"PK\x01\x02"
    entries["zip_end"] = b"PK\x05\x06"
    entries["gzip"] = b"\x1f\x8b\x08"
    entries["tar"] = b"ustar\x0000"
    entries["protocol_2"] = b"\x80\x02"
    entries["protocol_4"] = b"\x80\x04"
    lines = ["# Written by make_dict.py.\n"]
    for name, value in entries.items():
        spelled = "".join(f"\\x{byte:02x}" for byte in value)
        lines.append(f'{name.replace(".", "_")}="{spelled}"\n')
    pathlib.Path(__file__).with_name("pickle.dict").write_text("".join(lines))


if __name__ == "__main__":
    main()
