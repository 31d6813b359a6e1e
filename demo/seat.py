"""The seat before the camera: one visitor at a time, each with a ticket."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import gradio as gr

from mggtalk.animate.live import LiveAvatar
from mggtalk.animate.live_speaker import LiveSpeaker
from mggtalk.runtime.newest import Newest

MOST_SECONDS = 180.0
"""How long one visitor may stay while others wait."""

LONGEST = 1800.0
"""And at all: a camera that was forgotten takes no more of the machine."""

SILENCE = 4.0
"""Seconds without a frame after which the seat is free."""

MOST_RECORDED = 900
"""Frames of a recording."""


class Ticket(NamedTuple):
    """What a session agreed to: its frames may move this portrait."""

    name: str  # of the session
    key: tuple[Any, ...]  # portrait, and how it is moved
    make: Callable[[], LiveAvatar | LiveSpeaker]


class Guest:
    """The visitor who is live.

    Args:
        ticket: Whose.
        since: When it began.
        stages: What is done with a frame, for the avatar; see :class:`Newest`.
        on_idle: Called when no more frames come.
    """

    def __init__(
        self,
        ticket: Ticket,
        since: float,
        stages: Callable[[Guest], tuple[Callable[[Any], Any], ...]],
        on_idle: Callable[[], None],
    ) -> None:
        self.name, self.key, self.since = ticket.name, ticket.key, since
        self.live = ticket.make()
        self.recorded: list[tuple[float, bytes]] = []  # moment and JPEG
        self.line = Newest(stages(self), SILENCE, on_idle)

    def record(self, moment: float, picture: bytes) -> None:
        """Note a picture for the recording, which has the last ones only."""
        self.recorded.append((moment, picture))
        del self.recorded[:-MOST_RECORDED]


class Seat:
    """One place before the camera. Threads may share it.

    Args:
        stages: What is done with each frame of a guest.
        clock: Seconds, monotonic.
    """

    def __init__(
        self,
        stages: Callable[[Guest], tuple[Callable[[Any], Any], ...]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stages, self._clock = stages, clock
        self._lock = threading.Lock()
        self._tickets: dict[str, Ticket] = {}  # by their numbers
        self._guest: Guest | None = None
        self._seen = 0.0

    def issue(self, ticket: Ticket) -> str:
        """Give a session its ticket: a number that nobody can guess. A new ticket of a session keeps the number."""
        with self._lock:
            number = next((n for n, old in self._tickets.items() if old.name == ticket.name), secrets.token_urlsafe(24))
            self._tickets[number] = ticket
            return number

    def ticket(self, number: str) -> Ticket | None:
        """The ticket of a number, if it is valid; it ends with the time of a guest who has stayed too long."""
        ticket = self._tickets.get(number)
        guest = None if ticket is None else self.guest(ticket.name)
        if guest is not None and self._clock() - guest.since > LONGEST:
            self.leave(guest.name)
        return self._tickets.get(number)

    def has_ticket(self, name: str) -> bool:
        """Whether a session has one."""
        return any(ticket.name == name for ticket in list(self._tickets.values()))

    def wait(self, name: str) -> float:
        """Seconds until a session may sit down; 0 if it may now, or sits already."""
        with self._lock:
            return self._wait(name)

    def _wait(self, name: str) -> float:
        now, guest = self._clock(), self._guest
        if guest is None or guest.name == name or now - self._seen > SILENCE:
            return 0.0
        return max(guest.since + MOST_SECONDS - now, 1.0)

    def sit(self, ticket: Ticket) -> Guest | float:
        """The guest of a session, made anew for another portrait; the seconds to wait while somebody else sits there.

        A guest whose time is over gives way to the first who asks.
        """
        with self._lock:
            guest, wait = self._guest, self._wait(ticket.name)
            if wait and guest is not None and self._clock() - guest.since < MOST_SECONDS:
                return wait
            if guest is None or guest.name != ticket.name or guest.key != ticket.key:
                self._free()
                leave = lambda: self._leave_idle(ticket.name)  # noqa: E731
                self._guest = guest = Guest(ticket, self._clock(), self._stages, leave)
            self._seen = self._clock()
            return guest

    def guest(self, name: str) -> Guest | None:
        """The guest of a session, if it sits."""
        guest = self._guest
        return guest if guest is not None and guest.name == name else None

    def leave(self, name: str) -> None:
        """Take a session's ticket back, and free the seat if the session has it."""
        with self._lock:
            for number in [n for n, ticket in self._tickets.items() if ticket.name == name]:
                del self._tickets[number]
            if self._guest is not None and self._guest.name == name:
                self._free()

    def leave_page(self, request: gr.Request) -> None:
        """Free the seat of a visitor who closed the page."""
        self.leave(str(request.session_hash))

    def _leave_idle(self, name: str) -> None:
        """Free the seat of a session that went silent; its ticket stays valid."""
        with self._lock:
            if self._guest is not None and self._guest.name == name:
                self._free()

    def _free(self) -> None:
        if self._guest is not None:
            self._guest.line.close()
            self._guest = None
