"""Functions that borrow a GPU on ZeroGPU Spaces, and are left as they are everywhere else."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])

AVAILABLE = os.environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "true")
"""Whether this is a ZeroGPU Space: the package ``spaces`` alone is on all Spaces."""

MOST_SECONDS = 120
"""Longest time that is asked for."""


def on_gpu(function: Function, seconds: Callable[..., float]) -> Function:
    """Let a function borrow a GPU.

    Args:
        function: Or generator function; its arguments and results are copied between processes.
        seconds: Is called with the function's arguments and tells how long it will take.

    Returns:
        The function itself where there is no ZeroGPU.
    """
    if not AVAILABLE:
        return function
    import spaces

    def duration(*arguments: Any, **options: Any) -> int:
        return max(10, min(MOST_SECONDS, round(seconds(*arguments, **options))))

    return spaces.GPU(duration=duration)(function)
