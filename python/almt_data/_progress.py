"""Progress of long calls: a bar of tqdm, the caller's own function, or nothing."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any, Literal

Observer = Callable[[str, int, int], object]
"""Called with the stage (such as `converting`), the bytes done and the bytes in total."""

Progress = Observer | Literal[False] | None
"""An observer; `False` for none; `None` for a bar of tqdm if a person can see one."""


@contextlib.contextmanager
def observer(progress: Progress) -> Iterator[Observer | None]:
    """The observer that `progress` means; its bars are removed at the end."""
    if callable(progress):
        yield progress
        return
    tqdm = _tqdm() if progress is None and _is_watched() else None
    if tqdm is None:
        yield None
        return
    bars = _Bars(tqdm)
    try:
        yield bars
    finally:
        bars.close()


def _is_watched() -> bool:
    is_notebook = "ipykernel" in sys.modules
    return is_notebook or (sys.stderr is not None and sys.stderr.isatty())


def _tqdm() -> Any:
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return None
    return tqdm


class _Bars:
    """A bar per stage, which appears after a second."""

    def __init__(self, tqdm: Any) -> None:
        self._tqdm = tqdm
        self._stage: str | None = None
        self._bar: Any = None

    def __call__(self, stage: str, done: int, total: int) -> None:
        if stage != self._stage:
            self.close()
            self._stage = stage
            self._bar = self._tqdm(
                total=total, desc=stage, unit="B", unit_scale=True, leave=False, delay=1
            )
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
        self._stage = self._bar = None
