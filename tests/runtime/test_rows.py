"""Arrays that grow row by row."""

from __future__ import annotations

import numpy as np
import pytest

from mggtalk.runtime.rows import STEP, Rows


def test_rows_come_out_as_they_went_in() -> None:
    parts = [np.random.default_rng(n).random((n, 300), np.float32) for n in (0, 1, 700, 0, 2000)]
    assert sum(part.nbytes for part in parts) > 2 * STEP
    rows = Rows()
    for part in parts:
        rows.add(part)
    assert len(rows) == 2701
    np.testing.assert_array_equal(rows.take(), np.concatenate(parts))


def test_they_are_given_away_once() -> None:
    rows = Rows()
    rows.add(np.arange(3))
    first = rows.take()
    with pytest.raises(ValueError, match="no rows"):
        rows.take()
    rows.add(np.arange(5))
    np.testing.assert_array_equal(first, (0, 1, 2))
    assert len(rows) == 5
