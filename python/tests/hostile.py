"""Pickles that ask for more than data, and what they would execute."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import pytest

from almt_data import pickle as safe

executed: list[object] = []
"""What a hostile pickle appended, if it got that far."""


def run_me(*args: object) -> str:
    """What hostile pickles call by its name."""
    executed.append(args)
    return "executed"


class Victim:
    """A class whose construction or state is an execution."""

    def __new__(cls, *args: object) -> Victim:
        run_me("new", *args)
        return super().__new__(cls)

    def __setstate__(self, state: object) -> None:
        run_me("state", state)


HERE = "hostile_target"
"""The module that has these names for a pickle."""


def text(value: str) -> bytes:
    data = value.encode()
    return b"X" + len(data).to_bytes(4, "little") + data


def named(module: str, name: str) -> bytes:
    """A name by GLOBAL."""
    return f"c{module}\n{name}\n".encode()


def stacked(module: str, name: str) -> bytes:
    """A name by STACK_GLOBAL."""
    return text(module) + text(name) + b"\x93"


def called(function: bytes, *args: bytes) -> bytes:
    """A call by REDUCE."""
    return b"\x80\x04" + function + b"(" + b"".join(args) + b"tR."


TARGET = f"{HERE}\nrun_me\n".encode()

FORMS = {
    "GLOBAL and REDUCE": called(named(HERE, "run_me"), text("x")),
    "STACK_GLOBAL and REDUCE": called(stacked(HERE, "run_me"), text("x")),
    "INST": b"(" + text("x") + b"i" + TARGET + b".",
    "OBJ": b"(c" + TARGET + text("x") + b"o.",
    "NEWOBJ": b"\x80\x02c" + f"{HERE}\nVictim\n".encode() + b"(" + text("x") + b"t\x81.",
    "NEWOBJ_EX": b"\x80\x04" + stacked(HERE, "Victim") + b")}\x92.",
    "BUILD of an instance": b"\x80\x02c" + f"{HERE}\nVictim\n".encode() + b")\x81}b.",
    "BUILD of a list": b"\x80\x02]}" + text("append") + b"c" + TARGET + b"sb.",
    "state of a module": called(named(HERE, "__dict__"), b""),
    "a name that is not called": b"\x80\x02c" + TARGET + b".",
    "a name in a list": b"\x80\x02]c" + TARGET + b"a.",
    "a name that is popped": b"\x80\x02c" + TARGET + b"0N.",
    "a name as a factory": b"\x80\x02ccollections\ndefaultdict\nc" + TARGET + b"\x85R.",
    "a name as a key": b"\x80\x02}c" + TARGET + b"Ns.",
    "a computed name": b"\x80\x04" + text(HERE) + b"\x940" + b"h\x00" + text("run_me") + b"\x93.",
    "a name in texts of Python 2": (
        b"\x80\x02U" + bytes([len(HERE)]) + HERE.encode() + b"U\x06run_me\x93."
    ),
}

NAMES = [
    ("os", "system"),
    ("posix", "system"),
    ("nt", "system"),
    ("os", "execv"),
    ("subprocess", "Popen"),
    ("subprocess", "check_output"),
    ("pty", "spawn"),
    ("shutil", "rmtree"),
    ("socket", "create_connection"),
    ("ctypes", "CDLL"),
    ("runpy", "run_path"),
    ("runpy", "_run_code"),
    ("importlib", "import_module"),
    ("builtins", "eval"),
    ("builtins", "exec"),
    ("builtins", "compile"),
    ("builtins", "getattr"),
    ("builtins", "__import__"),
    ("builtins", "open"),
    ("builtins", "map"),
    ("builtins", "apply"),
    ("builtins", "globals"),
    ("__builtin__", "eval"),
    ("__builtin__", "execfile"),
    ("__builtin__", "getattr"),
    ("__main__", "run_me"),
    ("sys", "modules"),
    ("sys", "modules.get"),
    ("operator", "attrgetter"),
    ("operator", "methodcaller"),
    ("functools", "partial"),
    ("functools", "reduce"),
    ("itertools", "starmap"),
    ("types", "CodeType"),
    ("types", "FunctionType"),
    ("code", "InteractiveInterpreter"),
    ("timeit", "timeit"),
    ("cProfile", "runctx"),
    ("pdb", "run"),
    ("pydoc", "pipepager"),
    ("webbrowser", "open"),
    ("logging.config", "fileConfig"),
    ("asyncio.unix_events", "_UnixSubprocessTransport._start"),
    ("venv", "create"),
    ("pip", "main"),
    ("pickle", "loads"),
    ("_pickle", "loads"),
    ("pickle", "Unpickler"),
    ("marshal", "loads"),
    ("shelve", "open"),
    ("joblib", "load"),
    ("copyreg", "add_extension"),
    ("copyreg", "_reconstructor"),
    ("copyreg", "__newobj__"),
    ("copyreg", "_extension_cache"),
    ("codecs", "decode"),
    ("codecs", "encode"),
    ("_codecs", "decode"),
    ("_codecs", "lookup"),
    ("_codecs", "register"),
    ("_codecs", "encode.__self__"),
    ("collections", "namedtuple"),
    ("collections", "_sys.modules"),
    ("collections", "abc.sys.modules"),
    ("collections", "OrderedDict.__reduce__"),
    ("collections", "defaultdict.__init__"),
    ("collections", "Counter.__class__"),
    ("numpy", "load"),
    ("numpy", "save"),
    ("numpy", "memmap"),
    ("numpy", "fromfile"),
    ("numpy", "frompyfunc"),
    ("numpy", "vectorize"),
    ("numpy", "apply_along_axis"),
    ("numpy", "core.multiarray.sys.modules"),
    ("numpy", "core._multiarray_umath"),
    ("numpy", "lib.npyio.os.system"),
    ("numpy", "lib.npyio.sys"),
    ("numpy", "sys.modules"),
    ("numpy", "os.system"),
    ("numpy", "ndarray.__reduce__"),
    ("numpy", "ndarray.tofile"),
    ("numpy", "dtype.__class__"),
    ("numpy.core.multiarray", "sys.modules"),
    ("numpy.core.multiarray", "_reconstruct.__globals__"),
    ("numpy.core.multiarray", "set_string_function"),
    ("numpy._core.multiarray", "functools.partial"),
    ("numpy.core.numeric", "_frombuffer.__globals__"),
    ("numpy._core.numeric", "sys.modules"),
    ("numpy.f2py", "compile"),
    ("numpy.f2py.crackfortran", "myeval"),
    ("numpy.f2py.crackfortran", "getlincoef"),
    ("numpy.f2py.diagnose", "run_command"),
    ("numpy.f2py.capi_maps", "load_f2cmap_file"),
    ("numpy.testing._private.utils", "runstring"),
    ("numpy.testing._private.utils", "run_threaded"),
    ("numpy.testing._private.utils", "sys.modules"),
    ("numpy.distutils.exec_command", "exec_command"),
    ("numpy.distutils.cpuinfo", "getoutput"),
    ("numpy.lib.npyio", "load"),
    ("numpy.lib.npyio", "DataSource"),
    ("numpy.lib.format", "read_array"),
    ("numpy.lib._datasource", "open"),
    ("numpy.lib.utils", "safe_eval"),
    ("numpy.ma.core", "_mareconstruct"),
    ("numpy.ctypeslib", "load_library"),
    ("numpy.random._pickle", "__randomstate_ctor"),
    ("torch", "load"),
    ("torch", "hub.load"),
    ("torch.utils.collect_env", "run"),
    ("torch.storage", "_load_from_bytes.__globals__"),
    ("torch._utils", "_rebuild_tensor.__globals__"),
    ("torch._dynamo.guards", "GuardBuilder.get"),
    ("pandas", "read_pickle"),
    ("pandas.core.frame", "DataFrame"),
    ("pandas.core.computation.eval", "eval"),
    ("scipy", "sparse.csr_matrix"),
]

OUTSIDE = {
    "EXT1": b"\x80\x02\x82\x01.",
    "EXT2": b"\x80\x02\x83\x01\x00.",
    "EXT4": b"\x80\x02\x84\x01\x00\x00\x00.",
    "EXT1 called": b"\x80\x02\x82\x01(" + text("x") + b"tR.",
    "EXT2 called": b"\x80\x02\x83\x01\x00(" + text("x") + b"tR.",
    "EXT4 called": b"\x80\x02\x84\x01\x00\x00\x00(" + text("x") + b"tR.",
    "PERSID": b"\x80\x02Pidentity\n.",
    "BINPERSID": b"\x80\x02" + text("identity") + b"Q.",
    "NEXT_BUFFER": b"\x80\x05\x97.",
    "READONLY_BUFFER": b"\x80\x05C\x01a\x98.",
    "another codec": called(named("_codecs", "encode"), text("x"), text("zip")),
    "call of a call": called(named("numpy", "ndarray"), b"(K\x00t")[:-1] + b"(tR.",
    "call of a text": b"\x80\x02" + text("os.system") + b")R.",
    "state of a name": b"\x80\x02cnumpy\nndarray\n}b.",
    "state of a dict": b"\x80\x02}}" + text("a") + b"Nsb.",
}

DAMAGED = {
    "huge bytes": b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.",
    "huge bytearray": b"\x80\x05\x96\x00\x00\x00\x00\x00\x00\x00\x40.",
    "huge text": b"\x80\x02X\xff\xff\xff\xff.",
    "huge frame": b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\xffN.",
    "huge integer": b"\x80\x02\x8b\xff\xff\xff\x7f" + bytes(64),
    "negative size": b"\x80\x02\x8b\xff\xff\xff\xff.",
    "huge memo index": b"\x80\x02Nr\xff\xff\xff\xff.",
    "huge memo index as text": b"Np18446744073709551615\n.",
    "huge array": b"\x80\x02cnumpy\nndarray\n" + b"J\xff\xff\xff\x7f" * 2 + b"\x86\x85R.",
    "array without elements": b"\x80\x02cnumpy\nndarray\nM\xe8\x03\x85\x85R.",
    "deep lists": b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".",
    "deep tuples": b"\x80\x02)" + b"\x85" * 100_000 + b".",
    "deep dicts": b"\x80\x02" + b"}N" * 50_000 + b"N" + b"s" * 50_000 + b".",
    "a list in itself": b"\x80\x02]q\x00h\x00a.",
    "marks": b"(" * 5_000_000 + b".",
    "unset memo": b"\x80\x02h\x07.",
    "unknown opcode": b"\x80\x02\xff.",
    "later protocol": b"\x80\x7fN.",
    "no end": b"\x80\x02]",
    "underflow": b"\x80\x02\x85.",
    "list as a key": b"\x80\x02}]Ns.",
    "invalid text": b"\x80\x04\x8c\x01\xff.",
}

BOMBS = {
    "lists of ten lists": b"\x80\x02]q\x00" + (b"](" + b"h\x00" * 10 + b"eq\x00") * 60 + b".",
    "tuples of ten tuples": b"\x80\x02)q\x00" + (b"(" + b"h\x00" * 10 + b"tq\x00") * 60 + b".",
    "keys of nested tuples": b"\x80\x02}" + b")" + b"q\x00h\x00\x86" * 40 + b"Ns.",
}

EVERYTHING = {
    **FORMS,
    **{f"{module} {name}": called(named(module, name), text("x")) for module, name in NAMES},
    **OUTSIDE,
}


def assert_refused(load: Callable[[], Any]) -> None:
    with pytest.raises(safe.UnsafePickleError) as caught:
        load()
    assert isinstance(caught.value, pickle.UnpicklingError)
    assert isinstance(caught.value.offset, int) and str(caught.value)
