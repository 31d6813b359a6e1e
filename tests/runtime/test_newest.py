"""Stages that work at the same time on what is newest."""

from __future__ import annotations

import threading

import pytest

from mggtalk.runtime.newest import Newest

PATIENCE = 60.0


def test_results_come_in_order_through_all_stages() -> None:
    line = Newest([lambda value: value + 1, str])
    assert [line.put(value).result(PATIENCE) for value in (1, 2)] == ["2", "3"]
    line.close()
    assert line.put(3).result(PATIENCE) is None, "nothing is done after the end"


def test_what_waits_gives_way_to_what_is_newer_and_nothing_is_made_in_vain() -> None:
    go, began, made = threading.Event(), threading.Event(), []

    def draw(value: int) -> int:
        began.set()
        assert go.wait(PATIENCE)
        return value

    line = Newest([lambda value: made.append(value) or value, draw])  # type: ignore[func-returns-value]
    first = line.put(0)
    assert began.wait(PATIENCE)
    rest = [line.put(1)]
    while len(made) < 2:  # it waits before the second stage, so that the first begins nothing more
        began.wait(0.01)
    rest += [line.put(value) for value in (2, 3, 4)]
    assert [future.result(PATIENCE) for future in rest[1:3]] == [None, None]
    assert made == [0, 1]
    go.set()
    assert [future.result(PATIENCE) for future in (first, rest[0], rest[3])] == [0, 1, 4]
    line.close()


def test_errors_reach_who_waits_and_the_chain_goes_on() -> None:
    line = Newest([lambda value: 1 // value])
    with pytest.raises(ZeroDivisionError):
        line.put(0).result(PATIENCE)
    assert line.put(1).result(PATIENCE) == 1
    line.close()


def test_it_ends_by_itself_when_nothing_comes() -> None:
    ended = threading.Event()
    line = Newest([lambda value: value], idle=0.05, on_idle=ended.set)
    assert ended.wait(PATIENCE)
    assert line.put(1).result(PATIENCE) is None
