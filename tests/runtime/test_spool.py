"""Tables that go to disk when they are long."""

from __future__ import annotations

import errno
import tempfile

import numpy as np
import pytest

from mggtalk.errors import MediaError
from mggtalk.runtime.spool import LARGEST, PART, Spool, mean_row


def test_rows_come_back_from_the_disk_as_they_went_there() -> None:
    spool, parts = Spool(), [np.random.default_rng(n).random((n, 96), np.float32) for n in (0, 1, 9000, 0, 5000)]
    whole = np.concatenate(parts)
    assert whole.nbytes > LARGEST
    for part in parts:
        spool.add(part.astype(np.float16))
    assert len(spool) == len(whole)
    wanted = whole.astype(np.float16)
    for rows in (slice(None), slice(3, 4), slice(8000, 9500), slice(13000, 99999), slice(7, 7)):
        np.testing.assert_array_equal(spool[rows], wanted[rows])
    where = np.arange(len(whole)) % 3 == 0
    np.testing.assert_allclose(mean_row(spool, where), wanted[where].mean(0, np.float64), rtol=1e-6)
    np.testing.assert_array_equal(mean_row(wanted, where), mean_row(spool, where))
    assert len(whole) > 2 * PART


def test_the_mean_is_over_all_rows_where_none_is_chosen() -> None:
    rows = np.array([[1.0, 4.0], [4.0, 16.0]], np.float32)
    np.testing.assert_allclose(mean_row(rows, np.zeros(2, bool), np.sqrt), [1.5, 3.0])


def test_rows_of_another_kind_and_steps_are_refused() -> None:
    spool = Spool()
    with pytest.raises(ValueError, match="no rows"):
        spool[:]
    spool.add(np.zeros((2, 3), np.float32))
    with pytest.raises(ValueError, match="do not fit"):
        spool.add(np.zeros((2, 4), np.float32))
    with pytest.raises(ValueError, match="steps of 2"):
        spool[::2]


def test_a_full_disk_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def __init__(self, _size: int) -> None: ...
        def seek(self, *_: int) -> None: ...
        def write(self, _: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "SpooledTemporaryFile", Full)
    with pytest.raises(MediaError, match="takes no more: No space left on device. Make room there"):
        Spool().add(np.zeros((2, 3), np.float32))
