"""Inside `guard()`, old code is safe; after it, everything is as before."""

from __future__ import annotations

import _pickle
import copyreg
import io
import multiprocessing
import pickle
import shelve
import sys
import threading
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from almt_data import pickle as safe
from hostile import EVERYTHING, FORMS, HERE, OUTSIDE, assert_refused, executed, run_me
from support import check

pytestmark = pytest.mark.usefixtures("target")

CODE = 200
"""An extension code that nobody else uses."""

ENTRIES: dict[str, Callable[[bytes], Any]] = {
    "pickle.loads": lambda data: pickle.loads(data),
    "pickle.load": lambda data: pickle.load(io.BytesIO(data)),
    "pickle.Unpickler": lambda data: pickle.Unpickler(io.BytesIO(data)).load(),
    "pickle._loads": lambda data: pickle._loads(data),
    "pickle._load": lambda data: pickle._load(io.BytesIO(data)),
    "pickle._Unpickler": lambda data: pickle._Unpickler(io.BytesIO(data)).load(),
    "_pickle.loads": lambda data: _pickle.loads(data),
    "_pickle.load": lambda data: _pickle.load(io.BytesIO(data)),
    "_pickle.Unpickler": lambda data: _pickle.Unpickler(io.BytesIO(data)).load(),
}


@pytest.mark.usefixtures("warm_cache")
@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("name", [*FORMS, *OUTSIDE])
def test_a_guard_refuses_what_the_reader_refuses(entry: str, name: str) -> None:
    with safe.guard():
        assert_refused(lambda: ENTRIES[entry](EVERYTHING[name]))


@pytest.mark.parametrize("name", [name for name in FORMS if "REDUCE" in name or "OBJ" in name])
def test_without_a_guard_the_same_pickles_execute_something(name: str) -> None:
    pickle.loads(FORMS[name])
    assert executed
    executed.clear()


@pytest.mark.parametrize("entry", ENTRIES)
def test_a_guard_reads_data(entry: str) -> None:
    value = {"a": [1, "x"], "b": np.arange(3)}
    data = pickle.dumps(value)
    with safe.guard():
        found = ENTRIES[entry](data)
    assert list(found) == ["a", "b"] and found["a"] == [1, "x"]
    assert found["b"].tolist() == [0, 1, 2]


def originals() -> list[Any]:
    names = ("load", "loads", "Unpickler", "_load", "_loads")
    return [
        *(getattr(pickle, name) for name in names),
        *(getattr(_pickle, name) for name in names[:3]),
        vars(pickle._Unpickler)["load"],
        vars(pickle._Unpickler)["find_class"],
        shelve.Unpickler,
    ]


def test_a_guard_restores_everything() -> None:
    before = originals()
    with safe.guard():
        inside = originals()
        with safe.guard():
            assert originals() == inside
        assert originals() == inside
    assert not {id(one) for one in before} & {id(one) for one in inside}
    assert [id(one) for one in originals()] == [id(one) for one in before]
    with pytest.raises(ZeroDivisionError), safe.guard():
        1 / 0
    assert [id(one) for one in originals()] == [id(one) for one in before]


def test_a_guard_is_a_decorator() -> None:
    @safe.guard()
    def loaded(data: bytes, depth: int) -> Any:
        return loaded(data, depth - 1) if depth else pickle.loads(data)

    assert loaded(pickle.dumps([1]), 3) == [1]
    assert_refused(lambda: loaded(FORMS["GLOBAL and REDUCE"], 3))
    assert pickle.loads is _pickle.loads and "almt_data" not in repr(pickle.Unpickler)


def test_a_guard_holds_until_the_last_thread_leaves_it() -> None:
    entered, leave = threading.Event(), threading.Event()

    def other() -> None:
        with safe.guard():
            entered.set()
            leave.wait(30)

    before = originals()
    thread = threading.Thread(target=other)
    with safe.guard():
        thread.start()
        assert entered.wait(30)
    # The other thread's guard covers this one, too.
    assert_refused(lambda: pickle.loads(FORMS["GLOBAL and REDUCE"]))
    leave.set()
    thread.join()
    assert originals() == before


def test_a_guard_covers_numpy(tmp_path: Path) -> None:
    objects = np.array([["a", 1], [None, [2]]], dtype=object)
    np.save(tmp_path / "objects.npy", objects)
    np.savez(tmp_path / "objects.npz", objects=objects, numbers=np.arange(3))
    (tmp_path / "plain.pkl").write_bytes(pickle.dumps({"a": np.arange(2)}))
    hostile = np.array([None], dtype=object)
    np.save(tmp_path / "hostile.npy", hostile)
    header = (tmp_path / "hostile.npy").read_bytes()
    header = header[: header.index(b"\n") + 1]
    (tmp_path / "hostile.npy").write_bytes(header + FORMS["GLOBAL and REDUCE"])
    (tmp_path / "hostile.pkl").write_bytes(FORMS["GLOBAL and REDUCE"])
    with safe.guard():
        assert np.load(tmp_path / "objects.npy", allow_pickle=True).tolist() == objects.tolist()
        with np.load(tmp_path / "objects.npz", allow_pickle=True) as archive:
            assert archive["objects"].tolist() == objects.tolist()
            assert archive["numbers"].tolist() == [0, 1, 2]
        plain = np.load(tmp_path / "plain.pkl", allow_pickle=True)
        assert plain["a"].tolist() == [0, 1]
        assert_refused(lambda: np.load(tmp_path / "hostile.npy", allow_pickle=True))
        with pytest.raises(pickle.UnpicklingError):
            np.load(tmp_path / "hostile.pkl", allow_pickle=True)


def test_a_guard_covers_subclasses_whenever_they_were_defined() -> None:
    class EarlierInC(pickle.Unpickler):
        pass

    class EarlierWithLoad(pickle.Unpickler):
        def load(self) -> Any:
            return super().load()

    class EarlierInPython(pickle._Unpickler):
        # As joblib and pandas do.
        dispatch = pickle._Unpickler.dispatch.copy()

    def find_class(self: Any, module: str, name: str) -> Any:
        return getattr(sys.modules[module], name)

    data = FORMS["GLOBAL and REDUCE"]
    with safe.guard():

        class LaterInC(pickle.Unpickler):
            pass

        class LaterInPython(pickle._Unpickler):
            dispatch = pickle._Unpickler.dispatch.copy()

        LaterInC.find_class = LaterInPython.find_class = find_class
        kinds = [EarlierInC, EarlierWithLoad, EarlierInPython, LaterInC, LaterInPython]
        for kind in kinds:
            with pytest.raises(safe.UnsafePickleError, match=kind.__name__):
                kind(io.BytesIO(data)).load()
    # Outside, all of them are what they were.
    for kind in kinds:
        assert kind(io.BytesIO(pickle.dumps([1]))).load() == [1]
        assert kind(io.BytesIO(data)).load() == "executed"
    executed.clear()
    assert "load" not in vars(EarlierInC)


def test_a_loop_of_its_own_does_not_find_a_name() -> None:
    class Loop(pickle._Unpickler):
        def load(self) -> Any:
            return self.find_class(HERE, "run_me")("x")

    with safe.guard():
        assert_refused(lambda: Loop(io.BytesIO(b"")).load())


def test_a_loop_of_its_own_does_not_find_an_extension() -> None:
    class Loop(pickle._Unpickler):
        def load(self) -> Any:
            return self.get_extension(CODE)

    # One that was used, as the cache is asked before any name is looked up.
    copyreg.add_extension(HERE, "run_me", CODE)
    try:
        assert pickle.loads(b"\x80\x02\x82" + bytes([CODE]) + b".") is run_me
        with safe.guard():
            assert_refused(lambda: Loop(io.BytesIO(b"")).load())
    finally:
        copyreg.remove_extension(HERE, "run_me", CODE)


@pytest.mark.parametrize("kind", ["Unpickler", "_Unpickler"])
def test_a_guard_refuses_what_refers_to_an_earlier_pickle(kind: str) -> None:
    file = io.BytesIO()
    pickler = pickle.Pickler(file)
    pickler.dump("hello")
    pickler.dump(("world", "hello"))
    file.seek(0)
    with safe.guard():
        unpickler = getattr(pickle, kind)(file)
        assert unpickler.load() == "hello"
        with pytest.raises(pickle.UnpicklingError, match="earlier pickle"):
            unpickler.load()


def test_a_guard_has_limits() -> None:
    nested: Any = []
    for _ in range(120):
        nested = [nested]
    data = pickle.dumps(nested)
    with safe.guard(), pytest.raises(pickle.UnpicklingError, match="max_depth"):
        pickle.loads(data)
    with safe.guard(max_depth=200):
        assert pickle.loads(data) == pickle.Unpickler(io.BytesIO(data)).load() == nested
    with safe.guard(), pytest.raises(pickle.UnpicklingError, match="max_depth"):
        pickle.loads(data)
    with pytest.raises(TypeError, match="max_dept"):
        safe.guard(max_dept=200)


def test_a_guard_covers_bound_names_of_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    user = types.ModuleType("user")
    user.load, user.parse, user.other = pickle.load, pickle.loads, len
    cloudpickle = types.ModuleType("cloudpickle")
    cloudpickle.loads = pickle.loads
    monkeypatch.setitem(sys.modules, "cloudpickle", cloudpickle)
    data = FORMS["GLOBAL and REDUCE"]
    with safe.guard():
        with safe.guard(modules=[user]):
            assert_refused(lambda: user.load(io.BytesIO(data)))
            assert_refused(lambda: user.parse(data))
        assert_refused(lambda: cloudpickle.loads(data))
        assert user.other is len
    assert user.load is pickle.load and user.parse is pickle.loads
    assert cloudpickle.loads is pickle.loads


def test_a_guard_covers_shelves(tmp_path: Path) -> None:
    with shelve.open(str(tmp_path / "shelf")) as shelf:
        shelf["data"] = {"a": [1]}
        shelf.dict[b"hostile"] = FORMS["GLOBAL and REDUCE"]
    with safe.guard(), shelve.open(str(tmp_path / "shelf")) as shelf:
        assert shelf["data"] == {"a": [1]}
        assert_refused(lambda: shelf["hostile"])


def test_a_guard_refuses_loaders_of_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    joblib, torch = types.ModuleType("joblib"), types.ModuleType("torch")
    asked: list[Any] = []

    def load(*args: Any, **options: Any) -> str:
        asked.append(options)
        return "loaded"

    joblib.load = torch.load = load
    monkeypatch.setitem(sys.modules, "joblib", joblib)
    monkeypatch.setitem(sys.modules, "torch", torch)
    with safe.guard():
        assert_refused(lambda: joblib.load("file"))
        assert_refused(lambda: torch.load("file", weights_only=False))
        assert torch.load("file") == torch.load("file", weights_only=True) == "loaded"
    assert asked == [{"weights_only": True}] * 2
    assert joblib.load is load and torch.load is load


def test_a_guard_refuses_pandas(optional: Callable[[str], Any], tmp_path: Path) -> None:
    pandas = optional("pandas")
    path = tmp_path / "frame.pkl"
    frame = pandas.DataFrame({"a": [1, 2]})
    frame.to_pickle(path)
    with safe.guard():
        with pytest.raises(safe.UnsafePickleError, match="read_pickle"):
            pandas.read_pickle(path)
        assert_refused(lambda: safe.load(path))
    assert pandas.read_pickle(path).equals(frame)


def test_a_guard_refuses_joblib(optional: Callable[[str], Any], tmp_path: Path) -> None:
    joblib = optional("joblib")
    path = tmp_path / "value.joblib"
    joblib.dump({"a": np.arange(3)}, path)
    unpickler = sys.modules["joblib.numpy_pickle"].NumpyUnpickler
    with safe.guard():
        assert_refused(lambda: joblib.load(path))
        with path.open("rb") as file:
            assert_refused(lambda: unpickler(str(path), file, True).load())
    assert joblib.load(path)["a"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("package", ["cloudpickle", "dill"])
def test_a_guard_covers_other_picklers(optional: Callable[[str], Any], package: str) -> None:
    module = optional(package)
    with safe.guard():
        assert_refused(lambda: module.loads(FORMS["GLOBAL and REDUCE"]))
        assert_refused(lambda: module.load(io.BytesIO(FORMS["GLOBAL and REDUCE"])))
    assert module.loads(module.dumps([1])) == [1]


def echo(connection: Any) -> None:
    """A process that sends back what it receives, and whether its own `pickle` is safe."""
    value = connection.recv()
    try:
        pickle.loads(FORMS["a name that is not called"])
        is_safe = False
    except pickle.UnpicklingError:
        is_safe = True
    connection.send((value, is_safe))


def test_processes_of_the_program_exchange_objects_in_a_guard() -> None:
    context = multiprocessing.get_context("fork")
    with safe.guard():
        here, there = context.Pipe()
        process = context.Process(target=echo, args=(there,))
        process.start()
        here.send(threading.current_thread().__class__)
        assert here.poll(60)
        assert here.recv() == (threading.current_thread().__class__, True)
        process.join()
        queue = context.SimpleQueue()
        queue.put(echo)
        assert queue.get() is echo


def test_modules_that_are_imported_in_a_guard_work_after_it() -> None:
    check(
        """
        import pickle
        import sys
        import types

        import almt_data

        with almt_data.pickle.guard():
            source = "from pickle import load, loads, Unpickler, _Unpickler"
            late = types.ModuleType("late")
            exec(source, vars(late))
            import multiprocessing.queues
            try:
                late.loads(b"cos\\ngetpid\\n)R.")
            except almt_data.UnsafePickleError:
                pass
            else:
                sys.exit("not refused")
            queue = multiprocessing.get_context("fork").SimpleQueue()
            queue.put(pickle.Pickler)
            assert queue.get() is pickle.Pickler
        import os
        assert late.loads(b"cos\\ngetpid\\n)R.") == os.getpid()
        """
    )


def test_a_guard_can_be_left_open_for_the_whole_program(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    check(
        """
        import pickle
        import sys

        import almt_data

        almt_data.pickle.guard().__enter__()
        marker = sys.argv[1]
        data = b"cos\\nsystem\\n(Vtouch " + marker.encode() + b"\\ntR."
        try:
            pickle.loads(data)
        except almt_data.UnsafePickleError as error:
            assert error.name == "os.system" and error.offset == 0, error
        else:
            sys.exit("not refused")
        assert pickle.loads(pickle.dumps({"a": 1})) == {"a": 1}
        """,
        marker,
    )
    assert not marker.exists()
