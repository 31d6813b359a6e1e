"""A buffer for a video that is still being made: it tells when playing may begin without a later stop."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item")

CAUTION = 0.85
"""Part of the measured rate that is relied on for the rest."""

AHEAD_SECONDS = 2.0
"""What is made ahead in any case."""


class Buffer(Generic[Item]):
    """Holds pieces back until the rest will be made in time.

    With ``n`` of ``N`` frames made at ``r`` frames a second, playback at ``f`` that begins now never overtakes when
    ``n >= N (1 - r / f)``.

    Args:
        frames: Of the whole video.
        fps: At which it is played.
    """

    def __init__(self, frames: int, fps: float) -> None:
        self._frames, self._fps = frames, fps
        self._held: list[Item] = []
        self.open = False  # whether it plays

    def needed(self, rate: float | None) -> float:
        """Frames that have to be made before it may play, when so many are made in a second."""
        rest = 1.0 if rate is None else max(0.0, 1.0 - CAUTION * rate / self._fps)
        return min(self._frames, self._frames * rest + AHEAD_SECONDS * self._fps)

    def push(self, pieces: Iterator[Item], made: int, rate: float | None) -> Iterator[Item]:
        """Take new pieces, and give out those that may be played.

        Args:
            pieces: In order.
            made: Frames that are made.
            rate: Frames a second.
        """
        self._held += pieces
        if not self.open and made < self._frames and made >= self.needed(rate):
            self.open = True
        if self.open:
            yield from self._held
            self._held.clear()
