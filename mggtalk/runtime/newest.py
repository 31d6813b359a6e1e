"""Stages that work at the same time on what is newest: what waits when something newer comes is dropped."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from typing import Any, NamedTuple

from mggtalk.runtime.overlap import use_one_thread


class _Work(NamedTuple):
    """An item on its way, and where its result is awaited."""

    item: Any
    future: Future[Any]


class Newest:
    """A chain of functions, each on a thread of its own that lets torch use one thread only.

    While one item is in the second function the next is in the first. At most one item waits before the chain: a newer
    one takes its place. A function begins only when what it makes can be taken on, so that nothing is made in vain.

    Args:
        stages: Each takes what the one before returns.
        idle: Seconds without anything to do after which the chain ends by itself.
        on_idle: Called then.
    """

    def __init__(
        self, stages: Sequence[Callable[[Any], Any]], idle: float = 60.0, on_idle: Callable[[], None] = lambda: None
    ) -> None:
        self._stages, self._idle, self._on_idle = tuple(stages), idle, on_idle
        self._waiting: list[_Work | None] = [None] * len(stages)  # before each stage
        self._changed = threading.Condition()
        self._closed = False
        self._open: set[Future[Any]] = set()  # that are still awaited
        for index in range(len(stages)):
            threading.Thread(target=self._run, args=(index,), name=f"mggtalk-newest-{index}", daemon=True).start()

    def put(self, item: Any) -> Future[Any]:
        """Hand over an item.

        Returns:
            Its result in time; None if a newer item took its place, or the chain has ended.
        """
        work = _Work(item, Future())
        with self._changed:
            old = work if self._closed else self._waiting[0]
            if not self._closed:
                self._open.add(work.future)
                work.future.add_done_callback(self._open.discard)
                self._waiting[0] = work
                self._changed.notify_all()
        _drop(old)
        return work.future

    def close(self) -> None:
        """End the threads after what they do now; what waits is dropped. A stage may call it."""
        with self._changed:
            self._closed = True
            left, self._waiting = self._waiting, [None] * len(self._stages)
            self._changed.notify_all()
        for work in left:
            _drop(work)

    def _run(self, index: int) -> None:
        use_one_thread()
        last = index + 1 == len(self._stages)
        while (work := self._take(index)) is not None:
            try:
                made = self._stages[index](work.item)
            except BaseException as error:  # noqa: BLE001  it is raised again where the result is awaited
                _settle(work.future, lambda future, error=error: future.set_exception(error))  # type: ignore[misc]
                continue
            if last:
                _settle(work.future, lambda future, made=made: future.set_result(made))  # type: ignore[misc]
                continue
            with self._changed:
                dropped = self._closed
                if not dropped:
                    self._waiting[index + 1] = _Work(made, work.future)
                    self._changed.notify_all()
            if dropped:
                _drop(work)

    def _take(self, index: int) -> _Work | None:
        """The next item of a stage, when there is room behind it; None at the end."""

        def ready() -> bool:
            room = index + 1 == len(self._stages) or self._waiting[index + 1] is None
            return self._closed or (room and self._waiting[index] is not None)

        while True:
            with self._changed:
                came = self._changed.wait_for(ready, None if index else self._idle)
                if self._closed:
                    return None
                if came:
                    work, self._waiting[index] = self._waiting[index], None
                    self._changed.notify_all()
                    return work
                if self._open:  # one of them takes long
                    continue
            self.close()
            self._on_idle()


def _drop(work: _Work | None) -> None:
    if work is not None:
        _settle(work.future, lambda future: future.set_result(None))


def _settle(future: Future[Any], how: Callable[[Future[Any]], None]) -> None:
    """End a future that may have been given up by whoever waits for it."""
    try:
        how(future)
    except InvalidStateError:
        return
