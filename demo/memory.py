"""Memory that goes back to the system when a job has ended; glibc keeps it otherwise."""

from __future__ import annotations

import ctypes
import gc
import sys

ARENAS = -8
"""``M_ARENA_MAX`` of ``mallopt``: how many heaps the threads share."""


def share_arenas(most: int = 2) -> None:
    """Let the threads share a few heaps: what one of many leaves behind is never given back."""
    if sys.platform == "linux" and hasattr(ctypes.CDLL(None), "mallopt"):
        ctypes.CDLL(None).mallopt(ARENAS, most)


def set_aside() -> None:
    """Leave what is there at the start out of later collections: it stays anyway, and looking at it stops everybody."""
    gc.collect()
    gc.freeze()


def give_back() -> None:
    """Collect what nobody refers to, and return free memory to the system."""
    gc.collect()
    if sys.platform == "linux" and hasattr(ctypes.CDLL(None), "malloc_trim"):
        ctypes.CDLL(None).malloc_trim(0)
