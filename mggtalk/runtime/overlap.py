"""Stages of a path that work at the same time: reading ahead, and mapping on several threads in order.

Both hold a bounded number of items, pass on the exception of any stage, and end their threads when the consumer stops.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")

WAIT_SECONDS = 0.05
"""Seconds after which a producer that waits for room notices that nobody wants its items any more."""

_settings = threading.Lock()


def use_one_thread() -> None:
    """Make torch work on one thread in the calling thread, and in no other.

    ``torch.set_num_threads`` also sets what threads begin with that have not asked yet; a thread of its own puts that
    back.
    """
    with _settings:
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        other = threading.Thread(target=torch.set_num_threads, args=(before,))
        other.start()
        other.join()


@contextmanager
def one_thread() -> Iterator[None]:
    """A block in which torch works on one thread: in small steps, further ones would only wait and spin."""
    before = torch.get_num_threads()
    use_one_thread()
    try:
        yield
    finally:
        torch.set_num_threads(before)


def read_ahead(items: Iterable[Item], depth: int = 4) -> Iterator[Item]:
    """The items in order, made by a thread of their own while the consumer works on earlier ones.

    Args:
        items: Iterated to its end, to its exception, or until the consumer stops; a generator is then closed.
        depth: Items held at most.
    """
    ready: queue.Queue[tuple[bool, Any]] = queue.Queue(depth)
    stopped = threading.Event()

    def put(entry: tuple[bool, object]) -> bool:
        while not stopped.is_set():
            try:
                ready.put(entry, timeout=WAIT_SECONDS)
            except queue.Full:
                continue
            return True
        return False

    def produce() -> None:
        try:
            with _closing(items) as source:
                for item in source:
                    if not put((True, item)):
                        return
            put((False, None))
        except BaseException as error:  # noqa: BLE001  it is raised again where the items are wanted
            put((False, error))

    producer = threading.Thread(target=produce, name="mggtalk-ahead", daemon=True)
    producer.start()
    try:
        yield from _taken(ready)
    finally:
        stopped.set()
        producer.join()


def _taken(ready: queue.Queue[tuple[bool, Any]]) -> Iterator[Any]:
    """Items until an entry says that there are no more, or why."""
    while True:
        more, value = ready.get()
        if more:
            yield value
        elif value is None:
            return
        else:
            raise value


@contextmanager
def _closing(items: Iterable[Item]) -> Iterator[Iterator[Item]]:
    """An iterator over the items that is closed at the end, if it can be."""
    source = iter(items)
    try:
        yield source
    finally:
        close = getattr(source, "close", None)
        if close is not None:
            close()


def map_in_order(function: Callable[[Item], Result], items: Iterable[Item], workers: int) -> Iterator[Result]:
    """``map(function, items)`` on several threads, each of which lets torch use one thread only.

    At most twice as many results as workers are under way or waiting.

    Args:
        function: May be called by several threads at once.
        items: Iterated by the consumer's thread.
        workers: Threads; with one or none, everything is done where the results are wanted, with torch's own threads.
    """
    if workers <= 1:
        yield from map(function, items)
        return
    pool = ThreadPoolExecutor(workers, thread_name_prefix="mggtalk-map", initializer=use_one_thread)
    under_way: deque[Future[Result]] = deque()
    try:
        for item in items:
            under_way.append(pool.submit(function, item))
            if len(under_way) >= 2 * workers:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
