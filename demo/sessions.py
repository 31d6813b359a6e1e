"""What the page keeps of a visitor: avatars of recent portraits, and whether the job at hand should stop."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mggtalk.avatar import Avatar
from mggtalk.errors import MGGTalkError

Avatars = tuple[tuple[str, Avatar], ...]
"""Keys and avatars, the latest first; lives in a ``gr.State``."""

KEPT = 2
"""Avatars kept for one visitor."""


def picture_key(path: str | Path) -> str:
    """Checksum of a picture's content."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def recall(avatars: Avatars, key: str) -> Avatar | None:
    """The avatar of a picture that was seen before."""
    return dict(avatars).get(key)


def remember(avatars: Avatars, key: str, avatar: Avatar) -> Avatars:
    """The avatars with one put in front; the oldest is forgotten."""
    return ((key, avatar), *(entry for entry in avatars if entry[0] != key))[:KEPT]


class StoppedError(MGGTalkError):
    """The visitor stopped the job, or left."""

    def __init__(self) -> None:
        super().__init__("Stopped.", "Press the button to start again.")


class Jobs:
    """The jobs that run for visitors, so that they can be stopped between two frames. Threads may share it."""

    def __init__(self) -> None:
        self._stops: dict[str, threading.Event] = {}
        self._lock = threading.Lock()

    @contextmanager
    def job(self, visitor: str) -> Iterator[threading.Event]:
        """Announce a job of a visitor; the event is set when it should stop."""
        stop = threading.Event()
        with self._lock:
            self._stops[visitor] = stop
        try:
            yield stop
        finally:
            with self._lock:
                self._stops.pop(visitor, None)

    def stop(self, visitor: str) -> None:
        """Ask a visitor's job to stop; nothing happens when there is none."""
        with self._lock:
            stop = self._stops.get(visitor)
        if stop is not None:
            stop.set()
