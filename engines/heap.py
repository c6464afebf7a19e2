"""What the C library does with memory that is freed. glibc gives large pieces back to the system at
once and asks for them anew, page by page; where the same passes come again and again that takes up
to a third of their time. Elsewhere nothing happens. Imports nothing that is slow to import."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

TRIM_FROM, MAP_FROM = -1, -3  # mallopt(3)
MAPPED = 32 << 20  # bytes from which a piece is one of the system's, unless it is kept
_MOST = 2**30
_keeping = 0  # runs that want it


@cache
def _library() -> Any:
    with suppress(OSError, AttributeError, TypeError):
        library = ctypes.CDLL(None)
        if library.mallopt and library.malloc_trim:
            return library
    return None


def can_keep() -> bool:
    return _library() is not None


def trim() -> None:
    """Give back to the system what the C library keeps of memory that was freed: after large
    passes on the CPU that is as much as a pass takes. Where the library cannot, nothing happens."""
    if _library() is not None:
        _library().malloc_trim(0)


@contextmanager
def keeping() -> Iterator[None]:
    """Memory that is freed is kept for whoever asks for some next; afterwards it goes back."""
    global _keeping
    _keeping += 1
    _set(_MOST, _MOST)
    try:
        yield
    finally:
        _keeping -= 1
        if not _keeping:
            _set(MAPPED, 2 * MAPPED)
            trim()


def _set(mapped: int, trimmed: int) -> None:
    if _library() is not None:
        _library().mallopt(MAP_FROM, mapped)
        _library().mallopt(TRIM_FROM, trimmed)
