from collections.abc import Callable
from os import PathLike
from typing import Any, final

__all__ = [
    "Block",
    "Column",
    "Store",
    "__version__",
    "bootstrap",
    "call",
    "compare",
    "load_pickle",
    "main",
    "metrics",
    "order",
]

__version__: str

def main(arguments: list[str]) -> int: ...
def call(arguments: list[str], progress: Callable[[str, int, int], object] | None) -> str: ...
def load_pickle(
    source: str | int | bytes,
    start: tuple[int, int],
    mmap: bool,
    encoding: str,
    errors: str,
    limits: list[str],
) -> tuple[Any, int, int, list[dict[str, Any]]]: ...
def metrics(
    predictions: bytes, labels: bytes, dataset: tuple[str, str | None]
) -> dict[str, float]: ...
def bootstrap(
    predictions: bytes,
    labels: bytes,
    dataset: tuple[str, str | None],
    resamples: int,
    seed: int,
    level: float,
) -> dict[str, tuple[float, float, float]]: ...
def compare(
    a: bytes,
    b: bytes,
    labels: bytes,
    dataset: tuple[str, str | None],
    resamples: int,
    seed: int,
) -> str: ...
def order(seed: int, epoch: int, n_samples: int) -> list[int]: ...

@final
class Store:
    def __new__(cls, path: str | PathLike[str]) -> Store: ...
    @property
    def path(self) -> str | PathLike[str]: ...
    @property
    def format(self) -> str: ...
    @property
    def digest(self) -> str: ...
    @property
    def n_bytes(self) -> int: ...
    @property
    def manifest(self) -> str: ...
    @property
    def splits(self) -> list[str]: ...
    def columns(self, split: str) -> list[str]: ...
    def column(self, split: str, name: str) -> Column: ...
    def texts(self, split: str, name: str) -> list[str]: ...
    def stream(self, split: str, columns: list[str] | None = None) -> object: ...

@final
class Column:
    @property
    def split(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> str: ...
    @property
    def is_mapped(self) -> bool: ...
    @property
    def chunks(self) -> list[Block]: ...
    def read(self, rows: bytes) -> Block: ...
    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...

@final
class Block:
    @property
    def is_mapped(self) -> bool: ...
    @property
    def __array_interface__(self) -> dict[str, Any]: ...
