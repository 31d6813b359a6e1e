"""Incremental sampling: windows go from easy to hard, and every step draws the same frame again."""

from __future__ import annotations

import numpy as np
import pytest

from mggtalk.person.talking_gaussian.sampling import Sampling, blink_window, lip_window

OPENINGS = np.linspace(1.0, 2.0, 11)


def test_windows_are_the_published_ones() -> None:
    # lo = min + 0.2 range = 1.2, reach = 0.2 (max - lo) = 0.16, middle from lo to max
    assert lip_window(OPENINGS, 0.0) == pytest.approx((1.04, 1.36))
    assert lip_window(OPENINGS, 1.0) == pytest.approx((1.84, 2.16))
    assert blink_window(0.0) == pytest.approx((-0.15, 0.3)) and blink_window(1.0) == pytest.approx((0.85, 1.3))


def test_incremental_steps_draw_inside_the_windows() -> None:
    lids = np.linspace(1.0, 0.0, 11)
    sampling = Sampling(OPENINGS, lids, every=3, seed=0)
    for done in (0.0, 0.5, 1.0):
        for step in range(2, 60, 6):
            low, high = lip_window(OPENINGS, done)
            assert low <= OPENINGS[sampling.draw(step, done)] <= high
            low, high = blink_window(done)
            assert low <= lids[sampling.draw(step + 3, done)] <= high
    assert {sampling.draw(step, 0.0) for step in range(0, 300, 3)} == set(range(11))  # all others: any frame


def test_draws_depend_on_nothing_but_the_step() -> None:
    first, again = (Sampling(OPENINGS, OPENINGS - 1.0, 3, seed=4) for _ in range(2))
    assert [first.draw(step, 0.4) for step in range(20)] == [again.draw(step, 0.4) for step in reversed(range(20))][
        ::-1
    ]
    assert len({Sampling(OPENINGS, OPENINGS, 0, 0).draw(step, 0.0) for step in range(100)}) == 11


def test_empty_window_falls_back_to_any_frame() -> None:
    sampling = Sampling(np.array([0.0, 1.0]), np.zeros(2), every=1, seed=0)
    assert sampling.draw(1, 1.0) in (0, 1)
