"""The likeliest way through a map."""

from __future__ import annotations

import itertools

import numpy as np

from mggtalk.nets.paths import likeliest_path


def test_no_other_way_is_likelier() -> None:
    likeness = np.random.default_rng(0).normal(size=(4, 5))
    best = likeliest_path(likeness, 0.3)
    ways = np.array(list(itertools.product(range(4), repeat=5)))  # [W, C]
    worth = likeness[ways, np.arange(5)].sum(1) - 0.3 * np.square(np.diff(ways, axis=1)).sum(1)
    assert np.array_equal(best, ways[worth.argmax()])


def test_a_stiff_way_is_straight() -> None:
    likeness = np.random.default_rng(0).normal(size=(4, 5))
    assert np.array_equal(likeliest_path(likeness, 1e6), np.full(5, likeness.sum(1).argmax()))
