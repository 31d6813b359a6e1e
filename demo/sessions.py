"""What the page keeps of a visitor: avatars, results, files and running jobs. One visitor never sees another's."""

from __future__ import annotations

import contextlib
import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import gradio as gr

from mggtalk.avatar.avatar import Avatar
from mggtalk.errors import MGGTalkError

KEPT_AVATARS = 2
"""Avatars kept for one visitor."""

KEPT_RESULTS = 12
"""Results kept for one visitor; the oldest is deleted."""


class StoppedError(MGGTalkError):
    """The visitor stopped the job, or left."""

    def __init__(self) -> None:
        super().__init__("Stopped before the first frame.", "Press the button to start again.")


class Result(NamedTuple):
    """Files of one finished video."""

    title: str
    video: str
    others: tuple[str, ...]  # motion file, splats

    @property
    def files(self) -> tuple[str, ...]:
        """All of them."""
        return (self.video, *self.others)


@dataclass
class Visitor:
    """One open page. Use it through :class:`Visitors`, which locks it."""

    avatars: OrderedDict[str, Avatar] = field(default_factory=OrderedDict)
    adapters: dict[str, str] = field(default_factory=dict)  # key of a portrait -> the uploaded adapter that it is of
    results: list[Result] = field(default_factory=list)
    files: set[str] = field(default_factory=set)
    stops: dict[str, threading.Event] = field(default_factory=dict)
    seen: float = 0.0
    gone: bool = False


class Visitors:
    """All open pages. Threads may share it.

    Args:
        age: Seconds after which what belongs to a silent visitor is deleted.
        clock: Seconds, monotonic.
    """

    def __init__(self, age: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._age = age
        self._clock = clock
        self._visitors: dict[str, Visitor] = {}
        self._lock = threading.RLock()

    def of(self, request: gr.Request) -> Visitor:
        """The visitor of a request. Those who were not heard of for long are forgotten on the way."""
        name = str(request.session_hash)
        with self._lock:
            now = self._clock()
            for old in [key for key, visitor in self._visitors.items() if now - visitor.seen > self._age]:
                if not self._visitors[old].stops:
                    self._forget(old)
            visitor = self._visitors.setdefault(name, Visitor())
            visitor.seen = now
            return visitor

    def leave(self, request: gr.Request) -> None:
        """Stop a visitor's jobs and delete the files."""
        with self._lock:
            self._forget(str(request.session_hash))

    def own(self, visitor: Visitor, *paths: str | None) -> None:
        """Note that files belong to a visitor, to be deleted when the last one who has them leaves."""
        with self._lock:
            visitor.files |= {path for path in paths if path is not None}
            if visitor.gone:
                self._delete(visitor.files)

    def remember(self, visitor: Visitor, result: Result) -> None:
        """Keep a result."""
        with self._lock:
            visitor.results.append(result)
            self.own(visitor, *result.files)
            if len(visitor.results) > KEPT_RESULTS:
                dropped = set(visitor.results.pop(0).files)
                dropped -= {path for kept in visitor.results for path in kept.files}
                visitor.files -= dropped
                self._delete(dropped)

    def avatar(self, visitor: Visitor, key: str, make: Callable[[], Avatar]) -> Avatar:
        """The avatar of a portrait, made only when the visitor has none of it."""
        with self._lock:
            known = visitor.avatars.get(key)
        if known is None:
            known = make()
        with self._lock:
            visitor.avatars[key] = known
            visitor.avatars.move_to_end(key)
            while len(visitor.avatars) > KEPT_AVATARS:
                visitor.avatars.popitem(last=False)
        return known

    def announce(self, request: gr.Request, tab: str) -> None:
        """Note that a job of a tab was asked for, so that it can be stopped while it waits."""
        visitor = self.of(request)
        with self._lock:
            visitor.stops[tab] = threading.Event()

    def adopt(self, visitor: Visitor, key: str | None, adapter: str = "") -> None:
        """Use an uploaded adapter for one portrait from now on, instead of any other; None: for none."""
        with self._lock:
            visitor.adapters = {} if key is None else {key: adapter}

    @contextmanager
    def job(self, visitor: Visitor, tab: str) -> Iterator[threading.Event]:
        """A job of a tab; the event is set when it should stop, perhaps before it began."""
        with self._lock:
            stop = visitor.stops.setdefault(tab, threading.Event())
            if visitor.gone:
                stop.set()
        try:
            yield stop
        finally:
            with self._lock:
                if visitor.stops.get(tab) is stop:
                    del visitor.stops[tab]

    def stop(self, request: gr.Request, tab: str) -> None:
        """Ask a visitor's job to stop; nothing happens when there is none."""
        with self._lock:
            visitor = self._visitors.get(str(request.session_hash))
            if visitor is not None and tab in visitor.stops:
                visitor.stops[tab].set()

    def _forget(self, name: str) -> None:
        visitor = self._visitors.pop(name, None)
        if visitor is None:
            return
        visitor.gone = True
        for stop in visitor.stops.values():
            stop.set()
        visitor.avatars.clear()
        visitor.results.clear()
        self._delete(visitor.files)

    def _delete(self, paths: set[str]) -> None:
        """Delete files that no other visitor has; equal uploads share one file in Gradio's cache."""
        shared = {path for visitor in self._visitors.values() for path in visitor.files}
        for path in paths - shared:
            with contextlib.suppress(OSError):
                Path(path).unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # the folder named by the file's checksum, if it is empty now
                Path(path).parent.rmdir()


def picture_key(path: str | Path) -> str:
    """Checksum of a picture's content."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()
