"""Limits for pickles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict


class Limits(TypedDict, total=False):
    """What one pickle may ask for; `almt-data convert --help` lists the defaults.

    No known feature file comes near any of them.
    """

    max_unpacked: int
    """Size of the decompressed file, in bytes."""
    max_depth: int
    """Nesting depth."""
    max_objects: int
    """Number of objects and container slots."""
    max_memory_per_byte: int
    """Memory for objects in bytes per byte of the file, beyond 20 MiB."""
    max_memo: int
    """Number of memo entries."""
    max_stack: int
    """Number of values on the stack."""
    max_decoded: int
    """Memory for decoded data, such as escaped strings, in bytes."""
    max_string: int
    """Length of a string, in bytes."""
    max_integer: int
    """Length of an integer, in bytes or decimal digits."""
    max_axes: int
    """Number of array axes."""
    max_elements: int
    """Number of array elements."""


def known(function: str, limits: Mapping[str, Any]) -> Mapping[str, Any]:
    """The limits of a call of a function.

    Raises:
        TypeError: One has an unknown name.
    """
    for name in limits:
        if name not in Limits.__annotations__:
            raise TypeError(f"{function}() got an unexpected keyword argument {name!r}")
    return limits


def options(function: str, limits: Mapping[str, Any]) -> list[str]:
    """The limits of a call of a function as options of the program.

    Raises:
        TypeError: One has an unknown name.
    """
    entries = known(function, limits).items()
    return [f"--{name.replace('_', '-')}={value}" for name, value in entries]
