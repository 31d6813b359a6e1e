"""How the CPU kernels are compiled."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numba

Numbers = tuple[float, ...]
"""A small vector or matrix in a kernel, row by row."""

logger = logging.getLogger(__name__)

FAST_MATH = frozenset({"contract", "reassoc", "nsz", "arcp", "afn"})
"""Liberties the compiler may take. Not ``nnan`` and ``ninf``: they would delete the tests for NaN and infinity."""


def kernel(function: Callable) -> Callable:
    """Compile a kernel that runs without the interpreter lock, kept in numba's on-disk cache where one is writable.

    Numba looks for a place in ``NUMBA_CACHE_DIR``, beside the source and in the user's cache folder; on a machine where
    none of them can be written, the kernel is compiled anew in every process.
    """
    try:
        return numba.njit(function, nogil=True, fastmath=set(FAST_MATH), error_model="numpy", cache=True)
    except RuntimeError as error:  # numba: "no locator available"
        logger.info("%s is not cached between runs: %s", function.__name__, error)
        return numba.njit(function, nogil=True, fastmath=set(FAST_MATH), error_model="numpy")


def helper(function: Callable) -> Callable:
    """Compile a small function that kernels of the same file call."""
    return numba.njit(function, fastmath=set(FAST_MATH), error_model="numpy")
