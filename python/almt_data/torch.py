"""Stores as PyTorch datasets. PyTorch is only imported when `Segments` or `Order` is used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from almt_data import _native

if TYPE_CHECKING:
    from almt_data._segments import Order, Segments

__all__ = ["Order", "Segments", "order"]


def order(seed: int, epoch: int, n: int) -> list[int]:
    """The order in which the trainer reads `n` training samples in an epoch.

    Args:
        seed: Seed of the run.
        epoch: The epoch, from 1.
        n: Number of samples.

    Returns:
        A permutation of 0 to n - 1. That of phases after the first in an epoch is another one.

    Raises:
        ValueError: There is no such epoch, seed or number.
        MemoryError: So many do not fit into memory.

    Example:
        >>> almt_data.torch.order(seed=1, epoch=1, n=5)
    """
    if epoch < 1:
        raise ValueError(f"epochs count from 1, found {epoch}")
    if not 0 <= seed < 2**64:
        raise ValueError(f"`seed` must be from 0 to 2**64 - 1, found {seed}")
    if n < 0:
        raise ValueError(f"`n` must not be negative, found {n}")
    return _native.order(seed, epoch, n)


def __getattr__(name: str) -> Any:
    if name not in ("Order", "Segments"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        import torch  # noqa: F401
    except ImportError as error:
        problem = f"`almt_data.torch.{name}` needs PyTorch: pip install 'almt-data[torch]'"
        raise ImportError(problem) from error
    from almt_data import _segments

    return getattr(_segments, name)


def __dir__() -> list[str]:
    return __all__
