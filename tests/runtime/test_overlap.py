"""Reading ahead and mapping on several threads: order, errors, stopping, bounded stores."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
import torch

from mggtalk.runtime.overlap import map_in_order, one_thread, read_ahead, use_one_thread


def own_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(("mggtalk-ahead", "mggtalk-map"))]


def counted(made: list[int], count: int = 100) -> Iterator[int]:
    for index in range(count):
        made.append(index)
        yield index


def test_items_come_in_order() -> None:
    assert list(read_ahead(range(50), depth=3)) == list(range(50))
    assert list(map_in_order(lambda x: x * x, range(50), workers=3)) == [x * x for x in range(50)]
    assert list(map_in_order(lambda x: x * x, range(5), workers=1)) == [0, 1, 4, 9, 16]


def test_work_overlaps() -> None:
    meeting = threading.Barrier(2, timeout=600.0)  # passed only by two calls at once
    assert list(map_in_order(lambda x: (meeting.wait(), x)[1], range(4), workers=2)) == [0, 1, 2, 3]


def test_no_more_is_made_than_may_be_held() -> None:
    made: list[int] = []
    ahead = read_ahead(counted(made), depth=2)
    assert next(ahead) == 0
    time.sleep(0.2)
    assert len(made) <= 4  # one handed out, two held, one waiting for room
    ahead.close()
    made.clear()
    results = map_in_order(lambda x: x, counted(made), workers=2)
    assert next(results) == 0
    assert len(made) <= 4
    results.close()


def test_an_exception_of_any_stage_is_raised_where_the_items_are_wanted() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise OSError("no more")

    received = []
    with pytest.raises(OSError, match="no more"):
        received.extend(item for item in read_ahead(broken()))
    with pytest.raises(ZeroDivisionError):
        list(map_in_order(lambda x: 1 // (3 - x), range(10), workers=2))
    assert not own_threads()


def test_threads_end_when_the_consumer_stops() -> None:
    closed = threading.Event()

    def endless() -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            closed.set()

    for stages in (read_ahead(endless()), map_in_order(lambda x: x, endless(), workers=2)):
        closed.clear()
        assert next(stages) == 1
        stages.close()
        assert not own_threads()
    ahead = read_ahead(endless())
    next(ahead)
    closed.clear()
    ahead.close()
    assert closed.is_set()


def test_one_thread_in_a_block() -> None:
    before = torch.get_num_threads()
    with pytest.raises(KeyError), one_thread():
        assert torch.get_num_threads() == 1
        raise KeyError
    assert torch.get_num_threads() == before


def test_one_thread_here_and_as_many_as_before_elsewhere() -> None:
    before = torch.get_num_threads()
    seen: dict[str, int] = {}

    def worker() -> None:
        use_one_thread()
        seen["worker"] = torch.get_num_threads()

    for target in (worker, lambda: seen.update(other=torch.get_num_threads())):
        thread = threading.Thread(target=target)
        thread.start()
        thread.join()
    assert seen == {"worker": 1, "other": before}
    assert torch.get_num_threads() == before
