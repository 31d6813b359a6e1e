"""Progress of work: one callback for every stage."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with the stage, the steps done and the steps in all."""


def no_progress(stage: str, done: int, total: int) -> None:
    """Report nothing."""
