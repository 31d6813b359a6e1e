"""An array that grows row by row, so that joining its parts never takes twice their memory."""

from __future__ import annotations

import numpy as np

STEP = 1 << 20
"""Bytes, about, by which an array grows: memory is moved along, not copied, and not taken before it is needed."""


class Rows:
    """Collects arrays ``[n, ...]`` of one type one below the other."""

    def __init__(self) -> None:
        self._held: np.ndarray | None = None
        self._count = 0

    def __len__(self) -> int:
        """Rows so far."""
        return self._count

    def add(self, rows: np.ndarray) -> None:
        """Copy further rows to the end."""
        if self._held is None:
            self._held = np.empty((0, *rows.shape[1:]), rows.dtype)
        end = self._count + len(rows)
        if end > len(self._held):
            more = STEP // max(rows[:1].nbytes, 1)
            self._held.resize((end + more, *rows.shape[1:]), refcheck=False)  # nobody else has it yet
        self._held[self._count : end] = rows
        self._count = end

    def take(self) -> np.ndarray:
        """Give all rows away, at least one call of :meth:`add` after the last time."""
        if self._held is None:
            raise ValueError("there are no rows")
        held, self._held = self._held, None
        held.resize((self._count, *held.shape[1:]), refcheck=False)
        self._count = 0
        return held
