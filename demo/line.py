"""A waiting line in which nobody can stand more than once, and those who were served least recently come first."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple
from weakref import WeakKeyDictionary

from mggtalk.errors import MGGTalkError

POLL = 0.5
"""Seconds after which somebody who waits looks for a stop, and is told the place again."""

RECENT = 0.3
"""Weight of the latest duration in the mean from which the time of waiting is guessed."""


class BusyError(MGGTalkError):
    """There is no place left to wait in."""


class StoppedError(MGGTalkError):
    """The visitor stopped the job, or left."""

    def __init__(self, problem: str = "Stopped before the first frame.") -> None:
        super().__init__(problem, "Press the button to start again.")


class Place(NamedTuple):
    """A visitor's place in the line."""

    ahead: int  # jobs that come before, with those that run
    seconds: float | None  # how long these may take; None: not known yet

    def describe(self) -> str:
        """One line about it.

        Example:
            >>> Place(2, 41.0).describe()
            'Waiting: 2 jobs are ahead of yours, about 41 s'
        """
        jobs = "1 job is" if self.ahead == 1 else f"{self.ahead} jobs are"
        time_left = "" if self.seconds is None else f", about {self.seconds:.0f} s"
        return f"Waiting: {jobs} ahead of yours{time_left}"


@dataclass(eq=False)
class _Ticket:
    visitor: Hashable
    number: int


class Line:
    """Gives out a few places to work in. Threads share it.

    Args:
        places: Jobs that run at the same time.
        each: Jobs of one visitor that may wait.
        total: Jobs of all visitors that may wait.
        clock: Seconds, monotonic.
    """

    def __init__(
        self, places: int = 1, each: int = 1, total: int = 16, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._places, self._each, self._total, self._clock = places, each, total, clock
        self._condition = threading.Condition()
        self._waiting: list[_Ticket] = []
        self._running: dict[_Ticket, float] = {}  # when it began
        self._served: WeakKeyDictionary[Hashable, int] = WeakKeyDictionary()  # number of the last ticket served
        self._numbers = 0
        self._mean: float | None = None  # seconds of a job

    @contextmanager
    def place(
        self,
        visitor: Hashable,
        stop: threading.Event | None = None,
        on_wait: Callable[[Place], object] | None = None,
    ) -> Iterator[None]:
        """Wait for a place and hold it.

        Args:
            visitor: Whose job it is; one that can be referenced weakly.
            stop: Ends the waiting when it is set.
            on_wait: Is told the place in the line now and then.

        Raises:
            BusyError: If the visitor, or all visitors together, have too many jobs that wait.
            StoppedError: If the waiting was stopped.
        """
        ticket = self._join(visitor)
        try:
            self._wait(ticket, stop, on_wait)
            yield
        finally:
            self._leave(ticket)

    def _join(self, visitor: Hashable) -> _Ticket:
        with self._condition:
            free = len(self._running) < self._places and not self._waiting
            own = Counter(ticket.visitor for ticket in self._waiting)[visitor]
            if not free and own >= self._each:
                jobs = "a job waits" if self._each == 1 else f"{own} jobs wait"
                raise BusyError(f"{jobs.capitalize()} for you already.", "Let it finish, or stop it.")
            if not free and len(self._waiting) >= self._total:
                raise BusyError(
                    f"The queue is full: {len(self._waiting)} jobs wait.", "Please try again in a few minutes."
                )
            self._numbers += 1
            ticket = _Ticket(visitor, self._numbers)
            self._waiting.append(ticket)
            return ticket

    def _wait(self, ticket: _Ticket, stop: threading.Event | None, on_wait: Callable[[Place], object] | None) -> None:
        told: Place | None = None
        while True:
            with self._condition:
                if stop is not None and stop.is_set():
                    raise StoppedError
                order = self._order()
                if len(self._running) < self._places and order[0] is ticket:
                    self._waiting.remove(ticket)
                    self._running[ticket] = self._clock()
                    self._served[ticket.visitor] = ticket.number
                    self._condition.notify_all()
                    return
                place = self._place(order.index(ticket))
                if told == place or on_wait is None:
                    self._condition.wait(POLL)
            if on_wait is not None and told != place:
                on_wait(place)
                told = place

    def _order(self) -> list[_Ticket]:
        """Those who wait: first of every visitor the first job, the least recently served visitor first."""
        seen: Counter[Hashable] = Counter()
        keys = []
        running = Counter(ticket.visitor for ticket in self._running)
        for ticket in self._waiting:
            keys.append((seen[ticket.visitor] + running[ticket.visitor], self._served.get(ticket.visitor, 0)))
            seen[ticket.visitor] += 1
        ranked = sorted(zip(keys, range(len(keys))))
        return [self._waiting[index] for _, index in ranked]

    def _place(self, before: int) -> Place:
        seconds = None
        if self._mean is not None:
            spent = max((self._clock() - began for began in self._running.values()), default=0.0)
            left = max(self._mean - spent, 1.0) if self._running else 0.0
            seconds = float(round(left + before * self._mean / self._places))
        return Place(before + len(self._running), seconds)

    def _leave(self, ticket: _Ticket) -> None:
        with self._condition:
            if ticket in self._waiting:
                self._waiting.remove(ticket)
            began = self._running.pop(ticket, None)
            if began is not None:
                seconds = self._clock() - began
                self._mean = seconds if self._mean is None else self._mean + RECENT * (seconds - self._mean)
            self._condition.notify_all()
