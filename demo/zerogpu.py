"""Functions that borrow a GPU on ZeroGPU Spaces, and are left as they are everywhere else."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])

AVAILABLE = importlib.util.find_spec("spaces") is not None
"""Whether the package ``spaces`` is installed; it comes with ZeroGPU Spaces."""

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
