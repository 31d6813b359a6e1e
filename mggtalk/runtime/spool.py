"""A long table that is kept on disk beyond a few megabytes, so that an hour needs no more memory than a minute."""

from __future__ import annotations

import math
import tempfile
import threading
from collections.abc import Callable
from typing import BinaryIO, NamedTuple, cast

import numpy as np

from mggtalk.errors import MediaError

LARGEST = 1 << 22
"""Bytes that are kept in memory before a table goes to disk."""

PART = 1 << 12
"""Rows that are looked at together where all of a table is looked at."""


class Spool:
    """Collects arrays ``[n, ...]`` of one type one below the other; slices of rows are read back as arrays.

    The file has no name in its folder, that of the system for temporary files, and goes with the table. Threads may
    share one.
    """

    def __init__(self) -> None:
        file = tempfile.SpooledTemporaryFile(LARGEST)  # noqa: SIM115  lives as long as the table
        self._file = cast(BinaryIO, file)
        self._kind: _Kind | None = None
        self._count = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Rows so far."""
        return self._count

    def add(self, rows: np.ndarray) -> None:
        """Write further rows to the end.

        Raises:
            MediaError: If there is no room on the disk.
        """
        if self._kind is None:
            self._kind = _Kind(rows.dtype, rows.shape[1:])
        if (rows.dtype, rows.shape[1:]) != self._kind:
            raise ValueError(f"rows of {rows.dtype} {rows.shape[1:]} do not fit to {self._kind}")
        with self._lock:
            try:
                self._file.seek(0, 2)
                self._file.write(np.ascontiguousarray(rows).data)
            except OSError as error:
                problem = f"The folder for temporary files, {tempfile.gettempdir()!r}, takes no more: {error.strerror}."
                raise MediaError(problem, "Make room there, or set TMPDIR to a folder on a larger disk.") from error
            self._count += len(rows)

    def __getitem__(self, rows: slice) -> np.ndarray:
        """Read rows that follow each other, as an array of its own."""
        if self._kind is None:
            raise ValueError("there are no rows")
        start, stop, step = rows.indices(self._count)
        if step != 1:
            raise ValueError(f"rows are read in their order, not by steps of {step}")
        count = max(stop - start, 0)
        with self._lock:
            self._file.seek(start * self._kind.size)
            read = bytearray(self._file.read(count * self._kind.size))
        return np.frombuffer(read, self._kind.dtype, count * self._kind.values).reshape(count, *self._kind.shape)


class _Kind(NamedTuple):
    """Kind of a row."""

    dtype: np.dtype
    shape: tuple[int, ...]

    @property
    def values(self) -> int:
        """Numbers in it."""
        return math.prod(self.shape)

    @property
    def size(self) -> int:
        """Bytes."""
        return self.dtype.itemsize * self.values


Table = np.ndarray | Spool
"""Rows of which slices can be taken: in memory, or on disk."""


def mean_row(table: Table, where: np.ndarray, of: Callable[[np.ndarray], np.ndarray] = np.asarray) -> np.ndarray:
    """Mean of some rows of a table ``[N, D]``.

    Args:
        table: Is looked at part by part.
        where: ``[N]`` bool; the mean is over all rows where none is chosen.
        of: Applied to each part; the rows themselves by default.

    Returns:
        ``[D]`` float32.
    """
    chosen = where if where.any() else np.ones(len(table), bool)
    total = np.zeros(table[:1].shape[1:])
    for start in range(0, len(table), PART):
        part = slice(start, start + PART)
        total += of(table[part]).sum(0, np.float64, where=chosen[part, None])
    return (total / np.count_nonzero(chosen)).astype(np.float32)
