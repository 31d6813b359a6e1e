"""Compilation of the CPU kernels, and the names under which they are kept between runs.

Numba's on-disk cache notices a change in a kernel's own file only. What a kernel takes from other files is frozen in
it: constants, and helpers that it calls. A digest of these is therefore part of the name under which a kernel is kept,
so that a changed constant never leaves anybody with the old kernel.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType
from typing import Any

import numba
import numpy as np

Function = Callable[..., Any]
"""A Python function, or what numba made of it."""

Numbers = tuple[float, ...]
"""A small vector or matrix in a kernel, row by row."""

logger = logging.getLogger(__name__)

FAST_MATH = frozenset({"contract", "reassoc", "nsz", "arcp", "afn"})
"""Liberties the compiler may take. Not ``nnan`` and ``ninf``: they would delete the tests for NaN and infinity."""


def kernel(function: Function) -> Function:
    """Compile a kernel that runs without the interpreter lock, kept in numba's on-disk cache where one is writable.

    It is kept under a name with the digest of what it freezes. Numba looks for a place in ``NUMBA_CACHE_DIR``, beside
    the source and in the user's cache folder; on a machine where none of them can be written, the kernel is compiled
    anew in every process.
    """
    function.__qualname__ += f"_{frozen(function)}"
    try:
        return numba.njit(function, nogil=True, fastmath=set(FAST_MATH), error_model="numpy", cache=True)
    except RuntimeError as error:  # numba: "no locator available"
        logger.info("%s is not cached between runs: %s", function.__name__, error)
        return numba.njit(function, nogil=True, fastmath=set(FAST_MATH), error_model="numpy")


def helper(function: Function) -> Function:
    """Compile a small function that kernels of the same file call."""
    return numba.njit(function, fastmath=set(FAST_MATH), error_model="numpy")


def inlined(function: Function) -> Function:
    """Compile a function that stands in a kernel of the same file as if it were written there."""
    return numba.njit(function, fastmath=set(FAST_MATH), error_model="numpy", inline="always")


def frozen(function: Function) -> str:
    """Digest of all that a kernel takes from outside of it: constants and functions, and what these take."""
    digest = hashlib.sha256()
    for entry in _parts(function, set()):
        digest.update(entry)
    return digest.hexdigest()[:12]


def _parts(function: Function, seen: set[Function]) -> Iterator[bytes]:
    """Yield all that is frozen, one after the other; each function once."""
    # A compiled function and an intrinsic remember what they were made of.
    function = getattr(function, "py_func", getattr(function, "_defn", function))
    if function in seen or not isinstance(function, FunctionType):
        return
    seen.add(function)
    for code in _codes(function.__code__):
        yield code.co_code
        yield repr([value for value in code.co_consts if not isinstance(value, CodeType)]).encode()
        for name in sorted(code.co_names):
            value = function.__globals__.get(name)
            if isinstance(value, np.ndarray):
                yield name.encode() + value.tobytes()
            elif isinstance(value, bool | int | float | complex | str | tuple | np.generic):
                yield f"{name}={value!r}".encode()
            elif callable(value) and not isinstance(value, type):
                yield from _parts(value, seen)


def _codes(code: CodeType) -> Iterator[CodeType]:
    """The code of a function and of those inside it."""
    yield code
    for value in code.co_consts:
        if isinstance(value, CodeType):
            yield from _codes(value)
